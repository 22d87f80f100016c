//! More events than the webhooks can take.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Findings, Scenario};
use crate::context::Context;
use crate::load::Load;
use crate::system::{Shape, System};
use crate::watch::watched;

pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "overload",
    shows: "twice the events that the webhooks can take, 30 s long, with a backlog limit of 400 deliveries",
    alone: true,
    run: |context| Box::pin(overload(context)),
}];

/// Five slots, and a webhook that takes 50 ms: 100 events a second, on any machine.
const FLAGS: [&str; 2] = ["--concurrency", "5"];
const WEBHOOK: Duration = Duration::from_millis(50);
const CAPACITY: u32 = 100;
const LIMIT: u32 = 400;
/// Events a second that come all the time.
const CALM: u32 = 20;
/// How much a node may grow, in MiB.
const GROWTH: u64 = 64;
/// Within which latency is what it was.
const RECOVERY: Duration = Duration::from_secs(20);

async fn overload(context: &Context) -> Result<Findings> {
    let shape = Shape { flags: &FLAGS, answers_after: Some(WEBHOOK), backlog_limit: Some(LIMIT), ..Shape::default() };
    let system = System::of_shape(context, &context.shared.cluster, 1, shape).await?;
    let load = system.load(CALM).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (calm, size) = (median_latency(&system, &load, Instant::now() - Duration::from_secs(2))?, system.resident()?);

    let time = context.quick_or(Duration::from_secs(5), Duration::from_secs(30));
    let flood = async {
        let flood = Load::start(&system.http, system.addresses(), 2 * CAPACITY);
        tokio::time::sleep(time).await;
        Ok(flood.stop().await)
    };
    let (flood, seen) = watched(&system, flood).await?;
    let ended = Instant::now();
    let limited = flood.limited;
    ensure!(limited > 0, "no node answered 429, with {} events accepted in {time:?}", flood.acknowledged.len());
    ensure!(seen.largest < size + GROWTH, "{size} MiB grew to {} MiB", seen.largest);
    load.add(flood);

    let usual = calm * 3 + Duration::from_millis(100);
    let recovered = loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        // What was sent a moment ago may still be on its way.
        let latency = median_latency(&system, &load, Instant::now() - Duration::from_secs(1));
        match latency {
            Ok(latency) if latency < usual => break ended.elapsed(),
            _ => ensure!(
                ended.elapsed() < RECOVERY,
                "latency was {calm:?} before, and is {latency:?} {RECOVERY:?} later"
            ),
        }
    };
    let (_, books) = system.close_books(load, 0).await?;
    system.no_fault()?;
    system.stop().await?;
    let text = format!(
        "{}; {limited} answers 429 with `Retry-After`; {} duplicates; health answered within {:.0} ms; {size} MiB grew to {} MiB at most; latency as before after {:.1} s",
        books.summary(),
        books.duplicates,
        seen.slowest_answer.as_secs_f64() * 1_000.0,
        seen.largest,
        recovered.as_secs_f64()
    );
    Ok(Findings { rounds: 1, text })
}

/// From the sending of an event to its first arrival, over the events sent since a moment; one that has not arrived has
/// taken till now.
fn median_latency(system: &System, load: &Load, since: Instant) -> Result<Duration> {
    let (arrivals, now) = (system.first_arrivals(), Instant::now());
    let sent = load.so_far().acknowledged;
    let recent = sent.iter().filter(|event| event.sent_at > since);
    let mut latencies: Vec<_> =
        recent.map(|event| arrivals.get(&event.id).copied().unwrap_or(now) - event.sent_at).collect();
    ensure!(!latencies.is_empty(), "nothing was acknowledged");
    latencies.sort_unstable();
    Ok(latencies[latencies.len() / 2])
}
