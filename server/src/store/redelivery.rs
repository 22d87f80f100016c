//! Queueing ended deliveries again, and cancelling pending ones.

use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::{Store, retried};

/// Which deliveries of which events are to be changed.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    pub project_id: i32,
    pub events: &'a [Uuid],
    /// The name of a trigger; `None`: all.
    pub trigger: Option<&'a str>,
    pub only: Only,
}

/// Which ended deliveries are queued again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only {
    /// All of them; and an event that had no trigger goes to those that its type has now, or an event of any kind to a
    /// trigger of its type that is named.
    Ended,
    Delivered,
    Failed,
    Cancelled,
}

impl Only {
    fn status(self) -> Option<&'static str> {
        match self {
            Self::Ended => None,
            Self::Delivered => Some("delivered"),
            Self::Failed => Some("failed"),
            Self::Cancelled => Some("cancelled"),
        }
    }
}

/// A delivery that was changed: its event, and the name of its trigger.
pub type Changed = (Uuid, String);

impl Store {
    /// Queues ended deliveries as new runs, due now, durably. What is pending stays as it is.
    pub async fn redeliver(&self, change: Change<'_>) -> Result<Vec<Changed>, sqlx::Error> {
        let redeliver = async |connection: &mut PgConnection| {
            let mut transaction = connection.begin().await?;
            let changed = redeliver(&mut transaction, change).await?;
            transaction.commit().await?;
            Ok(changed)
        };
        retried(|| self.pool.run(redeliver)).await
    }

    /// Cancels pending deliveries that no node holds.
    pub async fn cancel(&self, change: Change<'_>) -> Result<Vec<Changed>, sqlx::Error> {
        retried(|| self.pool.run(async |connection: &mut PgConnection| cancel(connection, change).await)).await
    }
}

/// The same within a transaction of the caller's.
pub(super) async fn redeliver(connection: &mut PgConnection, change: Change<'_>) -> Result<Vec<Changed>, sqlx::Error> {
    let (Some(first), Some(last)) = (change.events.iter().min(), change.events.iter().max()) else {
        return Ok(Vec::new());
    };
    // One redelivery of an event after the other. The next statement sees what the one before has queued, so that it finds
    // either a pending delivery or its ended run, and no run is ever queued twice.
    sqlx::query!(
        "select id from events where project_id = $1 and id = any($2) and id between $3 and $4 order by id for no key update",
        change.project_id,
        change.events,
        first,
        last
    )
    .fetch_all(&mut *connection)
    .await?;
    let rows = sqlx::query!(
        r#"with wanted as materialized (
               select id, type, triggers
                 from events
                where project_id = $1 and id = any($2) and id between $3 and $4
           ),
           latest as materialized (
               select distinct on (event_id, trigger_id) event_id, trigger_id, run, status
                 from deliveries
                where project_id = $1 and event_id = any($2) and event_id between $3 and $4
                order by event_id, trigger_id, run desc
           ),
           again as materialized (
               select l.event_id, l.trigger_id, (l.run + 1)::smallint as run, false as is_new
                 from latest l
                 join triggers t on t.id = l.trigger_id and t.deleted_at is null
                where ($5::text is null or t.name = $5) and ($6::text is null or l.status = $6::text::delivery_status)
               union all
               select w.id, t.id, 0::smallint, true
                 from wanted w
                 join triggers t on t.project_id = $1 and t.type = w.type and t.deleted_at is null
                where $6::text is null and (t.name = $5 or $5::text is null and w.triggers = 0)
                  and not exists (select from latest l where l.event_id = w.id and l.trigger_id = t.id)
           ),
           queued as (
               insert into queue (event_id, trigger_id, project_id, due_at, run)
               select a.event_id, a.trigger_id, $1, now(), a.run
                 from again a
                where not exists (select from queue q where q.event_id = a.event_id and q.trigger_id = a.trigger_id
                                                        and q.project_id = $1)
                   on conflict do nothing
               returning event_id, trigger_id
           ),
           new as materialized (
               select q.event_id, q.trigger_id
                 from queued q
                 join again a on a.event_id = q.event_id and a.trigger_id = q.trigger_id and a.is_new
           ),
           counted as (
               update events e
                  set triggers = e.triggers + n.count
                 from (select event_id, count(*)::int as count from new group by event_id) n
                where e.project_id = $1 and e.id = n.event_id and e.id between $3 and $4
           ),
           widened as (
               update triggers t
                  set first_event = n.first_event
                 from (select trigger_id, (array_agg(event_id order by event_id))[1] as first_event from new group by trigger_id) n
                where t.id = n.trigger_id and n.first_event < t.first_event
           )
           select q.event_id, t.name
             from queued q
             join triggers t on t.id = q.trigger_id
            order by q.event_id, t.id"#,
        change.project_id,
        change.events,
        first,
        last,
        change.trigger,
        change.only.status()
    )
    .fetch_all(&mut *connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.event_id, row.name)).collect())
}

/// The same within a transaction of the caller's. A row that a claim is taking at this moment is waited for, and then held.
pub(super) async fn cancel(connection: &mut PgConnection, change: Change<'_>) -> Result<Vec<Changed>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"with gone as (
               delete from queue q
                using triggers t
                where q.event_id = any($2) and q.project_id = $1 and (q.owner is null or q.due_at < now())
                  and t.id = q.trigger_id and ($3::text is null or t.name = $3)
               returning q.*, t.name
           ),
           ended as (
               insert into deliveries (event_id, project_id, trigger_id, run, attempts, status, error)
               select event_id, project_id, trigger_id, run, attempt, 'cancelled', 'It was cancelled by hand.' from gone
           )
           select event_id, name from gone order by event_id, trigger_id"#,
        change.project_id,
        change.events,
        change.trigger
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.event_id, row.name)).collect())
}
