use std::sync::Arc;
use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::delivery::cloud_event::Event;

const SLOW: Option<Duration> = Some(Duration::from_secs(1));
const QUICK: Option<Duration> = Some(Duration::from_millis(1));

fn lease(trigger_id: i32, attempt: u16) -> Lease {
    let due_at = chrono::Utc::now();
    let event = Event { id: uuid::Uuid::nil(), project_id: 1, event_type: "t".into(), data: "null".into(), due_at };
    Lease { event: Arc::new(event), trigger_id, version: 1, run: 0, fence: 1, attempt, claimed_at: Instant::now() }
}

/// What a lane says to a delivery, in a letter.
fn enter(lanes: &Lanes, trigger_id: i32, attempt: u16, slots: usize) -> char {
    match lanes.enter(lease(trigger_id, attempt), slots) {
        Entered::Runs(_) => 'r',
        Entered::Waits => 'w',
        Entered::Refused(_) => '-',
    }
}

fn enter_many(lanes: &Lanes, trigger_id: i32, count: u16, slots: usize) -> String {
    (1..=count).map(|attempt| enter(lanes, trigger_id, attempt, slots)).collect()
}

/// A node on which the trigger 1 is known to be fast.
fn with_a_fast_lane(max_held: usize) -> Lanes {
    let lanes = Lanes::new(max_held);
    enter(&lanes, 1, 0, 2);
    lanes.leave(1, QUICK);
    lanes
}

fn next(lanes: &Lanes, trigger_id: i32, took: Option<Duration>) -> Option<u16> {
    lanes.leave(trigger_id, took).next.map(|lease| lease.attempt)
}

#[test]
fn a_fast_lane_runs_no_more_than_its_slots_and_keeps_the_order() {
    let lanes = with_a_fast_lane(20);
    assert_eq!(enter_many(&lanes, 1, 4, 2), "rrww");
    assert_eq!((lanes.room(), lanes.state().held), (16, 4));
    assert_eq!((next(&lanes, 1, QUICK), next(&lanes, 1, QUICK), next(&lanes, 1, QUICK)), (Some(3), Some(4), None));
    assert_eq!(lanes.free_slots(), [(1, 7)]);
    assert_eq!(next(&lanes, 1, QUICK), None);
    assert_eq!((lanes.free_slots().len(), lanes.room()), (0, 20));
}

#[test]
fn a_slow_lane_holds_only_what_it_works_on() {
    let lanes = Lanes::new(100);
    assert_eq!(enter_many(&lanes, 1, 4, 2), "rr--");
    assert_eq!((lanes.saturated(), lanes.state().held), (vec![1], 2));
    lanes.leave(1, SLOW);
    assert_eq!(enter_many(&lanes, 1, 2, 2), "r-");
}

#[test]
fn a_full_lane_tells_once_when_a_batch_fits_again() {
    let lanes = Lanes::new(1_000);
    enter_many(&lanes, 1, 4, 4);
    assert_eq!(lanes.saturated(), [1]);
    let told: Vec<_> = (0..4).map(|_| lanes.leave(1, SLOW).has_room).collect();
    assert_eq!(told, [false, true, false, false]);
}

#[test]
fn a_full_node_takes_more_once_a_batch_fits() {
    let lanes = Lanes::new(8);
    for trigger in 0..8 {
        enter(&lanes, trigger, 1, 1);
    }
    assert_eq!(lanes.room(), 0);
    let after_leaving = |trigger| {
        lanes.leave(trigger, None);
        lanes.room()
    };
    assert_eq!((0..8).map(after_leaving).collect::<Vec<_>>(), [0, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_full_node_rests_only_for_a_moment_where_no_batch_ever_fits() {
    let lanes = Lanes::new(8);
    for trigger in 0..8 {
        enter(&lanes, trigger, 1, 1);
    }
    lanes.leave(0, QUICK);
    assert_eq!(lanes.room(), 0, "one place is no batch");
    std::thread::sleep(REST);
    assert_eq!(lanes.room(), 1, "the others hang");
    assert_eq!(enter(&lanes, 0, 1, 1), 'r');
    assert_eq!(lanes.room(), 0);
    std::thread::sleep(REST);
    assert!(lanes.leave(0, QUICK).has_room);
}

#[test]
fn only_a_fast_lane_holds_more_than_it_works_on() {
    let lanes = Lanes::new(1_000);
    for (trigger, pace, capacity) in [(1, SLOW, 2), (2, QUICK, 8), (3, None, 2)] {
        enter(&lanes, trigger, 0, 2);
        lanes.leave(trigger, pace);
        for held in 0..capacity {
            assert!(!lanes.saturated().contains(&trigger), "trigger {trigger} holds {held}");
            enter(&lanes, trigger, 0, 2);
        }
        assert!(lanes.saturated().contains(&trigger), "trigger {trigger} holds {capacity}");
    }
}

#[test]
fn a_lane_that_becomes_slow_gives_back_what_waits() {
    let lanes = with_a_fast_lane(1_000);
    assert_eq!(enter_many(&lanes, 1, 7, 2), "rrwwwww");
    assert!(lanes.saturated().is_empty());
    let left = lanes.leave(1, Some(Duration::from_secs(5)));
    assert_eq!(left.next.map(|lease| lease.attempt), Some(3));
    assert_eq!(left.excess.iter().map(|lease| lease.attempt).collect::<Vec<_>>(), [4, 5, 6, 7]);
    assert_eq!((lanes.saturated(), lanes.free_slots(), lanes.state().held), (vec![1], vec![(1, 0)], 2));
}

#[test]
fn however_many_webhooks_hang_there_is_room_for_another() {
    for (hanging, least) in [(1, 100), (10, 90), (50, 19), (300, 3)] {
        let lanes = Lanes::new(1_000);
        for trigger in (1..=hanging).cycle().take(100 * hanging as usize) {
            enter(&lanes, trigger, 1, 100);
        }
        let healthy = enter_many(&lanes, 0, 100, 100).matches('r').count();
        assert!(healthy >= least.min(100) / 2 && healthy > 0, "{healthy} beside {hanging} that hang");
        assert!(lanes.room() > 0);
        // And one after the other for as long as it likes.
        for _ in 0..500 {
            assert!(!lanes.saturated().contains(&0) || healthy > 1);
            lanes.leave(0, QUICK);
            assert_eq!(enter(&lanes, 0, 1, 100), 'r', "beside {hanging} that hang");
        }
    }
}

#[test]
fn a_fast_webhook_that_stops_leaves_room_too() {
    let lanes = with_a_fast_lane(1_000);
    let entered = enter_many(&lanes, 1, 1_000, 100);
    assert_eq!((entered.matches('r').count(), entered.matches('w').count()), (100, 400));
    assert_eq!(enter_many(&lanes, 2, 100, 100).matches('r').count(), 100);
}

#[test]
fn a_lane_opens_when_others_have_left() {
    let lanes = Lanes::new(12);
    for trigger in [1, 2, 1, 2, 1, 2, 1, 2, 1, 2] {
        enter(&lanes, trigger, 1, 5);
    }
    assert_eq!((lanes.saturated().len(), lanes.state().held), (2, 8));
    for _ in 0..4 {
        lanes.leave(2, None);
    }
    // Lane 1 holds four of its five, which is too full to open; with one fewer it does.
    assert_eq!(lanes.saturated(), [1]);
    assert!(lanes.leave(1, None).has_room);
    assert!(lanes.saturated().is_empty());
}

#[test]
fn one_full_lane_leaves_the_others_alone() {
    let lanes = Lanes::new(10);
    assert_eq!((enter(&lanes, 1, 1, 1), enter(&lanes, 1, 2, 1), enter(&lanes, 2, 1, 1)), ('r', '-', 'r'));
}

#[test]
fn draining_gives_back_what_has_not_begun() {
    let lanes = with_a_fast_lane(10);
    assert_eq!(enter_many(&lanes, 1, 2, 1), "rw");
    assert_eq!(lanes.drain().len(), 1);
    assert_eq!(lanes.room(), 9);
    assert_eq!(next(&lanes, 1, SLOW), None);
}

#[test]
fn a_smaller_limit_holds_for_what_runs_already() {
    let lanes = with_a_fast_lane(20);
    assert_eq!(enter_many(&lanes, 1, 2, 2), "rr");
    assert_eq!(enter(&lanes, 1, 3, 1), 'w');
    assert_eq!(next(&lanes, 1, QUICK), None, "one still runs, and one is the limit now");
    assert_eq!(next(&lanes, 1, QUICK), Some(3));
}

proptest! {
    /// Whatever happens in whatever order: nothing is lost or counted twice, and no limit is passed.
    #[test]
    fn every_delivery_is_somewhere(steps in prop::collection::vec((0..4i32, any::<bool>(), 0..3u8), 1..400)) {
        let lanes = Lanes::new(24);
        let mut running: HashMap<i32, usize> = HashMap::new();
        let mut waiting = 0_usize;
        for (trigger, enters, pace) in steps {
            let slots = trigger as usize + 2;
            if enters {
                match lanes.enter(lease(trigger, 1), slots) {
                    Entered::Runs(_) => *running.entry(trigger).or_default() += 1,
                    Entered::Waits => waiting += 1,
                    Entered::Refused(_) => {}
                }
            } else if running.get(&trigger).is_some_and(|running| *running > 0) {
                let took = [None, QUICK, SLOW][usize::from(pace)];
                let left = lanes.leave(trigger, took);
                waiting -= usize::from(left.next.is_some()) + left.excess.len();
                if left.next.is_none() {
                    *running.entry(trigger).or_default() -= 1;
                }
            }
            let runs: usize = running.values().sum();
            prop_assert_eq!(lanes.state().held, runs + waiting);
            prop_assert!(lanes.state().held < 24, "somebody always finds room");
            prop_assert!(running.iter().all(|(trigger, running)| *running <= *trigger as usize + 2));
        }
    }
}
