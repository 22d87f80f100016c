//! The engine: accepts events, leases their deliveries, and sees every one of them to its end.
//!
//! Guarantees:
//! - [`Engine::accept`] returns after the commit, so an acknowledged event is in PostgreSQL.
//! - A delivery is worked on under a lease that outlasts its trigger's timeout. Whoever loses the lease (a crash, a long
//!   pause) changes nothing any more, because every statement that ends or retries a delivery checks the fence; the
//!   delivery is claimed again.
//! - Attempts are counted when they are claimed, so one that a crash cut short counts. A delivery is never failed by that
//!   alone before [`LOST_ATTEMPTS`] of its attempts were lost.
//! - No transaction is open while a webhook runs.
//! - What waits, waits in PostgreSQL: a node holds no more than `max_in_flight` deliveries and one batch.
//!
//! One task an aspect: [`accept`] flushes batches of events, [`claim`] polls for due deliveries, [`complete`] writes
//! outcomes, [`nodes`] keeps this node alive and buries dead ones, [`tally`] counts outcomes. [`lanes`] keeps every trigger
//! to its concurrency, and [`changes`] tells pages what has changed.

mod accept;
mod attempt;
mod changes;
mod claim;
mod complete;
mod lanes;
mod nodes;
mod tally;
mod targets;
mod waiters;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::delivery::cloud_event::Event;
use crate::delivery::{Backoff, Client};
use crate::store::{self, AcceptEvent, Accepted, LeaseKey, Store};

pub use changes::{Changed, Listener};
pub use tally::{Counts, quantile_ms};
pub use waiters::Watch;

/// Attempts lost to crashes before a delivery is set aside as failed: an event that kills whoever touches it must not do
/// so for ever.
pub const LOST_ATTEMPTS: u16 = 5;

/// How the engine works; see the settings of the same names.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    pub concurrency: u32,
    pub max_in_flight: usize,
    pub backoff: Backoff,
    pub backlog_limit: u64,
    pub sync_wait: Duration,
    /// How long history is kept.
    pub retention: Duration,
}

/// Why an event was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    #[error("the backlog of the project is full")]
    BacklogFull,
    #[error("the server is shutting down")]
    ShuttingDown,
    #[error(transparent)]
    Store(Arc<sqlx::Error>),
}

/// The queue of a node. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    node: Uuid,
    /// `source` of every CloudEvent.
    instance: Uuid,
    store: Store,
    client: Client,
    settings: EngineSettings,
    accepts: mpsc::Sender<accept::Job>,
    outcomes: mpsc::Sender<complete::Outcome>,
    lanes: lanes::Lanes,
    targets: targets::Targets,
    waiters: waiters::Waiters,
    changes: changes::Changes,
    tallies: tally::Tallies,
    alarm: claim::Alarm,
    backlog: Mutex<Backlog>,
    /// No new leases from now on.
    draining: AtomicBool,
    attempts: TaskTracker,
    background: TaskTracker,
    stop: CancellationToken,
    stop_completer: CancellationToken,
}

/// Pending deliveries by project, as last counted and raised by what came since.
struct Backlog {
    pending: HashMap<String, i64>,
    /// Something was accepted since the last count.
    stale: bool,
}

/// One delivery that this node holds.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub event: Arc<Event>,
    pub trigger_id: i32,
    pub run: i16,
    pub fence: i32,
    /// From 1.
    pub attempt: u16,
    /// When the statement that leased it was sent: the lease ends no earlier than timeout and slack after that.
    pub claimed_at: Instant,
}

impl Lease {
    pub fn key(&self) -> LeaseKey {
        LeaseKey { event_id: self.event.id, trigger_id: self.trigger_id, run: self.run, fence: self.fence }
    }
}

impl Engine {
    /// Starts a node's tasks.
    pub async fn start(store: Store, client: Client, settings: EngineSettings) -> Result<Self, sqlx::Error> {
        let node = Uuid::now_v7();
        store.beat(node, nodes::UNSEEN.as_secs_f64()).await?;
        let instance = store.instance().await?;
        // Small channels: whoever does not fit waits, and memory stays bounded.
        let (accepts, accept_jobs) = mpsc::channel(accept::MAX_ROWS);
        let (outcomes, ended) = mpsc::channel(settings.max_in_flight.max(1));
        let engine = Self(Arc::new(Inner {
            node,
            instance,
            store,
            client,
            lanes: lanes::Lanes::new(settings.max_in_flight),
            settings,
            accepts,
            outcomes,
            targets: targets::Targets::default(),
            waiters: waiters::Waiters::default(),
            changes: changes::Changes::default(),
            tallies: tally::Tallies::default(),
            alarm: claim::Alarm::default(),
            backlog: Mutex::new(Backlog { pending: HashMap::new(), stale: true }),
            draining: AtomicBool::new(false),
            attempts: TaskTracker::new(),
            background: TaskTracker::new(),
            stop: CancellationToken::new(),
            stop_completer: CancellationToken::new(),
        }));
        let background = &engine.0.background;
        background.spawn(engine.clone().flush_accepts(accept_jobs));
        background.spawn(engine.clone().poll());
        background.spawn(engine.clone().complete(ended));
        background.spawn(engine.clone().keep_alive());
        background.spawn(engine.clone().maintain());
        background.spawn(engine.clone().flush_tallies());
        Ok(engine)
    }

    /// This process's identity.
    pub fn node(&self) -> Uuid {
        self.0.node
    }

    /// `source` of every CloudEvent.
    pub fn instance(&self) -> Uuid {
        self.0.instance
    }

    pub fn store(&self) -> &Store {
        &self.0.store
    }

    pub fn sync_wait(&self) -> Duration {
        self.0.settings.sync_wait
    }

    /// Accepts events of one project in one transaction and returns after its commit, one outcome an event. What is due
    /// now is already on its way to the webhooks then.
    pub async fn accept(&self, events: Vec<AcceptEvent>) -> Result<Vec<Accepted>, AcceptError> {
        if let Some(first) = events.first()
            && self.backlog_is_full(&first.project)
        {
            return Err(AcceptError::BacklogFull);
        }
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.0.accepts.send(accept::Job { events, reply }).await.map_err(|_| AcceptError::ShuttingDown)?;
        answer.await.map_err(|_| AcceptError::ShuttingDown)?
    }

    /// Watches an event: the watch wakes whenever one of its deliveries ends on this node.
    pub fn watch(&self, event_id: Uuid) -> Watch {
        self.0.waiters.watch(event_id)
    }

    /// Looks for due deliveries now rather than at the next poll: something was made due by other means.
    pub fn look_now(&self) {
        self.0.alarm.ring_at(Instant::now());
    }

    /// Hears of the events of a project that change on this node.
    pub fn listen(&self, project_id: i32) -> Listener {
        self.0.changes.listen(project_id)
    }

    /// Is told that deliveries of these events were queued or ended by other means than the engine's own.
    pub fn touched(&self, project: &str, project_id: i32, events: &[Uuid], queued: usize) {
        if queued > 0 {
            self.raise_backlog(project, queued as i64);
            self.look_now();
        }
        self.0.waiters.wake(events);
        for event_id in events {
            self.0.changes.note(project_id, *event_id);
        }
    }

    /// Runs a task until it ends; it ends when its token says so.
    pub fn spawn<F>(&self, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.background.spawn(task(self.0.stop.clone()));
    }

    /// Takes no more work, lets attempts under way end for at most `grace`, gives back the rest, and writes everything down.
    pub async fn shut_down(&self, grace: Duration) {
        let inner = &self.0;
        inner.draining.store(true, Ordering::Relaxed);
        inner.stop.cancel();
        self.release(inner.lanes.drain()).await;
        inner.attempts.close();
        if tokio::time::timeout(grace, inner.attempts.wait()).await.is_err() {
            tracing::warn!(in_flight = inner.attempts.len(), "grace period over: deliveries in flight are given back");
        }
        inner.stop_completer.cancel();
        inner.background.close();
        if tokio::time::timeout(Duration::from_secs(5), inner.background.wait()).await.is_err() {
            tracing::warn!("the last outcomes could not be written; their leases expire by themselves");
        }
        self.flush_tallies_now().await;
        if let Err(error) = inner.store.leave(inner.node).await {
            tracing::warn!(%error, "could not take leave; the leases of this node expire by themselves");
        }
    }

    fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    /// Whether so much waits that no more is taken.
    pub fn backlog_is_full(&self, project: &str) -> bool {
        let backlog = self.0.backlog.lock().unwrap_or_else(PoisonError::into_inner);
        backlog.pending.get(project).is_some_and(|pending| *pending as u64 >= self.0.settings.backlog_limit)
    }

    fn raise_backlog(&self, project: &str, by: i64) {
        let mut backlog = self.0.backlog.lock().unwrap_or_else(PoisonError::into_inner);
        backlog.stale = true;
        match backlog.pending.get_mut(project) {
            Some(pending) => *pending += by,
            None => drop(backlog.pending.insert(project.to_owned(), by)),
        }
    }
}

/// Waits before a statement is tried again while the database is away: doubling from 50 ms to 2 s.
struct Patience(Duration);

impl Patience {
    fn new() -> Self {
        Self(Duration::from_millis(50))
    }

    async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(Duration::from_secs(2));
    }
}

fn unavailable(error: &sqlx::Error) -> bool {
    store::is_unavailable(error) || store::is_transient(error)
}
