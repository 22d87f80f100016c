//! How many deliveries wait in a project.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Error, Eventing};
use crate::model::Overview;

/// Fewer are counted anew whenever somebody asks.
const MANY: u64 = 10_000;
/// A count of more holds for so many times as long as it took: pages that follow what happens ask twice a second, and to
/// count a million takes PostgreSQL a fifth of one.
const HOLDS: u32 = 20;
const HOLDS_AT_MOST: Duration = Duration::from_secs(5);

/// A count of many.
#[derive(Clone, Copy, Debug)]
struct Counted {
    pending: u64,
    until: Instant,
    /// Somebody was told of it who did not wait for it.
    is_shown: bool,
}

impl Counted {
    /// `None`: it is not worth keeping.
    fn of(pending: u64, took: Duration, now: Instant) -> Option<Self> {
        let until = now + (took * HOLDS).min(HOLDS_AT_MOST);
        (pending >= MANY).then_some(Self { pending, until, is_shown: false })
    }
}

/// The last count of a project. Whoever counts holds the lock meanwhile, so that the others wait for that count.
type Last = Arc<tokio::sync::Mutex<Option<Counted>>>;

/// The last counts of long backlogs, by project.
#[derive(Default)]
pub(super) struct Backlogs(Mutex<HashMap<i32, Last>>);

impl Backlogs {
    fn of(&self, project_id: i32, now: Instant) -> Last {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_held = |last: &Last| last.try_lock().is_ok_and(|last| last.is_some_and(|counted| now < counted.until));
        counts.retain(|_, last| Arc::strong_count(last) > 1 || is_held(last));
        counts.entry(project_id).or_default().clone()
    }
}

impl Eventing {
    /// The deliveries that wait in a project, those that are scheduled for later included; at most
    /// [`Overview::MOST_COUNTED`] are counted. Of many the number may be some seconds old.
    pub(super) async fn pending(&self, project_id: i32) -> Result<u64, Error> {
        let last = self.backlogs.of(project_id, Instant::now());
        let mut last = last.lock().await;
        let clock = Instant::now();
        if let Some(counted) = last.as_mut().filter(|counted| clock < counted.until) {
            if !std::mem::replace(&mut counted.is_shown, true) {
                // Perhaps nothing else happens that would have the page ask again.
                let (engine, until) = (self.engine.clone(), counted.until);
                tokio::spawn(async move {
                    tokio::time::sleep_until(until.into()).await;
                    engine.renewed(project_id);
                });
            }
            return Ok(counted.pending);
        }
        let pending = self.store().pending_of_project(project_id, Overview::MOST_COUNTED as i64).await?.unsigned_abs();
        *last = Counted::of(pending, clock.elapsed(), Instant::now());
        Ok(pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_count_of_many_is_kept_and_the_longer_it_took_the_longer() {
        let now = Instant::now();
        let holds = |pending, millis| {
            Counted::of(pending, Duration::from_millis(millis), now).map(|counted| (counted.until - now).as_millis())
        };
        assert_eq!(holds(MANY - 1, 3_000), None);
        assert_eq!(holds(MANY, 2), Some(40));
        assert_eq!(holds(1_000_000, 200), Some(4_000));
        assert_eq!(holds(1_000_000, 3_000), Some(5_000));
    }

    #[test]
    fn what_nobody_asks_for_any_more_is_forgotten() {
        let (backlogs, now) = (Backlogs::default(), Instant::now());
        let waiting = backlogs.of(1, now);
        drop(backlogs.of(2, now));
        let counted = Counted { pending: MANY, until: now + HOLDS_AT_MOST, is_shown: false };
        *backlogs.of(3, now).try_lock().expect("nobody counts") = Some(counted);
        let known = |now| {
            drop(backlogs.of(4, now));
            let mut known: Vec<_> = backlogs.0.lock().expect("no panic").keys().copied().collect();
            known.sort_unstable();
            known
        };
        assert_eq!(known(now), [1, 3, 4]);
        drop(waiting);
        assert_eq!(known(now + HOLDS_AT_MOST), [4]);
    }
}
