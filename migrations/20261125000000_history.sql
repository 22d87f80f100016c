-- Seeing and steering: the event log, statistics, jobs, and projects that are deleted.

-- The event log filtered by status. Only deliveries of which an attempt has failed are in it and pay for it.
create index queue_retrying on queue (project_id, event_id) where attempt > 1 or attempt = 1 and owner is null;
-- The event log filtered by status; few events have no trigger.
create index events_without_trigger on events (project_id, id) where triggers = 0;
-- The event log filtered by status. What was delivered, nearly everything, is not in it and does not pay for it.
create index deliveries_not_delivered on deliveries (project_id, status, event_id) where status <> 'delivered';

-- Projects that are gone and whose history is still being removed.
create table deleted_projects (
    id         integer     primary key,
    name       text        not null,
    deleted_at timestamptz not null default now()
);

create type job_action as enum ('redeliver', 'cancel');
create type job_state  as enum ('running', 'finished', 'cancelled');

-- Redelivering or cancelling many events in the background, newest first. A node works on a job under a lease; a batch and
-- the cursor move in one transaction, so that a job that changes hands neither repeats an event nor skips one.
create table jobs (
    id          uuid        not null,                    -- UUIDv7: events accepted later are not of the job
    project_id  integer     not null references projects (id),
    cursor      uuid        not null,                    -- every event from here on has been handled
    owner       uuid,                                    -- the node that works on it
    lease_until timestamptz not null default now(),
    created_at  timestamptz not null default now(),
    finished_at timestamptz,
    total       bigint,                                  -- events that matched at the start; null: not counted to the end
    done        bigint      not null default 0,          -- events handled
    deliveries  bigint      not null default 0,          -- deliveries queued again or cancelled
    rate        integer,                                 -- events a second; null: as fast as it goes
    action      job_action  not null,
    state       job_state   not null default 'running',
    filter      text        not null,                    -- JSON object
    primary key (project_id, id)
);
create index jobs_running on jobs (created_at) where state = 'running';

-- Outcomes of deliveries counted by time, for the overview: every node adds up in memory and flushes every few seconds, so
-- that delivering pays nothing, and a crash forgets a few seconds of statistics. Three spans (60, 900 and 7200 seconds)
-- serve an hour, a day and a week with less than a hundred rows each.
create table tallies (
    at         timestamptz not null,             -- when the span began
    project_id integer     not null,
    trigger_id integer     not null,
    span       integer     not null,             -- seconds
    delivered  bigint      not null,
    failed     bigint      not null,
    retried    bigint      not null,
    durations  bigint[]    not null,             -- attempts by duration, see queue::tally
    primary key (project_id, span, at, trigger_id)
) with (fillfactor = 70);
create index tallies_by_age on tallies (span, at);

-- The last outcomes of a trigger, newest last: d delivered, f failed.
create table last_outcomes (
    project_id integer not null,
    trigger_id integer not null,
    outcomes   text    not null,
    primary key (project_id, trigger_id)
) with (fillfactor = 70);

-- Whether the JSON text `data` has `value` at `path`. Text is compared as text, a number by what it is worth. What jsonb
-- cannot hold (`\u0000`, numbers of thousands of digits) does not match.
create function has_value(data text, path text[], value text) returns boolean
    language plpgsql immutable strict parallel safe as $$
declare
    part jsonb;
begin
    part := data::jsonb #> path;
    return case jsonb_typeof(part)
               when 'number' then value ~ '^-?[0-9]{1,100}(\.[0-9]{1,100})?$' and part = value::jsonb
               when 'null'   then value = 'null'
               when 'string' then part #>> '{}' = value
               when 'boolean' then part::text = value
               else false
           end;
exception
    when data_exception or program_limit_exceeded then
        return false;
end
$$;
