//! Connections whose statements end.
//!
//! A server that is switched off, or a network that is cut, says nothing: whoever waits for an answer waits for ever, since
//! sqlx asks for no TCP keepalive. So every statement has a limit. Past it the connection is closed, never tried again, and
//! what waited hears that the database is away.
//!
//! sqlx's pool has every connection answer once more when it comes back. Where a connection is trusted for a while, it is kept
//! at hand instead after a statement that went well, for the next one: under load most of what the engine asks then needs one
//! round trip, not two.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use futures::{FutureExt, TryFutureExt};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Error, Execute, Executor, Postgres, SqlStr};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};

/// A connection that is kept at hand goes back after this long at the latest, so that the pool can see to its age.
const AT_HAND: Duration = Duration::from_secs(60);

/// A pool of connections whose statements take no longer than a limit.
#[derive(Clone)]
pub(super) struct TimedPool {
    pool: PgPool,
    limit: Duration,
    /// How long an idle connection is used again without being tried before.
    trusted_idle: Duration,
    at_hand: Arc<AtHand>,
}

/// Connections that are not in the pool between two statements.
struct AtHand {
    /// One for each connection of the pool: whoever holds one finds a connection, at hand or in the pool.
    turns: Semaphore,
    /// The one that was used last comes last; `None`: the pool is closed.
    idle: Mutex<Option<Vec<Idle>>>,
}

struct Idle {
    loan: Loan,
    /// When its last statement ended.
    since: Instant,
}

impl AtHand {
    fn idle(&self) -> MutexGuard<'_, Option<Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, unless it has been idle for longer than this; those go back to the pool.
    fn take(&self, trusted_idle: Duration) -> Option<Loan> {
        let mut idle = self.idle();
        let idle = idle.as_mut()?;
        idle.retain(|one| one.since.elapsed() <= trusted_idle);
        idle.pop().map(|one| one.loan)
    }

    fn keep(&self, loan: Loan) {
        if let Some(idle) = self.idle().as_mut() {
            idle.push(Idle { loan, since: Instant::now() });
        }
    }
}

impl fmt::Debug for TimedPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedPool").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// A connection on loan. It goes back to its pool once its server has answered everything, within the limit too, and is closed
/// otherwise.
struct Loan {
    connection: PoolConnection<Postgres>,
    /// When it came from the pool.
    since: Instant,
    limit: Duration,
    is_late: bool,
}

impl Drop for Loan {
    fn drop(&mut self) {
        match Handle::try_current() {
            Ok(runtime) if !self.is_late => {
                drop(runtime.spawn(tokio::time::timeout(self.limit, self.connection.return_to_pool())));
            }
            _ => self.connection.close_on_drop(),
        }
    }
}

impl TimedPool {
    /// Of a pool that tries connections which were idle for longer than this.
    pub fn new(pool: PgPool, trusted_idle: Duration, limit: Duration) -> Self {
        let turns = Semaphore::new(pool.options().get_max_connections() as usize);
        Self { pool, limit, trusted_idle, at_hand: Arc::new(AtHand { turns, idle: Mutex::new(Some(Vec::new())) }) }
    }

    /// The same connections, with another limit.
    pub fn within(&self, limit: Duration) -> Self {
        Self { limit, ..self.clone() }
    }

    /// Runs what takes several statements on one connection, all of it within the limit.
    pub async fn run<T>(&self, work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>) -> Result<T, Error> {
        self.lend(work).await.map(|(done, _)| done)
    }

    /// Runs one statement. What is left of a connection after several, such as a transaction to roll back, is for the pool.
    async fn run_one<T>(&self, work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>) -> Result<T, Error> {
        let (done, (loan, turn)) = self.lend(work).await?;
        if !self.trusted_idle.is_zero() && loan.since.elapsed() < AT_HAND {
            self.at_hand.keep(loan);
        }
        // Only now: whoever is next finds it at hand.
        drop(turn);
        Ok(done)
    }

    async fn lend<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>,
    ) -> Result<(T, (Loan, SemaphorePermit<'_>)), Error> {
        // Waiting for a turn and for a connection share one time.
        let acquire_timeout = self.pool.options().get_acquire_timeout();
        let acquired = tokio::time::timeout(acquire_timeout, self.acquire()).await;
        let (mut loan, turn) = acquired.map_err(|_| Error::PoolTimedOut)??;
        loan.limit = self.limit;
        let ended = tokio::time::timeout(self.limit, work(&mut loan.connection)).await;
        loan.is_late = ended.is_err();
        let done = ended.map_err(|late| Error::Io(late.into()))??;
        Ok((done, (loan, turn)))
    }

    async fn acquire(&self) -> Result<(Loan, SemaphorePermit<'_>), Error> {
        let turn = self.at_hand.turns.acquire().await.map_err(|_| Error::PoolClosed)?;
        let loan = match self.at_hand.take(self.trusted_idle) {
            Some(loan) => loan,
            None => {
                let connection = self.pool.acquire().await?;
                Loan { connection, since: Instant::now(), limit: self.limit, is_late: false }
            }
        };
        Ok((loan, turn))
    }

    /// Closes all connections, those on loan when they come back.
    pub async fn close(&self) {
        drop(self.at_hand.idle().take());
        self.pool.close().await;
    }
}

impl<'p> Executor<'p> for &'p TimedPool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let all = self.run_one(async move |connection| connection.fetch_many(query).try_collect::<Vec<_>>().await);
        all.map_ok(|all| stream::iter(all.into_iter().map(Ok))).try_flatten_stream().boxed()
    }

    // As without it, but for a detour that every row would make.
    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Vec<PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.run_one(async move |connection| connection.fetch_all(query).await).boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.run_one(async move |connection| connection.fetch_optional(query).await).boxed()
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'p: 'e,
    {
        self.run_one(async move |connection| connection.prepare_with(sql, parameters).await).boxed()
    }
    // For sqlx's macros at compile time.
    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'p: 'e,
    {
        self.run_one(async move |connection| connection.describe(sql).await).boxed()
    }
}
