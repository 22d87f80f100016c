//! Every trigger has a lane with a number of slots, so that one slow webhook never takes the whole node.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Lease;

#[derive(Default)]
struct Lane {
    slots: usize,
    running: usize,
    /// Leased, and waiting for a slot: the overhang of a batch, never a backlog.
    waiting: VecDeque<Lease>,
}

impl Lane {
    fn held(&self) -> usize {
        self.running + self.waiting.len()
    }
}

#[derive(Default)]
struct State {
    lanes: HashMap<i32, Lane>,
    held: usize,
}

/// The lanes of a node.
pub(super) struct Lanes {
    state: Mutex<State>,
    default_slots: usize,
    max_held: usize,
}

impl Lanes {
    pub fn new(default_slots: usize, max_held: usize) -> Self {
        Self { state: Mutex::default(), default_slots, max_held }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many deliveries the node can still take.
    pub fn room(&self) -> usize {
        self.max_held.saturating_sub(self.state().held)
    }

    /// The triggers without a free slot.
    pub fn saturated(&self) -> Vec<i32> {
        self.state().lanes.iter().filter(|(_, lane)| lane.held() >= lane.slots).map(|(id, _)| *id).collect()
    }

    /// The free slots of the triggers that hold any.
    pub fn free_slots(&self) -> Vec<(i32, i32)> {
        self.state().lanes.iter().map(|(id, lane)| (*id, lane.slots.saturating_sub(lane.held()) as i32)).collect()
    }

    /// Takes a delivery in. Gives it back when it can run now; otherwise it waits for a slot.
    pub fn enter(&self, lease: Lease, slots: usize) -> Option<Lease> {
        let mut state = self.state();
        state.held += 1;
        let lane = state
            .lanes
            .entry(lease.trigger_id)
            .or_insert_with(|| Lane { slots: self.default_slots, ..Lane::default() });
        lane.slots = slots.max(1);
        if lane.running < lane.slots {
            lane.running += 1;
            Some(lease)
        } else {
            lane.waiting.push_back(lease);
            None
        }
    }

    /// A delivery has left its slot. Gives the one that takes its place, and whether the lane or the node was full before,
    /// so that others may wait in the database.
    pub fn leave(&self, trigger_id: i32) -> (Option<Lease>, bool) {
        let mut state = self.state();
        let node_was_full = state.held >= self.max_held;
        state.held = state.held.saturating_sub(1);
        let Some(lane) = state.lanes.get_mut(&trigger_id) else { return (None, node_was_full) };
        let was_full = node_was_full || lane.held() >= lane.slots;
        lane.running = lane.running.saturating_sub(1);
        let next = if lane.running < lane.slots { lane.waiting.pop_front() } else { None };
        if next.is_some() {
            lane.running += 1;
        } else if lane.held() == 0 {
            state.lanes.remove(&trigger_id);
        }
        (next, was_full)
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

    fn lease(trigger_id: i32, attempt: u16) -> Lease {
        let event = Event {
            id: uuid::Uuid::nil(),
            project_id: 1,
            event_type: "t".into(),
            data: "null".into(),
            due_at: chrono::Utc::now(),
        };
        Lease { event: Arc::new(event), trigger_id, run: 0, fence: 1, attempt, claimed_at: Instant::now() }
    }

    #[test]
    fn a_lane_runs_no_more_than_its_slots_and_keeps_the_order() {
        let lanes = Lanes::new(100, 10);
        assert!(lanes.enter(lease(1, 1), 2).is_some());
        assert!(lanes.enter(lease(1, 2), 2).is_some());
        assert!(lanes.enter(lease(1, 3), 2).is_none());
        assert!(lanes.enter(lease(1, 4), 2).is_none());
        assert_eq!(lanes.saturated(), [1]);
        assert_eq!(lanes.room(), 6);
        let (next, was_full) = lanes.leave(1);
        assert_eq!((next.map(|lease| lease.attempt), was_full), (Some(3), true));
        assert_eq!(lanes.leave(1).0.map(|lease| lease.attempt), Some(4));
        assert!(lanes.leave(1).0.is_none());
        assert_eq!(lanes.free_slots(), [(1, 1)]);
        assert!(lanes.leave(1).0.is_none());
        assert_eq!((lanes.free_slots().len(), lanes.room()), (0, 10));
    }

    #[test]
    fn one_full_lane_leaves_the_others_alone() {
        let lanes = Lanes::new(1, 10);
        assert!(lanes.enter(lease(1, 1), 1).is_some());
        assert!(lanes.enter(lease(1, 2), 1).is_none());
        assert!(lanes.enter(lease(2, 1), 1).is_some());
    }

    #[test]
    fn draining_gives_back_what_has_not_begun() {
        let lanes = Lanes::new(1, 10);
        assert!(lanes.enter(lease(1, 1), 1).is_some());
        assert!(lanes.enter(lease(1, 2), 1).is_none());
        assert_eq!(lanes.drain().len(), 1);
        assert_eq!(lanes.room(), 9);
        assert!(lanes.leave(1).0.is_none());
    }

    #[test]
    fn a_smaller_limit_holds_for_what_runs_already() {
        let lanes = Lanes::new(1, 10);
        assert!(lanes.enter(lease(1, 1), 2).is_some());
        assert!(lanes.enter(lease(1, 2), 2).is_some());
        assert!(lanes.enter(lease(1, 3), 1).is_none());
        assert!(lanes.leave(1).0.is_none(), "one still runs, and one is the limit now");
        assert_eq!(lanes.leave(1).0.map(|lease| lease.attempt), Some(3));
    }
}
