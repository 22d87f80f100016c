use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Measured, Store};

/// An event as it was accepted.
#[derive(Debug)]
pub struct DetailRow {
    pub project_id: i32,
    pub event_type: String,
    pub data: String,
    pub due_at: DateTime<Utc>,
}

/// One run of one delivery, with its trigger as it is now.
#[derive(Debug)]
pub struct RunRow {
    pub trigger_id: i32,
    pub trigger: String,
    pub url: String,
    pub headers: String,
    pub retries: i16,
    pub enabled: bool,
    pub deleted: bool,
    pub run: i16,
    pub attempts: i16,
    /// `None`: pending.
    pub status: Option<String>,
    pub finished_at: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
    /// The node of the last attempt; of a pending delivery, the one that holds it.
    pub node: Option<Uuid>,
    /// Of a pending delivery.
    pub due_at: Option<DateTime<Utc>>,
    /// A pending delivery is due.
    pub is_due: bool,
    pub duration_us: Option<i32>,
    pub timings: Measured,
    pub response_status: Option<i16>,
    pub response_cut: bool,
    pub response_headers: Option<String>,
    pub response_body: Option<Vec<u8>>,
    pub error: Option<String>,
}

/// What of a pending delivery says why it has not ended.
#[derive(Debug)]
pub struct PendingRow {
    pub trigger: String,
    pub retries: i16,
    pub enabled: bool,
    pub attempts: i16,
    /// The node that holds it.
    pub node: Option<Uuid>,
    pub due_at: DateTime<Utc>,
    pub is_due: bool,
}

/// Where the latest run of a delivery stands.
#[derive(Debug)]
pub struct StandingRow {
    pub trigger: String,
    pub deleted: bool,
    pub pending: bool,
}

impl Store {
    /// The pending deliveries of an event, by trigger.
    pub async fn pending(&self, project: &str, event_id: Uuid) -> Result<Vec<PendingRow>, sqlx::Error> {
        sqlx::query_as!(
            PendingRow,
            r#"select t.name as trigger, t.retries, t.enabled, q.attempt as attempts, q.owner as node, q.due_at,
                      q.due_at <= now() as "is_due!"
                 from queue q
                 join triggers t on t.id = q.trigger_id
                where q.event_id = $2 and q.project_id = (select id from projects where name = $1)
                order by t.id"#,
            project,
            event_id
        )
        .fetch_all(&self.pool)
        .await
    }

    /// Where the deliveries of an event stand, by trigger.
    pub async fn standings(&self, project_id: i32, event_id: Uuid) -> Result<Vec<StandingRow>, sqlx::Error> {
        sqlx::query_as!(
            StandingRow,
            r#"select t.name as trigger, t.deleted_at is not null as "deleted!", bool_or(d.pending) as "pending!"
                 from (
                      select trigger_id, true as pending from queue where event_id = $2 and project_id = $1
                      union all
                      select trigger_id, false from deliveries where project_id = $1 and event_id = $2
                      ) d
                 join triggers t on t.id = d.trigger_id
                group by t.id
                order by t.id"#,
            project_id,
            event_id
        )
        .fetch_all(&self.pool)
        .await
    }

    pub async fn event_as_accepted(&self, project: &str, id: Uuid) -> Result<Option<DetailRow>, sqlx::Error> {
        sqlx::query_as!(
            DetailRow,
            "select e.project_id, e.type as event_type, e.data, e.due_at
               from events e
               join projects p on p.id = e.project_id
              where p.name = $1 and e.id = $2",
            project,
            id
        )
        .fetch_optional(&self.pool)
        .await
    }

    /// All runs of all deliveries of an event as of one instant, by trigger, oldest first.
    pub async fn runs(&self, project_id: i32, event_id: Uuid) -> Result<Vec<RunRow>, sqlx::Error> {
        sqlx::query_as!(
            RunRow,
            r#"select t.id as "trigger_id!", t.name as "trigger!", t.url as "url!", t.headers as "headers!",
                      t.retries as "retries!", t.enabled as "enabled!", t.deleted_at is not null as "deleted!",
                      d.run as "run!", d.attempts as "attempts!", d.status::text as "status?",
                      d.finished_at as "finished_at?", d.started_at as "started_at?", d.node as "node?", d.due_at as "due_at?",
                      d.due_at is not null and d.due_at <= now() as "is_due!",
                      d.duration_us as "duration_us?", d.timings as "timings?: Vec<Option<i32>>", d.response_status as "response_status?",
                      d.response_cut as "response_cut!", d.response_headers as "response_headers?",
                      d.response_body as "response_body?", d.error as "error?"
                 from (
                      select trigger_id, run, attempt as attempts, null::delivery_status as status,
                             null::timestamptz as finished_at, null::timestamptz as started_at, owner as node, due_at,
                             null::int as duration_us, null::int[] as timings, null::smallint as response_status, false as response_cut,
                             null::text as response_headers, null::bytea as response_body, null::text as error
                        from queue
                       where event_id = $2 and project_id = $1
                      union all
                      select trigger_id, run, attempts, status, finished_at, started_at, node, null, duration_us,
                             array[dns_us, connect_us, tls_us, first_byte_us], response_status, response_cut, response_headers, response_body, error
                        from deliveries
                       where project_id = $1 and event_id = $2
                      ) d
                 join triggers t on t.id = d.trigger_id
                order by t.id, d.run"#,
            project_id,
            event_id
        )
        .fetch_all(&self.pool)
        .await
    }
}
