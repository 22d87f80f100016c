-- Accepts a batch of events and makes their deliveries: $1 to $6 the columns of the events, $2 the place of their kind among
-- $7 and $8, the projects and types; $9 whether to lease what is due now to the node $13, $10 the triggers that have no free
-- slot there, $11 seconds that a synchronous caller waits, $12 seconds that a lease outlasts its trigger's timeout. One row an
-- event, with the triggers whose deliveries are leased.
--
-- Most batches have one kind or a few, so that what hangs on it is looked up once for all its events. And every join of
-- events is with the kinds: the planner knows nothing about how many rows the arrays hold, and where it compares every event
-- with every other, a batch of 256 takes longer for that than for everything else.
with targets as materialized (
    select k.kind::int, k.type, p.id as project_id, t.id as trigger_id, t.version, t.timeout_ms,
           $9 and t.enabled and t.id <> all ($10) as free
      from unnest($7::text[], $8::text[]) with ordinality as k (project, type, kind)
      join projects p on p.name = k.project
      -- `offset 0`: one by one, so that it cannot read all triggers of a project to find those of a type.
      left join lateral (
           select * from triggers where project_id = p.id and type = k.type and deleted_at is null offset 0
          ) t on true
),
kinds as materialized (
    select kind, type, project_id, count(trigger_id)::int as triggers,
           array_agg(trigger_id) filter (where free) as leases, array_agg(version) filter (where free) as versions
      from targets
     group by kind, type, project_id
),
due as materialized (
    select e.*, e.due_at <= now() as is_due,
           case when e.synchronous and e.triggers = 0 then 1
                when e.synchronous and e.due_at > now() + make_interval(secs => $11) then 2
                else 0
           end as refusal
      from (select i.id, i.data, i.synchronous, k.*,
                   -- Milliseconds, as the CloudEvent's time is written; the past means now.
                   date_trunc('milliseconds', greatest(coalesce(i.at, now()) + make_interval(secs => i.delay), now())) as due_at
              from unnest($1::uuid[], $2::int[], $3::text[], $4::timestamptz[], $5::float8[], $6::bool[])
                   as i (id, kind, data, at, delay, synchronous)
              join kinds k on k.kind = i.kind) e
),
new_events as (
    insert into events (id, project_id, type, data, due_at, triggers)
    select id, project_id, type, data, due_at, triggers from due where refusal = 0
),
new_queue as (
    insert into queue (event_id, trigger_id, project_id, due_at, attempt, fence, owner)
    select id, trigger_id, project_id,
           -- Those that wait differ by parts of a millisecond: among any number that are due at the same time the poller
           -- finds its place again (see claim.sql).
           case when leased then now() + make_interval(secs => timeout_ms / 1000.0 + $12::float8)
                else due_at + random() * interval '1 millisecond'
           end,
           leased::int, leased::int, case when leased then $13::uuid end
      from (select d.id, d.project_id, d.due_at, t.trigger_id, t.timeout_ms, t.free and d.is_due as leased
              from due d
              join targets t on t.kind = d.kind and t.trigger_id is not null
             where d.refusal = 0) made
)
select id as "id!", project_id as "project_id!", due_at as "due_at!",
       extract(epoch from due_at - now())::float8 as "due_in!", triggers as "triggers!", refusal as "refusal!",
       case when is_due and refusal = 0 then leases end as "leases?",
       case when is_due and refusal = 0 then versions end as "versions?"
  from due
