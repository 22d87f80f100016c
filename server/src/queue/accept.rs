//! Natural batching of accepted events: whatever waits goes into one statement as soon as a connection is free, and every
//! caller is answered after its commit. On an idle node nobody waits for a timer, and under load one commit serves hundreds.
//!
//! Before a statement is sent, the flusher steps back a few times: the runtime runs what is ready, which brings events, and
//! comes back as soon as a thread is idle, or after its event interval. So batches grow with the load.
//!
//! Nodes that share a database also share the callers, so each has smaller batches, and PostgreSQL pays for more of them. So
//! a busy node in company waits a moment for the callers that it has just answered. One that is alone does not: nobody else
//! would use the cores in the meantime.
//!
//! A second statement runs beside the first only once there is enough for it: two small ones cost PostgreSQL more than a
//! large one, but nobody should wait for the disk of others while a core is idle. In company the other nodes' statements see
//! to that.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};

use super::{AcceptError, Engine, Lease};
use crate::delivery::cloud_event::Event;
use crate::store::{self, AcceptEvent, Accepted, Held};

/// The most events in one statement, except where one caller's batch is larger.
pub const MAX_ROWS: usize = 256;
/// The most bytes of data in one statement, except where one caller's batch is larger.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Events, or their bytes of data, that are worth another statement beside those that run, and that nobody steps back for
/// any more; and on a node in company.
const ENOUGH_ROWS: usize = 24;
const ENOUGH_ROWS_IN_COMPANY: usize = 64;
const ENOUGH_BYTES: usize = 512 * 1024;

/// How often the flusher steps back, so that what has been read from the network and only waits for a thread comes along. Ten
/// times spared a quarter of the commits that once leaves; an idle node's latency stays as it was.
const STEPS_BACK: usize = 10;

/// How long a busy node in company waits for the callers that it has just answered.
const GATHER: Duration = Duration::from_millis(10);
/// A statement of fewer events does not make a node busy: its callers do not come back all the time.
const BUSY_ROWS: usize = 8;

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

/// The callers that wait for their statement.
#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    rows: usize,
    bytes: usize,
}

impl Waiting {
    fn push(&mut self, job: Job) {
        self.rows += job.events.len();
        self.bytes += job.bytes();
        self.jobs.push_back(job);
    }

    fn is_full(&self) -> bool {
        self.rows >= MAX_ROWS || self.bytes >= MAX_BYTES
    }

    fn is_enough(&self, in_company: bool) -> bool {
        let rows = if in_company { ENOUGH_ROWS_IN_COMPANY } else { ENOUGH_ROWS };
        self.rows >= rows || self.bytes >= ENOUGH_BYTES
    }

    /// The first callers, as many as fit into one statement and at least one.
    fn take_batch(&mut self) -> Vec<Job> {
        let (mut rows, mut bytes, mut batch) = (0, 0, Vec::new());
        while let Some(job) = self.jobs.front() {
            let (more_rows, more_bytes) = (job.events.len(), job.bytes());
            if !batch.is_empty() && (rows + more_rows > MAX_ROWS || bytes + more_bytes > MAX_BYTES) {
                break;
            }
            (rows, bytes) = (rows + more_rows, bytes + more_bytes);
            batch.extend(self.jobs.pop_front());
        }
        self.rows -= rows;
        self.bytes -= bytes;
        batch
    }
}

/// What the next statement of a busy node waits for.
#[derive(Clone, Copy, Debug)]
struct Gathering {
    rows: usize,
    until: Instant,
}

impl Gathering {
    /// After a statement of so many events has returned, while so many others waited: nine tenths of them all. Whoever calls
    /// again and again is back with the next event soon; the last few may be gone.
    fn after(returned: usize, waiting: usize, now: Instant) -> Option<Self> {
        (returned >= BUSY_ROWS).then(|| Self { rows: (returned + waiting) * 9 / 10, until: now + GATHER })
    }

    /// Waits for its end; without one, for ever.
    async fn ends(gathering: Option<Self>) {
        match gathering {
            Some(Self { until, .. }) => tokio::time::sleep_until(until.into()).await,
            None => std::future::pending().await,
        }
    }
}

/// A statement that has returned, and those who wait for it.
struct Flushed {
    rows: Vec<AcceptEvent>,
    replies: Vec<(oneshot::Sender<Reply>, usize)>,
    /// When it was sent.
    sent_at: Instant,
    outcome: Result<Vec<Accepted>, sqlx::Error>,
}

/// The flusher's work.
pub(super) struct Accepting {
    incoming: mpsc::Receiver<Job>,
    waiting: Waiting,
    /// Statements under way; `None` comes of one that panicked.
    running: FuturesUnordered<BoxFuture<'static, Option<Flushed>>>,
    /// What they brought, as far as it could not be taken up at once.
    settling: FuturesUnordered<BoxFuture<'static, Option<()>>>,
}

impl Accepting {
    pub fn new(incoming: mpsc::Receiver<Job>) -> Self {
        let (running, settling) = (FuturesUnordered::new(), FuturesUnordered::new());
        Self { incoming, waiting: Waiting::default(), running, settling }
    }
}

/// A panic in it fails those who wait for it, and nobody else.
fn guarded<T: 'static>(future: impl Future<Output = T> + Send + 'static) -> BoxFuture<'static, Option<T>> {
    AssertUnwindSafe(future).catch_unwind().map(Result::ok).boxed()
}

impl Engine {
    pub(super) async fn flush_accepts(&self, accepting: &mut Accepting) {
        let Accepting { incoming, waiting, running, settling } = accepting;
        let mut arrived = Vec::new();
        let mut gathering: Option<Gathering> = None;
        loop {
            tokio::select! {
                // Whoever does not fit waits in the channel, and then outside of it: memory stays bounded.
                count = incoming.recv_many(&mut arrived, MAX_ROWS), if !waiting.is_full() => {
                    if count == 0 {
                        return;
                    }
                    arrived.drain(..).for_each(|job| waiting.push(job));
                }
                Some(returned) = running.next() => {
                    if let Some(flushed) = returned {
                        if self.has_company() {
                            gathering = Gathering::after(flushed.rows.len(), waiting.rows, Instant::now());
                        }
                        let engine = self.clone();
                        let mut rest = guarded(async move { engine.settle(flushed).await });
                        // At once, as far as it goes: the next statement has to know how full the lanes are.
                        if rest.as_mut().now_or_never().is_none() {
                            settling.push(rest);
                        }
                    }
                }
                Some(_) = settling.next() => {}
                () = Gathering::ends(gathering) => gathering = None,
                // The API has stopped before the engine does, so nobody is left waiting here.
                () = self.0.stop.cancelled() => return,
            }
            let in_company = self.has_company();
            if running.is_empty() {
                for _ in 0..STEPS_BACK {
                    if waiting.is_enough(in_company) {
                        break;
                    }
                    tokio::task::yield_now().await;
                    while !waiting.is_full()
                        && let Ok(job) = incoming.try_recv()
                    {
                        waiting.push(job);
                    }
                }
                if !waiting.is_enough(in_company) && gathering.is_some_and(|these| waiting.rows < these.rows) {
                    continue;
                }
            }
            while !waiting.jobs.is_empty()
                && settling.len() < store::ACCEPTING_CONNECTIONS
                && (running.is_empty() || running.len() < store::ACCEPTING_CONNECTIONS && waiting.is_enough(in_company))
            {
                let (engine, batch) = (self.clone(), waiting.take_batch());
                gathering = None;
                running.push(guarded(async move { engine.flush(batch).await }));
            }
        }
    }

    fn has_company(&self) -> bool {
        self.0.has_company.load(Ordering::Relaxed)
    }

    async fn flush(&self, batch: Vec<Job>) -> Flushed {
        let mut rows = Vec::with_capacity(batch.len());
        let mut replies = Vec::with_capacity(batch.len());
        for job in batch {
            replies.push((job.reply, job.events.len()));
            rows.extend(job.events);
        }
        let sent_at = Instant::now();
        let outcome = self.accept_rows(&rows).await;
        Flushed { rows, replies, sent_at, outcome }
    }

    /// Tells the callers, and starts what was accepted. In this order: while it is on its way to the webhooks, they send the
    /// next events, and PostgreSQL has work again.
    async fn settle(&self, flushed: Flushed) {
        let Flushed { rows, replies, sent_at, outcome } = flushed;
        let error = match outcome {
            Ok(accepted) => {
                self.0.health.accepted();
                let (leases, versions) = self.leased(&rows, &accepted, sent_at);
                let mut accepted = accepted.into_iter();
                for (reply, count) in replies {
                    // A caller that hung up has its events accepted all the same.
                    drop(reply.send(Ok(accepted.by_ref().take(count).collect())));
                }
                return self.dispatch(leases, &versions).await;
            }
            Err(error) => error,
        };
        let unavailable = super::unavailable(&error);
        if unavailable {
            self.0.health.refused(&error);
        }
        if replies.len() == 1 || unavailable {
            let error = Arc::new(error);
            for (reply, _) in replies {
                drop(reply.send(Err(AcceptError::Store(error.clone()))));
            }
            return;
        }
        // One of them is poisonous: each by itself, so that it fails only its own caller.
        let mut rest = rows.as_slice();
        for (reply, count) in replies {
            let (of_caller, others) = rest.split_at(count);
            rest = others;
            let sent_at = Instant::now();
            let outcome = self.accept_rows(of_caller).await;
            let leased = outcome.as_ref().ok().map(|accepted| self.leased(of_caller, accepted, sent_at));
            drop(reply.send(outcome.map_err(|error| AcceptError::Store(Arc::new(error)))));
            if let Some((leases, versions)) = leased {
                self.dispatch(leases, &versions).await;
            }
        }
    }

    async fn accept_rows(&self, rows: &[AcceptEvent]) -> Result<Vec<Accepted>, sqlx::Error> {
        let saturated = self.0.lanes.saturated();
        let lease = !self.is_draining() && self.0.lanes.room() > 0;
        let held = Held {
            node: self.0.node,
            lease,
            saturated: &saturated,
            sync_wait: self.0.settings.sync_wait.as_secs_f64(),
        };
        self.0.store.accept(rows, &held).await
    }

    /// Notes what was accepted and sets the alarm for what was not leased at once. Gives what was, and the newest versions of
    /// its triggers.
    fn leased(
        &self,
        rows: &[AcceptEvent],
        accepted: &[Accepted],
        claimed_at: Instant,
    ) -> (Vec<Lease>, HashMap<i32, i64>) {
        let mut leases = Vec::with_capacity(rows.len());
        let mut versions = HashMap::new();
        let mut raised: Vec<(&Arc<str>, i64)> = Vec::new();
        for (row, outcome) in rows.iter().zip(accepted) {
            let Accepted::Queued { event_id, project_id, due_at, due_in, triggers, replayed: false, leases: leased } =
                outcome
            else {
                continue;
            };
            match raised.last_mut() {
                Some((project, by)) if **project == row.project => *by += i64::from(*triggers),
                _ => raised.push((&row.project, i64::from(*triggers))),
            }
            self.0.changes.note(*project_id, *event_id);
            if leased.len() < *triggers as usize {
                // By the database's clock: this node's may be wrong.
                let wait = Duration::try_from_secs_f64(*due_in).unwrap_or_default();
                if wait.is_zero() {
                    self.0.alarm.ring_soon();
                } else if let Some(at) = Instant::now().checked_add(wait + store::SPREAD) {
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
                    version: *version,
                    run: 0,
                    fence: 1,
                    attempt: 1,
                    claimed_at,
                });
            }
        }
        for (project, by) in raised {
            self.raise_backlog(project, by);
        }
        (leases, versions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(rows: usize, bytes: usize) -> Job {
        let event = AcceptEvent {
            id: uuid::Uuid::nil(),
            project: "p".into(),
            event_type: "t".into(),
            data: "x".repeat(bytes).into(),
            at: None,
            delay: 0.0,
            synchronous: false,
            key: None,
        };
        Job { events: vec![event; rows], reply: oneshot::channel().0 }
    }

    fn sizes(waiting: &mut Waiting) -> Vec<usize> {
        let mut sizes = Vec::new();
        while !waiting.jobs.is_empty() {
            sizes.push(waiting.take_batch().iter().map(|job| job.events.len()).sum());
        }
        assert_eq!((waiting.rows, waiting.bytes), (0, 0));
        sizes
    }

    #[test]
    fn a_busy_node_waits_for_most_of_those_it_answered_and_never_long() {
        let now = Instant::now();
        assert!(Gathering::after(BUSY_ROWS - 1, 1_000, now).is_none());
        let gathering = Gathering::after(40, 20, now).expect("a busy node");
        assert_eq!((gathering.rows, gathering.until), (54, now + GATHER));
    }

    #[test]
    fn a_statement_holds_so_many_rows_and_never_splits_a_caller() {
        let mut waiting = Waiting::default();
        for rows in [100, 100, 100, 1_000, 1, 255] {
            waiting.push(job(rows, 1));
        }
        assert!(waiting.is_full());
        assert_eq!(sizes(&mut waiting), [200, 100, 1_000, 256]);
    }

    #[test]
    fn a_second_statement_needs_more_events_in_company_and_as_many_bytes() {
        let enough = |rows, bytes| {
            let mut waiting = Waiting::default();
            waiting.push(job(rows, bytes));
            [false, true].map(|in_company| waiting.is_enough(in_company))
        };
        assert_eq!(enough(ENOUGH_ROWS - 1, 1), [false, false]);
        assert_eq!(enough(ENOUGH_ROWS, 1), [true, false]);
        assert_eq!(enough(ENOUGH_ROWS_IN_COMPANY, 1), [true, true]);
        assert_eq!(enough(1, ENOUGH_BYTES), [true, true]);
    }

    #[test]
    fn a_statement_holds_so_many_bytes() {
        let mut waiting = Waiting::default();
        for bytes in [3, 2, 9, 1] {
            waiting.push(job(1, bytes * 1024 * 1024));
        }
        assert_eq!(sizes(&mut waiting), [1, 1, 1, 1]);
        for _ in 0..8 {
            waiting.push(job(1, MAX_BYTES / 4));
        }
        assert_eq!(sizes(&mut waiting), [4, 4]);
    }
}
