//! PostgreSQL killed, restarted and cut off under load. Each scenario breaks a PostgreSQL of its own.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rig::Cluster;

use super::{Findings, Scenario};
use crate::context::Context;
use crate::load::Load;
use crate::system::{Shape, System};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "kill-postgres",
        shows: "`kill -9` of every process of PostgreSQL, and its recovery, with two nodes",
        alone: false,
        run: |context| Box::pin(kill(context)),
    },
    Scenario {
        name: "restart-postgres",
        shows: "an orderly restart of PostgreSQL, away for some seconds, with two nodes",
        alone: false,
        run: |context| Box::pin(restart(context)),
    },
    Scenario {
        name: "terminate-connections",
        shows: "`pg_terminate_backend` on a random connection of the nodes every 100 ms",
        alone: false,
        run: |context| Box::pin(terminate(context)),
    },
];

/// Events a second.
const RATE: u32 = 200;
const NODES: usize = 2;
/// Within which deliveries flow again once PostgreSQL answers.
const RESUME: Duration = Duration::from_secs(10);
/// Outcomes are committed without waiting for the disk: PostgreSQL loses at most three times `wal_writer_delay` (200 ms)
/// of them. What came to an end then is delivered again.
const FORGOTTEN: Duration = Duration::from_millis(600);
/// What is in flight has arrived and is not written down, for no longer than an attempt and its batch take.
const UNDER_WAY: Duration = Duration::from_millis(400);

/// Deliveries that a crash of PostgreSQL between two moments may repeat: those in flight, and those that ended just before.
pub fn at_stake(system: &System, first: Instant, last: Instant) -> usize {
    let moments = first - FORGOTTEN - UNDER_WAY..last + UNDER_WAY;
    system.arrivals().iter().filter(|arrival| moments.contains(&arrival.at)).count()
}

async fn kill(context: &Context) -> Result<Findings> {
    let cluster = context.cluster().await?;
    let mut system = System::of_shape(context, &cluster, NODES, Shape::default()).await?;
    let load = system.load(RATE).await?;
    let (mut at_risk, mut slowest) = (0, Duration::ZERO);
    for _ in context.each_round() {
        context.pause(Duration::from_millis(1_000), Duration::from_millis(3_000)).await;
        cluster.kill()?;
        let broken = Instant::now();
        slowest = slowest.max(flows_again(&system, &load, broken).await?);
        at_risk += at_stake(&system, broken, broken);
        system.all_run()?;
    }
    let (sent, books) = system.close_books(load, at_risk).await?;
    let text = format!(
        "{}, {} answers 503; {} duplicates of {at_risk} deliveries in flight or just ended; no node exits; deliveries flow {:.1} s after the kill at most",
        books.summary(),
        sent.unavailable,
        books.duplicates,
        slowest.as_secs_f64()
    );
    end(system, cluster, context.rounds(), text).await
}

async fn restart(context: &Context) -> Result<Findings> {
    let mut cluster = context.cluster().await?;
    let mut system = System::of_shape(context, &cluster, NODES, Shape::default()).await?;
    let load = system.load(RATE).await?;
    let (mut refused, mut slowest) = (0, Duration::ZERO);
    for _ in context.each_round() {
        context.pause(Duration::from_millis(300), Duration::from_millis(1_500)).await;
        let before = load.so_far().unavailable;
        cluster.pause().await;
        // Long enough that callers get their answer, which takes up to three seconds.
        context.pause(Duration::from_secs(4), Duration::from_secs(6)).await;
        let sent = load.so_far();
        refused += sent.unavailable - before;
        ensure!(
            sent.unavailable > before,
            "no node answered 503 while PostgreSQL was away; {} unanswered, wrong: {:?}; {}",
            sent.unanswered,
            sent.wrong.first(),
            system.last_words()
        );
        cluster.resume().await?;
        slowest = slowest.max(flows_again(&system, &load, Instant::now()).await?);
        system.all_run()?;
    }
    // It wrote everything down before it stopped, and what ended meanwhile is written when it is back: nothing is repeated.
    let (_, books) = system.close_books(load, 0).await?;
    let text = format!(
        "{}, {refused} answers 503 with `Retry-After`; {} duplicates; no node exits; deliveries flow {:.1} s after it answers at most",
        books.summary(),
        books.duplicates,
        slowest.as_secs_f64()
    );
    end(system, cluster, context.rounds(), text).await
}

async fn terminate(context: &Context) -> Result<Findings> {
    let cluster = context.cluster().await?;
    let mut system = System::of_shape(context, &cluster, NODES, Shape::default()).await?;
    let load = system.load(RATE).await?;
    let time = context.quick_or(Duration::from_secs(5), Duration::from_secs(60));
    let (began, mut terminated) = (Instant::now(), 0);
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while began.elapsed() < time {
        ticks.tick().await;
        let names = sqlx::query_scalar::<_, i32>(
            "select pid from pg_stat_activity where datname = current_database() and application_name = 'mission-control'
              order by pid",
        );
        let connections = names.fetch_all(&system.database.pool).await?;
        if connections.is_empty() {
            continue;
        }
        let victim = connections[context.below(connections.len())];
        let ended: bool =
            sqlx::query_scalar("select pg_terminate_backend($1)").bind(victim).fetch_one(&system.database.pool).await?;
        terminated += usize::from(ended);
    }
    let slowest = flows_again(&system, &load, Instant::now()).await?;
    system.all_run()?;
    // A statement that is cut off has either committed or is tried again: nothing is in flight that nobody writes down.
    let (sent, books) = system.close_books(load, 0).await?;
    let text = format!(
        "{terminated} connections ended; {}, {} answers 503; {} duplicates; no node exits; deliveries flow {:.1} s after it at most",
        books.summary(),
        sent.unavailable,
        books.duplicates,
        slowest.as_secs_f64()
    );
    end(system, cluster, 1, text).await
}

/// Waits until events are acknowledged and delivered again. Gives how long after the given moment.
pub async fn flows_again(system: &System, load: &Load, since: Instant) -> Result<Duration> {
    let acknowledged = load.acknowledges(RESUME).await?;
    Ok(system.resumed(acknowledged, RESUME).await? + (acknowledged - since))
}

/// Stops everything in good order.
pub async fn end(system: System, cluster: Cluster, rounds: u32, text: String) -> Result<Findings> {
    system.stop().await?;
    cluster.stop().await;
    Ok(Findings { rounds, text })
}
