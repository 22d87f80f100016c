//! A long history and many deliveries scheduled for later, for the scenarios that need them: filled once, since it takes minutes.

use anyhow::Result;
use futures::future::try_join_all;

use crate::setup::{Bench, Setup};

/// Days that the whole history spans.
pub const DAYS: u64 = 28;
/// Types of events, each with a trigger of its own.
const TYPES: u64 = 20;
/// Days that are filled at the same time.
const AT_ONCE: u64 = 2;

/// A node with triggers, and what its database has been filled with.
pub struct Past {
    pub setup: Setup,
    /// Days filled, yesterday first.
    days: u64,
}

impl Past {
    /// Nothing but the triggers: one of the type `bench`, and those of the history.
    pub async fn begin(bench: &Bench) -> Result<Self> {
        let setup = bench.ready(1, 1).await?;
        for number in 0..TYPES {
            let (name, event_type) = (format!("trigger-{number}"), format!("type-{number}"));
            bench.trigger(&setup, &name, &event_type, &bench.receiver.url(), true).await?;
        }
        bench.trigger(&setup, "rare", "rare", &bench.receiver.url(), true).await?;
        setup.database.execute("update triggers set first_event = uuid_at('epoch')").await?;
        Ok(Self { setup, days: 0 })
    }

    /// Fills the history until it reaches so many days back.
    pub async fn fill(&mut self, bench: &Bench, days: u64) -> Result<()> {
        let each = bench.scale.finished / DAYS;
        while self.days < days {
            let until = days.min(self.days + AT_ONCE);
            // One after the other: making partitions waits for whoever fills some.
            for day in self.days..until {
                let partitions = format!("select create_partitions((now() at time zone 'UTC')::date - {day} - 1, 2)");
                self.setup.database.execute(&partitions).await?;
            }
            let statements: Vec<_> = (self.days..until).map(|day| day_of_history(day, each)).collect();
            try_join_all(statements.iter().map(|statement| self.setup.database.execute(statement))).await?;
            self.days = until;
        }
        Ok(())
    }

    /// Queues so many events for later, newer than all that are there.
    pub async fn schedule(&self, count: u64) -> Result<()> {
        self.setup.database.execute(&scheduled(count)).await
    }

    /// Leaves PostgreSQL nothing to do that belongs to filling.
    pub async fn tidy(&self) -> Result<()> {
        for statement in ["vacuum analyze", "checkpoint"] {
            self.setup.database.execute(statement).await?;
        }
        Ok(())
    }
}

/// Events of one day with their deliveries, so many days ago: one in 100 failed, one in 10,000 cancelled, one in 10,000
/// without a trigger.
fn day_of_history(days: u64, count: u64) -> String {
    format!(
        "with ids as (
           select now() - interval '{days} days' - n * interval '1 day' / {count} as at, n from generate_series(1, {count}) n
         ), keyed as materialized (
           select (substr(uuid_at(at)::text, 1, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid as id, at, n,
                  case when n % 100000 = 7 then 'rare' else 'type-' || n % {TYPES} end as type, n % 10000 = 2 as alone
             from ids
         ), new_events as (
           insert into events (id, project_id, type, data, due_at, triggers)
           select id, 1, type, '{{\"customer\":' || n || ',\"pad\":\"' || repeat('x', 150) || '\"}}', at, case when alone then 0 else 1 end
             from keyed
         )
         insert into deliveries (event_id, project_id, trigger_id, run, attempts, status, started_at, finished_at, duration_us,
                                 response_status, response_headers, response_body, error)
         select k.id, 1, t.id, 0, 1,
                (case when n % 100 = 50 then 'failed' when n % 10000 = 1 then 'cancelled' else 'delivered' end)::delivery_status,
                at, at, 1000, 200, '{{}}', '', case when n % 100 = 50 then 'The webhook answered 500.' end
           from keyed k
           join triggers t on t.type = k.type
          where not alone"
    )
}

/// Events scheduled for the day after tomorrow.
fn scheduled(count: u64) -> String {
    format!(
        "with ids as (
           select (substr(uuid_at(now())::text, 1, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid as id, n
             from generate_series(1, {count}) n
         ), new_events as (
           insert into events (id, project_id, type, data, due_at, triggers)
           select id, 1, 'type-0', '{{\"customer\":null}}', now() + interval '2 days' + n * interval '10 ms', 1 from ids
         )
         insert into queue (event_id, trigger_id, project_id, due_at)
         select id, (select id from triggers where name = 'trigger-0'), 1, now() + interval '2 days' + n * interval '10 ms' from ids"
    )
}
