//! How a project and its triggers do, from what the nodes have counted.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Error, Eventing};
use crate::delivery::cloud_event::iso;
use crate::model::{Bucket, DeliveryStatus, Overview, Range, Tally, TriggerHealth};
use crate::queue::quantile_ms;
use crate::store::TallyRow;

/// Rows added up.
#[derive(Clone, Default)]
struct Sum {
    delivered: u64,
    failed: u64,
    retried: u64,
    durations: Vec<i64>,
}

impl Sum {
    fn add(&mut self, row: &TallyRow) {
        self.delivered += row.delivered.unsigned_abs();
        self.failed += row.failed.unsigned_abs();
        self.retried += row.retried.unsigned_abs();
        self.durations.resize(self.durations.len().max(row.durations.len()), 0);
        for (sum, more) in self.durations.iter_mut().zip(&row.durations) {
            *sum += more;
        }
    }

    fn of<'a>(rows: impl Iterator<Item = &'a TallyRow>) -> Self {
        let mut sum = Self::default();
        rows.for_each(|row| sum.add(row));
        sum
    }

    fn tally(&self) -> Tally {
        Tally {
            delivered: self.delivered,
            failed: self.failed,
            retried: self.retried,
            p50_ms: quantile_ms(&self.durations, 0.5),
            p95_ms: quantile_ms(&self.durations, 0.95),
        }
    }
}

impl Eventing {
    /// How the triggers of a project do, by name. Outcomes of the last few seconds may be missing.
    pub async fn trigger_health(&self, project: &str, range: Range) -> Result<Vec<TriggerHealth>, Error> {
        let project_id = self.find_project(project).await?.id;
        let (_, tallies) = self.tallies(project_id, range).await?;
        let triggers = self.store().last_outcomes(project_id).await?;
        Ok(triggers
            .into_iter()
            .map(|row| {
                let tally = Sum::of(tallies.iter().filter(|one| one.trigger_id == row.trigger_id)).tally();
                TriggerHealth {
                    trigger: row.trigger,
                    outcomes: row.outcomes.chars().map(outcome).collect(),
                    success_rate: tally.success_rate(),
                    tally,
                }
            })
            .collect())
    }

    /// How a project does. Outcomes of the last few seconds may be missing.
    pub async fn overview(&self, project: &str, range: Range) -> Result<Overview, Error> {
        let project_id = self.find_project(project).await?.id;
        let (now, tallies) = self.tallies(project_id, range).await?;
        let pending = self.pending(project_id).await?;
        let mut buckets = vec![Sum::default(); range.buckets() as usize];
        for row in &tallies {
            if let Some(bucket) = buckets.get_mut(row.age.unsigned_abs() as usize) {
                bucket.add(row);
            }
        }
        let seconds = i64::from(range.bucket_seconds());
        let since = TimeDelta::milliseconds(now.timestamp_millis().rem_euclid(seconds * 1_000));
        let series = buckets.iter().enumerate().rev().map(|(age, sum)| Bucket {
            at: iso(now - since - TimeDelta::seconds(age as i64 * seconds)),
            tally: sum.tally(),
        });
        let tally = Sum::of(tallies.iter()).tally();
        Ok(Overview {
            range,
            pending,
            success_rate: tally.success_rate(),
            tally,
            bucket_seconds: range.bucket_seconds(),
            series: series.collect(),
        })
    }

    /// With the database's time that their ages are counted from.
    async fn tallies(&self, project_id: i32, range: Range) -> Result<(DateTime<Utc>, Vec<TallyRow>), sqlx::Error> {
        let (span, buckets) = (range.bucket_seconds().cast_signed(), range.buckets().cast_signed());
        let now = self.store().now().await?;
        Ok((now, self.store().tallies(project_id, span, buckets, now).await?))
    }
}

fn outcome(letter: char) -> DeliveryStatus {
    if letter == 'd' { DeliveryStatus::Delivered } else { DeliveryStatus::Failed }
}
