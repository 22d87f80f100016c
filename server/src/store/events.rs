use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Measured, Store};

/// One trigger's delivery of an event, ended or pending.
#[derive(Debug)]
pub struct OutcomeRow {
    pub trigger_id: i32,
    pub trigger: String,
    pub run: i16,
    pub attempts: i16,
    /// `None`: pending.
    pub status: Option<String>,
    pub started_at: Option<DateTime<Utc>>,
    pub node: Option<Uuid>,
    pub duration_us: Option<i32>,
    pub timings: Measured,
    pub response_status: Option<i16>,
    pub response_cut: bool,
    pub response_headers: Option<String>,
    pub response_body: Option<Vec<u8>>,
    pub error: Option<String>,
}

/// A failed attempt that was followed by another.
#[derive(Debug)]
pub struct StoredAttempt {
    pub trigger_id: i32,
    pub run: i16,
    pub attempt: i16,
    pub started_at: DateTime<Utc>,
    pub node: Uuid,
    pub duration_us: i32,
    pub timings: Measured,
    pub response_status: Option<i16>,
    pub response_cut: bool,
    pub response_headers: Option<String>,
    pub response_body: Option<Vec<u8>>,
    pub error: String,
}

/// What the sender said of an event.
#[derive(Debug)]
pub struct EventRow {
    pub project_id: i32,
    pub event_type: String,
    pub due_at: DateTime<Utc>,
}

impl Store {
    pub async fn event(&self, project: &str, id: Uuid) -> Result<Option<EventRow>, sqlx::Error> {
        sqlx::query_as!(
            EventRow,
            "select e.project_id, e.type as event_type, e.due_at
               from events e
               join projects p on p.id = e.project_id
              where p.name = $1 and e.id = $2",
            project,
            id
        )
        .fetch_optional(&self.pool)
        .await
    }

    /// The deliveries of an event as of one instant: of every trigger the latest run.
    pub async fn deliveries(&self, project_id: i32, event_id: Uuid) -> Result<Vec<OutcomeRow>, sqlx::Error> {
        sqlx::query_as!(
            OutcomeRow,
            r#"select distinct on (t.id)
                      t.id as "trigger_id!", t.name as "trigger!", d.run as "run!", d.attempts as "attempts!", d.status::text as "status?",
                      d.started_at as "started_at?", d.node as "node?", d.duration_us as "duration_us?",
                      d.timings as "timings?: Vec<Option<i32>>", d.response_status as "response_status?", d.response_cut as "response_cut!", d.response_headers as "response_headers?",
                      d.response_body as "response_body?", d.error as "error?"
                 from (
                      select trigger_id, run, attempt as attempts, null::delivery_status as status, null::timestamptz as started_at,
                             owner as node, null::int as duration_us, null::int[] as timings, null::smallint as response_status,
                             false as response_cut, null::text as response_headers, null::bytea as response_body, null::text as error
                        from queue
                       where event_id = $2 and project_id = $1
                      union all
                      select trigger_id, run, attempts, status, started_at, node, duration_us,
                             array[dns_us, connect_us, tls_us, first_byte_us], response_status, response_cut, response_headers,
                             response_body, error
                        from deliveries
                       where project_id = $1 and event_id = $2
                      ) d
                 join triggers t on t.id = d.trigger_id
                order by t.id, d.run desc"#,
            project_id,
            event_id
        )
        .fetch_all(&self.pool)
        .await
    }

    /// The failed attempts of an event that were followed by others, oldest first.
    pub async fn attempts(&self, project_id: i32, event_id: Uuid) -> Result<Vec<StoredAttempt>, sqlx::Error> {
        sqlx::query_as!(
            StoredAttempt,
            r#"select trigger_id, run, attempt, started_at, node, duration_us,
                      array[dns_us, connect_us, tls_us, first_byte_us] as "timings?: Vec<Option<i32>>", response_status,
                      response_cut, response_headers, response_body, error
                 from attempts
                where project_id = $1 and event_id = $2
                order by trigger_id, run, attempt"#,
            project_id,
            event_id
        )
        .fetch_all(&self.pool)
        .await
    }

    /// The data of the newest event of a type, where it is short enough for a form.
    pub async fn last_data(&self, project: &str, event_type: &str) -> Result<Option<String>, sqlx::Error> {
        let row = sqlx::query_scalar!(
            "select e.data
               from events e
              where e.project_id = (select id from projects where name = $1) and e.type = $2
              order by e.id desc
              limit 1",
            project,
            event_type
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.filter(|data| data.len() <= 64 * 1024))
    }
}
