//! This node's heartbeat, the burial of dead nodes, and the engine's housekeeping.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Engine;

/// Between two heartbeats.
const BEAT: Duration = Duration::from_secs(2);
/// A node that was not seen for so long is dead. With a beat and a poll on top, its deliveries resume within 10 s.
pub(super) const UNSEEN: Duration = Duration::from_secs(7);
/// Between two looks at partitions, old history and orphans.
const HOUSEKEEPING: Duration = Duration::from_secs(300);
/// The shortest time between two counts of the backlog.
const COUNT: Duration = Duration::from_secs(1);

impl Engine {
    pub(super) async fn keep_alive(&self) {
        let mut last_beat: Option<Instant> = None;
        // To the end of the last attempt: a node that stops and is not heard of would have its deliveries made twice.
        while pause(BEAT, &self.0.all_ended).await {
            let dead = match self.0.store.beat(self.0.node, UNSEEN.as_secs_f64()).await {
                Ok(dead) => dead,
                Err(error) => {
                    tracing::warn!(%error, "cannot say that this node lives");
                    last_beat = None;
                    continue;
                }
            };
            // After an outage of the database everybody looks dead; whoever has just come back waits for the others' beats.
            let steady = last_beat.replace(Instant::now()).is_some_and(|at| at.elapsed() < UNSEEN / 2);
            if !steady || dead.is_empty() {
                continue;
            }
            match self.0.store.bury(&dead, UNSEEN.as_secs_f64()).await {
                Ok(released) => {
                    tracing::info!(?dead, released, "a node died; its deliveries are released");
                    self.look_now();
                }
                Err(error) => tracing::warn!(%error, "cannot release the deliveries of dead nodes"),
            }
        }
    }

    pub(super) async fn maintain(&self) {
        let mut next_housekeeping = Instant::now();
        let mut next_count = Instant::now();
        while pause(COUNT, &self.0.stop).await {
            if Instant::now() >= next_housekeeping {
                next_housekeeping = Instant::now() + HOUSEKEEPING;
                if let Err(error) = self.0.store.create_partitions().await {
                    tracing::error!(%error, "cannot make the partitions of the coming days");
                }
                match self.0.store.drop_expired(self.0.settings.retention).await {
                    Ok(0) => {}
                    Ok(partitions) => tracing::info!(partitions, "dropped history that is older than --retention"),
                    Err(error) => tracing::warn!(%error, "cannot drop old history; trying again later"),
                }
                if let Err(error) = self.0.store.purge_deleted_projects().await {
                    tracing::warn!(%error, "the history of deleted projects could not be removed; trying again later");
                }
                if let Err(error) = self.0.store.cancel_orphans().await {
                    tracing::error!(%error, "cannot cancel the deliveries of deleted triggers");
                }
            }
            let stale = self.0.backlog.lock().unwrap_or_else(PoisonError::into_inner).stale;
            if stale && Instant::now() >= next_count {
                let clock = Instant::now();
                self.count_backlog().await;
                // Counting a long backlog takes a while: spend at most a fiftieth of the time on it.
                next_count = Instant::now() + clock.elapsed() * 50;
            }
        }
    }

    async fn count_backlog(&self) {
        self.0.backlog.lock().unwrap_or_else(PoisonError::into_inner).stale = false;
        match self.0.store.backlog().await {
            Ok(pending) => {
                let mut backlog = self.0.backlog.lock().unwrap_or_else(PoisonError::into_inner);
                // A full backlog empties without anything being accepted, so it is counted again.
                backlog.stale |= pending.values().any(|pending| *pending as u64 >= self.0.settings.backlog_limit);
                backlog.pending = pending;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot count the backlog");
                self.0.backlog.lock().unwrap_or_else(PoisonError::into_inner).stale = true;
            }
        }
    }
}

/// Sleeps; `false`: that ended before.
pub(super) async fn pause(time: Duration, end: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => true,
        () = end.cancelled() => false,
    }
}
