//! An eye on a node while something happens to it: does it answer, and how large does it grow?

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::system::System;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(100);
/// Within which a node says how it is, whatever happens to it.
const HEALTHY: Duration = Duration::from_secs(1);

/// What was seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub slowest_answer: Duration,
    /// In MiB.
    pub largest: u64,
}

/// Looks at the first node while something happens: its health answers within a second, always.
pub async fn watched<T>(system: &System, happens: impl Future<Output = Result<T>>) -> Result<(T, Seen)> {
    let mut seen = Seen::default();
    let watching = async {
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            ticks.tick().await;
            for path in ["/health/live", "/health/ready"] {
                if let Err(error) = look(system, path, &mut seen).await {
                    return error;
                }
            }
        }
    };
    let happened = tokio::select! {
        happened = happens => happened?,
        error = watching => return Err(error),
    };
    Ok((happened, seen))
}

async fn look(system: &System, path: &str, seen: &mut Seen) -> Result<()> {
    let clock = Instant::now();
    let url = format!("http://{}{path}", system.nodes[0].node.address);
    let answer = system.http.get(url).timeout(Duration::from_secs(10)).send().await?;
    let took = clock.elapsed();
    ensure!(answer.status() == 200, "{path} answered {}", answer.status());
    ensure!(took < HEALTHY, "{path} took {took:?}");
    seen.slowest_answer = seen.slowest_answer.max(took);
    seen.largest = seen.largest.max(system.resident()?);
    Ok(())
}
