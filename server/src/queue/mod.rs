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
//! - An attempt or a task that panics loses nothing and stops nothing: the attempt has failed and is judged like any other
//!   (in [`attempt`]), an outcome that cannot be written is written without its details (in [`complete`]), and a task is
//!   started again (in [`mod@supervise`]). Leases that got lost on the way expire.
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
mod health;
mod lanes;
mod nodes;
mod supervise;
mod tally;
mod targets;
mod waiters;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::delivery::cloud_event::Event;
use crate::delivery::{Backoff, Client};
use crate::store::{self, AcceptEvent, Accepted, LeaseKey, Store};
use crate::telemetry::Seldom;

use supervise::supervise;

pub use changes::{Changed, Listener};
pub use tally::quantile_ms;
pub use waiters::Watch;

/// Attempts beyond its first and its retries that a delivery may lose to crashes before it is set aside as failed: an event that
/// kills whoever touches it must not do so for ever.
pub const LOST_ATTEMPTS: u16 = 5;

/// How long a node that stops waits for the database, twice.
const FAREWELL: Duration = Duration::from_secs(5);

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
    /// Whoever wrote it down panicked: it may be queued or not.
    #[error("the task that accepts events panicked")]
    Lost,
    /// The grace period ended while it was being written: it may be queued or not.
    #[error("the server stopped while it wrote the event")]
    CutOff,
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
    health: health::Health,
    /// Other nodes use the same database, as of the last heartbeat.
    has_company: AtomicBool,
    backlog: Mutex<Backlog>,
    attempts: TaskTracker,
    background: TaskTracker,
    /// No new leases from now on.
    drain: CancellationToken,
    /// No events either.
    stop: CancellationToken,
    /// No attempt is under way any more.
    all_ended: CancellationToken,
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
    /// Of the trigger, as it was when it was leased.
    pub version: i64,
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
        let peers = store.beat(node, nodes::UNSEEN.as_secs_f64()).await?;
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
            health: health::Health::new(),
            has_company: AtomicBool::new(peers.iter().any(|peer| !peer.is_dead)),
            backlog: Mutex::new(Backlog { pending: HashMap::new(), stale: true }),
            attempts: TaskTracker::new(),
            background: TaskTracker::new(),
            drain: CancellationToken::new(),
            stop: CancellationToken::new(),
            all_ended: CancellationToken::new(),
        }));
        let tasks = &engine.0.background;
        let accepting = (engine.clone(), accept::Accepting::new(accept_jobs));
        supervise(tasks, "flusher", accepting, |(engine, accepting)| engine.flush_accepts(accepting).boxed());
        supervise(tasks, "poller", engine.clone(), |engine| engine.poll().boxed());
        supervise(tasks, "completer", (engine.clone(), ended), |(engine, ended)| engine.complete(ended).boxed());
        supervise(tasks, "heartbeat", engine.clone(), |engine| engine.keep_alive().boxed());
        supervise(tasks, "housekeeping", engine.clone(), |engine| engine.maintain().boxed());
        supervise(tasks, "backlog", engine.clone(), |engine| engine.watch_backlog().boxed());
        supervise(tasks, "statistics", engine.clone(), |engine| engine.flush_tallies().boxed());
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
    /// now goes to the webhooks in the same moment.
    pub async fn accept(&self, events: Vec<AcceptEvent>) -> Result<Vec<Accepted>, AcceptError> {
        if let Some(first) = events.first()
            && self.backlog_is_full(&first.project)
        {
            // What is queued already need not be queued.
            let before =
                self.0.store.accepted_before(&events).await.map_err(|error| AcceptError::Store(Arc::new(error)))?;
            return before.ok_or_else(|| {
                self.0.health.full(&first.project, self.0.settings.backlog_limit);
                AcceptError::BacklogFull
            });
        }
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.0.accepts.send(accept::Job { events, reply }).await.map_err(|_| AcceptError::ShuttingDown)?;
        answer.await.map_err(|_| if self.is_draining() { AcceptError::CutOff } else { AcceptError::Lost })?
    }

    /// Whether the database takes what this node writes, as far as it has tried of late.
    pub fn is_well(&self) -> bool {
        self.0.health.is_well()
    }

    /// The name of a trigger that this node has delivered to.
    pub fn trigger_name(&self, trigger_id: i32) -> Option<String> {
        self.0.targets.get(trigger_id).map(|target| target.name.clone())
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

    /// Has those who listen to a project look at all of it again.
    pub fn renewed(&self, project_id: i32) {
        self.0.changes.note_more(project_id);
    }

    /// Is told that deliveries of these events were queued or ended by other means than the engine's own.
    pub fn touched(&self, project: &str, project_id: i32, events: &[Uuid], queued: usize) {
        if queued > 0 {
            self.raise_backlog(project, queued as i64);
            self.look_now();
        }
        for event_id in events {
            self.0.changes.note(project_id, *event_id);
        }
    }

    /// Runs a task until its token says that the engine stops; one that panics is started again.
    pub fn spawn<F>(&self, name: &'static str, task: impl Fn(CancellationToken) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.0.stop.clone();
        supervise(&self.0.background, name, (), move |()| task(stop.clone()).boxed());
    }

    /// Leases nothing more, and gives back what has not begun: other nodes take it. Events are still accepted.
    pub async fn drain(&self) {
        self.0.drain.cancel();
        self.release(self.0.lanes.drain()).await;
    }

    /// Takes no more work, lets attempts under way end until the deadline, gives back the rest, and writes everything down.
    pub async fn shut_down(&self, deadline: Instant) {
        let inner = &self.0;
        inner.stop.cancel();
        inner.attempts.close();
        // Draining takes part in the deadline: without its database a node cannot give anything back.
        let all_end = async {
            self.drain().await;
            inner.attempts.wait().await;
        };
        if tokio::time::timeout_at(deadline.into(), all_end).await.is_err() {
            tracing::warn!(in_flight = inner.attempts.len(), "grace period over: deliveries in flight are given back");
        }
        inner.all_ended.cancel();
        inner.background.close();
        if tokio::time::timeout(FAREWELL, inner.background.wait()).await.is_err() {
            tracing::warn!("the last outcomes could not be written; their leases expire by themselves");
        }
        let farewell = async {
            self.flush_tallies_now().await;
            inner.store.leave(inner.node).await
        };
        match tokio::time::timeout(FAREWELL, farewell).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "could not take leave; the leases of this node expire by themselves")
            }
            Err(_) => tracing::warn!("the database does not answer; the leases of this node expire by themselves"),
        }
    }

    fn is_draining(&self) -> bool {
        self.0.drain.is_cancelled()
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

/// Waits before a statement is tried again while the database is away: doubling from 50 ms to a quarter of a second, so that
/// no moment is missed in which it is there.
struct Patience {
    wait: Duration,
    log: Seldom,
}

impl Patience {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_millis(250);
    /// Between two lines in the log about the same outage.
    const SILENCE: Duration = Duration::from_secs(5);

    fn new() -> Self {
        Self { wait: Self::FIRST, log: Seldom::every(Self::SILENCE) }
    }

    /// Whether the log should hear of another failure.
    fn speaks(&mut self) -> bool {
        self.log.speaks()
    }

    /// How long to wait now.
    fn next(&mut self) -> Duration {
        let wait = self.wait;
        self.wait = (wait * 2).min(Self::LONGEST);
        wait
    }
}

fn unavailable(error: &sqlx::Error) -> bool {
    store::is_unavailable(error) || store::is_transient(error)
}
