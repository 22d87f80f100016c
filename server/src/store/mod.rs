//! All SQL, one file a noun, and the embedded PostgreSQL.
//!
//! Queries are checked against the schema at compile time; `cargo xtask prepare` renews what that needs in `.sqlx`.

mod detail;
pub mod embedded;
mod events;
mod jobs;
mod log;
mod maintenance;
mod nodes;
mod pool;
mod projects;
mod queue;
mod redelivery;
mod tallies;
mod triggers;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

use pool::TimedPool;

pub use detail::{DetailRow, PendingRow, RunRow, StandingRow};
pub use events::{OutcomeRow, StoredAttempt};
pub use jobs::{JobRow, NewJob, Step, Work};
pub use log::{Candidate, DataMatch, Span, SummaryRow, TriggerHistory};
pub use projects::{DefaultsRow, DeletedProject, ProjectRow};
pub use queue::{
    ACCEPT, ACCEPT_NOW, AcceptEvent, Accepted, AttemptRecord, CLAIM, Claimed, FINISH, Finished, Held, LEASE_SLACK,
    LeaseKey, Measured, Moved, NextDue, RELEASE, RETRY, Refusal, Retried, SPREAD,
};
pub use redelivery::{Change, Only};
pub use tallies::{Counts, DURATIONS, OutcomesRow, TallyRow};
pub use triggers::{Kept, TargetRow, TriggerRow};

/// The schema, and how older ones become it.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// The name under which PostgreSQL knows the connections of all nodes.
const APPLICATION: &str = "mission-control";

/// Limit of statements that may have a lot to do and for which nobody waits, or only who has asked for it.
const LONG: Duration = Duration::from_secs(3600);

/// How long a caller waits for a connection before it hears that the database is away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Connections that accept events. One batch gathers while another one commits.
pub const ACCEPTING_CONNECTIONS: usize = 2;
/// Connections of the engine's other work: claiming, completing, heartbeat, housekeeping.
const ENGINE_CONNECTIONS: u32 = 4;

/// How the engine's statements are planned, for those who want to see their plans. They are few and always run the same way:
/// one plan each, made once. Left to itself PostgreSQL plans them anew for every batch, which takes longer than running them.
///
/// None of them should ever scan a table or sort what an index has in order: a plan made while tomorrow's partition is empty,
/// or the queue, must still be right when it is full. To an empty queue its primary key looks as good for finding what is due
/// as the index for that, and a claim then reads and sorts all that has ever been queued.
pub const ENGINE_SETTINGS: [(&str, &str); 4] =
    [("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off"), ("enable_sort", "off"), ("jit", "off")];

/// Connections that search the history: so few that a search holds up neither the engine nor other requests.
const SEARCHING_CONNECTIONS: u32 = 3;

/// Those of a node beside the ones for requests.
const OTHER_CONNECTIONS: u32 = ACCEPTING_CONNECTIONS as u32 + ENGINE_CONNECTIONS + SEARCHING_CONNECTIONS;

/// A connection that was idle for longer is tried before it is used, since its server may be gone: one that accepts for
/// whoever waits, and one of the engine's, which tries again by itself.
const TRUSTED_ACCEPTING: Duration = Duration::from_secs(1);
const TRUSTED_ENGINE: Duration = Duration::from_secs(10);

/// The one way to the database.
#[derive(Clone)]
pub struct Store {
    /// To ask by a connection of its own why the others do not come.
    options: PgConnectOptions,
    /// For requests.
    pool: TimedPool,
    /// For accepting: a commit is on disk when it returns.
    durable: TimedPool,
    /// Commits without waiting for the disk, for what a crash may forget: it costs a redelivery, never an event.
    /// Source: PostgreSQL manual, "Asynchronous Commit".
    relaxed: TimedPool,
    /// For searching the history.
    searching: TimedPool,
    /// Held by whoever removes what deleted projects have left.
    purging: Arc<Mutex<()>>,
}

impl Store {
    /// Connects, migrates and makes the partitions of the coming days. Safe when several nodes start at once.
    /// No statement takes longer than `limit`.
    pub async fn open(options: PgConnectOptions, connections: u32, limit: Duration) -> Result<Self, sqlx::Error> {
        let options = options.application_name(APPLICATION).options([("synchronous_commit", "on")]);
        let mut first = first_connection(&options).await?;
        // Of several nodes one does it and the others wait: for the migrator's advisory lock, and for the row that is locked
        // while partitions are made.
        MIGRATIONS.run_direct(None, &mut first, false).await?;
        match maintenance::create_partitions(&mut first).await {
            Err(error) if is_in_the_way(&error) => {
                tracing::warn!(%error, "the partitions of the coming days are made later: somebody reads the history");
            }
            made => made?,
        }
        let mut engine = options.clone().options(ENGINE_SETTINGS);
        if compresses_by_lz4(&mut first).await? {
            // Of what is too long for a page, the usual compression takes more time than all else that becomes of an event.
            engine = engine.options([("default_toast_compression", "lz4")]);
        }
        let most = most_connections(&mut first).await?;
        if most < i64::from(connections + OTHER_CONNECTIONS) {
            tracing::warn!(
                most,
                needed = connections + OTHER_CONNECTIONS,
                "PostgreSQL takes fewer connections (max_connections) than this node may open: lower --database-connections"
            );
        }
        let relaxed = engine.clone().options([("synchronous_commit", "off")]);
        // Searches are planned anew every time, since the plan hangs on which filters are set and on which days are meant;
        // and nothing that a person looks for is worth scanning a table or waiting longer.
        let settings = [
            ("plan_cache_mode", "force_custom_plan"),
            ("enable_seqscan", "off"),
            ("jit", "off"),
            ("max_parallel_workers_per_gather", "0"),
            ("statement_timeout", "10s"),
        ];
        let searching = options.clone().options(settings);
        first.close().await?;
        let pool = |connections: u32, trusted_idle, options| {
            TimedPool::new(pool_options(connections, trusted_idle).connect_lazy_with(options), trusted_idle, limit)
        };
        Ok(Self {
            options: options.clone(),
            pool: pool(connections, Duration::ZERO, options),
            durable: pool(ACCEPTING_CONNECTIONS as u32, TRUSTED_ACCEPTING, engine),
            relaxed: pool(ENGINE_CONNECTIONS, TRUSTED_ENGINE, relaxed),
            searching: pool(SEARCHING_CONNECTIONS, Duration::ZERO, searching),
            purging: Arc::default(),
        })
    }

    /// The reason behind an error: a pool says only that it has waited long enough.
    pub async fn why_away(&self, error: sqlx::Error) -> sqlx::Error {
        match error {
            sqlx::Error::PoolTimedOut => first_connection(&self.options).await.err().unwrap_or(error),
            error => error,
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        sqlx::query!("select 1 as one").fetch_one(&self.pool).await.map(drop)
    }

    /// The identity of this installation, the same over all nodes and restarts.
    pub async fn instance(&self) -> Result<Uuid, sqlx::Error> {
        sqlx::query_scalar!("select id from instance").fetch_one(&self.pool).await
    }

    pub async fn close(&self) {
        self.pool.close().await;
        self.durable.close().await;
        self.relaxed.close().await;
        self.searching.close().await;
    }
}

/// A connection of its own, which fails with the reason, where a pool says only that it has waited long enough.
async fn first_connection(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    // A migration takes as long as it takes, and so does waiting for one: neither is a slow statement to warn of.
    let options = options.clone().disable_statement_logging();
    let connected = tokio::time::timeout(ACQUIRE_TIMEOUT, options.connect()).await;
    connected.map_err(|late| sqlx::Error::Io(late.into()))?
}

/// How many connections PostgreSQL has for others than superusers.
async fn most_connections(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select current_setting('max_connections')::bigint
                  - current_setting('superuser_reserved_connections')::bigint as "most!""#
    )
    .fetch_one(connection)
    .await
}

/// Whether PostgreSQL can; some are built without.
async fn compresses_by_lz4(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (
               select from pg_settings where name = 'default_toast_compression' and 'lz4' = any(enumvals)
           ) as "can!""#
    )
    .fetch_one(connection)
    .await
}

fn pool_options(connections: u32, trusted_idle: Duration) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(move |connection, usage| {
            Box::pin(async move {
                if usage.idle_for > trusted_idle {
                    // One that is gone without a word is replaced in time for whoever waits for it.
                    let answered = tokio::time::timeout(ACQUIRE_TIMEOUT / 3, connection.ping()).await;
                    return Ok(answered.is_ok_and(|ping| ping.is_ok()));
                }
                Ok(true)
            })
        })
}

/// Parses a connection URL, with a reason a person can use.
pub fn parse_database_url(url: &str) -> Result<PgConnectOptions, String> {
    // Of other schemes sqlx takes what it knows.
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        let why = "it does not begin with postgres://, as in postgres://user:password@host:5432/name";
        return Err(format!("The database URL cannot be read: {why}."));
    }
    PgConnectOptions::from_str(url).map_err(|error| {
        format!("The database URL cannot be read ({error}); it looks like postgres://user:password@host:5432/name.")
    })
}

/// Whether an error means that the database cannot be reached or is not ready: worth trying again, and nobody's fault
/// who sent a request.
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => true,
        // Class 08: connection; 57P0x: shut down.
        _ => has_code(error, &["08", "57P"]) || is_refused(error),
    }
}

/// Whether PostgreSQL does nothing for anybody at the moment, or not for this node: what was to be done was not begun.
fn is_refused(error: &sqlx::Error) -> bool {
    // Class 53: resources; 57P03: starting; 25006: it takes no writes.
    has_code(error, &["53", "57P03", "25006"]) || is_denied(error)
}

/// Whether PostgreSQL lets this node do nothing: a wrong password, no such database, no privilege, or no TLS as the URL asks for.
/// Somebody has changed that, or will: what was to be written is kept until then.
pub fn is_denied(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Tls(_) | sqlx::Error::Configuration(_)) || has_code(error, &["28", "3D", "42501"])
}

/// Whether PostgreSQL answered with a code that is one of these, or of a class that is. PostgreSQL manual, appendix A.
fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| codes.iter().any(|one| code.starts_with(one)))
}

/// Whether PostgreSQL stopped a statement that took it longer than it may.
pub fn is_cut_short(error: &sqlx::Error) -> bool {
    has_code(error, &["57014"])
}

/// Whether a row was to belong to one that is gone.
pub fn is_orphan(error: &sqlx::Error) -> bool {
    has_code(error, &["23503"])
}

/// Whether a statement may have done its work although the database could not be asked: it was under way.
pub fn is_uncertain(error: &sqlx::Error) -> bool {
    is_unavailable(error) && !is_refused(error) && !matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)
}

/// Whether the same statement may succeed when simply run again: a serialization failure or a deadlock.
pub fn is_transient(error: &sqlx::Error) -> bool {
    has_code(error, &["40001", "40P01"])
}

/// Whether a lock was not to be had in time: somebody else's transaction holds it.
fn is_in_the_way(error: &sqlx::Error) -> bool {
    has_code(error, &["55P03"])
}

/// Whether a parameter held a null character, which PostgreSQL's text cannot: what was looked for cannot exist. Everything
/// that is stored was parsed before, and holds none.
pub fn is_unstorable_text(error: &sqlx::Error) -> bool {
    has_code(error, &["22021"])
}

/// Runs a statement again when it lost to another one, a few times at most.
async fn retried<T, F>(mut statement: impl FnMut() -> F) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let mut left = 5;
    loop {
        match statement().await {
            Err(error) if left > 0 && is_transient(&error) => left -= 1,
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_speaks_no_tls_any_more_has_begun_nothing() {
        let error = sqlx::Error::Tls("server does not support TLS".into());
        assert!(is_denied(&error) && is_unavailable(&error) && !is_uncertain(&error));
    }
}
