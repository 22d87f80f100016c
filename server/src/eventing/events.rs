use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use tokio::time::Instant;
use uuid::Uuid;

use super::fields::Members;
use super::request::{NewEvent, QueueRequest};
use super::{Error, Eventing, may_be_project, unknown_project};
use crate::delivery::cloud_event::iso;
use crate::model::{Attempt, Delivery, DeliveryStatus, EventOutcome, Queued, Response, Timings, Wait};
use crate::store::{AcceptEvent, Accepted, Finished, Measured, OutcomeRow, Refusal};

/// A waiting caller looks at the database this often even if nothing wakes it: another node may have delivered.
const LOOK: Duration = Duration::from_millis(250);

/// An event that was queued, and what of its request was not understood.
#[derive(Clone, Debug)]
pub struct QueuedEvent {
    pub id: Uuid,
    pub queued: Queued,
    pub ignored: Vec<String>,
    /// Its idempotency key was known: nothing new was queued.
    pub replayed: bool,
}

/// How the wait for a synchronous event ended.
#[derive(Clone, Debug)]
pub enum Synchronous {
    /// Every delivery has ended.
    Ended(EventOutcome),
    /// Not within the wait; delivery goes on. With what each trigger's delivery waits for.
    StillRunning(EventOutcome, Vec<(String, Wait)>),
}

impl Eventing {
    /// Queues the events of a request that are not synchronous, all in one transaction.
    pub async fn queue(&self, project: &str, request: QueueRequest) -> Result<Vec<QueuedEvent>, Error> {
        let events = match request {
            QueueRequest::One(event) => vec![*event],
            QueueRequest::Batch(events) => events,
        };
        self.accept(project, events.into_iter().map(|event| (Uuid::now_v7(), event)).collect()).await
    }

    /// Queues a synchronous event and waits until all of its deliveries have ended, or the wait is over.
    pub async fn queue_synchronously(
        &self,
        project: &str,
        event: NewEvent,
    ) -> Result<(QueuedEvent, Synchronous), Error> {
        let deadline = Instant::now() + self.engine.sync_wait();
        // From before it is queued: its deliveries may end before the commit is told here.
        let expected = Uuid::now_v7();
        let event_type = event.event_type.as_str().to_owned();
        let mut watch = self.engine.watch(expected);
        let queued = self.accept(project, vec![(expected, event)]).await?.pop();
        let queued = queued.ok_or_else(|| unknown_project(project))?;
        let id = queued.id;
        if id != expected {
            // Its idempotency key was known, and it may have ended long ago.
            watch = self.engine.watch(id);
            let outcome = self.event_outcome(project, id).await?;
            if outcome.deliveries.is_empty() {
                return Err(Error::field(
                    "idempotencyKey",
                    format!(
                        "The event of this key, {id}, went to no trigger, so nobody can answer; nothing was queued."
                    ),
                ));
            }
            if outcome.pending() == 0 {
                return Ok((queued, Synchronous::Ended(outcome)));
            }
            let due = outcome.scheduled_at.parse::<DateTime<Utc>>();
            if due.is_ok_and(|due| due > Utc::now() + self.engine.sync_wait()) {
                let waits = self.waits(project, id).await?;
                return Ok((queued, Synchronous::StillRunning(outcome, waits)));
            }
        }
        loop {
            let next_look = deadline.min(Instant::now() + LOOK);
            tokio::select! {
                () = watch.changed() => {
                    let Some(ended) = watch.ended(queued.queued.triggers as usize) else { continue };
                    if let Some(deliveries) = self.deliveries_at_hand(ended) {
                        let outcome = outcome(id, event_type, queued.queued.scheduled_at.clone(), deliveries);
                        return Ok((queued, Synchronous::Ended(outcome)));
                    }
                }
                () = tokio::time::sleep_until(next_look) => {}
            }
            let waits = self.waits(project, id).await?;
            if !waits.is_empty() && Instant::now() < deadline {
                continue;
            }
            let outcome = self.event_outcome(project, id).await?;
            let so_far = match &waits[..] {
                [] => Synchronous::Ended(outcome),
                _ => Synchronous::StillRunning(outcome, waits),
            };
            return Ok((queued, so_far));
        }
    }

    /// Where an event stands.
    pub async fn event_outcome(&self, project: &str, id: Uuid) -> Result<EventOutcome, Error> {
        let event = self
            .store()
            .event(project, id)
            .await?
            .ok_or_else(|| Error::NotFound(format!("There is no event {id} in the project {project}.")))?;
        let rows = self.store().deliveries(event.project_id, id).await?;
        let mut earlier = HashMap::new();
        if rows.iter().any(|row| row.attempts > 1 || row.status.is_none()) {
            earlier = self.earlier_attempts(event.project_id, id).await?;
        }
        let deliveries: Vec<_> = rows
            .into_iter()
            .map(|row| {
                let history = earlier.remove(&(row.trigger_id, row.run)).unwrap_or_default();
                delivery(row, history)
            })
            .collect();
        Ok(outcome(id, event.event_type, iso(event.due_at), deliveries))
    }

    /// Where an event stands, and what its pending deliveries wait for.
    pub async fn event_outcome_with_waits(&self, project: &str, id: Uuid) -> Result<EventOutcome, Error> {
        let mut outcome = self.event_outcome(project, id).await?;
        if outcome.pending() > 0 {
            let mut waits: HashMap<_, _> = self.waits(project, id).await?.into_iter().collect();
            for delivery in &mut outcome.deliveries {
                // What has ended meanwhile is not waited for any more, as the next look shows.
                delivery.wait = waits.remove(&delivery.trigger).filter(|_| delivery.status == DeliveryStatus::Pending);
            }
        }
        Ok(outcome)
    }

    /// The failed attempts of an event that were followed by others, by trigger and run, oldest first.
    pub(super) async fn earlier_attempts(
        &self,
        project_id: i32,
        id: Uuid,
    ) -> Result<HashMap<(i32, i16), Vec<Attempt>>, Error> {
        let mut earlier: HashMap<_, Vec<_>> = HashMap::new();
        for one in self.store().attempts(project_id, id).await? {
            let response = response(one.response_status, one.response_headers, one.response_body, one.response_cut);
            let took = (one.duration_us, one.timings);
            let attempt = attempt(one.attempt, one.started_at, took, response, Some(one.error), Some(one.node));
            earlier.entry((one.trigger_id, one.run)).or_default().push(attempt);
        }
        Ok(earlier)
    }

    /// Deliveries of an event as they ended on this node, where each did so at its first attempt: what has just been written
    /// down need not be read again. `None`: the database knows more.
    fn deliveries_at_hand(&self, mut ended: Vec<Finished>) -> Option<Vec<Delivery>> {
        ended.sort_by_key(|one| one.lease.trigger_id);
        ended
            .into_iter()
            .map(|one| {
                let record = one.record.filter(|_| one.attempt == 1 && one.lease.run == 0)?;
                let row = OutcomeRow {
                    trigger_id: one.lease.trigger_id,
                    trigger: self.engine.trigger_name(one.lease.trigger_id)?,
                    run: one.lease.run,
                    attempts: one.attempt,
                    node: Some(self.engine.node()),
                    status: Some(if one.delivered { "delivered" } else { "failed" }.to_owned()),
                    started_at: Some(record.started_at),
                    duration_us: Some(record.duration_us),
                    timings: record.timings,
                    response_status: record.response_status,
                    response_cut: record.response_cut,
                    response_headers: record.response_headers,
                    response_body: record.response_body,
                    error: one.error,
                };
                Some(delivery(row, Vec::new()))
            })
            .collect()
    }

    /// What a form for an event starts with: the data of the event named, or else the data last sent with the type.
    pub async fn earlier_data(
        &self,
        project: &str,
        event_type: &str,
        event: Option<&str>,
    ) -> Result<Option<String>, Error> {
        match event {
            Some(event) => self.data_of(project, event).await.map(Some),
            None => Ok(self.store().last_data(project, event_type).await?),
        }
    }

    /// Queues events under the given ids, unless their idempotency keys are known.
    pub(super) async fn accept(&self, project: &str, events: Vec<(Uuid, NewEvent)>) -> Result<Vec<QueuedEvent>, Error> {
        may_be_project(project)?;
        let project_name: Arc<str> = project.into();
        let rows = events
            .iter()
            .map(|(id, event)| AcceptEvent {
                id: *id,
                project: project_name.clone(),
                event_type: event.event_type.as_str().into(),
                data: event.data.clone(),
                at: event.timestamp.map(|timestamp| timestamp.0),
                delay: event.delay.seconds(),
                synchronous: event.synchronous,
                key: event.idempotency_key.as_ref().map(|key| key.as_str().to_owned()),
            })
            .collect();
        let accepted = self.engine.accept(rows).await?;
        events.into_iter().zip(accepted).map(|((_, event), accepted)| self.queued(project, event, accepted)).collect()
    }

    fn queued(&self, project: &str, event: NewEvent, accepted: Accepted) -> Result<QueuedEvent, Error> {
        match accepted {
            Accepted::UnknownProject => Err(unknown_project(project)),
            Accepted::Refused(Refusal::NoTrigger) => Err(Error::field(
                "type",
                format!(
                    "No trigger is registered for the type {:?}, so nobody could answer; nothing was queued.",
                    event.event_type.as_str()
                ),
            )),
            Accepted::Refused(Refusal::TooLate) => {
                let field = if event.timestamp.is_some() { "timestamp" } else { "delay" };
                let wait = self.engine.sync_wait().as_secs_f64();
                Err(Error::field(
                    field,
                    format!(
                        "A synchronous event must be due within the {wait} s that its caller waits; nothing was queued."
                    ),
                ))
            }
            Accepted::Queued { event_id, due_at, triggers, replayed, .. } => Ok(QueuedEvent {
                id: event_id,
                queued: Queued {
                    event_id: event_id.to_string(),
                    scheduled_at: iso(due_at),
                    triggers: triggers.unsigned_abs(),
                },
                ignored: event.ignored,
                replayed,
            }),
        }
    }
}

/// What a synchronous caller gets of a webhook's answer, as JSON text: the body where it is JSON, otherwise the body as a
/// string. Handlers written for Space Cloud answer an object with a key `response`: then it is that key's value.
pub fn result_of(response: &Response) -> String {
    let text = || serde_json::Value::from(response.body.as_str()).to_string();
    if response.cut {
        return text();
    }
    match serde_json::from_str::<&RawValue>(&response.body) {
        Err(_) => text(),
        Ok(json) => {
            let members = if json.get().starts_with('{') {
                Members::parse(json).map(|members| members.0).unwrap_or_default()
            } else {
                Vec::new()
            };
            members
                .into_iter()
                .rev()
                .find(|(key, _)| key == "response")
                .map_or(json, |(_, value)| value)
                .get()
                .to_owned()
        }
    }
}

fn outcome(id: Uuid, event_type: String, scheduled_at: String, deliveries: Vec<Delivery>) -> EventOutcome {
    let result = deliveries
        .iter()
        .find(|delivery| delivery.status == DeliveryStatus::Delivered)
        .and_then(|delivery| delivery.last()?.response.as_ref())
        .map(result_of);
    EventOutcome { event_id: id.to_string(), event_type, scheduled_at, result, deliveries }
}

fn delivery(row: OutcomeRow, mut history: Vec<Attempt>) -> Delivery {
    let status = status(row.status.as_deref());
    if let Some(started_at) = row.started_at {
        let response = response(row.response_status, row.response_headers, row.response_body, row.response_cut);
        history.push(attempt(
            row.attempts,
            started_at,
            (row.duration_us.unwrap_or(0), row.timings),
            response,
            row.error.clone(),
            row.node,
        ));
    }
    let error = row.error.or_else(|| history.last()?.error.clone());
    Delivery { trigger: row.trigger, status, attempts: row.attempts.unsigned_abs(), error, history, wait: None }
}

/// A delivery's status as stored.
pub(super) fn status(stored: Option<&str>) -> DeliveryStatus {
    match stored {
        None => DeliveryStatus::Pending,
        Some("delivered") => DeliveryStatus::Delivered,
        Some("cancelled") => DeliveryStatus::Cancelled,
        Some(_) => DeliveryStatus::Failed,
    }
}

impl From<Measured> for Timings {
    fn from(measured: Measured) -> Self {
        Self {
            dns_us: measured.dns_us.map(i32::unsigned_abs),
            connect_us: measured.connect_us.map(i32::unsigned_abs),
            tls_us: measured.tls_us.map(i32::unsigned_abs),
            first_byte_us: measured.first_byte_us.map(i32::unsigned_abs),
        }
    }
}

pub(super) fn attempt(
    number: i16,
    started_at: DateTime<Utc>,
    (duration_us, timings): (i32, Measured),
    response: Option<Response>,
    error: Option<String>,
    node: Option<Uuid>,
) -> Attempt {
    Attempt {
        number: number.unsigned_abs(),
        started_at: iso(started_at),
        duration_us: duration_us.unsigned_abs(),
        timings: timings.into(),
        response,
        error,
        node: node.map(|node| node.to_string()),
    }
}

pub(super) fn response(
    status: Option<i16>,
    headers: Option<String>,
    body: Option<Vec<u8>>,
    cut: bool,
) -> Option<Response> {
    let headers: std::collections::BTreeMap<String, String> =
        headers.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
    Some(Response {
        status: status?.unsigned_abs(),
        headers: headers.into_iter().collect(),
        body: String::from_utf8_lossy(&body.unwrap_or_default()).into_owned(),
        cut,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_of_a_webhook() {
        let result =
            |body: &str, cut| result_of(&Response { status: 200, headers: Vec::new(), body: body.into(), cut });
        assert_eq!(result("{\"a\": 123456789012345678901}", false), "{\"a\": 123456789012345678901}");
        assert_eq!(result("{\"response\": {\"ok\":true}, \"x\":1}", false), "{\"ok\":true}");
        assert_eq!(result("{\"response\": null}", false), "null");
        assert_eq!(result("[{\"response\":1}]", false), "[{\"response\":1}]");
        assert_eq!(result("done", false), "\"done\"");
        assert_eq!(result("", false), "\"\"");
        assert_eq!(result("12", true), "\"12\"");
    }
}
