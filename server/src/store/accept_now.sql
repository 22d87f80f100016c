-- Accepts a batch of events that are due at once and for which nobody waits: nearly every batch is one, and this takes
-- PostgreSQL four fifths of what accept.sql takes. $1 to $3 the columns of the events, $2 the place of their kind among $4
-- and $5, the projects and types; $6 whether to lease them to the node $9, $7 the triggers that have no free slot there, $8
-- seconds that a lease outlasts its trigger's timeout. One row a kind, with the triggers whose deliveries are leased.
--
-- What accept.sql says of kinds and joins holds here too.
with targets as materialized (
    select k.kind::int, k.type, p.id as project_id, t.id as trigger_id, t.version, t.timeout_ms,
           $6 and t.enabled and t.id <> all ($7) as free
      from unnest($4::text[], $5::text[]) with ordinality as k (project, type, kind)
      join projects p on p.name = k.project
      left join lateral (
           select * from triggers where project_id = p.id and type = k.type and deleted_at is null offset 0
          ) t on true
),
kinds as materialized (
    select kind, type, project_id, date_trunc('milliseconds', now()) as due_at, count(trigger_id)::int as triggers,
           array_agg(trigger_id) filter (where free) as leases, array_agg(version) filter (where free) as versions
      from targets
     group by kind, type, project_id
),
new_events as (
    insert into events (id, project_id, type, data, due_at, triggers)
    select i.id, k.project_id, k.type, i.data, k.due_at, k.triggers
      from unnest($1::uuid[], $2::int[], $3::text[]) as i (id, kind, data)
      join kinds k on k.kind = i.kind
),
new_queue as (
    insert into queue (event_id, trigger_id, project_id, due_at, attempt, fence, owner)
    select i.id, t.trigger_id, t.project_id,
           case when t.free then now() + make_interval(secs => t.timeout_ms / 1000.0 + $8::float8)
                else date_trunc('milliseconds', now()) + random() * interval '1 millisecond'
           end,
           t.free::int, t.free::int, case when t.free then $9::uuid end
      from unnest($1::uuid[], $2::int[]) as i (id, kind)
      join targets t on t.kind = i.kind and t.trigger_id is not null
)
select kind as "kind!", project_id as "project_id!", due_at as "due_at!", triggers as "triggers!", leases, versions
  from kinds
