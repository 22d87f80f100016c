//! Nodes that are alive and yet wrong: frozen past their lease, or with a clock an hour off.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;

use super::{Findings, Scenario};
use crate::context::Context;
use crate::system::{Shape, System};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "frozen-node",
        shows: "a node of two is frozen (SIGSTOP) until its deliveries are taken over, and thawed (SIGCONT)",
        alone: false,
        run: |context| Box::pin(freeze(context)),
    },
    Scenario {
        name: "wrong-clocks",
        shows: "of three nodes one is an hour ahead and one an hour behind; the one ahead is killed",
        alone: false,
        run: |context| Box::pin(clocks(context)),
    },
];

/// Events a second.
const RATE: u32 = 200;
/// Within which the others take over.
const TAKEOVER: Duration = Duration::from_secs(10);

async fn freeze(context: &Context) -> Result<Findings> {
    let system = System::start(context, 2).await?;
    let load = system.load(RATE).await?;
    let (mut rounds, mut in_flight, mut slowest) = (Vec::new(), 0, Duration::ZERO);
    for _ in context.each_round() {
        context.pause(Duration::from_millis(300), Duration::from_millis(1_500)).await;
        let frozen = context.below(2);
        system.nodes[frozen].node.signal(Signal::SIGSTOP)?;
        let held = system.left_by(&[frozen]).await?;
        let broken = Instant::now();
        slowest = slowest.max(system.taken_over(&held, broken, TAKEOVER).await?);
        system.nodes[frozen].node.signal(Signal::SIGCONT)?;
        system.resumed(Instant::now(), TAKEOVER).await?;
        in_flight += held.len();
        rounds.push((held, system.nodes[1 - frozen].id));
    }
    let (_, books) = system.close_books(load, in_flight).await?;
    ensure!(in_flight > 0, "the nodes held nothing when they were frozen, so nothing is shown");
    for (held, other) in rounds {
        let by_other = system.finished_by(&held, other).await?;
        ensure!(by_other == held.len(), "of {} deliveries taken over, {by_other} are the other node's", held.len());
    }
    system.stop().await?;
    let text = format!(
        "{}; {in_flight} deliveries taken over within {:.1} s, and the history has each of them from the node that took over; {} duplicates",
        books.summary(),
        slowest.as_secs_f64(),
        books.duplicates
    );
    Ok(Findings { rounds: context.rounds(), text })
}

async fn clocks(context: &Context) -> Result<Findings> {
    let shape = Shape { clocks: &["+1h", "-1h"], ..Shape::default() };
    let mut system = System::of_shape(context, &context.shared.cluster, 3, shape).await?;
    let load = system.load(RATE).await?;
    let (mut in_flight, mut slowest) = (0, Duration::ZERO);
    for _ in context.each_round() {
        context.pause(Duration::from_millis(1_000), Duration::from_millis(3_000)).await;
        let ahead = 0;
        system.nodes[ahead].node.kill().await?;
        let broken = Instant::now();
        let orphans = system.left_by(&[ahead]).await?;
        in_flight += orphans.len();
        slowest = slowest.max(system.taken_over(&orphans, broken, TAKEOVER).await?);
        system.restart(ahead).await?;
    }
    let (_, books) = system.close_books(load, in_flight).await?;
    system.stop().await?;
    let text = format!(
        "{}; {} duplicates of {in_flight} deliveries in flight, taken over within {:.1} s",
        books.summary(),
        books.duplicates,
        slowest.as_secs_f64()
    );
    Ok(Findings { rounds: context.rounds(), text })
}
