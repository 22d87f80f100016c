//! How many deliveries wait in a project.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::{Error, Eventing};
use crate::model::Overview;

/// A count that takes less is made anew whenever it is asked for.
const CHEAP: Duration = Duration::from_millis(10);
/// A longer one holds for so many times as long as it took: pages that follow what happens ask once a second, while a long
/// backlog takes PostgreSQL a fifth of a second.
const HOLDS: u32 = 20;

/// A count that took long.
#[derive(Clone, Copy, Debug)]
struct Counted {
    pending: u64,
    until: Instant,
}

impl Counted {
    /// `None`: it is not worth keeping.
    fn of(pending: u64, took: Duration, now: Instant) -> Option<Self> {
        (took >= CHEAP).then(|| Self { pending, until: now + took * HOLDS })
    }
}

/// The last counts of long backlogs, by project.
#[derive(Default)]
pub(super) struct Backlogs(Mutex<HashMap<i32, Counted>>);

impl Eventing {
    /// The deliveries that wait in a project, those that are scheduled for later included; at most
    /// [`Overview::MOST_COUNTED`] are counted. Whoever asks while they are being counted waits for that count.
    pub(super) async fn pending(&self, project_id: i32) -> Result<u64, Error> {
        let mut counts = self.backlogs.0.lock().await;
        counts.retain(|_, counted| Instant::now() < counted.until);
        if let Some(counted) = counts.get(&project_id) {
            return Ok(counted.pending);
        }
        let clock = Instant::now();
        let pending = self.store().pending_of_project(project_id, Overview::MOST_COUNTED as i64).await?.unsigned_abs();
        counts.extend(Counted::of(pending, clock.elapsed(), Instant::now()).map(|counted| (project_id, counted)));
        Ok(pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_count_that_took_long_is_kept_and_the_longer_the_longer_it_took() {
        let now = Instant::now();
        let holds = |millis| Counted::of(7, Duration::from_millis(millis), now).map(|counted| counted.until - now);
        assert_eq!(holds(9), None);
        assert_eq!(holds(10), Some(Duration::from_millis(200)));
        assert_eq!(holds(200), Some(Duration::from_secs(4)));
    }
}
