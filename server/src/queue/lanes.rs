//! Every trigger has a lane with a number of slots, so that one slow webhook never takes the whole node.
//!
//! A lane whose webhook is fast may hold more deliveries than it has slots: they wait in memory for the few milliseconds
//! until a slot is free, so that the webhook never waits for the database. A slow one holds only what it works on; the
//! rest waits in PostgreSQL, where other nodes can take it.
//!
//! No lane holds more than the node has free. So of any number of lanes that want all they can get, each ends up with the
//! same share, and a share of the same size stays free for whoever comes next: however many webhooks hang, a healthy one
//! finds room. (A. Choudhury, E. Hahne: Dynamic Queue Length Thresholds for Shared-Memory Packet Switches, 1998.)

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Lease;

/// A webhook is fast when its attempts take less than this on average.
const FAST: Duration = Duration::from_millis(100);
/// Deliveries that wait in a fast lane, as a multiple of its slots, and at most.
const OVERHANG: usize = 3;
const MOST_OVERHANG: usize = 512;
/// How long a full node takes no more at most, as long as no whole batch fits.
const REST: Duration = Duration::from_millis(100);
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

    /// Closes where it is full, opens where half of it is free again. Gives whether it has opened.
    fn look(&mut self, capacity: usize) -> bool {
        let held = self.held();
        let opens = self.closed && held + (capacity / 2).max(1) <= capacity;
        self.closed = !opens && (self.closed || held >= capacity);
        opens
    }
}

/// What becomes of a delivery that wants into its lane.
#[derive(Debug)]
pub(super) enum Entered {
    /// It has a slot.
    Runs(Lease),
    /// The lane keeps it until a slot is free.
    Waits,
    /// There is no room for it; it goes back to PostgreSQL.
    Refused(Lease),
}

/// What follows from a delivery's leaving its slot.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Takes its place.
    pub next: Option<Lease>,
    /// The lane has become slow and holds these too many; they go back to PostgreSQL.
    pub excess: Vec<Lease>,
    /// There is room again for what waits in PostgreSQL.
    pub has_room: bool,
}

struct State {
    lanes: HashMap<i32, Lane>,
    /// Seconds that attempts of a trigger take on average.
    pace: HashMap<i32, f64>,
    held: usize,
    max_held: usize,
    /// When the whole node was full: it takes no more until a batch fits, or for a moment.
    full_at: Option<Instant>,
}

impl State {
    /// Whether the node rests. It does not wait for a batch's room for long: where webhooks hang in nearly all places, there
    /// never is any, and the healthy ones live on what is left.
    fn rests(&self) -> bool {
        self.full_at.is_some_and(|at| self.held > self.max_held / 4 * 3 && at.elapsed() < REST)
    }

    fn is_fast(&self, trigger_id: i32) -> bool {
        self.pace.get(&trigger_id).is_some_and(|pace| *pace < FAST.as_secs_f64())
    }

    fn free(&self) -> usize {
        self.max_held.saturating_sub(self.held)
    }

    /// How many deliveries a lane may hold.
    fn capacity(&self, trigger_id: i32, slots: usize) -> usize {
        let overhang = if self.is_fast(trigger_id) { (slots * OVERHANG).min(MOST_OVERHANG) } else { 0 };
        (slots + overhang).min(self.free())
    }
}

/// The lanes of a node.
pub(super) struct Lanes(Mutex<State>);

impl Lanes {
    pub fn new(max_held: usize) -> Self {
        let state = State { lanes: HashMap::new(), pace: HashMap::new(), held: 0, max_held, full_at: None };
        Self(Mutex::new(state))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many deliveries the node can still take.
    pub fn room(&self) -> usize {
        let state = self.state();
        if state.rests() { 0 } else { state.free() }
    }

    /// The triggers that take no more. When they do again, [`Self::leave`] says so.
    pub fn saturated(&self) -> Vec<i32> {
        self.look().into_iter().filter(|(_, free)| *free == 0).map(|(id, _)| id).collect()
    }

    /// How many more the triggers that hold any can take.
    pub fn free_slots(&self) -> Vec<(i32, i32)> {
        self.look()
    }

    /// Looks at every lane again, since others that came and went have changed its share.
    fn look(&self) -> Vec<(i32, i32)> {
        let mut guard = self.state();
        let state = &mut *guard;
        let mut lanes = std::mem::take(&mut state.lanes);
        let free = lanes.iter_mut().map(|(id, lane)| {
            let capacity = state.capacity(*id, lane.slots);
            lane.look(capacity);
            (*id, if lane.closed { 0 } else { capacity.saturating_sub(lane.held()) as i32 })
        });
        let free = free.collect();
        state.lanes = lanes;
        free
    }

    /// Takes a delivery in.
    pub fn enter(&self, lease: Lease, slots: usize) -> Entered {
        let mut guard = self.state();
        let state = &mut *guard;
        let trigger_id = lease.trigger_id;
        let mut lane = state.lanes.remove(&trigger_id).unwrap_or_default();
        lane.slots = slots.max(1);
        // A statement leases what is due without counting. A fast lane works that off in no time.
        let most = if state.is_fast(trigger_id) { state.free() } else { lane.slots.min(state.free()) };
        let entered = if lane.held() >= most {
            Entered::Refused(lease)
        } else if lane.running < lane.slots {
            lane.running += 1;
            Entered::Runs(lease)
        } else {
            lane.waiting.push_back(lease);
            Entered::Waits
        };
        if !matches!(entered, Entered::Refused(_)) {
            state.held += 1;
            if state.held >= state.max_held {
                state.full_at = Some(Instant::now());
            }
        }
        lane.look(state.capacity(trigger_id, lane.slots));
        if lane.held() > 0 {
            state.lanes.insert(trigger_id, lane);
        }
        entered
    }

    /// A delivery has left its slot after an attempt of the given time, or without one.
    pub fn leave(&self, trigger_id: i32, took: Option<Duration>) -> Left {
        let mut guard = self.state();
        let state = &mut *guard;
        state.held = state.held.saturating_sub(1);
        if let Some(took) = took {
            let took = took.as_secs_f64();
            let pace = state.pace.entry(trigger_id).or_insert(took);
            *pace += (took - *pace) * NEWEST;
        }
        let mut left = Left::default();
        if let Some(mut lane) = state.lanes.remove(&trigger_id) {
            lane.running = lane.running.saturating_sub(1);
            if lane.running < lane.slots {
                left.next = lane.waiting.pop_front();
                lane.running += usize::from(left.next.is_some());
            }
            if !lane.waiting.is_empty() && !state.is_fast(trigger_id) {
                // They would wait here for long, and keep others out.
                left.excess = std::mem::take(&mut lane.waiting).into();
                state.held = state.held.saturating_sub(left.excess.len());
            }
            left.has_room = lane.look(state.capacity(trigger_id, lane.slots));
            if lane.held() > 0 {
                state.lanes.insert(trigger_id, lane);
            }
        }
        if state.full_at.is_some() && !state.rests() {
            state.full_at = None;
            left.has_room = true;
        }
        left
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
mod tests;
