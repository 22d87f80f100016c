//! Natural batching of accepted events: a flusher takes whatever waits as soon as it is free, commits it in one statement
//! and answers every caller. Nobody waits for a timer, and under load one commit serves hundreds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Mutex, mpsc, oneshot};

use super::{AcceptError, Engine, Lease};
use crate::delivery::cloud_event::Event;
use crate::store::{AcceptEvent, Accepted, Held};

/// The most events in one statement, except where one caller's batch is larger.
pub const MAX_ROWS: usize = 256;
/// The most bytes of data in one statement, except where one caller's batch is larger.
const MAX_BYTES: usize = 4 * 1024 * 1024;

type Reply = Result<Vec<Accepted>, AcceptError>;

/// One caller's events: accepted together or not at all.
pub(super) struct Job {
    pub events: Vec<AcceptEvent>,
    pub reply: oneshot::Sender<Reply>,
}

impl Job {
    fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.data.len()).sum()
    }
}

/// The waiting callers.
pub(super) struct Jobs {
    incoming: mpsc::Receiver<Job>,
    /// Did not fit into the last batch.
    left_over: Option<Job>,
}

impl Jobs {
    pub fn new(incoming: mpsc::Receiver<Job>) -> Self {
        Self { incoming, left_over: None }
    }

    /// Waits for the first caller, then takes all others that wait too, as far as they fit.
    async fn next_batch(&mut self) -> Option<Vec<Job>> {
        let first = match self.left_over.take() {
            Some(job) => job,
            None => self.incoming.recv().await?,
        };
        let mut rows = first.events.len();
        let mut bytes = first.bytes();
        let mut batch = vec![first];
        while rows < MAX_ROWS && bytes < MAX_BYTES {
            let Ok(job) = self.incoming.try_recv() else { break };
            if rows + job.events.len() > MAX_ROWS || bytes + job.bytes() > MAX_BYTES {
                self.left_over = Some(job);
                break;
            }
            rows += job.events.len();
            bytes += job.bytes();
            batch.push(job);
        }
        Some(batch)
    }
}

impl Engine {
    pub(super) async fn flush_accepts(self, jobs: Arc<Mutex<Jobs>>) {
        loop {
            let batch = tokio::select! {
                batch = async { jobs.lock().await.next_batch().await } => batch,
                // The API has stopped before the engine does, so nobody is left waiting here.
                () = self.0.stop.cancelled() => return,
            };
            let Some(batch) = batch else { return };
            self.flush(batch).await;
        }
    }

    async fn flush(&self, batch: Vec<Job>) {
        let (events, replies): (Vec<_>, Vec<_>) = batch.into_iter().map(|job| (job.events, job.reply)).unzip();
        let rows = events.concat();
        let error = match self.accept_now(&rows).await {
            Ok(accepted) => {
                let mut accepted = accepted.into_iter();
                for (reply, of_caller) in replies.into_iter().zip(&events) {
                    // A caller that hung up has its events accepted all the same.
                    drop(reply.send(Ok(accepted.by_ref().take(of_caller.len()).collect())));
                }
                return;
            }
            Err(error) => error,
        };
        if replies.len() == 1 || super::unavailable(&error) {
            let error = Arc::new(error);
            for reply in replies {
                drop(reply.send(Err(AcceptError::Store(error.clone()))));
            }
            return;
        }
        // One of them is poisonous: each by itself, so that it fails only its own caller.
        for (reply, of_caller) in replies.into_iter().zip(events) {
            let outcome = self.accept_now(&of_caller).await.map_err(|error| AcceptError::Store(Arc::new(error)));
            drop(reply.send(outcome));
        }
    }

    async fn accept_now(&self, rows: &[AcceptEvent]) -> Result<Vec<Accepted>, sqlx::Error> {
        let saturated = self.0.lanes.saturated();
        let lease = !self.is_draining() && self.0.lanes.room() > 0;
        let held = Held {
            node: self.0.node,
            lease,
            saturated: &saturated,
            sync_wait: self.0.settings.sync_wait.as_secs_f64(),
        };
        let claimed_at = Instant::now();
        let accepted = self.0.store.accept(rows, &held).await?;
        self.take_up(rows, &accepted, claimed_at).await;
        Ok(accepted)
    }

    /// Starts what was leased and sets the alarm for what was not.
    async fn take_up(&self, rows: &[AcceptEvent], accepted: &[Accepted], claimed_at: Instant) {
        let mut leases = Vec::new();
        let mut versions = HashMap::new();
        for (row, outcome) in rows.iter().zip(accepted) {
            let Accepted::Queued { event_id, project_id, due_at, triggers, replayed: false, leases: leased } = outcome
            else {
                continue;
            };
            self.raise_backlog(&row.project, i64::from(*triggers));
            if leased.len() < *triggers as usize {
                let wait = (*due_at - chrono::Utc::now()).to_std().unwrap_or_default();
                if let Some(at) = Instant::now().checked_add(wait) {
                    self.0.alarm.ring_at(at);
                }
            }
            if leased.is_empty() {
                continue;
            }
            let event = Arc::new(Event {
                id: *event_id,
                project_id: *project_id,
                event_type: row.event_type.clone(),
                data: row.data.clone(),
                due_at: *due_at,
            });
            for (trigger_id, version) in leased {
                versions.insert(*trigger_id, *version);
                leases.push(Lease {
                    event: event.clone(),
                    trigger_id: *trigger_id,
                    run: 0,
                    fence: 1,
                    attempt: 1,
                    claimed_at,
                });
            }
        }
        self.dispatch(leases, &versions).await;
    }
}
