-- Accepts a batch of events and makes their deliveries: $1 to $7 the columns of the events, $8 whether to lease what is due
-- now to the node $12, $9 the triggers that have no free slot there, $10 seconds that a synchronous caller waits, $11 seconds
-- that a lease outlasts its trigger's timeout. One row a lease, or one for an event without any.
with input as (
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::float8[], $7::bool[])
        as i (id, project, type, data, at, delay, synchronous)
),
due as materialized (
    select i.id, i.type, i.data, i.synchronous, p.id as project_id,
           -- Milliseconds, as the CloudEvent's time is written; the past means now.
           date_trunc('milliseconds', greatest(coalesce(i.at, now()) + make_interval(secs => i.delay), now())) as due_at
      from input i
      join projects p on p.name = i.project
),
fan as materialized (
    select d.id, t.id as trigger_id, t.version, t.timeout_ms,
           $8 and t.enabled and d.due_at <= now() and t.id <> all ($9) as leased
      from due d
      join triggers t on t.project_id = d.project_id and t.type = d.type and t.deleted_at is null
),
counted as materialized (
    select d.*, coalesce(f.triggers, 0)::int as triggers,
           case when d.synchronous and f.triggers is null then 1
                when d.synchronous and d.due_at > now() + make_interval(secs => $10) then 2
                else 0
           end as refusal
      from due d
      left join (select id, count(*) as triggers from fan group by id) f on f.id = d.id
),
new_events as (
    insert into events (id, project_id, type, data, due_at, triggers)
    select id, project_id, type, data, due_at, triggers from counted where refusal = 0
),
new_queue as (
    insert into queue (event_id, trigger_id, project_id, due_at, attempt, fence, owner)
    select f.id, f.trigger_id, c.project_id,
           -- Those that wait differ by parts of a millisecond: among any number that are due at the same time the poller
           -- finds its place again (see claim.sql).
           case when f.leased then now() + make_interval(secs => f.timeout_ms / 1000.0 + $11::float8)
                else c.due_at + random() * interval '1 millisecond'
           end,
           f.leased::int, f.leased::int, case when f.leased then $12::uuid end
      from fan f
      join counted c on c.id = f.id and c.refusal = 0
)
select c.id as "id!", c.project_id as "project_id!", c.due_at as "due_at!",
       extract(epoch from c.due_at - now())::float8 as "due_in!", c.triggers as "triggers!", c.refusal as "refusal!",
       f.trigger_id as "trigger_id?", f.version as "version?"
  from counted c
  left join fan f on f.id = c.id and f.leased and c.refusal = 0
