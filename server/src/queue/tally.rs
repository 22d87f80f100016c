//! Counts the outcomes of attempts in memory; every second or so the sums go to the database, where they also tell other nodes
//! that something has changed. A crash forgets what was not flushed, and delivering pays a lock and an addition.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Engine;
use super::nodes::pause;
use crate::store::{Counts, DURATIONS};

/// Between two flushes; longer after one of many triggers, each of which is four rows to write.
const FLUSH: Duration = Duration::from_secs(1);
const LONGEST_FLUSH: Duration = Duration::from_secs(5);
/// Of each trigger that was flushed.
const FLUSH_A_TRIGGER: Duration = Duration::from_millis(5);
/// Of the [`DURATIONS`] the shortest holds everything up to [`SHORTEST_US`], and each of the others ends a third of a doubling
/// later.
const PER_DOUBLING: f64 = 3.0;
const SHORTEST_US: f64 = 100.0;
/// Outcomes that are remembered of a trigger.
const REMEMBERED: usize = 20;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Delivered,
    /// The delivery has failed with it.
    Failed,
    Retried,
}

impl Counts {
    fn add(&mut self, ending: Ending, took: Option<Duration>) {
        if let Some(took) = took {
            self.durations[place(took)] += 1;
        }
        let outcome = match ending {
            Ending::Delivered => {
                self.delivered += 1;
                'd'
            }
            Ending::Failed => {
                self.failed += 1;
                'f'
            }
            Ending::Retried => {
                self.retried += 1;
                return;
            }
        };
        if self.outcomes.len() >= REMEMBERED {
            self.outcomes.remove(0);
        }
        self.outcomes.push(outcome);
    }
}

fn place(took: Duration) -> usize {
    let doublings = (took.as_secs_f64() * 1e6 / SHORTEST_US).max(1.0).log2();
    ((doublings * PER_DOUBLING).ceil() as usize).min(DURATIONS - 1)
}

/// The duration in milliseconds that the given part (0 to 1) of the counted attempts did not exceed, to about an eighth.
pub fn quantile_ms(durations: &[i64], part: f64) -> Option<f64> {
    let total: i64 = durations.iter().sum();
    let wanted = (part * total as f64).ceil().max(1.0) as i64;
    let mut seen = 0;
    let place = durations.iter().position(|count| {
        seen += count;
        seen >= wanted
    })?;
    // The middle of what is counted there.
    let middle = SHORTEST_US * ((place as f64 - 0.5) / PER_DOUBLING).exp2();
    Some((middle / 10.0).round() / 100.0)
}

#[derive(Default)]
pub(super) struct Tallies(Mutex<HashMap<(i32, i32), Counts>>);

impl Tallies {
    /// Counts an attempt of a project's trigger, or a delivery that ended without one and so took no time.
    pub fn add(&self, project_id: i32, trigger_id: i32, ending: Ending, took: Option<Duration>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.entry((project_id, trigger_id)).or_default().add(ending, took);
    }

    /// What was counted since the last time, by project and trigger; in this order on every node, so that they do not
    /// deadlock.
    fn take(&self) -> Vec<((i32, i32), Counts)> {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(key, _)| *key);
        counts
    }
}

impl Engine {
    /// Flushes what was counted from time to time.
    pub(super) async fn flush_tallies(&self) {
        let mut wait = FLUSH;
        while pause(wait, &self.0.stop).await {
            let triggers = u32::try_from(self.flush_tallies_now().await).unwrap_or(u32::MAX);
            wait = FLUSH_A_TRIGGER.saturating_mul(triggers).clamp(FLUSH, LONGEST_FLUSH);
        }
    }

    /// Says of how many triggers something was counted.
    pub(super) async fn flush_tallies_now(&self) -> usize {
        let counts = self.0.tallies.take();
        if !counts.is_empty()
            && let Err(error) = self.0.store.add_tallies(&counts).await
        {
            tracing::warn!(%error, "statistics of the last seconds are lost");
        }
        counts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_an_eighth() {
        let mut counts = Counts::default();
        for millis in 1..=1_000 {
            counts.add(Ending::Delivered, Some(Duration::from_millis(millis)));
        }
        let durations: Vec<_> = counts.durations.iter().map(|count| i64::from(*count)).collect();
        for (part, exact) in [(0.5, 500.0), (0.95, 950.0), (1.0, 1_000.0), (0.0, 1.0)] {
            let found = quantile_ms(&durations, part).expect("a duration");
            assert!((found / exact - 1.0).abs() < 0.13, "{part}: {found} for {exact}");
        }
        assert_eq!(quantile_ms(&[0; DURATIONS], 0.5), None);
        assert_eq!(quantile_ms(&[], 0.5), None);
    }

    #[test]
    fn every_duration_has_a_place() {
        assert_eq!(place(Duration::ZERO), 0);
        assert_eq!(place(Duration::from_micros(100)), 0);
        assert_eq!(place(Duration::from_micros(101)), 1);
        assert_eq!(place(Duration::from_micros(200)), 3);
        assert_eq!(place(Duration::from_secs(86_400)), DURATIONS - 1);
    }

    #[test]
    fn the_last_outcomes_are_remembered() {
        let mut counts = Counts::default();
        counts.add(Ending::Failed, None);
        counts.add(Ending::Retried, Some(Duration::ZERO));
        assert_eq!(counts.outcomes, "f");
        for _ in 0..REMEMBERED {
            counts.add(Ending::Delivered, Some(Duration::ZERO));
        }
        assert_eq!(counts.outcomes, "d".repeat(REMEMBERED));
        assert_eq!((counts.delivered, counts.failed, counts.retried), (20, 1, 1));
        assert_eq!(counts.durations.iter().sum::<u32>(), 21, "what was never attempted has no duration");
    }
}
