-- Makes the daily partitions (UTC) from the given day on, where they do not exist yet.
-- Nodes that do this at once wait for each other on the row of `instance`.
create or replace function create_partitions(first_day date, days integer) returns void
    language plpgsql as $$
declare
    parent text;
    child  text;
    day    date;
begin
    perform from instance for update;
    -- Making a partition locks its parent for a moment; whoever is in the way goes first, and the next round makes it.
    set local lock_timeout = '2s';
    foreach parent in array array ['events', 'deliveries', 'attempts'] loop
        for i in 0 .. days - 1 loop
            day   := first_day + i;
            child := parent || '_' || to_char(day, 'YYYYMMDD');
            continue when to_regclass(child) is not null;
            begin
                execute format('create table %I partition of %I for values from (%L) to (%L)', child, parent,
                               uuid_at(day::timestamp at time zone 'UTC'),
                               uuid_at((day + 1)::timestamp at time zone 'UTC'));
            exception when check_violation then
                -- A clock was days ahead, or has just jumped there: what came of it is in the default partition, and this day
                -- stays there with it.
            end;
        end loop;
    end loop;
end
$$;

-- Drops the days of the history that ended longer than `keep` ago, unless a delivery of that day or an earlier one is still
-- pending. What is in the default partitions goes row by row. Gives the partitions dropped.
create or replace function drop_expired(keep interval) returns integer
    language plpgsql as $$
declare
    expired uuid := uuid_at(now() - keep);
    child   text;
    dropped integer := 0;
begin
    -- Whoever is in the way goes first, and the next round drops it.
    set local lock_timeout = '2s';
    perform from instance for update;
    delete from idempotency_keys   where created_at < now() - keep;
    delete from jobs               where finished_at < now() - keep;
    -- A little more than the hundred spans that are ever shown.
    delete from tallies t using unnest(array[60, 900, 7200]) as s (span)
     where t.span = s.span and t.at < now() - make_interval(secs => s.span * 100);
    if cardinality(expired_partitions(kept_from(expired))) = 0
       and not exists (select from events_default where id < kept_from(expired)) then
        return 0;
    end if;
    -- Now nobody can make anything of these days pending, and what somebody has just made so shows.
    lock table events, deliveries, attempts in access exclusive mode;
    foreach child in array expired_partitions(kept_from(expired)) loop
        execute format('drop table %I', child);
        dropped := dropped + 1;
    end loop;
    delete from events_default     where id < kept_from(expired);
    delete from deliveries_default where event_id < kept_from(expired);
    delete from attempts_default   where event_id < kept_from(expired);
    return dropped;
end
$$;

-- The event from which on the history is kept: an older one of which a delivery is pending, or `expired`.
create function kept_from(expired uuid) returns uuid
    language sql volatile
    return least(expired, (select event_id from queue order by event_id limit 1));

-- The partitions whose days ended before an event.
create function expired_partitions(kept_from uuid) returns text[]
    language sql volatile
    begin atomic
    select coalesce(array_agg(c.relname::text order by c.relname), '{}')
      from pg_inherits i
      join pg_class c on c.oid = i.inhrelid
     where i.inhparent in ('events'::regclass, 'deliveries'::regclass, 'attempts'::regclass)
       and c.relname ~ '_[0-9]{8}$'
       and uuid_at((to_date(right(c.relname, 8), 'YYYYMMDD') + 1)::timestamp at time zone 'UTC') <= kept_from;
    end;
