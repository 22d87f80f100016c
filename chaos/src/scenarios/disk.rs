//! PostgreSQL without room.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rig::{Cluster, SmallDisk};

use super::database::{at_stake, end, flows_again};
use super::{Findings, Scenario};
use crate::context::Context;
use crate::load::Load;
use crate::system::{Shape, System};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "full-disk",
    shows: "PostgreSQL's disk is filled up, until its write-ahead log has no room either and it goes down; then there is room again; two nodes",
    alone: false,
    run: |context| Box::pin(fill(context)),
}];

/// Events a second.
const RATE: u32 = 200;
const NODES: usize = 2;
/// MiB: the empty database takes 40, the log of a few minutes the same.
const DISK: usize = 320;
const SETTINGS: [(&str, &str); 2] = [("min_wal_size", "32MB"), ("max_wal_size", "64MB")];
/// Within which nodes notice that there is no room.
const NOTICE: Duration = Duration::from_secs(20);

async fn fill(context: &Context) -> Result<Findings> {
    let Some(disk) = SmallDisk::mount(DISK)? else {
        let text = "skipped: this user may not mount a small disk".to_owned();
        return Ok(Findings { rounds: 0, text });
    };
    let cluster = Cluster::start_in(disk.path(), &SETTINGS).await?;
    let mut system = System::of_shape(context, &cluster, NODES, Shape::default()).await?;
    let load = system.load(RATE).await?;
    let (mut refused, mut at_risk, mut crashes, mut slowest) = (0, 0, 0, Duration::ZERO);
    for _ in context.each_round() {
        context.pause(Duration::from_millis(500), Duration::from_millis(1_500)).await;
        let full_since = Instant::now();
        let before = load.so_far().unavailable;
        disk.fill()?;
        refuses(&load, before).await?;
        context.pause(Duration::from_millis(200), Duration::from_millis(1_000)).await;
        crashes += usize::from(out_of_log(&cluster).await);
        context.pause(Duration::from_millis(500), Duration::from_millis(1_500)).await;
        refused += load.so_far().unavailable - before;
        disk.free()?;
        let room_since = Instant::now();
        slowest = slowest.max(flows_again(&system, &load, room_since).await?);
        at_risk += at_stake(&system, full_since, Instant::now());
        system.all_run()?;
    }
    let (_, books) = system.close_books(load, at_risk).await?;
    ensure!(crashes > 0, "PostgreSQL never ran out of room for its log, so that is not shown");
    let text = format!(
        "{}, {refused} answers 503 with `Retry-After` while there was no room; PostgreSQL went down {crashes} times; {} duplicates; no node exits; deliveries flow {:.1} s after there is room at most",
        books.summary(),
        books.duplicates,
        slowest.as_secs_f64()
    );
    end(system, cluster, context.rounds(), text).await
}

/// Waits until a node answers 503.
async fn refuses(load: &Load, before: u64) -> Result<()> {
    let began = Instant::now();
    while load.so_far().unavailable == before {
        ensure!(began.elapsed() < NOTICE, "no node answered 503 for {NOTICE:?} without room");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Makes PostgreSQL begin new files of its log until there is no room for one, which it does not survive. Gives whether
/// it went down.
async fn out_of_log(cluster: &Cluster) -> bool {
    // The disk holds fewer files of 16 MB than this.
    for _ in 0..32 {
        // A file must hold something before the next one is begun.
        if cluster.execute("select pg_logical_emit_message(false, 'chaos', 'x'), pg_switch_wal()").await.is_err() {
            return true;
        }
    }
    false
}
