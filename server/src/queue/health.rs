//! Whether this node can do its work, for whoever sends it requests, and what stands in its way, for the log.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::nodes::UNSEEN;

/// After an event could not be written down a node is not well for so long, unless another one can.
const REFUSED: Duration = Duration::from_secs(5);
/// Between two lines in the log that say the same.
const SILENCE: Duration = Duration::from_secs(10);

pub(super) struct Health(Mutex<Standing>);

struct Standing {
    beaten_at: Instant,
    refused_at: Option<Instant>,
    told: Option<Instant>,
    told_full: Option<Instant>,
}

impl Health {
    /// Of a node that has just beaten for the first time.
    pub fn new() -> Self {
        Self(Mutex::new(Standing { beaten_at: Instant::now(), refused_at: None, told: None, told_full: None }))
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
        if is_time(&mut standing.told) {
            tracing::error!(%error, "events cannot be accepted; their senders are told to try again");
        }
    }

    /// So much waits in a project that no more is taken.
    pub fn is_full(&self, project: &str, limit: u64) {
        if is_time(&mut self.standing().told_full) {
            tracing::warn!(project, limit, "so many deliveries wait that events are refused (--backlog-limit)");
        }
    }

    /// Whether the last heartbeat and the last events were taken by the database.
    pub fn is_well(&self) -> bool {
        let standing = self.standing();
        standing.beaten_at.elapsed() < UNSEEN && standing.refused_at.is_none_or(|at| at.elapsed() > REFUSED)
    }
}

fn is_time(told: &mut Option<Instant>) -> bool {
    let is_time = told.is_none_or(|at| at.elapsed() >= SILENCE);
    if is_time {
        *told = Some(Instant::now());
    }
    is_time
}
