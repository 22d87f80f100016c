//! `kill -9` of nodes under load.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;

use super::{Findings, Scenario};
use crate::context::Context;
use crate::system::System;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "kill-only-node",
        shows: "`kill -9` of the only node, and its restart",
        alone: false,
        run: |context| Box::pin(kill(context, 1, 1)),
    },
    Scenario {
        name: "kill-one-of-three",
        shows: "`kill -9` of one node of three: the others take over its deliveries",
        alone: false,
        run: |context| Box::pin(kill(context, 3, 1)),
    },
    Scenario {
        name: "kill-all-nodes",
        shows: "`kill -9` of all three nodes at once, and their restart",
        alone: false,
        run: |context| Box::pin(kill(context, 3, 3)),
    },
];

/// Events a second.
const RATE: u32 = 200;
/// Within which deliveries flow again, those too that the dead nodes held.
const RESUME: Duration = Duration::from_secs(10);

/// Kills some of the nodes, in every round others.
async fn kill(context: &Context, nodes: usize, killed: usize) -> Result<Findings> {
    let mut system = System::start(context, nodes).await?;
    let load = system.load(RATE).await?;
    let (mut in_flight, mut slowest_resume, mut slowest_takeover) = (0, Duration::ZERO, Duration::ZERO);
    for _ in context.each_round() {
        context.pause(Duration::from_millis(200), Duration::from_millis(1_500)).await;
        let first = context.below(nodes);
        let victims: Vec<_> = (0..killed).map(|number| (first + number) % nodes).collect();
        for victim in &victims {
            // Without waiting for the first one's end before the next one is killed.
            system.nodes[*victim].node.signal(Signal::SIGKILL)?;
        }
        let broken = Instant::now();
        for victim in &victims {
            system.nodes[*victim].node.ended().await?;
        }
        let orphans = system.left_by(&victims).await?;
        in_flight += orphans.len();
        if killed == nodes {
            for victim in &victims {
                system.restart(*victim).await?;
            }
        }
        // From now on, since what a node had written into its connections may still arrive after its end.
        let since = Instant::now();
        slowest_resume = slowest_resume.max(system.resumed(since, RESUME).await? + (since - broken));
        slowest_takeover = slowest_takeover.max(system.taken_over(&orphans, broken, RESUME).await?);
        if killed < nodes {
            for victim in &victims {
                system.restart(*victim).await?;
            }
        }
    }
    let (_, books) = system.close_books(load, in_flight).await?;
    system.stop().await?;
    ensure!(in_flight > 0, "nothing was in flight when the nodes were killed, so nothing is shown");
    let text = format!(
        "{}; {} duplicates of {in_flight} deliveries in flight; deliveries flow after {:.1} s at most, those of the dead after {:.1} s",
        books.summary(),
        books.duplicates,
        slowest_resume.as_secs_f64(),
        slowest_takeover.as_secs_f64()
    );
    Ok(Findings { rounds: context.rounds(), text })
}
