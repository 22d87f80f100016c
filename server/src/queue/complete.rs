//! Writes outcomes down in batches: whatever has ended while the last batch was being written makes the next one.
//!
//! Nobody waits for an outcome to be written but a synchronous caller. So a small batch lingers for a moment to gather more,
//! also when nothing else is under way, since the next events are often just being accepted; one that somebody waits for
//! goes at once.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Engine, Patience};
use crate::store::{AttemptRecord, Finished, LeaseKey, Moved, Retried, Store};

/// The most outcomes in one batch.
const BATCH: usize = 256;

/// A batch of so many is worth a statement.
const ENOUGH: usize = 128;
/// How long a smaller one lingers.
const LINGER: Duration = Duration::from_millis(25);

/// The error of an attempt whose own could not be written.
const UNSTORABLE: &str =
    "The attempt failed, and what the webhook answered cannot be stored; the server's log says more.";

/// What became of a lease.
pub(super) enum Outcome {
    Finished(Finished),
    Retried(Retried),
    Released(LeaseKey),
}

impl Outcome {
    fn event_id(&self) -> Uuid {
        match self {
            Self::Finished(one) => one.lease.event_id,
            Self::Retried(one) => one.lease.event_id,
            Self::Released(lease) => lease.event_id,
        }
    }
}

impl Engine {
    pub(super) async fn report(&self, outcome: Outcome) {
        // The completer outlives all who report, and is started again after a panic: the channel is open.
        drop(self.0.outcomes.send(outcome).await);
    }

    pub(super) async fn complete(&self, outcomes: &mut mpsc::Receiver<Outcome>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                _ = outcomes.recv_many(&mut batch, BATCH) => self.linger(outcomes, &mut batch).await,
                () = self.0.all_ended.cancelled() => {
                    outcomes.close();
                    while outcomes.recv_many(&mut batch, BATCH).await > 0 {
                        self.write(&mut batch).await;
                    }
                    return;
                }
            }
            self.write(&mut batch).await;
        }
    }

    /// Gathers more outcomes for a moment, unless somebody waits for these.
    async fn linger(&self, outcomes: &mut mpsc::Receiver<Outcome>, batch: &mut Vec<Outcome>) {
        let deadline = tokio::time::sleep(LINGER);
        tokio::pin!(deadline);
        let mut looked_at = 0;
        while batch.len() < ENOUGH && !self.0.all_ended.is_cancelled() {
            if batch[looked_at..].iter().any(|outcome| self.0.waiters.is_watched(outcome.event_id())) {
                return;
            }
            looked_at = batch.len();
            tokio::select! {
                _ = outcomes.recv_many(batch, BATCH - looked_at) => {}
                () = &mut deadline => return,
            }
        }
    }

    async fn write(&self, outcomes: &mut Vec<Outcome>) {
        let (mut finished, mut retried, mut released) = (Vec::new(), Vec::new(), Vec::new());
        for outcome in outcomes.drain(..) {
            match outcome {
                Outcome::Finished(one) => finished.push(one),
                Outcome::Retried(one) => retried.push(one),
                Outcome::Released(one) => released.push(one),
            }
        }
        let soonest_retry = retried.iter().map(|one| one.wait).reduce(f64::min);
        let look_now = !released.is_empty();
        for batch in [Batch::Finished(finished), Batch::Retried(retried), Batch::Released(released)] {
            if batch.len() > 0 {
                self.persistently(batch).await;
            }
        }
        if look_now {
            self.look_now();
        } else if let Some(at) =
            soonest_retry.and_then(|wait| Instant::now().checked_add(Duration::from_secs_f64(wait)))
        {
            self.0.alarm.ring_at(at);
        }
    }

    /// Writes a batch, again and again while the database is away. Where the batch itself is refused, each row is tried
    /// alone, so that one that cannot be written holds up no other; and that one is written without its details. Tells those
    /// who wait for them.
    async fn persistently(&self, batch: Batch) {
        let mut patience = Patience::new();
        let mut left = vec![batch];
        while let Some(batch) = left.pop() {
            let written = AssertUnwindSafe(batch.write(&self.0.store, self.0.node)).catch_unwind().await;
            let refusal = match written {
                Ok(Ok(moved)) => {
                    self.tell(batch, &moved);
                    continue;
                }
                Ok(Err(error)) if super::unavailable(&error) => {
                    if self.0.all_ended.is_cancelled() {
                        return;
                    }
                    if patience.speaks() {
                        tracing::warn!(%error, rows = batch.len(), "outcomes cannot be written; trying again");
                    }
                    tokio::time::sleep(patience.next()).await;
                    left.push(batch);
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "a panic".to_owned(),
            };
            tracing::error!(refusal, rows = batch.len(), "outcomes cannot be written as they are");
            if batch.len() > 1 {
                left.extend(batch.split());
            } else if let Some(bare) = batch.bare() {
                left.push(bare);
            } else {
                tracing::error!("an outcome cannot be written at all; its lease will expire");
            }
        }
    }

    fn tell(&self, batch: Batch, moved: &[Moved]) {
        if let Batch::Finished(mut ended) = batch {
            if moved.len() < ended.len() {
                // Some leases were lost: their deliveries end elsewhere.
                let moved: HashSet<_> = moved.iter().map(|one| (one.event_id, one.trigger_id)).collect();
                ended.retain(|one| moved.contains(&(one.lease.event_id, one.lease.trigger_id)));
            }
            self.0.waiters.tell(ended);
        }
    }
}

/// Outcomes of one kind: one statement.
enum Batch {
    Finished(Vec<Finished>),
    Retried(Vec<Retried>),
    Released(Vec<LeaseKey>),
}

impl Batch {
    fn len(&self) -> usize {
        match self {
            Self::Finished(rows) => rows.len(),
            Self::Retried(rows) => rows.len(),
            Self::Released(rows) => rows.len(),
        }
    }

    async fn write(&self, store: &Store, node: Uuid) -> Result<Vec<Moved>, sqlx::Error> {
        match self {
            Self::Finished(rows) => store.finish(node, rows).await,
            Self::Retried(rows) => store.retry(node, rows).await.map(|()| Vec::new()),
            Self::Released(rows) => store.release(rows).await.map(|()| Vec::new()),
        }
    }

    fn split(self) -> Vec<Self> {
        match self {
            Self::Finished(rows) => rows.into_iter().map(|row| Self::Finished(vec![row])).collect(),
            Self::Retried(rows) => rows.into_iter().map(|row| Self::Retried(vec![row])).collect(),
            Self::Released(rows) => rows.into_iter().map(|row| Self::Released(vec![row])).collect(),
        }
    }

    /// A single outcome with less in it: first without what the webhook answered, then without the attempt. `None` where
    /// there is nothing more to leave out.
    fn bare(self) -> Option<Self> {
        let unstorable = || Some(UNSTORABLE.to_owned());
        match self {
            Self::Finished(mut rows) => {
                let row = rows.first_mut()?;
                let record = row.record.take()?;
                row.error = if row.delivered { None } else { unstorable() };
                if record.response_headers.is_some() {
                    row.record = Some(without_answer(record, row.error.clone()));
                }
                Some(Self::Finished(rows))
            }
            Self::Retried(mut rows) => {
                let row = rows.pop()?;
                let tried = row.record.error.as_deref() == Some(UNSTORABLE);
                (!tried)
                    .then(|| Self::Retried(vec![Retried { record: without_answer(row.record, unstorable()), ..row }]))
            }
            Self::Released(_) => None,
        }
    }
}

fn without_answer(record: AttemptRecord, error: Option<String>) -> AttemptRecord {
    AttemptRecord { response_headers: None, response_body: None, error, ..record }
}
