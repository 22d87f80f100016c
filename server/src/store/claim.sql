-- Leases due deliveries of the triggers $8: $1 node, $2 and $3 the free slots of the triggers that it is busy with, $4 the slots
-- of the others, $5 the most rows, $6 seconds that a lease outlasts its trigger's timeout, $7 for each trigger a time before
-- which nothing of it is due.
--
-- While somebody's long transaction keeps PostgreSQL from cleaning up, the index holds every row that has come and gone
-- since, and a scan from its start reads them all; one from $7 does not.
--
-- The rows are picked in a materialized CTE, so that the plan cannot run the locking scan twice, and the events are looked up
-- one by one, so that it cannot scan their partitions. `any(array[])` and `+ 0` leave only the primary key to find the rows
-- with, one by one, also where the plan was made while the queue was empty.
with slots as materialized (
    select t.id as trigger_id, t.version, t.timeout_ms, d.from_at, least(coalesce(b.free, t.concurrency, $4), $5) as free
      from unnest($8::int[], $7::timestamptz[]) as d (trigger_id, from_at)
      join triggers t on t.id = d.trigger_id and t.enabled and t.deleted_at is null
      left join unnest($2::int[], $3::int[]) as b (trigger_id, free) on b.trigger_id = t.id
     order by random()
),
picked as materialized (
    select q.*, s.version, s.timeout_ms
      from slots s
     cross join lateral (
           select event_id, trigger_id, project_id, due_at
             from queue
            where trigger_id = s.trigger_id and due_at between s.from_at and now()
            order by due_at
            limit s.free
              for update skip locked
          ) q
     where s.free > 0
     limit $5
),
claimed as (
    update queue q
       set attempt = q.attempt + 1,
           fence   = q.fence + 1,
           owner   = $1,
           due_at  = now() + make_interval(secs => p.timeout_ms / 1000.0 + $6::float8)
      from picked p
     where q.event_id = any(array[p.event_id]) and q.trigger_id + 0 = p.trigger_id and q.project_id = p.project_id
    returning q.event_id, q.trigger_id, q.project_id, q.attempt, q.fence, q.run, p.version, p.due_at as was_due
)
select c.event_id as "event_id!", c.trigger_id as "trigger_id!", c.project_id as "project_id!",
       c.attempt as "attempt!", c.fence as "fence!", c.run as "run!", c.version as "trigger_version!", c.was_due as "was_due!",
       e.type as "event_type?", e.data as "data?",
       -- A time outside the calendar, which only a damaged row has, is no time.
       case when isfinite(e.due_at) then e.due_at end as "event_due_at?"
  from claimed c
  left join lateral (
       select type, data, due_at from events where project_id = c.project_id and id = c.event_id limit 1
      ) e on true
