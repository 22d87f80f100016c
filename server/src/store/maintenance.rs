use std::time::Duration;

use super::Store;

/// Partitions made ahead, in days, today included.
const DAYS_AHEAD: i32 = 8;

impl Store {
    /// Makes the partitions of yesterday, for identifiers of slow clocks, to a week ahead, where they are missing.
    pub async fn create_partitions(&self) -> Result<(), sqlx::Error> {
        sqlx::query!("select create_partitions((now() at time zone 'UTC')::date - 1, $1)", DAYS_AHEAD + 1)
            .execute(&self.pool)
            .await
            .map(drop)
    }

    /// Drops the history of events older than `retention`, a day's partitions at a time. A day of which a delivery is still
    /// pending stays whole, and so do the days after it. Gives how many partitions were dropped.
    pub async fn drop_expired(&self, retention: Duration) -> Result<i32, sqlx::Error> {
        sqlx::query_scalar!(r#"select drop_expired(make_interval(secs => $1)) as "dropped!""#, retention.as_secs_f64())
            .fetch_one(&self.pool)
            .await
    }

    /// Cancels what still waits for deleted triggers: rows that were accepted while the trigger was being deleted.
    pub async fn cancel_orphans(&self) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "with gone as (
                 delete from queue q using triggers t
                  where t.id = q.trigger_id and t.deleted_at is not null
                 returning q.*
             )
             insert into deliveries (event_id, project_id, trigger_id, run, attempts, status, error)
             select event_id, project_id, trigger_id, run, attempt, 'cancelled', 'The trigger was deleted.' from gone"
        )
        .execute(&self.relaxed)
        .await
        .map(drop)
    }
}
