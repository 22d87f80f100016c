-- Forgets idempotency keys and jobs older than `keep`, and statistics that are never shown any more. Apart from the history,
-- which stays as long as somebody reads of it.
create function forget_expired(keep interval) returns void
    language sql as $$
    delete from idempotency_keys where created_at < now() - keep;
    delete from jobs             where finished_at < now() - keep;
    -- A little more than the hundred spans that are ever shown.
    delete from tallies t using unnest(array[60, 900, 7200]) as s (span)
     where t.span = s.span and t.at < now() - make_interval(secs => s.span * 100);
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
