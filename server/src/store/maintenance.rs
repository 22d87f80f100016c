use std::time::Duration;

use sqlx::PgExecutor;

use super::{LONG, Store};

/// Partitions made ahead, in days, today included.
const DAYS_AHEAD: i32 = 8;

/// Events of a deleted project that one statement removes.
const PURGED_AT_ONCE: i64 = 2_000;

impl Store {
    /// Makes the partitions of yesterday, for identifiers of slow clocks, to a week ahead, where they are missing; unless another
    /// node is about it.
    pub async fn create_partitions(&self) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "select create_partitions((now() at time zone 'UTC')::date - 1, $1)
               from (select from instance for update skip locked) as mine",
            DAYS_AHEAD + 1
        )
        .execute(&self.pool)
        .await
        .map(drop)
    }

    /// Forgets idempotency keys, finished jobs and statistics older than `retention`; unless another node is about it.
    pub async fn forget_expired(&self, retention: Duration) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "select forget_expired(make_interval(secs => $1)) from (select from instance for update skip locked) as mine",
            retention.as_secs_f64()
        )
        .execute(&self.pool.within(LONG))
        .await
        .map(drop)
    }

    /// Drops the history of events older than `retention`, a day's partitions at a time. A day of which a delivery is still
    /// pending stays whole, and so do the days after it. Gives how many partitions were dropped; none if another node is about it.
    pub async fn drop_expired(&self, retention: Duration) -> Result<i32, sqlx::Error> {
        let dropped = sqlx::query_scalar!(
            r#"select drop_expired(make_interval(secs => $1)) as "dropped!"
                 from (select from instance for update skip locked) as mine"#,
            retention.as_secs_f64()
        )
        .fetch_optional(&self.pool.within(LONG))
        .await?;
        Ok(dropped.unwrap_or(0))
    }

    /// Removes the history of deleted projects. A project is forgotten only a while after it was deleted, when no request
    /// that had found it before can still write anything.
    pub async fn purge_deleted_projects(&self) -> Result<(), sqlx::Error> {
        let deleted = sqlx::query!(
            r#"select id, deleted_at < now() - interval '1 minute' as "settled!" from deleted_projects order by id"#
        )
        .fetch_all(&self.relaxed)
        .await?;
        for project in deleted {
            self.purge_history(project.id).await?;
            if project.settled {
                sqlx::query!("delete from queue where project_id = $1", project.id).execute(&self.relaxed).await?;
                sqlx::query!("delete from tallies where project_id = $1", project.id).execute(&self.relaxed).await?;
                sqlx::query!("delete from last_outcomes where project_id = $1", project.id)
                    .execute(&self.relaxed)
                    .await?;
                sqlx::query!("delete from deleted_projects where id = $1", project.id).execute(&self.relaxed).await?;
            }
        }
        Ok(())
    }

    /// Removes the events of a deleted project with all that came of them, a few at a time so that nobody waits for locks.
    pub async fn purge_history(&self, project_id: i32) -> Result<(), sqlx::Error> {
        // One project after the other: the engine needs the connections too.
        let _turn = self.purging.lock().await;
        loop {
            let removed = sqlx::query_scalar!(
                r#"with chosen as materialized (
                       select id from events where project_id = $1 order by id limit $2
                   ),
                   gone_attempts as (
                       delete from attempts where project_id = $1 and event_id in (select id from chosen)
                   ),
                   gone_deliveries as (
                       delete from deliveries where project_id = $1 and event_id in (select id from chosen)
                   ),
                   gone_events as (
                       delete from events where project_id = $1 and id in (select id from chosen)
                   )
                   select count(*) as "count!" from chosen"#,
                project_id,
                PURGED_AT_ONCE
            )
            .fetch_one(&self.relaxed)
            .await?;
            if removed < PURGED_AT_ONCE {
                return Ok(());
            }
        }
    }

    /// Cancels what still waits for deleted triggers, also under a lease that has ended: nobody would claim it any more. Gives
    /// whether attempts of theirs are in flight.
    pub async fn cancel_orphans(&self) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar!(
            r#"with orphans as (
                 select q.event_id, q.trigger_id, q.run, q.owner is not null and q.due_at >= now() as in_flight
                   from queue q
                   join triggers t on t.id = q.trigger_id
                  where t.deleted_at is not null
             ),
             gone as (
                 delete from queue q using orphans o
                  where q.event_id = o.event_id and q.trigger_id = o.trigger_id and q.run = o.run
                    and (q.owner is null or q.due_at < now())
                 returning q.*
             ),
             cancelled as (
                 insert into deliveries (event_id, project_id, trigger_id, run, attempts, status, error)
                 select event_id, project_id, trigger_id, run, attempt, 'cancelled', 'The trigger was deleted.' from gone
             )
             select exists(select from orphans where in_flight) as "in_flight!""#
        )
        .fetch_one(&self.pool.within(LONG))
        .await
    }
}

/// The same for a node that starts: it waits for others that are about it.
pub(super) async fn create_partitions(database: impl PgExecutor<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!("select create_partitions((now() at time zone 'UTC')::date - 1, $1)", DAYS_AHEAD + 1)
        .execute(database)
        .await
        .map(drop)
}
