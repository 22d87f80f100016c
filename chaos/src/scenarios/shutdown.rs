//! SIGTERM under load.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use uuid::Uuid;

use super::{Findings, Scenario};
use crate::context::Context;
use crate::system::{Shape, System};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "stop-in-time",
        shows: "SIGTERM of one node of two while webhooks take 9 s: what is in flight ends within the grace period of 11 s",
        alone: false,
        run: |context| Box::pin(stop(context, IN_TIME)),
    },
    Scenario {
        name: "stop-slow-webhooks",
        shows: "the same with a grace period of 1 s: what is in flight is given back to the other node",
        alone: false,
        run: |context| Box::pin(stop(context, TOO_SLOW)),
    },
    Scenario {
        name: "rolling-restart",
        shows: "three nodes are restarted in good order one after another, their clients going to the others meanwhile",
        alone: false,
        run: |context| Box::pin(roll(context)),
    },
];

/// Events a second.
const RATE: u32 = 200;
/// What a stop may take beyond the grace period, on a busy machine: the last outcomes are written, and connections closed.
const FAREWELL: Duration = Duration::from_secs(4);
/// Deliveries of events that were accepted between the count and the signal.
const JUST_SENT: usize = 2 * SLOW_RATE as usize;

/// Within which a node that has just started works.
const RESUME: Duration = Duration::from_secs(10);

/// How long the webhook takes: longer than a node that is not heard of counts as alive.
const SLOW: Duration = Duration::from_secs(9);
const SLOW_TIMEOUT_MS: u32 = 12_000;
/// Events a second to the slow webhook: no more than its triggers' slots take.
const SLOW_RATE: u32 = 10;

struct Stop {
    grace: Duration,
    flags: [&'static str; 2],
}

const IN_TIME: Stop = Stop { grace: Duration::from_secs(11), flags: ["--grace", "11"] };
const TOO_SLOW: Stop = Stop { grace: Duration::from_secs(1), flags: ["--grace", "1"] };

async fn stop(context: &Context, stop: Stop) -> Result<Findings> {
    let shape =
        Shape { flags: &stop.flags, answers_after: Some(SLOW), timeout_ms: SLOW_TIMEOUT_MS, ..Shape::default() };
    let mut system = System::of_shape(context, &context.shared.cluster, 2, shape).await?;
    let load = system.load(SLOW_RATE).await?;
    let (mut in_flight, mut slowest) = (0, Duration::ZERO);
    for _ in context.each_round() {
        context.pause(Duration::from_millis(500), Duration::from_millis(1_500)).await;
        let stopped = context.below(2);
        let id = system.nodes[stopped].id;
        in_flight += some_held_by(&system, id).await?;
        let took = terminate(&mut system, stopped).await?;
        ensure!(took < stop.grace + FAREWELL, "the node took {took:?} to stop, its grace period is {:?}", stop.grace);
        slowest = slowest.max(took);
        let left = system.held_by(id).await?.len();
        ensure!(left == 0, "a node that has stopped still holds {left} leases");
        system.restart(stopped).await?;
    }
    // What ends in time is delivered once. What does not had begun before the signal, or is one that was just sent then.
    let allowed = if SLOW < stop.grace { 0 } else { in_flight + JUST_SENT * context.rounds() as usize };
    let (_, books) = system.close_books(load, allowed).await?;
    system.stop().await?;
    let text = format!(
        "{}; exit code 0 after {:.1} s at most with {in_flight} deliveries in flight; {} duplicates",
        books.summary(),
        slowest.as_secs_f64(),
        books.duplicates
    );
    Ok(Findings { rounds: context.rounds(), text })
}

/// Waits until a node holds deliveries, since a stop shows nothing otherwise. Gives how many.
async fn some_held_by(system: &System, node: Uuid) -> Result<usize> {
    let clock = Instant::now();
    loop {
        let held = system.held_by(node).await?.len();
        if held > 0 {
            return Ok(held);
        }
        ensure!(clock.elapsed() < RESUME, "a node that runs got nothing to do for {RESUME:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn roll(context: &Context) -> Result<Findings> {
    let mut system = System::start(context, 3).await?;
    let load = system.load(RATE).await?;
    let mut slowest = Duration::ZERO;
    for _ in context.each_round() {
        for number in 0..system.nodes.len() {
            context.pause(Duration::from_millis(200), Duration::from_millis(800)).await;
            slowest = slowest.max(terminate(&mut system, number).await?);
            system.restart(number).await?;
        }
    }
    let (sent, books) = system.close_books(load, 0).await?;
    system.stop().await?;
    let text = format!(
        "{}, 0 duplicates; {} requests went to another node; exit code 0 after {:.1} s at most",
        books.summary(),
        sent.unreachable + sent.unanswered + sent.unavailable,
        slowest.as_secs_f64()
    );
    Ok(Findings { rounds: context.rounds(), text })
}

/// Sends SIGTERM and waits for an end in good order. Gives how long that took.
async fn terminate(system: &mut System, number: usize) -> Result<Duration> {
    let began = Instant::now();
    let node = &mut system.nodes[number].node;
    node.signal(Signal::SIGTERM)?;
    let status = node.ended().await?;
    let took = began.elapsed();
    ensure!(status.success(), "the node ended with {status}; {}", system.last_words());
    Ok(took)
}
