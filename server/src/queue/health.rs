//! Whether this node can do its work, for whoever sends it requests, and what stands in its way, for the log.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::nodes::UNSEEN;
use crate::telemetry::Seldom;

/// After an event could not be written down a node is not well for so long, unless another one can.
const REFUSED: Duration = Duration::from_secs(5);
/// Between two lines in the log that say the same.
const SILENCE: Duration = Duration::from_secs(10);

pub(super) struct Health(Mutex<Standing>);

struct Standing {
    beaten_at: Instant,
    refused_at: Option<Instant>,
    refusals: Seldom,
    full: Seldom,
}

impl Health {
    /// Of a node that has just beaten for the first time.
    pub fn new() -> Self {
        let [refusals, full] = [(); 2].map(|()| Seldom::every(SILENCE));
        Self(Mutex::new(Standing { beaten_at: Instant::now(), refused_at: None, refusals, full }))
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Others have been told that this node lives.
    pub fn beaten(&self) {
        self.standing().beaten_at = Instant::now();
    }

    /// Events have been written down.
    pub fn accepted(&self) {
        self.standing().refused_at = None;
    }

    /// The database takes no events.
    pub fn refused(&self, error: &sqlx::Error) {
        let mut standing = self.standing();
        standing.refused_at = Some(Instant::now());
        if standing.refusals.speaks() {
            tracing::error!(%error, "events cannot be accepted; their senders are told to try again");
        }
    }

    /// So much waits in a project that no more is taken.
    pub fn full(&self, project: &str, limit: u64) {
        if self.standing().full.speaks() {
            tracing::warn!(project, limit, "so many deliveries wait that events are refused (--backlog-limit)");
        }
    }

    /// Whether the last heartbeat and the last events were taken by the database.
    pub fn is_well(&self) -> bool {
        let standing = self.standing();
        standing.beaten_at.elapsed() < UNSEEN && standing.refused_at.is_none_or(|at| at.elapsed() > REFUSED)
    }
}
