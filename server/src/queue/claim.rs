//! The poller: claims what is due, sleeps until something is, and looks once a second in any case, since another node may
//! have queued it. Setting the alarm is a hint that saves waiting; the poll is the guarantee.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use super::lanes::Entered;
use super::tally::Ending;
use super::{Engine, LOST_ATTEMPTS, Lease, Patience, complete};
use crate::delivery::cloud_event::Event;
use crate::store::{Claimed, Finished, LeaseKey, NextDue, SPREAD};

/// The longest sleep between two looks.
const POLL: Duration = Duration::from_secs(1);
/// The most deliveries in one claim.
const BATCH: usize = 256;
/// How long a floor holds.
const FLOOR_HOLDS: Duration = Duration::from_secs(1);
const FLOOR_HOLDS_AT_MOST: Duration = Duration::from_secs(60);
/// How far a floor stays behind the time, for the sake of transactions that have begun and not written anything yet.
const FLOOR_SLACK: chrono::Duration = chrono::Duration::seconds(2);

/// How much earlier than the beginning of its transaction something may be due.
const ROUNDING: chrono::Duration = chrono::Duration::milliseconds(1);
/// How long after a look that found nothing to claim nobody has to look again for what could not be leased.
const REST: Duration = Duration::from_millis(20);

/// From where the poller looks through the queue: nothing pending is due before. While somebody's long transaction keeps
/// PostgreSQL from cleaning up, the queue's index begins with all that has come and gone, and to read it for every claim
/// takes many times as long as the claim. So it is read from the start now and then only.
///
/// What a look cannot see yet belongs to a transaction that was writing at the look before, or has begun since: one may wait
/// long for a lock or a disk. So a floor stays below the time when the oldest of those began. Only what others than nodes
/// write, in transactions longer than the slack, may come to be below the floor, and waits until it is read from the start.
struct Floor {
    at: DateTime<Utc>,
    until: Instant,
    /// When the oldest transaction began that was writing at the last look.
    writing_since: DateTime<Utc>,
}

impl Floor {
    /// Everything.
    fn none() -> Self {
        Self { at: DateTime::UNIX_EPOCH, until: Instant::now(), writing_since: DateTime::UNIX_EPOCH }
    }

    fn is_stale(&self) -> bool {
        Instant::now() >= self.until
    }

    /// By a look from the start that took so long: no more than a twentieth of the time goes into such looks.
    fn found(&mut self, next: &NextDue, took: Duration) {
        self.until = Instant::now() + (took * 20).clamp(FLOOR_HOLDS, FLOOR_HOLDS_AT_MOST);
        self.rise(next);
    }

    /// By a look from the floor on.
    fn rise(&mut self, next: &NextDue) {
        let unseen = self.writing_since.min(next.now - FLOOR_SLACK);
        self.at = next.earliest.map_or(unseen, |earliest| earliest.min(unseen));
        // What is due at once may be due a little earlier than its transaction began: milliseconds are all that is kept of it.
        self.writing_since = next.writing_since - ROUNDING;
    }
}

/// Where claims that follow each other go on, a place a trigger: what is due before has been claimed, here or elsewhere.
struct Places {
    triggers: Vec<i32>,
    from: Vec<DateTime<Utc>>,
}

impl Places {
    fn new(triggers: Vec<i32>, floor: DateTime<Utc>) -> Self {
        Self { from: vec![floor; triggers.len()], triggers }
    }

    fn pass(&mut self, claimed: &[Claimed]) {
        let mut last = HashMap::new();
        for row in claimed {
            let due = last.entry(row.trigger_id).or_insert(row.was_due);
            *due = row.was_due.max(*due);
        }
        for (trigger, from) in self.triggers.iter().zip(&mut self.from) {
            *from = last.get(trigger).map_or(*from, |due| *due);
        }
    }
}

/// When the poller has to look next.
#[derive(Default)]
pub(super) struct Alarm {
    at: Mutex<Option<Instant>>,
    earlier: Notify,
    /// When a look last found nothing to claim.
    nothing_at: Mutex<Option<Instant>>,
}

impl Alarm {
    /// Asks for a look at the given time; an earlier one that is already set stays.
    pub fn ring_at(&self, at: Instant) {
        let mut set = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if set.is_none_or(|set| at < set) {
            *set = Some(at);
            self.earlier.notify_one();
        }
    }

    /// Asks for a look at what is due and could not be leased at once, soon: while a trigger is paused or has no free slot,
    /// every batch asks, and who resumes it or frees a slot asks for a look now.
    pub fn ring_soon(&self) {
        let rested = self.nothing_at.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at + REST);
        let due = Instant::now() + SPREAD;
        self.ring_at(rested.map_or(due, |rested| rested.max(due)));
    }

    fn found_nothing(&self) {
        *self.nothing_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Sleeps until the alarm rings or `latest` has come, and clears it.
    async fn sleep(&self, latest: Instant) {
        loop {
            let at = self.at.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(latest).min(latest);
            tokio::select! {
                () = tokio::time::sleep_until(at.into()) => break,
                () = self.earlier.notified() => {}
            }
        }
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Engine {
    pub(super) async fn poll(&self) {
        let mut patience = Patience::new();
        let mut floor = Floor::none();
        loop {
            let pause = match self.look(&mut floor).await {
                Ok(pause) => {
                    patience = Patience::new();
                    pause
                }
                Err(error) => {
                    if patience.speaks() {
                        tracing::warn!(%error, "cannot look for due deliveries; trying again");
                    }
                    tokio::select! {
                        () = tokio::time::sleep(patience.next()) => continue,
                        () = self.0.drain.cancelled() => return,
                    }
                }
            };
            tokio::select! {
                () = self.0.alarm.sleep(Instant::now() + pause) => {}
                () = self.0.drain.cancelled() => return,
            }
        }
    }

    /// Claims everything that is due and that there is room for, and says how long nothing more will be.
    async fn look(&self, floor: &mut Floor) -> Result<Duration, sqlx::Error> {
        while !self.is_draining() {
            if self.0.lanes.room() == 0 {
                // Whoever makes room for a batch rings the alarm.
                return Ok(POLL);
            }
            let from_start = floor.is_stale();
            if from_start {
                floor.at = DateTime::UNIX_EPOCH;
            }
            let clock = Instant::now();
            let next = self.0.store.next_due(&self.0.lanes.saturated(), floor.at, POLL.as_secs_f64()).await?;
            if from_start {
                floor.found(&next, clock.elapsed());
            } else {
                floor.rise(&next);
            }
            if next.seconds.is_none_or(|seconds| seconds > 0.0) {
                self.0.alarm.found_nothing();
                let pause =
                    next.seconds.map_or(POLL, |seconds| Duration::from_secs_f64(seconds.min(POLL.as_secs_f64())));
                return Ok(pause);
            }
            let mut places = Places::new(next.triggers, floor.at);
            let mut claimed = self.claim(&mut places).await?;
            if claimed == 0 {
                // Another node was faster, or holds the rows at this moment.
                return Ok(Duration::from_millis(20));
            }
            // A batch that was half full or more is likely to be followed by another. Now and then a look at the others.
            while claimed >= BATCH / 2 && !self.is_draining() && clock.elapsed() < POLL {
                claimed = self.claim(&mut places).await?;
            }
        }
        Ok(POLL)
    }

    /// Claims one batch, and says how large it was.
    async fn claim(&self, places: &mut Places) -> Result<usize, sqlx::Error> {
        let limit = self.0.lanes.room().min(BATCH);
        if limit == 0 {
            return Ok(0);
        }
        let (busy, free): (Vec<_>, Vec<_>) = self.0.lanes.free_slots().into_iter().unzip();
        let claimed_at = Instant::now();
        let concurrency = self.0.settings.concurrency as i32;
        let (triggers, slots) = ((&*places.triggers, &*places.from), (&*busy, &*free));
        let claimed = self.0.store.claim(self.0.node, triggers, slots, concurrency, limit as i32).await?;
        places.pass(&claimed);
        let count = claimed.len();
        self.take_up_claimed(claimed, claimed_at).await;
        Ok(count)
    }

    async fn take_up_claimed(&self, claimed: Vec<Claimed>, claimed_at: Instant) {
        let mut leases = Vec::with_capacity(claimed.len());
        let mut versions = HashMap::new();
        for row in claimed {
            versions.insert(row.trigger_id, row.trigger_version);
            let key = LeaseKey { event_id: row.event_id, trigger_id: row.trigger_id, run: row.run, fence: row.fence };
            let (Some(event_type), Some(data), Some(due_at)) = (row.event_type, row.data, row.event_due_at) else {
                let why = "The data of the event is gone from the database, or damaged.";
                self.set_aside(row.project_id, key, row.attempt, why).await;
                continue;
            };
            let (event_type, data) = (event_type.into(), data.into());
            let event = Arc::new(Event { id: row.event_id, project_id: row.project_id, event_type, data, due_at });
            leases.push(Lease {
                event,
                trigger_id: row.trigger_id,
                version: row.trigger_version,
                run: row.run,
                fence: row.fence,
                attempt: row.attempt.unsigned_abs(),
                claimed_at,
            });
        }
        self.dispatch(leases, &versions).await;
    }

    /// Hands leases to their lanes, once the triggers' settings are at hand.
    pub(super) async fn dispatch(&self, leases: Vec<Lease>, versions: &HashMap<i32, i64>) {
        if leases.is_empty() {
            return;
        }
        if let Err(error) = self.0.targets.load(&self.0.store, versions).await {
            tracing::warn!(%error, "cannot load triggers; their deliveries are given back");
            return self.release(leases).await;
        }
        for lease in leases {
            let Some(target) = self.0.targets.get(lease.trigger_id) else {
                let why = "The trigger is gone from the database.";
                self.set_aside(lease.event.project_id, lease.key(), lease.attempt as i16, why).await;
                continue;
            };
            if lease.attempt > target.retries.saturating_add(1).saturating_add(LOST_ATTEMPTS) {
                let why = "Too many attempts were cut short by a crash of the server.";
                self.set_aside(lease.event.project_id, lease.key(), lease.attempt as i16, why).await;
                continue;
            }
            let slots = target.concurrency.unwrap_or(self.0.settings.concurrency) as usize;
            match self.0.lanes.enter(lease, slots) {
                Entered::Runs(lease) => self.spawn_attempt(lease),
                Entered::Waits => {}
                Entered::Refused(lease) => self.release(vec![lease]).await,
            }
        }
    }

    /// Ends a delivery of a project as failed without another attempt, so that it blocks nothing.
    async fn set_aside(&self, project_id: i32, lease: LeaseKey, attempt: i16, why: &str) {
        self.0.tallies.add(project_id, lease.trigger_id, Ending::Failed, None);
        self.0.changes.note(project_id, lease.event_id);
        let ended = Finished { lease, delivered: false, attempt, record: None, error: Some(why.to_owned()) };
        self.report(complete::Outcome::Finished(ended)).await;
    }

    /// Gives leases back whose attempt has not begun.
    pub(super) async fn release(&self, leases: Vec<Lease>) {
        for lease in leases {
            self.report(complete::Outcome::Released(lease.key())).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::Duration::milliseconds((seconds * 1_000.0) as i64)
    }

    fn look(now: f64, earliest: Option<f64>, writing_since: f64) -> NextDue {
        let (earliest, writing_since) = (earliest.map(at), at(writing_since));
        NextDue { seconds: None, triggers: Vec::new(), earliest, now: at(now), writing_since }
    }

    #[test]
    fn a_floor_lies_under_all_that_is_pending_and_some_time_behind() {
        let mut floor = Floor::none();
        floor.found(&look(100.0, Some(40.0), 100.0), Duration::ZERO);
        assert_eq!(floor.at, DateTime::UNIX_EPOCH, "who was writing before is not known");
        floor.rise(&look(100.1, Some(40.0), 100.1));
        assert_eq!(floor.at, at(40.0));
        floor.rise(&look(101.0, Some(70.0), 101.0));
        assert_eq!(floor.at, at(70.0));
        floor.rise(&look(102.0, None, 102.0));
        for nothing_old in [None, Some(101.5), Some(104.0)] {
            floor.rise(&look(103.0, nothing_old, 103.0));
            assert_eq!(floor.at, at(101.0), "somebody may have begun since");
        }
    }

    #[test]
    fn a_floor_lies_under_what_was_being_written_at_the_last_look() {
        let mut floor = Floor::none();
        floor.rise(&look(100.0, None, 100.0));
        floor.rise(&look(110.0, None, 90.0));
        floor.rise(&look(111.0, None, 90.0));
        assert_eq!(floor.at, at(89.999), "of what it makes due, only whole milliseconds count");
        // It has been committed after the rows were looked through and before it was asked who writes.
        floor.rise(&look(112.0, None, 112.0));
        assert_eq!(floor.at, at(89.999));
        floor.rise(&look(113.0, Some(90.5), 113.0));
        assert_eq!(floor.at, at(90.5), "it is seen now");
        floor.rise(&look(114.0, None, 114.0));
        assert_eq!(floor.at, at(112.0));
    }

    #[test]
    fn a_floor_that_was_hard_to_find_holds_longer() {
        let holds = |took| {
            let mut floor = Floor::none();
            assert!(floor.is_stale());
            floor.found(&look(0.0, None, 0.0), took);
            floor.until - Instant::now()
        };
        for (took, least, most) in [(1, 0, 1), (200, 3, 4), (60_000, 59, 60)] {
            let time = holds(Duration::from_millis(took));
            assert!(time > Duration::from_secs(least) && time <= Duration::from_secs(most), "{took} ms: {time:?}");
        }
    }

    #[test]
    fn what_cannot_be_leased_asks_for_a_look_soon_but_not_again_and_again() {
        let alarm = Alarm::default();
        let set = || alarm.at.lock().expect("unbroken").take().expect("it rings") - Instant::now();
        alarm.ring_soon();
        assert!(set() <= SPREAD);
        alarm.found_nothing();
        alarm.ring_soon();
        assert!(set() > REST / 2);
        alarm.ring_soon();
        alarm.ring_at(Instant::now());
        assert_eq!(set(), Duration::ZERO, "who frees a slot does not wait");
    }

    #[test]
    fn claims_go_on_where_each_trigger_was_left() {
        let claimed = |trigger_id, due| Claimed {
            event_id: uuid::Uuid::nil(),
            trigger_id,
            project_id: 1,
            attempt: 1,
            fence: 1,
            run: 0,
            trigger_version: 1,
            was_due: at(due),
            event_type: None,
            data: None,
            event_due_at: None,
        };
        let mut places = Places::new(vec![3, 5, 7], at(10.0));
        places.pass(&[claimed(5, 12.0), claimed(3, 11.0), claimed(5, 11.5)]);
        assert_eq!(places.from, [at(11.0), at(12.0), at(10.0)]);
        places.pass(&[claimed(7, 20.0)]);
        assert_eq!(places.from, [at(11.0), at(12.0), at(20.0)]);
    }
}
