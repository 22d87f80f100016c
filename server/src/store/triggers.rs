use std::collections::HashMap;

use super::Store;

/// A trigger as stored, for people.
#[derive(Debug)]
pub struct TriggerRow {
    pub name: String,
    pub source: String,
    pub event_type: String,
    pub url: String,
    pub retries: i16,
    pub timeout_ms: i32,
    pub headers: String,
    pub options: String,
    pub concurrency: Option<i32>,
    pub backoff_first_ms: Option<i32>,
    pub backoff_max_ms: Option<i32>,
    pub enabled: bool,
}

/// What a worker needs of a trigger.
#[derive(Debug)]
pub struct TargetRow {
    pub id: i32,
    pub name: String,
    pub version: i64,
    pub url: String,
    pub retries: i16,
    pub timeout_ms: i32,
    pub headers: String,
    pub concurrency: Option<i32>,
    pub backoff_first_ms: Option<i32>,
    pub backoff_max_ms: Option<i32>,
}

/// The constraint that keeps names unique among the triggers that are not deleted.
const NAME_KEY: &str = "triggers_name_key";

/// What of a trigger a change does not speak of, and somebody else may be changing.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    pub options: bool,
    pub enabled: bool,
}

impl Store {
    /// The triggers of a project by name, or the one of the given name.
    pub async fn triggers(&self, project_id: i32, name: Option<&str>) -> Result<Vec<TriggerRow>, sqlx::Error> {
        sqlx::query_as!(
            TriggerRow,
            "select t.name, t.source, t.type as event_type, t.url, t.retries, t.timeout_ms, t.headers, t.options,
                      t.concurrency, t.backoff_first_ms, t.backoff_max_ms, t.enabled
                 from triggers t
                where t.project_id = $1 and t.deleted_at is null and ($2::text is null or t.name = $2)
                order by t.name",
            project_id,
            name
        )
        .fetch_all(&self.pool)
        .await
    }

    /// The deliveries that wait for each trigger of a project, by its name; of each trigger so many at most are counted.
    pub async fn pending_by_trigger(&self, project_id: i32, most: i64) -> Result<HashMap<String, i64>, sqlx::Error> {
        let rows = sqlx::query!(
            r#"select t.name, (select count(*) from (select from queue q where q.trigger_id = t.id limit $2) few) as "pending!"
                 from triggers t
                where t.project_id = $1 and t.deleted_at is null"#,
            project_id,
            most
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.name, row.pending)).collect())
    }

    /// Creates a trigger; `false`: the name is taken.
    pub async fn create_trigger(&self, project_id: i32, row: &TriggerRow) -> Result<bool, sqlx::Error> {
        let done = sqlx::query!(
            "insert into triggers (project_id, name, source, type, url, retries, timeout_ms, headers, options, concurrency,
                                   backoff_first_ms, backoff_max_ms, enabled, types, first_event)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                     array[$4], uuid_at(now() - interval '10 minutes'))
             on conflict (project_id, name) where deleted_at is null do nothing",
            project_id,
            row.name,
            row.source,
            row.event_type,
            row.url,
            row.retries,
            row.timeout_ms,
            row.headers,
            row.options,
            row.concurrency,
            row.backoff_first_ms,
            row.backoff_max_ms,
            row.enabled
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Changes the trigger that is called `name`, but for what is kept as it is stored then. `None`: there is none;
    /// `Some(false)`: its new name is taken.
    pub async fn update_trigger(
        &self,
        project_id: i32,
        name: &str,
        row: &TriggerRow,
        kept: Kept,
    ) -> Result<Option<bool>, sqlx::Error> {
        let done = sqlx::query!(
            "update triggers
                set name = $3, source = $4, type = $5, url = $6, retries = $7, timeout_ms = $8, headers = $9,
                    options = case when $15 then options else $10 end,
                    concurrency = $11, backoff_first_ms = $12, backoff_max_ms = $13,
                    enabled = case when $16 then enabled else $14 end,
                    types = case when $5 = any(types) then types else types || $5 end,
                    version = version + 1, updated_at = now()
              where project_id = $1 and name = $2 and deleted_at is null",
            project_id,
            name,
            row.name,
            row.source,
            row.event_type,
            row.url,
            row.retries,
            row.timeout_ms,
            row.headers,
            row.options,
            row.concurrency,
            row.backoff_first_ms,
            row.backoff_max_ms,
            row.enabled,
            kept.options,
            kept.enabled
        )
        .execute(&self.pool)
        .await;
        match done {
            Ok(done) => Ok((done.rows_affected() == 1).then_some(true)),
            Err(sqlx::Error::Database(error)) if error.constraint() == Some(NAME_KEY) => Ok(Some(false)),
            Err(error) => Err(error),
        }
    }

    /// Pauses or resumes a trigger; `false`: there is none. Its deliveries stay where they are: claiming passes over the
    /// triggers that are paused.
    pub async fn set_trigger_enabled(&self, project_id: i32, name: &str, enabled: bool) -> Result<bool, sqlx::Error> {
        let done = sqlx::query!(
            "update triggers set enabled = $3, version = version + 1, updated_at = now()
              where project_id = $1 and name = $2 and deleted_at is null",
            project_id,
            name,
            enabled
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Deletes a trigger and cancels its deliveries that are not in flight. Gives whether any is; `None`: there is no such trigger.
    pub async fn delete_trigger(&self, project_id: i32, name: &str) -> Result<Option<bool>, sqlx::Error> {
        let done = sqlx::query!(
            "update triggers set deleted_at = now(), enabled = false, version = version + 1
              where project_id = $1 and name = $2 and deleted_at is null",
            project_id,
            name
        )
        .execute(&self.pool)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(None);
        }
        self.cancel_orphans().await.map(Some)
    }

    /// Event types in use by the triggers of a project.
    pub async fn trigger_types(&self, project_id: i32) -> Result<Vec<String>, sqlx::Error> {
        sqlx::query_scalar!(
            "select distinct type from triggers where project_id = $1 and deleted_at is null order by type limit 200",
            project_id
        )
        .fetch_all(&self.pool)
        .await
    }

    /// What workers need of the given triggers, deleted ones included.
    pub async fn targets(&self, ids: &[i32]) -> Result<Vec<TargetRow>, sqlx::Error> {
        sqlx::query_as!(
            TargetRow,
            "select id, name, version, url, retries, timeout_ms, headers, concurrency, backoff_first_ms, backoff_max_ms
               from triggers where id = any($1)",
            ids
        )
        .fetch_all(&self.pool)
        .await
    }
}
