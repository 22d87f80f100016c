//! Every trigger has a lane with a number of slots, so that one slow webhook never takes the whole node.
//!
//! A lane whose webhook is fast may hold more deliveries than it has slots: they wait in memory for the few milliseconds
//! until a slot is free, so that the webhook never waits for the database. A slow one holds only what it works on; the
//! rest waits in PostgreSQL, where other nodes can take it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Lease;

/// A webhook is fast when its attempts take less than this on average.
const FAST: Duration = Duration::from_millis(100);
/// Deliveries that wait in a fast lane, as a multiple of its slots, and at most.
const OVERHANG: usize = 3;
const MOST_OVERHANG: usize = 512;
/// Weight of the newest attempt in the average.
const NEWEST: f64 = 0.1;

#[derive(Default)]
struct Lane {
    slots: usize,
    running: usize,
    /// Leased, and waiting for a slot.
    waiting: VecDeque<Lease>,
    /// It was full, and takes no more until a whole batch fits: a database asked for single deliveries is slow.
    closed: bool,
}

impl Lane {
    fn held(&self) -> usize {
        self.running + self.waiting.len()
    }
}

#[derive(Default)]
struct State {
    lanes: HashMap<i32, Lane>,
    /// Seconds that attempts of a trigger take on average.
    pace: HashMap<i32, f64>,
    held: usize,
    /// The whole node was full, and takes no more until a batch fits.
    closed: bool,
}

impl State {
    /// How many deliveries a lane may hold.
    fn capacity(&self, trigger_id: i32, lane: &Lane) -> usize {
        let fast = self.pace.get(&trigger_id).is_some_and(|pace| *pace < FAST.as_secs_f64());
        lane.slots + if fast { (lane.slots * OVERHANG).min(MOST_OVERHANG) } else { 0 }
    }
}

/// The lanes of a node.
pub(super) struct Lanes {
    state: Mutex<State>,
    max_held: usize,
}

impl Lanes {
    pub fn new(max_held: usize) -> Self {
        Self { state: Mutex::default(), max_held }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many deliveries the node holds.
    pub fn held(&self) -> usize {
        self.state().held
    }

    /// How many deliveries the node can still take.
    pub fn room(&self) -> usize {
        let state = self.state();
        if state.closed { 0 } else { self.max_held.saturating_sub(state.held) }
    }

    /// The triggers that take no more. When they do again, [`Self::leave`] says so.
    pub fn saturated(&self) -> Vec<i32> {
        self.state().lanes.iter().filter(|(_, lane)| lane.closed).map(|(id, _)| *id).collect()
    }

    /// How many more the triggers that hold any can take.
    pub fn free_slots(&self) -> Vec<(i32, i32)> {
        let state = self.state();
        let free = |(id, lane): (&i32, &Lane)| {
            let free = state.capacity(*id, lane).saturating_sub(lane.held());
            (*id, if lane.closed { 0 } else { free as i32 })
        };
        state.lanes.iter().map(free).collect()
    }

    /// Takes a delivery in. Gives it back when it can run now; otherwise it waits for a slot.
    pub fn enter(&self, lease: Lease, slots: usize) -> Option<Lease> {
        let mut guard = self.state();
        let state = &mut *guard;
        let trigger_id = lease.trigger_id;
        state.held += 1;
        state.closed |= state.held >= self.max_held;
        let mut lane = state.lanes.remove(&trigger_id).unwrap_or_default();
        lane.slots = slots.max(1);
        let now = if lane.running < lane.slots {
            lane.running += 1;
            Some(lease)
        } else {
            lane.waiting.push_back(lease);
            None
        };
        lane.closed |= lane.held() >= state.capacity(trigger_id, &lane);
        state.lanes.insert(trigger_id, lane);
        now
    }

    /// A delivery has left its slot after an attempt of the given time, or without one. Gives the one that takes its place,
    /// and whether there is room again for what waits in the database.
    pub fn leave(&self, trigger_id: i32, took: Option<Duration>) -> (Option<Lease>, bool) {
        let mut guard = self.state();
        let state = &mut *guard;
        state.held = state.held.saturating_sub(1);
        if let Some(took) = took {
            let took = took.as_secs_f64();
            let pace = state.pace.entry(trigger_id).or_insert(took);
            *pace += (took - *pace) * NEWEST;
        }
        let node_opens = state.closed && state.held <= self.max_held / 4 * 3;
        state.closed &= !node_opens;
        let Some(mut lane) = state.lanes.remove(&trigger_id) else { return (None, node_opens) };
        lane.running = lane.running.saturating_sub(1);
        let next = if lane.running < lane.slots { lane.waiting.pop_front() } else { None };
        if next.is_some() {
            lane.running += 1;
        }
        let capacity = state.capacity(trigger_id, &lane);
        // A webhook that has become slow fills its lane without anything being added.
        lane.closed |= lane.held() >= capacity;
        let lane_opens = lane.closed && lane.held() <= capacity - (capacity / 2).max(1);
        lane.closed &= !lane_opens;
        if lane.held() > 0 {
            state.lanes.insert(trigger_id, lane);
        }
        (next, node_opens || lane_opens)
    }

    /// Empties the waiting places.
    pub fn drain(&self) -> Vec<Lease> {
        let mut state = self.state();
        let waiting: Vec<_> = state.lanes.values_mut().flat_map(|lane| lane.waiting.drain(..)).collect();
        state.held = state.held.saturating_sub(waiting.len());
        waiting
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;
    use crate::delivery::cloud_event::Event;

    const SLOW: Option<Duration> = Some(Duration::from_secs(1));
    const QUICK: Option<Duration> = Some(Duration::from_millis(1));

    fn lease(trigger_id: i32, attempt: u16) -> Lease {
        let due_at = chrono::Utc::now();
        let event = Event { id: uuid::Uuid::nil(), project_id: 1, event_type: "t".into(), data: "null".into(), due_at };
        Lease { event: Arc::new(event), trigger_id, run: 0, fence: 1, attempt, claimed_at: Instant::now() }
    }

    #[test]
    fn a_lane_runs_no_more_than_its_slots_and_keeps_the_order() {
        let lanes = Lanes::new(10);
        assert!(lanes.enter(lease(1, 1), 2).is_some());
        assert!(lanes.enter(lease(1, 2), 2).is_some());
        assert!(lanes.enter(lease(1, 3), 2).is_none());
        assert!(lanes.enter(lease(1, 4), 2).is_none());
        assert_eq!(lanes.saturated(), [1]);
        assert_eq!((lanes.room(), lanes.held()), (6, 4));
        assert_eq!(lanes.leave(1, SLOW).0.map(|lease| lease.attempt), Some(3));
        assert_eq!(lanes.leave(1, SLOW).0.map(|lease| lease.attempt), Some(4));
        assert!(lanes.leave(1, SLOW).0.is_none());
        assert_eq!(lanes.free_slots(), [(1, 1)]);
        assert!(lanes.leave(1, SLOW).0.is_none());
        assert_eq!((lanes.free_slots().len(), lanes.room()), (0, 10));
    }

    #[test]
    fn a_full_lane_tells_once_when_a_batch_fits_again() {
        let lanes = Lanes::new(1_000);
        for number in 0..4 {
            drop(lanes.enter(lease(1, number), 4));
        }
        assert_eq!(lanes.saturated(), [1]);
        let told: Vec<_> = (0..4).map(|_| lanes.leave(1, SLOW).1).collect();
        assert_eq!(told, [false, true, false, false]);
    }

    #[test]
    fn a_full_node_tells_once_when_there_is_room_again() {
        let lanes = Lanes::new(8);
        for number in 0..8 {
            drop(lanes.enter(lease(1, number), 100));
        }
        assert_eq!(lanes.room(), 0);
        let told: Vec<_> = (0..8).map(|_| lanes.leave(1, None).1).collect();
        assert_eq!(told, [false, true, false, false, false, false, false, false]);
    }

    #[test]
    fn only_a_fast_lane_holds_more_than_it_works_on() {
        let lanes = Lanes::new(1_000);
        for (trigger, pace, capacity) in [(1, SLOW, 2), (2, QUICK, 8), (3, None, 2)] {
            drop(lanes.enter(lease(trigger, 0), 2));
            lanes.leave(trigger, pace);
            for held in 0..capacity {
                assert!(!lanes.saturated().contains(&trigger), "trigger {trigger} holds {held}");
                drop(lanes.enter(lease(trigger, 0), 2));
            }
            assert!(lanes.saturated().contains(&trigger), "trigger {trigger} holds {capacity}");
        }
    }

    #[test]
    fn a_lane_that_becomes_slow_is_full() {
        let lanes = Lanes::new(1_000);
        for pace in [QUICK, QUICK] {
            drop(lanes.enter(lease(1, 0), 2));
            lanes.leave(1, pace);
        }
        for _ in 0..5 {
            drop(lanes.enter(lease(1, 0), 2));
        }
        assert!(lanes.saturated().is_empty());
        lanes.leave(1, Some(Duration::from_secs(5)));
        assert_eq!((lanes.saturated(), lanes.free_slots()), (vec![1], vec![(1, 0)]));
    }

    #[test]
    fn one_full_lane_leaves_the_others_alone() {
        let lanes = Lanes::new(10);
        assert!(lanes.enter(lease(1, 1), 1).is_some());
        assert!(lanes.enter(lease(1, 2), 1).is_none());
        assert!(lanes.enter(lease(2, 1), 1).is_some());
    }

    #[test]
    fn draining_gives_back_what_has_not_begun() {
        let lanes = Lanes::new(10);
        assert!(lanes.enter(lease(1, 1), 1).is_some());
        assert!(lanes.enter(lease(1, 2), 1).is_none());
        assert_eq!(lanes.drain().len(), 1);
        assert_eq!(lanes.room(), 9);
        assert!(lanes.leave(1, SLOW).0.is_none());
    }

    #[test]
    fn a_smaller_limit_holds_for_what_runs_already() {
        let lanes = Lanes::new(10);
        assert!(lanes.enter(lease(1, 1), 2).is_some());
        assert!(lanes.enter(lease(1, 2), 2).is_some());
        assert!(lanes.enter(lease(1, 3), 1).is_none());
        assert!(lanes.leave(1, SLOW).0.is_none(), "one still runs, and one is the limit now");
        assert_eq!(lanes.leave(1, SLOW).0.map(|lease| lease.attempt), Some(3));
    }
}
