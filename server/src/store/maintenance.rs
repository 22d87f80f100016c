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
