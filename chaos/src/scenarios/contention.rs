//! Somebody else on the same database: their connections, their transaction, their lock.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use rig::{Cluster, Database};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use super::database::{end, flows_again};
use super::{Findings, Scenario};
use crate::context::Context;
use crate::system::{Shape, System};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "no-connection-slots",
        shows: "the connections of two nodes are ended, and others take every connection that PostgreSQL has, for some seconds",
        alone: false,
        run: |context| Box::pin(slots(context)),
    },
    Scenario {
        name: "long-transaction",
        shows: "somebody keeps a repeatable read transaction open, so that PostgreSQL cannot clean up, and meanwhile as many rows of the queue die as in ten minutes at full load",
        alone: true,
        run: |context| Box::pin(transaction(context)),
    },
    Scenario {
        name: "table-lock",
        shows: "somebody locks the table `queue` exclusively for 5 s, with two nodes",
        alone: false,
        run: |context| Box::pin(lock(context)),
    },
];

/// Events a second.
const RATE: u32 = 200;
/// More than anybody answers: clients send as soon as they have their answer.
const FLOOD: u32 = 100_000;
const NODES: usize = 2;
/// Of PostgreSQL: two nodes, the scenario's own two, and some for others.
const CONNECTIONS: &str = "60";
/// Within which a backlog is gone.
const DRAINED: Duration = Duration::from_secs(60);
/// Seconds until a backlog is due.
const SOON: u64 = 5;
/// How much of its throughput a node keeps beside a long transaction.
const KEPT: f64 = 0.75;

async fn connect(database: &Database) -> Result<PgConnection, sqlx::Error> {
    PgConnection::connect_with(&database.url().parse::<PgConnectOptions>()?).await
}

async fn slots(context: &Context) -> Result<Findings> {
    let cluster = Cluster::start(&[("max_connections", CONNECTIONS)]).await?;
    let mut system = System::of_shape(context, &cluster, NODES, Shape::default()).await?;
    let load = system.load(RATE).await?;
    let (mut taken, mut refused, mut slowest) = (0, 0, Duration::ZERO);
    for _ in context.each_round() {
        context.pause(Duration::from_millis(300), Duration::from_millis(1_500)).await;
        let before = load.so_far().unavailable;
        let others = take_all(&system.database).await?;
        // Long enough that callers get their answer, which takes up to three seconds.
        context.pause(Duration::from_secs(4), Duration::from_secs(6)).await;
        taken = taken.max(others.len());
        let now = load.so_far().unavailable;
        ensure!(now > before, "no node answered 503 while it had no connection");
        refused += now - before;
        for other in others {
            other.close().await?;
        }
        slowest = slowest.max(flows_again(&system, &load, Instant::now()).await?);
        system.all_run()?;
    }
    // What has ended meanwhile is written when there is a connection again, long before its lease ends.
    let (_, books) = system.close_books(load, 0).await?;
    let text = format!(
        "{taken} connections taken, none left to the nodes; {}, {refused} answers 503 with `Retry-After`; {} duplicates; no node exits; deliveries flow {:.1} s after it at most",
        books.summary(),
        books.duplicates,
        slowest.as_secs_f64()
    );
    end(system, cluster, context.rounds(), text).await
}

/// Ends the nodes' connections and takes what becomes free, until the nodes have none.
async fn take_all(database: &Database) -> Result<Vec<PgConnection>> {
    // One of its own for ending them, opened before there is none left: a pool may want a second one while the first is on
    // its way back.
    let mut own = connect(database).await?;
    let mut others = Vec::new();
    let began = Instant::now();
    loop {
        while let Ok(other) = connect(database).await {
            others.push(other);
        }
        let ended: i64 = sqlx::query_scalar(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity
              where datname = current_database() and application_name = 'mission-control'",
        )
        .fetch_one(&mut own)
        .await?;
        if ended == 0 {
            others.push(own);
            return Ok(others);
        }
        ensure!(began.elapsed() < Duration::from_secs(20), "the nodes keep {ended} connections");
    }
}

async fn transaction(context: &Context) -> Result<Findings> {
    let shape = Shape { answers_after: Some(Duration::ZERO), timeout_ms: 5_000, ..Shape::default() };
    let system = System::of_shape(context, &context.shared.cluster, 1, shape).await?;
    let rows = context.quick_or(100_000, 1_000_000);
    let turns = context.quick_or(3, 5);
    let load = system.load(FLOOD).await?;
    // What the machine does for others changes from one half minute to the next, so each turn has a base of its own.
    let (mut flow, mut drain) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        let before = Throughput::measure(context, &system).await?;
        let other = keep_dead_rows(&system, rows).await?;
        let beside = Throughput::measure(context, &system).await?;
        other.close().await?;
        system.database.execute("vacuum queue").await?;
        flow.push(Kept { before: before.flowing, beside: beside.flowing });
        drain.push(Kept { before: before.draining, beside: beside.draining });
    }
    let (flow, drain) = (Kept::median(flow), Kept::median(drain));

    let (_, books) = system.close_books(load, 0).await?;
    let text = format!("in the median of {turns} turns {flow} as events flow, {drain} of a backlog");
    ensure!(flow.share().min(drain.share()) >= KEPT, "{text}; {}", system.last_words());
    system.stop().await?;
    let text = format!("{rows} dead rows kept; {text}; {}; {} duplicates", books.summary(), books.duplicates);
    Ok(Findings { rounds: turns, text })
}

/// Opens a transaction and then makes rows that have come and gone, as those of deliveries do. It ends with its connection.
async fn keep_dead_rows(system: &System, rows: u32) -> Result<PgConnection> {
    let mut other = connect(&system.database).await?;
    sqlx::query("begin isolation level repeatable read").execute(&mut other).await?;
    sqlx::query("select count(*) from events").execute(&mut other).await?;
    let dead = format!(
        "begin;
         insert into queue (due_at, event_id, trigger_id, project_id)
         select now() - interval '1 minute', gen_random_uuid(), t.id, t.project_id
           from generate_series(1, {rows} / {}) cross join triggers t;
         delete from queue where due_at = now() - interval '1 minute';
         commit",
        system.triggers.len()
    );
    system.database.execute(&dead).await?;
    Ok(other)
}

/// Deliveries a second of one turn.
struct Kept {
    before: f64,
    beside: f64,
}

impl Kept {
    fn share(&self) -> f64 {
        self.beside / self.before
    }

    /// The turn with the median share.
    fn median(mut turns: Vec<Self>) -> Self {
        turns.sort_by(|one, other| one.share().total_cmp(&other.share()));
        turns.swap_remove(turns.len() / 2)
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, beside } = self;
        write!(f, "{:.0} % ({beside:.0} of {before:.0} deliveries/s)", 100.0 * self.share())
    }
}

/// Deliveries a second.
struct Throughput {
    /// Of events that are due when they are accepted.
    flowing: f64,
    /// Of a backlog that becomes due at once, beside those.
    draining: f64,
}

impl Throughput {
    async fn measure(context: &Context, system: &System) -> Result<Self> {
        let flowing = arriving(system, tokio::time::sleep(Duration::from_secs(context.quick_or(3, 10)))).await.1;

        // All of them at the same time.
        let at = (SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 3_600) * 1_000;
        let batch = Value::from(vec![json!({"type": "chaos", "timestamp": at}); 1_000]);
        for _ in 0..context.quick_or(6, 20) {
            system.queue(&batch).await?;
        }
        // As if that time came soon: whatever is due has been in sight before, however long this statement takes.
        let soon = format!(
            "with scheduled as materialized (
                 select min(due_at) as at from queue where due_at > now() + interval '30 minutes'
             )
             update queue set due_at = now() + interval '{SOON} s' + (due_at - at) from scheduled
              where owner is null and due_at > now() + interval '30 minutes'"
        );
        let clock = Instant::now();
        system.database.execute(&soon).await?;
        tokio::time::sleep(Duration::from_secs(SOON).saturating_sub(clock.elapsed())).await;
        let none_left = "select count(*) from (select from queue where owner is null limit 1) as few";
        let (drained, draining) = arriving(system, system.database.until_none(none_left, DRAINED)).await;
        drained?;
        Ok(Self { flowing, draining })
    }
}

/// The deliveries a second that arrive while something else is awaited, beside what that gives.
async fn arriving<T>(system: &System, meanwhile: impl Future<Output = T>) -> (T, f64) {
    let (clock, before) = (Instant::now(), system.receiver.look(<[_]>::len));
    let it = meanwhile.await;
    let arrived = system.receiver.look(<[_]>::len) - before;
    (it, arrived as f64 / clock.elapsed().as_secs_f64())
}

async fn lock(context: &Context) -> Result<Findings> {
    let mut system = System::start(context, NODES).await?;
    let load = system.load(RATE).await?;
    let mut slowest = Duration::ZERO;
    for _ in context.each_round() {
        context.pause(Duration::from_millis(300), Duration::from_millis(1_500)).await;
        let mut other = connect(&system.database).await?;
        let mut transaction = other.begin().await?;
        sqlx::query("lock table queue in access exclusive mode").execute(&mut *transaction).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        transaction.commit().await?;
        slowest = slowest.max(flows_again(&system, &load, Instant::now()).await?);
        other.close().await?;
        system.all_run()?;
    }
    // Leases outlast the lock, and heartbeats do not need the table: nothing is repeated.
    let (_, books) = system.close_books(load, 0).await?;
    system.stop().await?;
    let text = format!(
        "{}; {} duplicates; no node exits; deliveries flow {:.1} s after it at most",
        books.summary(),
        books.duplicates,
        slowest.as_secs_f64()
    );
    Ok(Findings { rounds: context.rounds(), text })
}
