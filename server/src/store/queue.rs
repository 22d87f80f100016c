//! The hot table: accepting, claiming, and ending deliveries.
//!
//! Everything works on batches, every comparison of times uses the database's clock, and whoever changes a claimed row
//! must still hold its lease: `run` and `fence` have to match.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgHasArrayType, PgTypeInfo};
use sqlx::{Connection, PgConnection, PgExecutor, Postgres};
use uuid::Uuid;

use super::{APPLICATION, Store, retried};

/// The engine's statements, for those who want to see their plans.
pub const ACCEPT: &str = include_str!("accept.sql");
pub const ACCEPT_NOW: &str = include_str!("accept_now.sql");
pub const CLAIM: &str = include_str!("claim.sql");
pub const FINISH: &str = include_str!("finish.sql");
pub const RETRY: &str = include_str!("retry.sql");
pub const RELEASE: &str = include_str!("release.sql");

/// By how much deliveries that wait are due later than their event, at most, so that their places in the queue differ;
/// the accepting statements add it.
pub const SPREAD: Duration = Duration::from_millis(1);

/// Seconds that a lease outlasts its trigger's timeout: time to wait for a slot and to write the outcome down.
pub const LEASE_SLACK: f64 = 15.0;

/// One event to accept.
#[derive(Clone, Debug)]
pub struct AcceptEvent {
    pub id: Uuid,
    pub project: Arc<str>,
    pub event_type: Arc<str>,
    /// JSON text.
    pub data: Arc<str>,
    pub at: Option<DateTime<Utc>>,
    /// Seconds.
    pub delay: f64,
    pub synchronous: bool,
    pub key: Option<String>,
}

impl AcceptEvent {
    fn is_due_at_once(&self) -> bool {
        self.at.is_none() && self.delay == 0.0
    }
}

/// What became of one event.
#[derive(Clone, Debug)]
pub enum Accepted {
    UnknownProject,
    /// A synchronous event that nobody could be waiting for; nothing was queued.
    Refused(Refusal),
    Queued {
        event_id: Uuid,
        project_id: i32,
        due_at: DateTime<Utc>,
        /// Seconds from the acceptance until then, by the database's clock.
        due_in: f64,
        triggers: i32,
        /// The idempotency key was known: this is the event of back then.
        replayed: bool,
        /// Deliveries already leased to this node: trigger and its version.
        leases: Vec<(i32, i64)>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NoTrigger,
    TooLate,
}

/// How the accepting node takes part in the deliveries.
#[derive(Clone, Debug)]
pub struct Held<'a> {
    pub node: Uuid,
    /// Lease what is due now to this node.
    pub lease: bool,
    /// Triggers that have no free slot here: leave theirs to whoever claims.
    pub saturated: &'a [i32],
    /// Seconds that a synchronous caller waits.
    pub sync_wait: f64,
}

/// A delivery claimed by this node, with its event.
#[derive(Debug)]
pub struct Claimed {
    pub event_id: Uuid,
    pub trigger_id: i32,
    pub project_id: i32,
    pub attempt: i16,
    pub fence: i32,
    pub run: i16,
    pub trigger_version: i64,
    /// When it was due.
    pub was_due: DateTime<Utc>,
    pub event_type: Option<String>,
    pub data: Option<String>,
    pub event_due_at: Option<DateTime<Utc>>,
}

/// What proves that a lease is still held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseKey {
    pub event_id: Uuid,
    pub trigger_id: i32,
    pub run: i16,
    pub fence: i32,
}

/// What of an attempt took how long, in microseconds; `None`: it was not done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    pub dns_us: Option<i32>,
    pub connect_us: Option<i32>,
    pub tls_us: Option<i32>,
    pub first_byte_us: Option<i32>,
}

/// From the columns in the order of the fields, as queries gather them.
impl From<Option<Vec<Option<i32>>>> for Measured {
    fn from(columns: Option<Vec<Option<i32>>>) -> Self {
        let columns = columns.unwrap_or_default();
        let column = |place: usize| columns.get(place).copied().flatten();
        Self { dns_us: column(0), connect_us: column(1), tls_us: column(2), first_byte_us: column(3) }
    }
}

/// One attempt as it is written down.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    pub started_at: DateTime<Utc>,
    pub duration_us: i32,
    pub timings: Measured,
    pub response_status: Option<i16>,
    pub response_cut: bool,
    pub response_headers: Option<String>,
    pub response_body: Option<Vec<u8>>,
    pub error: Option<String>,
}

/// What the queue holds next.
#[derive(Clone, Debug)]
pub struct NextDue {
    /// Until the earliest delivery that a node could take; negative: overdue; `None`: there is none within the horizon.
    pub seconds: Option<f64>,
    /// The triggers whose deliveries a node could take now.
    pub triggers: Vec<i32>,
    /// When the earliest delivery of whatever trigger is due, if that is within the horizon.
    pub earliest: Option<DateTime<Utc>>,
    /// By the database's clock.
    pub now: DateTime<Utc>,
    /// When the oldest transaction of a node began that is writing or waits for a lock; now, if there is none. What such a
    /// transaction makes due at once is due from then on, and nobody else sees it before its commit.
    pub writing_since: DateTime<Utc>,
}

/// A delivery that ended.
#[derive(Clone, Debug)]
pub struct Finished {
    pub lease: LeaseKey,
    pub delivered: bool,
    pub attempt: i16,
    /// `None`: it was ended without another attempt.
    pub record: Option<AttemptRecord>,
    pub error: Option<String>,
}

/// A delivery that is in the history now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    pub event_id: Uuid,
    pub trigger_id: i32,
}

/// A delivery that failed and is tried again.
#[derive(Clone, Debug)]
pub struct Retried {
    pub lease: LeaseKey,
    pub attempt: i16,
    /// Seconds.
    pub wait: f64,
    pub record: AttemptRecord,
}

impl Store {
    /// Accepts a batch in one transaction: all of it is durable when this returns, or none of it. One outcome an event, in
    /// order.
    pub async fn accept(&self, events: &[AcceptEvent], held: &Held<'_>) -> Result<Vec<Accepted>, sqlx::Error> {
        if events.iter().all(|event| event.key.is_none()) {
            // One statement is one transaction.
            let events: Vec<_> = events.iter().collect();
            return retried(|| insert_events(&self.durable, &events, held)).await;
        }
        let accept = async |connection: &mut PgConnection| {
            let mut transaction = connection.begin().await?;
            let accepted = accept_keyed(&mut transaction, events, held).await?;
            transaction.commit().await?;
            Ok(accepted)
        };
        retried(|| self.durable.run(accept)).await
    }

    /// The events that were accepted under these events' idempotency keys before, in order; `None`: one has no key, or an
    /// unknown one.
    pub async fn accepted_before(&self, events: &[AcceptEvent]) -> Result<Option<Vec<Accepted>>, sqlx::Error> {
        let Some(keys) = events.iter().map(|event| event.key.as_deref()).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let projects: Vec<_> = events.iter().map(|event| &*event.project).collect();
        let owners = owners(&self.pool, &projects, &keys).await?;
        Ok(owners.iter().map(|owner| owner.as_ref().map(Owner::replay)).collect())
    }

    /// What is due from a time on, before which nothing is, until `horizon` seconds from now; `full`: triggers that the node
    /// cannot serve now. One probe a trigger, however long the backlogs are, and however much is scheduled for later.
    pub async fn next_due(&self, full: &[i32], from: DateTime<Utc>, horizon: f64) -> Result<NextDue, sqlx::Error> {
        sqlx::query_as!(
            NextDue,
            r#"select extract(epoch from
                          min(first.due_at) filter (where t.enabled and t.id <> all ($1)) - now()
                      )::float8 as "seconds",
                      coalesce(
                          array_agg(t.id) filter (where t.enabled and t.id <> all ($1) and first.due_at <= now()), '{}'
                      ) as "triggers!",
                      min(first.due_at) as "earliest",
                      now() as "now!",
                      (select coalesce(min(xact_start), now())
                         from pg_stat_activity
                        where datname = current_database() and application_name = $4 and pid <> pg_backend_pid()
                          and (backend_xid is not null or wait_event_type = 'Lock')) as "writing_since!"
                 from triggers t
                cross join lateral (
                      select q.due_at from queue q
                       where q.trigger_id = t.id and q.due_at between $2 and now() + make_interval(secs => $3)
                       order by q.due_at limit 1
                     ) first
                where t.deleted_at is null"#,
            full,
            from,
            horizon,
            APPLICATION
        )
        .fetch_one(&self.relaxed)
        .await
    }

    /// Leases due deliveries of the given triggers to a node, of each from a time on: at most `limit`, and of each trigger no
    /// more than it has free slots. `slots` holds the free slots of the triggers this node is busy with; the others have all
    /// theirs.
    pub async fn claim(
        &self,
        node: Uuid,
        triggers: (&[i32], &[DateTime<Utc>]),
        slots: (&[i32], &[i32]),
        default_concurrency: i32,
        limit: i32,
    ) -> Result<Vec<Claimed>, sqlx::Error> {
        retried(|| {
            sqlx::query_file_as!(
                Claimed,
                "src/store/claim.sql",
                node,
                slots.0,
                slots.1,
                default_concurrency,
                limit,
                LEASE_SLACK,
                triggers.1,
                triggers.0
            )
            .fetch_all(&self.relaxed)
        })
        .await
    }

    /// Moves ended deliveries into the history. Those whose lease was lost are passed over. Gives those that moved.
    pub async fn finish(&self, node: Uuid, ended: &[Finished]) -> Result<Vec<Moved>, sqlx::Error> {
        let outcomes: Vec<_> = ended.iter().map(Outcome::of_finished).collect();
        retried(|| {
            sqlx::query_file_as!(Moved, "src/store/finish.sql", node, &outcomes as &[Outcome<'_>])
                .fetch_all(&self.relaxed)
        })
        .await
    }

    /// Puts failed deliveries back for their next attempt and writes the failed one down. Those whose lease was lost are
    /// passed over.
    pub async fn retry(&self, node: Uuid, failed: &[Retried]) -> Result<(), sqlx::Error> {
        let outcomes: Vec<_> = failed.iter().map(Outcome::of_retried).collect();
        retried(|| sqlx::query_file!("src/store/retry.sql", node, &outcomes as &[Outcome<'_>]).execute(&self.relaxed))
            .await
            .map(drop)
    }

    /// Gives back leases whose attempt never began: they are due at once, and the attempt is not counted.
    pub async fn release(&self, leases: &[LeaseKey]) -> Result<(), sqlx::Error> {
        let leases = Leases::of(leases.iter().copied());
        retried(|| {
            sqlx::query_file!("src/store/release.sql", &leases.events, &leases.triggers, &leases.runs, &leases.fences)
                .execute(&self.relaxed)
        })
        .await
        .map(drop)
    }

    /// Pending deliveries by project name.
    pub async fn backlog(&self) -> Result<HashMap<String, i64>, sqlx::Error> {
        let rows = sqlx::query!(
            r#"select p.name, q.pending as "pending!"
                 from (select project_id, count(*) as pending from queue group by project_id) q
                 join projects p on p.id = q.project_id"#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.name, row.pending)).collect())
    }
}

/// Inserts events, fans them out to their triggers, and says which deliveries are leased to this node.
async fn insert_events(
    database: impl PgExecutor<'_>,
    events: &[&AcceptEvent],
    held: &Held<'_>,
) -> Result<Vec<Accepted>, sqlx::Error> {
    if events.iter().all(|event| event.is_due_at_once() && !event.synchronous) {
        insert_due_events(database, events, held).await
    } else {
        insert_any_events(database, events, held).await
    }
}

async fn insert_any_events(
    database: impl PgExecutor<'_>,
    events: &[&AcceptEvent],
    held: &Held<'_>,
) -> Result<Vec<Accepted>, sqlx::Error> {
    let Columns { ids, data, places, projects, types } = Columns::of(events);
    let at: Vec<_> = events.iter().map(|event| event.at).collect();
    let delays: Vec<_> = events.iter().map(|event| event.delay).collect();
    let synchronous: Vec<_> = events.iter().map(|event| event.synchronous).collect();
    let rows = sqlx::query_file!(
        "src/store/accept.sql",
        &ids,
        &places,
        &data as &[&str],
        &at as &[Option<DateTime<Utc>>],
        &delays,
        &synchronous,
        &projects as &[&str],
        &types as &[&str],
        held.lease,
        held.saturated,
        held.sync_wait,
        LEASE_SLACK,
        held.node
    )
    .fetch_all(database)
    .await?;

    let mut found: HashMap<Uuid, Accepted> = HashMap::with_capacity(events.len());
    for row in rows {
        let accepted = match row.refusal {
            1 => Accepted::Refused(Refusal::NoTrigger),
            2 => Accepted::Refused(Refusal::TooLate),
            _ => Accepted::Queued {
                event_id: row.id,
                project_id: row.project_id,
                due_at: row.due_at,
                due_in: row.due_in,
                triggers: row.triggers,
                replayed: false,
                leases: leases(row.leases, row.versions),
            },
        };
        found.insert(row.id, accepted);
    }
    Ok(ids.iter().map(|id| found.remove(id).unwrap_or(Accepted::UnknownProject)).collect())
}

/// The same for events that are due at once and for which nobody waits.
async fn insert_due_events(
    database: impl PgExecutor<'_>,
    events: &[&AcceptEvent],
    held: &Held<'_>,
) -> Result<Vec<Accepted>, sqlx::Error> {
    let Columns { ids, data, places, projects, types } = Columns::of(events);
    let rows = sqlx::query_file!(
        "src/store/accept_now.sql",
        &ids,
        &places,
        &data as &[&str],
        &projects as &[&str],
        &types as &[&str],
        held.lease,
        held.saturated,
        LEASE_SLACK,
        held.node
    )
    .fetch_all(database)
    .await?;

    let kinds: HashMap<_, _> = rows.into_iter().map(|row| (row.kind, row)).collect();
    let outcome = |(id, place): (&Uuid, &i32)| {
        kinds.get(place).map_or(Accepted::UnknownProject, |kind| Accepted::Queued {
            event_id: *id,
            project_id: kind.project_id,
            due_at: kind.due_at,
            due_in: 0.0,
            triggers: kind.triggers,
            replayed: false,
            leases: leases(kind.leases.clone(), kind.versions.clone()),
        })
    };
    Ok(ids.iter().zip(&places).map(outcome).collect())
}

/// Triggers that lease a delivery each, with their versions.
fn leases(triggers: Option<Vec<i32>>, versions: Option<Vec<i64>>) -> Vec<(i32, i64)> {
    triggers.unwrap_or_default().into_iter().zip(versions.unwrap_or_default()).collect()
}

/// What every event of a batch has, in columns: with the place of its kind, from 1, among the kinds, which are the projects and
/// types that occur.
struct Columns<'a> {
    ids: Vec<Uuid>,
    data: Vec<&'a str>,
    places: Vec<i32>,
    projects: Vec<&'a str>,
    types: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(events: &[&'a AcceptEvent]) -> Self {
        let (mut projects, mut types) = (Vec::new(), Vec::new());
        let mut known = HashMap::new();
        let place = |event: &&'a AcceptEvent| {
            let kind = (&*event.project, &*event.event_type);
            *known.entry(kind).or_insert_with(|| {
                projects.push(kind.0);
                types.push(kind.1);
                projects.len() as i32
            })
        };
        let places = events.iter().map(place).collect();
        Self {
            ids: events.iter().map(|event| event.id).collect(),
            data: events.iter().map(|event| &*event.data).collect(),
            places,
            projects,
            types,
        }
    }
}

/// Accepts events some of which have idempotency keys: whoever inserts a key first owns it, within the batch and against
/// all others; the rest are answered with the owner's event.
async fn accept_keyed(
    connection: &mut PgConnection,
    events: &[AcceptEvent],
    held: &Held<'_>,
) -> Result<Vec<Accepted>, sqlx::Error> {
    // In one order everywhere, so that two batches with the same keys wait for each other instead of deadlocking.
    let mut keyed: Vec<_> =
        events.iter().filter_map(|event| Some((&*event.project, event.key.as_deref()?, event.id))).collect();
    keyed.sort_unstable();
    let projects: Vec<_> = keyed.iter().map(|one| one.0).collect();
    let keys: Vec<_> = keyed.iter().map(|one| one.1).collect();
    let ids: Vec<_> = keyed.iter().map(|one| one.2).collect();
    let new = sqlx::query!(
        "insert into idempotency_keys (project_id, key, event_id)
         select p.id, i.key, i.id
           from unnest($1::text[], $2::text[], $3::uuid[]) with ordinality as i (project, key, id, place)
           join projects p on p.name = i.project
          order by i.place
             on conflict do nothing",
        &projects as &[&str],
        &keys as &[&str],
        &ids
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();

    // The owners of the keys that are not new, by the event that asked for them.
    let mut others = HashMap::new();
    if new < ids.len() as u64 {
        let owners = owners(&mut *connection, &projects, &keys).await?;
        others.extend(ids.iter().zip(owners).filter_map(|(id, owner)| Some((*id, owner?))));
        others.retain(|id, owner| owner.event_id != *id);
    }
    let fresh: Vec<_> = events.iter().filter(|event| !others.contains_key(&event.id)).collect();
    let inserted = insert_events(&mut *connection, &fresh, held).await?;
    let refused: Vec<_> = fresh
        .iter()
        .zip(&inserted)
        .filter(|(_, accepted)| matches!(accepted, Accepted::Refused(_)))
        .map(|(event, _)| event.id)
        .collect();
    if !refused.is_empty() {
        // Nothing was queued under these keys: they stay free. Found by the key, since nothing else finds one.
        sqlx::query!(
            "delete from idempotency_keys k
              using unnest($1::text[], $2::text[]) as i (project, key)
               join projects p on p.name = i.project
              where k.project_id = p.id and k.key = i.key and k.event_id = any($3)",
            &projects as &[&str],
            &keys as &[&str],
            &refused
        )
        .execute(&mut *connection)
        .await?;
    }

    let inserted: HashMap<Uuid, Accepted> = fresh.iter().map(|event| event.id).zip(inserted).collect();
    let outcome = |event: &AcceptEvent| {
        let Some(owner) = others.get(&event.id) else { return inserted[&event.id].clone() };
        // Of this batch: the same event, but only the first dispatches it.
        let mut outcome = inserted.get(&owner.event_id).cloned().unwrap_or_else(|| owner.replay());
        if let Accepted::Queued { replayed, leases, .. } = &mut outcome {
            *replayed = true;
            leases.clear();
        }
        outcome
    };
    Ok(events.iter().map(outcome).collect())
}

/// The event that an idempotency key stands for.
struct Owner {
    event_id: Uuid,
    project_id: i32,
    due_at: DateTime<Utc>,
    triggers: i32,
}

impl Owner {
    fn replay(&self) -> Accepted {
        let Self { event_id, project_id, due_at, triggers } = *self;
        Accepted::Queued { event_id, project_id, due_at, due_in: 0.0, triggers, replayed: true, leases: Vec::new() }
    }
}

/// The owners of keys, in order; `None`: nobody owns it. Retention may have taken an event that its key still stands for.
async fn owners(
    executor: impl PgExecutor<'_>,
    projects: &[&str],
    keys: &[&str],
) -> Result<Vec<Option<Owner>>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select i.place as "place!", k.event_id, k.project_id, coalesce(e.due_at, k.created_at) as "due_at!",
                  coalesce(e.triggers, 0) as "triggers!"
             from unnest($1::text[], $2::text[]) with ordinality as i (project, key, place)
             join projects p on p.name = i.project
             join idempotency_keys k on k.project_id = p.id and k.key = i.key
             left join events e on e.project_id = k.project_id and e.id = k.event_id"#,
        projects as &[&str],
        keys as &[&str]
    )
    .fetch_all(executor)
    .await?;
    let mut owners: Vec<_> = keys.iter().map(|_| None).collect();
    for row in rows {
        let owner =
            Owner { event_id: row.event_id, project_id: row.project_id, due_at: row.due_at, triggers: row.triggers };
        owners[row.place as usize - 1] = Some(owner);
    }
    Ok(owners)
}

/// The columns of leases.
///
/// Statements that match them against the queue must look each up by the primary key, whatever the queue held when they were
/// planned. So they write `q.event_id = any(array[…])`, which no other join than that can use: to an empty queue, reading all
/// of it once looks cheaper. And they write `q.trigger_id + 0`, since the other index starts with the trigger, and a plan with
/// that reads the trigger's whole backlog for every row (measured: 1.4 s for 256 rows instead of 2 ms).
struct Leases {
    events: Vec<Uuid>,
    triggers: Vec<i32>,
    runs: Vec<i16>,
    fences: Vec<i32>,
}

impl Leases {
    fn of(leases: impl Iterator<Item = LeaseKey>) -> Self {
        let mut columns = Self { events: Vec::new(), triggers: Vec::new(), runs: Vec::new(), fences: Vec::new() };
        for lease in leases {
            columns.events.push(lease.event_id);
            columns.triggers.push(lease.trigger_id);
            columns.runs.push(lease.run);
            columns.fences.push(lease.fence);
        }
        columns
    }
}

/// What became of a leased delivery, as statements take it: a value of the type `outcome`, field by field. One array of these
/// costs PostgreSQL less than an array a column, each of which it would unpack into a table of its own.
#[derive(sqlx::Encode)]
struct Outcome<'a> {
    event_id: Uuid,
    trigger_id: i32,
    fence: i32,
    run: i16,
    attempt: i16,
    delivered: bool,
    /// Seconds until the next attempt.
    wait: Option<f64>,
    started_at: Option<DateTime<Utc>>,
    duration_us: Option<i32>,
    dns_us: Option<i32>,
    connect_us: Option<i32>,
    tls_us: Option<i32>,
    first_byte_us: Option<i32>,
    response_status: Option<i16>,
    response_cut: bool,
    response_headers: Option<&'a str>,
    response_body: Option<&'a [u8]>,
    error: Option<&'a str>,
}

impl<'a> Outcome<'a> {
    fn of_finished(one: &'a Finished) -> Self {
        let error = one.error.as_deref();
        Self { delivered: one.delivered, error, ..Self::of(one.lease, one.attempt, one.record.as_ref()) }
    }

    fn of_retried(one: &'a Retried) -> Self {
        // The table asks for an error, since only a failed attempt is followed by another.
        let error = Some(one.record.error.as_deref().unwrap_or_default());
        Self { wait: Some(one.wait), error, ..Self::of(one.lease, one.attempt, Some(&one.record)) }
    }

    fn of(lease: LeaseKey, attempt: i16, record: Option<&'a AttemptRecord>) -> Self {
        let LeaseKey { event_id, trigger_id, run, fence } = lease;
        let Measured { dns_us, connect_us, tls_us, first_byte_us } =
            record.map(|record| record.timings).unwrap_or_default();
        Self {
            event_id,
            trigger_id,
            fence,
            run,
            attempt,
            delivered: false,
            wait: None,
            started_at: record.map(|record| record.started_at),
            duration_us: record.map(|record| record.duration_us),
            dns_us,
            connect_us,
            tls_us,
            first_byte_us,
            response_status: record.and_then(|record| record.response_status),
            response_cut: record.is_some_and(|record| record.response_cut),
            response_headers: record.and_then(|record| record.response_headers.as_deref()),
            response_body: record.and_then(|record| record.response_body.as_deref()),
            error: None,
        }
    }
}

impl sqlx::Type<Postgres> for Outcome<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("outcome")
    }
}

impl PgHasArrayType for Outcome<'_> {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::array_of("outcome")
    }
}
