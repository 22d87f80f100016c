//! All that is known of one event.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::events::{attempt, response, status};
use super::log::summary;
use super::{Error, Eventing, event_id};
use crate::delivery::cloud_event::{Event, iso};
use crate::model::{Attempt, DeliveryDetail, DeliveryStatus, EventDetail, Request, Run, Wait, WaitReason};
use crate::store::{DataMatch, PendingRow, RunRow};

impl Eventing {
    /// The data of an event, as it was sent.
    pub(super) async fn data_of(&self, project: &str, id: &str) -> Result<String, Error> {
        let id = event_id(id)?;
        let event = self.store().event_as_accepted(project, id).await?;
        event.map(|event| event.data).ok_or_else(|| unknown_event(project, id))
    }

    /// What the pending deliveries of an event wait for, by trigger.
    pub(super) async fn waits(&self, project: &str, id: Uuid) -> Result<Vec<(String, Wait)>, Error> {
        let pending = self.store().pending(project, id).await?;
        Ok(pending.into_iter().map(|row| (row.trigger.clone(), wait(&row))).collect())
    }

    /// All that is known of an event: what was sent, and every attempt of every delivery.
    pub async fn event(&self, project: &str, id: &str) -> Result<EventDetail, Error> {
        let id = event_id(id)?;
        let unknown = || unknown_event(project, id);
        let event = self.store().event_as_accepted(project, id).await?.ok_or_else(unknown)?;
        let project_id = event.project_id;
        let summaries = self.store().summaries(project_id, &[id], None, None, &DataMatch::default()).await?;
        let summary = summary(summaries.into_iter().next().ok_or_else(unknown)?);
        let runs = self.store().runs(project_id, id).await?;
        let mut attempts = HashMap::new();
        if runs.iter().any(|run| run.attempts > 0) {
            attempts = self.earlier_attempts(project_id, id).await?;
        }
        let mut deliveries: Vec<(i32, DeliveryDetail)> = Vec::new();
        for row in runs {
            let attempts = attempts.remove(&(row.trigger_id, row.run)).unwrap_or_default();
            if deliveries.last().is_none_or(|(trigger, _)| *trigger != row.trigger_id) {
                deliveries.push((row.trigger_id, delivery(&row)));
            }
            if let Some((_, delivery)) = deliveries.last_mut() {
                // Rows come oldest first, so that the last one decides.
                delivery.status = status(row.status.as_deref());
                delivery.wait = pending(&row).as_ref().map(wait);
                delivery.runs.push(run(row, attempts));
            }
        }
        let cloud_event = Event {
            id,
            project_id,
            event_type: event.event_type.into(),
            data: Arc::from(event.data),
            due_at: event.due_at,
        };
        Ok(EventDetail {
            summary,
            cloud_event: String::from_utf8_lossy(&cloud_event.body(self.engine.instance())).into_owned(),
            deliveries: deliveries.into_iter().map(|(_, delivery)| delivery).collect(),
        })
    }
}

pub(super) fn unknown_event(project: &str, id: Uuid) -> Error {
    Error::NotFound(format!("There is no event {id} in the project {project}."))
}

fn delivery(row: &RunRow) -> DeliveryDetail {
    let headers: std::collections::BTreeMap<String, String> = serde_json::from_str(&row.headers).unwrap_or_default();
    DeliveryDetail {
        trigger: row.trigger.clone(),
        deleted: row.deleted,
        status: DeliveryStatus::Pending,
        request: Request { url: row.url.clone(), headers: headers.into_iter().collect() },
        wait: None,
        runs: Vec::new(),
    }
}

fn run(row: RunRow, mut attempts: Vec<Attempt>) -> Run {
    let status = status(row.status.as_deref());
    let finished_at = row.finished_at.map(iso);
    if let (Some(started_at), true) = (row.started_at, finished_at.is_some()) {
        let response = response(row.response_status, row.response_headers, row.response_body, row.response_cut);
        let took = (row.duration_us.unwrap_or(0), row.timings);
        attempts.push(attempt(row.attempts, started_at, took, response, row.error.clone(), row.node));
    }
    Run {
        run: row.run.unsigned_abs(),
        status,
        finished_at,
        attempts_begun: row.attempts.unsigned_abs(),
        error: row.error.or_else(|| attempts.last()?.error.clone()),
        attempts,
    }
}

/// A run that has not ended.
fn pending(row: &RunRow) -> Option<PendingRow> {
    Some(PendingRow {
        trigger: row.trigger.clone(),
        retries: row.retries,
        enabled: row.enabled,
        attempts: row.attempts,
        node: row.node,
        due_at: row.due_at?,
        is_due: row.is_due,
    })
}

/// Why a pending delivery has not ended.
fn wait(row: &PendingRow) -> Wait {
    let in_flight = row.node.is_some();
    let (reason, text) = if in_flight {
        (WaitReason::InFlight, attempt_text("in flight", row.attempts, row.retries))
    } else if !row.enabled {
        (WaitReason::Paused, "the trigger is paused".to_owned())
    } else if row.is_due {
        (WaitReason::FreeSlot, "due, waiting for a free slot".to_owned())
    } else if row.attempts > 0 {
        (WaitReason::Retry, format!("retry {} of {}", row.attempts, row.retries))
    } else {
        (WaitReason::Scheduled, format!("scheduled for {}", iso(row.due_at)))
    };
    // While it is in flight, `due_at` is the end of the lease.
    let next_attempt_at = (!in_flight && row.enabled).then(|| iso(row.due_at));
    Wait { reason, text, next_attempt_at, node: row.node.map(|node| node.to_string()) }
}

fn attempt_text(what: &str, attempt: i16, retries: i16) -> String {
    match attempt {
        ..=1 => format!("{what}: first attempt"),
        attempt => format!("{what}: retry {} of {retries}", attempt - 1),
    }
}
