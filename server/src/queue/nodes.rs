//! This node's heartbeat, the burial of dead nodes, and the engine's housekeeping.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Engine, Patience};

/// Between two heartbeats.
const BEAT: Duration = Duration::from_secs(2);
/// A node that was not seen for so long is dead. With a beat and a poll on top, its deliveries resume within 10 s.
pub(super) const UNSEEN: Duration = Duration::from_secs(7);
/// How long a node must have been heard without a break before it calls others dead. An outage of the database silences
/// everybody: who is back first gives the others the time to wait once more for a connection (3 s) and for a beat.
const STEADY: Duration = Duration::from_secs(6);
/// Between two looks at partitions, old history and orphans.
const HOUSEKEEPING: Duration = Duration::from_secs(300);
/// The shortest time between two counts of the backlog.
const COUNT: Duration = Duration::from_secs(1);

impl Engine {
    pub(super) async fn keep_alive(&self) {
        // The engine has beaten once when it started.
        let mut voice = Voice::since(Instant::now());
        let (mut patience, mut wait) = (Patience::new(), BEAT);
        let mut burial: Option<JoinHandle<()>> = None;
        // To the end of the last attempt: a node that stops and is not heard of would have its deliveries made twice.
        while pause(wait, &self.0.all_ended).await {
            let peers = match self.0.store.beat(self.0.node, UNSEEN.as_secs_f64()).await {
                Ok(peers) => peers,
                Err(error) => {
                    if patience.speaks() {
                        // Beside the next tries, of which none may come later for it.
                        let engine = self.clone();
                        tokio::spawn(async move {
                            let error = engine.0.store.why_away(error).await;
                            tracing::warn!(%error, "cannot say that this node lives; trying again");
                        });
                    }
                    (voice, wait) = (Voice::silent(), patience.next());
                    continue;
                }
            };
            (patience, wait) = (Patience::new(), BEAT);
            self.0.health.beaten();
            if voice.is_silent() {
                tracing::info!("the database answers again");
            }
            self.0.has_company.store(peers.iter().any(|peer| !peer.is_dead), Ordering::Relaxed);
            let dead: Vec<_> = peers.iter().filter(|peer| peer.is_dead).map(|peer| peer.id).collect();
            let is_burying = burial.as_ref().is_some_and(|burial| !burial.is_finished());
            if voice.is_steady_at(Instant::now()) && !dead.is_empty() && !is_burying {
                // Beside the next beats: a long queue takes a while to look through, and this node must not look dead meanwhile.
                let engine = self.clone();
                burial = Some(self.0.background.spawn(async move { engine.bury(dead).await }));
            }
        }
    }

    async fn bury(&self, dead: Vec<Uuid>) {
        match self.0.store.bury(&dead, UNSEEN.as_secs_f64()).await {
            Ok(released) => {
                tracing::warn!(?dead, released, "a node died; its deliveries are released");
                self.look_now();
            }
            Err(error) => tracing::warn!(%error, "cannot release the deliveries of dead nodes"),
        }
    }

    pub(super) async fn maintain(&self) {
        let mut wait = COUNT;
        while pause(wait, &self.0.stop).await {
            wait = HOUSEKEEPING;
            let (store, retention) = (&self.0.store, self.0.settings.retention);
            if let Err(error) = store.create_partitions().await {
                tracing::error!(%error, "cannot make the partitions of the coming days");
            }
            if let Err(error) = store.forget_expired(retention).await {
                tracing::warn!(%error, "cannot forget old idempotency keys and jobs; trying again later");
            }
            match store.drop_expired(retention).await {
                Ok(0) => {}
                Ok(partitions) => tracing::info!(partitions, "dropped history that is older than --retention"),
                Err(error) => tracing::warn!(%error, "cannot drop old history; trying again later"),
            }
            if let Err(error) = store.purge_deleted_projects().await {
                tracing::warn!(%error, "the history of deleted projects could not be removed; trying again later");
            }
            if let Err(error) = store.cancel_orphans().await {
                tracing::error!(%error, "cannot cancel the deliveries of deleted triggers");
            }
            self.0.targets.forget_unused();
        }
    }

    /// Counts the backlog where it may have changed. Apart from the housekeeping, which may take long: what was counted too
    /// long ago refuses events that there is room for.
    pub(super) async fn watch_backlog(&self) {
        let mut next_count = Instant::now();
        let mut patience = Patience::new();
        while pause(COUNT, &self.0.stop).await {
            let stale = self.0.backlog.lock().unwrap_or_else(PoisonError::into_inner).stale;
            if stale && Instant::now() >= next_count {
                let clock = Instant::now();
                match self.count_backlog().await {
                    Ok(()) => patience = Patience::new(),
                    Err(error) if patience.speaks() => tracing::warn!(%error, "cannot count the backlog; trying again"),
                    Err(_) => {}
                }
                // Counting a long backlog takes a while: spend at most a fiftieth of the time on it.
                next_count = Instant::now() + clock.elapsed() * 50;
            }
        }
    }

    async fn count_backlog(&self) -> Result<(), sqlx::Error> {
        let backlog = || self.0.backlog.lock().unwrap_or_else(PoisonError::into_inner);
        backlog().stale = false;
        let counted = self.0.store.backlog().await;
        let mut backlog = backlog();
        match counted {
            Ok(pending) => {
                // A full backlog empties without anything being accepted, so it is counted again.
                backlog.stale |= pending.values().any(|pending| *pending as u64 >= self.0.settings.backlog_limit);
                backlog.pending = pending;
                Ok(())
            }
            Err(error) => {
                backlog.stale = true;
                Err(error)
            }
        }
    }
}

/// Since when a node has been heard without a break, and when last.
#[derive(Clone, Copy, Debug)]
struct Voice(Option<(Instant, Instant)>);

impl Voice {
    fn since(beat: Instant) -> Self {
        Self(Some((beat, beat)))
    }

    fn silent() -> Self {
        Self(None)
    }

    /// The last beat was not heard.
    fn is_silent(self) -> bool {
        self.0.is_none()
    }

    /// Takes in a beat. Gives whether the node may call others dead.
    fn is_steady_at(&mut self, beat: Instant) -> bool {
        let since = match self.0 {
            Some((since, last)) if beat - last < UNSEEN / 2 => since,
            // It was frozen, or could not be heard.
            _ => beat,
        };
        self.0 = Some((since, beat));
        beat - since >= STEADY
    }
}

/// Sleeps; `false`: that ended before.
pub(super) async fn pause(time: Duration, end: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => true,
        () = end.cancelled() => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_silent_waits_for_the_others() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut voice = Voice::since(start);
        assert_eq!([2, 4, 6, 8].map(|second| voice.is_steady_at(at(second))), [false, false, true, true]);
        // A beat was late, not more.
        assert!(voice.is_steady_at(at(11)));
        // It was frozen for as long as makes others call it dead.
        assert_eq!([18, 20, 22, 24].map(|second| voice.is_steady_at(at(second))), [false, false, false, true]);
        // The database did not answer.
        voice = Voice::silent();
        assert_eq!([26, 28, 30, 32].map(|second| voice.is_steady_at(at(second))), [false, false, false, true]);
    }
}
