-- Queueing and delivering. Until 1.0 these files may be rewritten; from then on every change is a migration of its own.
--
-- Every key holds project_id, so that the tables can be distributed by project (Citus, or one PostgreSQL a group of
-- projects). Nothing here needs an extension.

-- Who this installation is: `source` of every CloudEvent. It survives restarts because it lives here.
create table instance (
    only_row   boolean     primary key default true check (only_row),
    id         uuid        not null default gen_random_uuid(),
    created_at timestamptz not null default now()
);
insert into instance default values;

-- One row a running server process. A node that has not been seen for a while is dead, and its leases are released.
create table nodes (
    id         uuid        primary key,
    version    text        not null,
    started_at timestamptz not null default now(),
    seen_at    timestamptz not null default now()
);

create table projects (
    id         integer     primary key generated always as identity,
    name       text        not null,  -- as it stands in URLs
    title      text        not null,  -- as people read it
    created_at timestamptz not null default now(),
    constraint projects_name_key unique (name)
);

create table triggers (
    id               integer     primary key generated always as identity,
    project_id       integer     not null references projects (id),
    name             text        not null,
    source           text        not null default 'custom',
    type             text        not null,
    url              text        not null,
    retries          smallint    not null,
    timeout_ms       integer     not null,
    headers          text        not null default '{}',  -- JSON object, name → value, added to every request
    options          text        not null default '{}',  -- JSON object, kept for the clients that send it
    concurrency      integer,                            -- in flight a node; null: the server's default
    backoff_first_ms integer,                            -- wait before the first retry; null: the server's default
    backoff_max_ms   integer,                            -- longest wait; null: the server's default
    enabled          boolean     not null default true,  -- false: paused, its deliveries stay in the queue
    version          bigint      not null default 1,     -- raised by every change; nodes cache triggers under it
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    deleted_at       timestamptz,                        -- history keeps the name of a deleted trigger
    -- Where its deliveries are to be looked for, so that the event log can be filtered by trigger without an index on
    -- `deliveries` that every delivery would pay for: among the events of these types, from this id on. Clocks of nodes may
    -- differ, so it begins a little before the trigger itself; redelivering older events to it lowers it.
    types            text[]      not null,
    first_event      uuid        not null
);
-- A name can be taken again once its trigger is deleted.
create unique index triggers_name_key on triggers (project_id, name) where deleted_at is null;
create index triggers_by_type on triggers (project_id, type) where deleted_at is null;

-- Pending deliveries, one row each, deleted when the delivery ends: the only hot table, and narrow.
-- due_at is run time, retry time and lease expiry at once, so one index serves scheduling, claiming, retrying and
-- rescue; it starts with the trigger, so that a paused or saturated trigger is skipped whole, never scanned past.
create table queue (
    due_at     timestamptz not null,
    event_id   uuid        not null,
    owner      uuid,                          -- the node that holds the lease; null: nobody
    trigger_id integer     not null,
    project_id integer     not null,
    fence      integer     not null default 0,  -- raised by every claim: who lost the lease changes nothing
    attempt    smallint    not null default 0,  -- attempts claimed so far
    run        smallint    not null default 0,  -- raised by every redelivery
    primary key (event_id, trigger_id, project_id)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index queue_due on queue (trigger_id, due_at);

-- What was accepted. Partitioned by day over the UUIDv7 of the event (its first 48 bits are Unix milliseconds,
-- RFC 9562 section 5.7), so that retention drops partitions instead of deleting rows.
create table events (
    id         uuid        not null,
    project_id integer     not null,
    due_at     timestamptz not null,
    triggers   integer     not null,  -- deliveries made of it: when it was accepted, or to triggers that came later
    type       text        not null,
    data       text        not null,  -- JSON text exactly as sent: key order, number text, \u0000
    primary key (project_id, id)
) partition by range (id);
-- The last data of a type, and the event log filtered by type.
create index events_by_type on events (project_id, type, id);

create type delivery_status as enum ('delivered', 'failed', 'cancelled');

-- Ended deliveries, append-only, with their last attempt.
create table deliveries (
    event_id         uuid            not null,
    finished_at      timestamptz     not null default now(),
    started_at       timestamptz,     -- of the last attempt; null: it never started
    node             uuid,
    project_id       integer         not null,
    trigger_id       integer         not null,
    duration_us      integer,
    status           delivery_status not null,
    run              smallint        not null,
    attempts         smallint        not null,
    response_status  smallint,
    response_cut     boolean         not null default false,  -- the body was longer than what is kept
    response_headers text,            -- JSON object
    response_body    bytea,
    error            text,
    primary key (project_id, event_id, trigger_id, run)
) partition by range (event_id);

-- Failed attempts that were followed by another, append-only.
create table attempts (
    event_id         uuid        not null,
    started_at       timestamptz not null,
    retry_at         timestamptz not null,
    node             uuid        not null,
    project_id       integer     not null,
    trigger_id       integer     not null,
    duration_us      integer     not null,
    run              smallint    not null,
    attempt          smallint    not null,
    response_status  smallint,
    response_cut     boolean     not null default false,
    response_headers text,
    response_body    bytea,
    error            text        not null,
    primary key (project_id, event_id, trigger_id, run, attempt)
) partition by range (event_id);

create table idempotency_keys (
    project_id integer     not null,
    event_id   uuid        not null,
    created_at timestamptz not null default now(),
    key        text        not null,
    primary key (project_id, key)
);
-- Keys are appended in the order of their age, so a tiny index finds those that retention forgets.
create index idempotency_keys_by_age on idempotency_keys using brin (created_at);

-- The smallest UUIDv7 of an instant.
create function uuid_at(at timestamptz) returns uuid
    language sql immutable strict
    return (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;

-- Makes the daily partitions (UTC) from the given day on, where they do not exist yet.
-- Nodes that do this at once wait for each other on the row of `instance`.
create function create_partitions(first_day date, days integer) returns void
    language plpgsql as $$
declare
    parent text;
    child  text;
    day    date;
begin
    perform from instance for update;
    foreach parent in array array ['events', 'deliveries', 'attempts'] loop
        for i in 0 .. days - 1 loop
            day   := first_day + i;
            child := parent || '_' || to_char(day, 'YYYYMMDD');
            if to_regclass(child) is null then
                execute format('create table %I partition of %I for values from (%L) to (%L)', child, parent,
                               uuid_at(day::timestamp at time zone 'UTC'),
                               uuid_at((day + 1)::timestamp at time zone 'UTC'));
            end if;
        end loop;
    end loop;
end
$$;

-- An identifier from a clock that is days off still finds a place.
create table events_default     partition of events     default;
create table deliveries_default partition of deliveries default;
create table attempts_default   partition of attempts   default;

-- Drops the days of the history that ended longer than `keep` ago, unless a delivery of that day or an earlier one is still
-- pending. What an event of a clock far off left in the default partitions goes row by row. Gives the partitions dropped.
create function drop_expired(keep interval) returns integer
    language plpgsql as $$
declare
    kept_from uuid := uuid_at(now() - keep);
    pending   uuid;
    parent    text;
    child     text;
    day       date;
    dropped   integer := 0;
begin
    -- Dropping a partition locks its parent for a moment; whoever is in the way goes first, and the next round drops it.
    set local lock_timeout = '2s';
    perform from instance for update;
    select event_id into pending from queue order by event_id limit 1;
    kept_from := least(kept_from, coalesce(pending, kept_from));
    foreach parent in array array ['events', 'deliveries', 'attempts'] loop
        for child in
            select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
             where i.inhparent = to_regclass(parent) and c.relname ~ '_[0-9]{8}$'
             order by c.relname
        loop
            day := to_date(right(child, 8), 'YYYYMMDD');
            continue when uuid_at((day + 1)::timestamp at time zone 'UTC') > kept_from;
            execute format('drop table %I', child);
            dropped := dropped + 1;
        end loop;
    end loop;
    delete from events_default     where id < kept_from;
    delete from deliveries_default where event_id < kept_from;
    delete from attempts_default   where event_id < kept_from;
    delete from idempotency_keys   where created_at < now() - keep;
    delete from jobs               where finished_at < now() - keep;
    -- A little more than the hundred spans that are ever shown.
    delete from tallies t using unnest(array[60, 900, 7200]) as s (span)
     where t.span = s.span and t.at < now() - make_interval(secs => s.span * 100);
    return dropped;
end
$$;
