//! One attempt of a leased delivery, from its slot to its outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::Utc;
use futures::FutureExt;
use http::header::{HeaderName, HeaderValue};

use super::tally::Ending;
use super::targets::Target;
use super::{Engine, Lease, complete};
use crate::delivery::{Backoff, Exchange, Timings};
use crate::store::{AttemptRecord, Finished, LEASE_SLACK, Measured, Retried};

/// Part of a lease's slack that is kept for writing the outcome down.
const WRITE_TIME: Duration = Duration::from_secs(5);

/// What an attempt that panicked has for an error.
const OUR_FAULT: &str = "The server failed while it handled this event; its log says more.";

static DELIVERY: HeaderName = HeaderName::from_static("mission-control-delivery");
static ATTEMPT: HeaderName = HeaderName::from_static("mission-control-attempt");

impl Engine {
    /// Runs an attempt in a task of its own, and after it whatever waits for the slot.
    pub(super) fn spawn_attempt(&self, lease: Lease) {
        let engine = self.clone();
        self.0.attempts.spawn(async move {
            let mut next = Some(lease);
            while let Some(lease) = next {
                let trigger_id = lease.trigger_id;
                let took = engine.attempt(lease).await;
                let left = engine.0.lanes.leave(trigger_id, took);
                if !left.excess.is_empty() {
                    engine.release(left.excess).await;
                }
                if left.has_room {
                    engine.look_now();
                }
                next = left.next;
            }
        });
    }

    /// Gives how long the attempt took; `None`: it was not made.
    async fn attempt(&self, lease: Lease) -> Option<Duration> {
        // The newest settings that this node knows: a change holds from the next attempt on.
        let Some(target) = self.0.targets.get(lease.trigger_id) else {
            self.release(vec![lease]).await;
            return None;
        };
        let lease_time = target.timeout + Duration::from_secs_f64(LEASE_SLACK);
        let is_changed = target.version != lease.version;
        if is_changed
            || self.is_draining()
            || lease.claimed_at + lease_time < Instant::now() + target.timeout + WRITE_TIME
        {
            // It waited so long for its slot that the lease could end in the middle of the attempt, or was made for another
            // timeout, or the trigger is paused now: whoever claims it next goes by what holds then.
            self.release(vec![lease]).await;
            return None;
        }
        let clock = Instant::now();
        let posted = AssertUnwindSafe(self.post(&lease, &target)).catch_unwind().await;
        let exchange = posted.unwrap_or_else(|_| {
            // An attempt like any other: tried again, and in the end set aside with this error.
            tracing::error!(event = %lease.event.id, trigger = lease.trigger_id, attempt = lease.attempt, "an attempt panicked");
            let duration = clock.elapsed();
            Exchange {
                started_at: Utc::now() - duration,
                duration,
                timings: Timings::default(),
                answer: None,
                error: Some(OUR_FAULT.to_owned()),
            }
        });
        let took = exchange.duration;
        let judged = std::panic::catch_unwind(AssertUnwindSafe(|| self.judge(&lease, &target, exchange)));
        let outcome = judged.unwrap_or_else(|_| {
            let (attempt, error) = (lease.attempt as i16, Some(OUR_FAULT.to_owned()));
            complete::Outcome::Finished(Finished { lease: lease.key(), delivered: false, attempt, record: None, error })
        });
        let ending = match &outcome {
            complete::Outcome::Finished(one) if one.delivered => Ending::Delivered,
            complete::Outcome::Finished(_) => Ending::Failed,
            _ => Ending::Retried,
        };
        self.0.tallies.add(lease.event.project_id, lease.trigger_id, ending, Some(took));
        self.0.changes.note(lease.event.project_id, lease.event.id);
        self.report(outcome).await;
        Some(took)
    }

    async fn post(&self, lease: &Lease, target: &Arc<Target>) -> Exchange {
        let Some(url) = &target.url else {
            return Exchange {
                started_at: Utc::now(),
                duration: Duration::ZERO,
                timings: Timings::default(),
                answer: None,
                error: Some("The trigger's webhook URL cannot be read; edit the trigger.".into()),
            };
        };
        let mut headers = target.headers.clone();
        if let Ok(value) = HeaderValue::from_str(&format!("{}.{}.{}", lease.event.id, lease.trigger_id, lease.run)) {
            headers.insert(DELIVERY.clone(), value);
        }
        headers.insert(ATTEMPT.clone(), HeaderValue::from(lease.attempt));
        let body = Bytes::from(lease.event.body(self.0.instance));
        self.0.client.post(url, headers, body, target.timeout).await
    }

    /// Delivered, failed for good, or to be tried again.
    fn judge(&self, lease: &Lease, target: &Target, exchange: Exchange) -> complete::Outcome {
        let retry_after = exchange.answer.as_ref().and_then(|answer| answer.retry_after);
        let record = record(exchange);
        let delivered = record.error.is_none();
        if delivered || lease.attempt > target.retries {
            let error = record.error.clone();
            return complete::Outcome::Finished(Finished {
                lease: lease.key(),
                delivered,
                attempt: lease.attempt as i16,
                record: Some(record),
                error,
            });
        }
        let default = self.0.settings.backoff;
        let backoff = Backoff {
            first: target.backoff_first.unwrap_or(default.first),
            factor: default.factor,
            longest: target.backoff_longest.unwrap_or(default.longest),
        };
        let wait = backoff.wait(lease.attempt, rand::random(), retry_after).as_secs_f64();
        complete::Outcome::Retried(Retried { lease: lease.key(), attempt: lease.attempt as i16, wait, record })
    }
}

fn micros(duration: Duration) -> i32 {
    i32::try_from(duration.as_micros()).unwrap_or(i32::MAX)
}

impl From<Timings> for Measured {
    fn from(timings: Timings) -> Self {
        let Timings { dns, connect, tls, first_byte } = timings;
        Self {
            dns_us: dns.map(micros),
            connect_us: connect.map(micros),
            tls_us: tls.map(micros),
            first_byte_us: first_byte.map(micros),
        }
    }
}

fn record(exchange: Exchange) -> AttemptRecord {
    let mut record = AttemptRecord {
        started_at: exchange.started_at,
        duration_us: micros(exchange.duration),
        timings: Measured::from(exchange.timings),
        response_status: None,
        response_cut: false,
        response_headers: None,
        response_body: None,
        error: exchange.error,
    };
    if let Some(answer) = exchange.answer {
        record.response_status = Some(answer.status as i16);
        record.response_cut = answer.cut;
        record.response_headers = Some(answer.headers);
        record.response_body = Some(answer.body);
    }
    record
}
