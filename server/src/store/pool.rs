//! Connections whose statements end.
//!
//! A server that is switched off, or a network that is cut, says nothing: whoever waits for an answer waits for ever, since
//! sqlx asks for no TCP keepalive. So every statement has a limit. Past it the connection is closed, never tried again, and
//! what waited hears that the database is away.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use futures::{FutureExt, TryFutureExt};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Error, Execute, Executor, Postgres, SqlStr};
use tokio::runtime::Handle;

/// A pool of connections whose statements take no longer than a limit.
#[derive(Clone)]
pub(super) struct TimedPool {
    pool: PgPool,
    limit: Duration,
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
    pub fn new(pool: PgPool, limit: Duration) -> Self {
        Self { pool, limit }
    }

    /// The same connections, with another limit.
    pub fn within(&self, limit: Duration) -> Self {
        Self { limit, ..self.clone() }
    }

    /// Runs what takes several statements on one connection, all of it within the limit.
    pub async fn run<T>(&self, work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>) -> Result<T, Error> {
        let mut loan = Loan { connection: self.pool.acquire().await?, limit: self.limit, is_late: false };
        let ended = tokio::time::timeout(self.limit, work(&mut loan.connection)).await;
        loan.is_late = ended.is_err();
        ended.map_err(|late| Error::Io(late.into()))?
    }

    /// Closes all connections, those on loan when they come back.
    pub async fn close(&self) {
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
        let all = self.run(async move |connection| connection.fetch_many(query).try_collect::<Vec<_>>().await);
        all.map_ok(|all| stream::iter(all.into_iter().map(Ok))).try_flatten_stream().boxed()
    }

    // As without it, but for a detour that every row would make.
    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Vec<PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.run(async move |connection| connection.fetch_all(query).await).boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.run(async move |connection| connection.fetch_optional(query).await).boxed()
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'p: 'e,
    {
        self.run(async move |connection| connection.prepare_with(sql, parameters).await).boxed()
    }
    // For sqlx's macros at compile time.
    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'p: 'e,
    {
        self.run(async move |connection| connection.describe(sql).await).boxed()
    }
}
