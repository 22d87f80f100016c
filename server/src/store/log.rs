//! Searching the event log: candidates newest first, a chunk at a time, and what stands in a line of the log.
//!
//! A search walks event ids downward through an index that fits its filter, so that a chunk costs what it looks at, however
//! long the history is. None of the statements scans a table; see `Store::open` for the connections' settings.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Store;

/// Event ids from `from` on and before `before`.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub from: Uuid,
    pub before: Uuid,
}

/// What an event's data must hold.
#[derive(Clone, Debug, Default)]
pub struct DataMatch {
    /// Stands in the text as it was sent.
    pub text: Option<String>,
    /// Path and value.
    pub member: Option<(Vec<String>, String)>,
}

impl DataMatch {
    pub fn is_any(&self) -> bool {
        self.text.is_none() && self.member.is_none()
    }

    fn path(&self) -> Option<&[String]> {
        self.member.as_ref().map(|member| member.0.as_slice())
    }

    fn value(&self) -> Option<&str> {
        self.member.as_ref().map(|member| member.1.as_str())
    }
}

/// An event that was looked at.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub id: Uuid,
    /// Whether it is worth a closer look.
    pub matches: bool,
}

/// Where the deliveries to the triggers of one name are to be found.
#[derive(Debug)]
pub struct TriggerHistory {
    pub ids: Vec<i32>,
    pub types: Vec<String>,
    pub first_event: Option<Uuid>,
}

/// A line of the event log. Deliveries are counted in their latest runs.
#[derive(Debug)]
pub struct SummaryRow {
    pub id: Uuid,
    pub event_type: String,
    pub due_at: DateTime<Utc>,
    pub triggers: i32,
    pub pending: i64,
    /// Of those pending, the ones of which an attempt failed.
    pub retrying: i64,
    /// Of those pending, the ones that are due or in flight.
    pub due: i64,
    pub delivered: i64,
    pub failed: i64,
    pub cancelled: i64,
    pub attempts: i64,
    pub last_error: Option<String>,
}

impl Store {
    /// The triggers of a name, deleted ones included, since the history keeps their name.
    pub async fn trigger_history(&self, project_id: i32, name: &str) -> Result<TriggerHistory, sqlx::Error> {
        let rows = sqlx::query!(
            "select id, types, first_event from triggers where project_id = $1 and name = $2",
            project_id,
            name
        )
        .fetch_all(&self.pool)
        .await?;
        let mut types: Vec<_> = rows.iter().flat_map(|row| row.types.clone()).collect();
        types.sort();
        types.dedup();
        Ok(TriggerHistory {
            ids: rows.iter().map(|row| row.id).collect(),
            types,
            first_event: rows.iter().map(|row| row.first_event).min(),
        })
    }

    /// Candidates among all events of a project.
    pub async fn recent_events(
        &self,
        project_id: i32,
        span: Span,
        data: &DataMatch,
        limit: i64,
    ) -> Result<Vec<Candidate>, sqlx::Error> {
        sqlx::query_as!(
            Candidate,
            r#"select id,
                      (($4::text is null or strpos(data, $4) > 0)
                       and ($5::text[] is null or has_value(data, $5, $6))) as "matches!"
                 from events
                where project_id = $1 and id >= $2 and id < $3
                order by id desc
                limit $7"#,
            project_id,
            span.from,
            span.before,
            data.text,
            data.path() as Option<&[String]>,
            data.value(),
            limit
        )
        .fetch_all(&self.searching)
        .await
    }

    /// Candidates among the events of some types.
    pub async fn recent_events_of_types(
        &self,
        project_id: i32,
        types: &[String],
        span: Span,
        data: &DataMatch,
        limit: i64,
    ) -> Result<Vec<Candidate>, sqlx::Error> {
        sqlx::query_as!(
            Candidate,
            r#"select e.id as "id!",
                      (($5::text is null or strpos(e.data, $5) > 0)
                       and ($6::text[] is null or has_value(e.data, $6, $7))) as "matches!"
                 from unnest($4::text[]) as t (type)
                cross join lateral (
                      select id, data
                        from events
                       where project_id = $1 and type = t.type and id >= $2 and id < $3
                       order by id desc
                       limit $8
                     ) e
                order by e.id desc
                limit $8"#,
            project_id,
            span.from,
            span.before,
            types,
            data.text,
            data.path() as Option<&[String]>,
            data.value(),
            limit
        )
        .fetch_all(&self.searching)
        .await
    }

    /// Candidates among the events that nobody got.
    pub async fn recent_events_without_trigger(
        &self,
        project_id: i32,
        span: Span,
        limit: i64,
    ) -> Result<Vec<Candidate>, sqlx::Error> {
        sqlx::query_as!(
            Candidate,
            r#"select id, true as "matches!"
                 from events
                where project_id = $1 and id >= $2 and id < $3 and triggers = 0
                order by id desc
                limit $4"#,
            project_id,
            span.from,
            span.before,
            limit
        )
        .fetch_all(&self.searching)
        .await
    }

    /// Candidates among the events of which a delivery ended with a status other than delivered, one a delivery.
    pub async fn recent_undelivered(
        &self,
        project_id: i32,
        status: &str,
        triggers: Option<&[i32]>,
        span: Span,
        limit: i64,
    ) -> Result<Vec<Candidate>, sqlx::Error> {
        // `<> 'delivered'` is said so that the partial index may be used: a status that is only cast when the statement
        // runs proves nothing to the planner.
        sqlx::query_as!(
            Candidate,
            r#"select event_id as id, ($5::int[] is null or trigger_id = any($5)) as "matches!"
                 from deliveries
                where project_id = $1 and event_id >= $2 and event_id < $3
                  and status = $4::text::delivery_status and status <> 'delivered'
                order by event_id desc
                limit $6"#,
            project_id,
            span.from,
            span.before,
            status,
            triggers as Option<&[i32]>,
            limit
        )
        .fetch_all(&self.searching)
        .await
    }

    /// Candidates among the events that have a pending delivery of a state (scheduled, pending or retrying), one a delivery.
    pub async fn recent_pending(
        &self,
        project_id: i32,
        state: &str,
        triggers: Option<&[i32]>,
        span: Span,
        limit: i64,
    ) -> Result<Vec<Candidate>, sqlx::Error> {
        sqlx::query_as!(
            Candidate,
            r#"select event_id as id,
                      ($5::int[] is null or trigger_id = any($5))
                      and $4 = case
                                   when attempt > 1 or attempt = 1 and owner is null                     then 'retrying'
                                   when attempt = 1 or owner is not null or due_at <= now() then 'pending'
                                   else 'scheduled'
                               end as "matches!"
                 from queue
                where project_id = $1 and event_id >= $2 and event_id < $3
                order by event_id desc
                limit $6"#,
            project_id,
            span.from,
            span.before,
            state,
            triggers as Option<&[i32]>,
            limit
        )
        .fetch_all(&self.searching)
        .await
    }

    /// The lines of the given events that are of the type and hold the data, newest first; with triggers, as far as they
    /// went to these. Everything is as of one instant.
    pub async fn summaries(
        &self,
        project_id: i32,
        ids: &[Uuid],
        event_type: Option<&str>,
        triggers: Option<&[i32]>,
        data: &DataMatch,
    ) -> Result<Vec<SummaryRow>, sqlx::Error> {
        let (Some(first), Some(last)) = (ids.iter().min(), ids.iter().max()) else {
            return Ok(Vec::new());
        };
        // The bounds tell the planner which days it is about. Every event is looked up by itself.
        sqlx::query_as!(
            SummaryRow,
            r#"select e.id as "id!", e.type as "event_type!", e.due_at as "due_at!", e.triggers as "triggers!",
                      s.pending as "pending!", s.retrying as "retrying!", s.due as "due!", s.delivered as "delivered!",
                      s.failed as "failed!", s.cancelled as "cancelled!", s.attempts as "attempts!",
                      case when s.retrying > 0 then
                          (select a.error from attempts a
                            where a.project_id = $1 and a.event_id = c.id and a.event_id between $3 and $4
                              and ($6::int[] is null or a.trigger_id = any($6))
                            order by a.started_at desc
                            limit 1)
                      else s.last_error end as last_error
                 from unnest($2::uuid[]) as c (id)
                cross join lateral (
                      select id, type, due_at, triggers
                        from events
                       where project_id = $1 and id = c.id and id between $3 and $4
                         and ($5::text is null or type = $5)
                         and ($7::text is null or strpos(data, $7) > 0)
                         and ($8::text[] is null or has_value(data, $8, $9))
                       limit 1
                     ) e
                cross join lateral (
                      select count(*) filter (where l.status is null)       as pending,
                             count(*) filter (where l.retrying)             as retrying,
                             count(*) filter (where l.due)                  as due,
                             count(*) filter (where l.status = 'delivered') as delivered,
                             count(*) filter (where l.status = 'failed')    as failed,
                             count(*) filter (where l.status = 'cancelled') as cancelled,
                             coalesce(sum(l.attempts), 0)                   as attempts,
                             (array_agg(l.error order by l.finished_at desc) filter (where l.error is not null))[1] as last_error
                        from (
                             select distinct on (d.trigger_id) d.*
                               from (
                                    select trigger_id, run, attempt as attempts, null::delivery_status as status,
                                           null::timestamptz as finished_at, null::text as error,
                                           attempt > 1 or attempt = 1 and owner is null as retrying,
                                           owner is not null or due_at <= now() as due
                                      from queue
                                     where event_id = c.id and project_id = $1 and ($6::int[] is null or trigger_id = any($6))
                                    union all
                                    select trigger_id, run, attempts, status, finished_at, error, false, false
                                      from deliveries
                                     where project_id = $1 and event_id = c.id and event_id between $3 and $4
                                       and ($6::int[] is null or trigger_id = any($6))
                                    ) d
                              order by d.trigger_id, d.run desc
                             ) l
                     ) s
                where $6::int[] is null or s.pending + s.delivered + s.failed + s.cancelled > 0
                order by e.id desc"#,
            project_id,
            ids,
            first,
            last,
            event_type,
            triggers as Option<&[i32]>,
            data.text,
            data.path() as Option<&[String]>,
            data.value()
        )
        .fetch_all(&self.searching)
        .await
    }
}
