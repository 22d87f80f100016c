//! The public queue API.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::body::JsonBytes;
use super::extract::Path;
use super::problem::Problem;
use super::{ApiState, millis};
use crate::eventing::request::{BadRequest, QueueRequest};
use crate::eventing::{Error, QueuedEvent, Synchronous};
use crate::model::{Delivery, EventOutcome, Wait, WaitReason};

/// Tells that an idempotency key was known and nothing new was queued.
static REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

pub fn router() -> Router<ApiState> {
    Router::new()
        .route("/v1/api/{project}/eventing/queue", post(queue))
        // As the original's older clients call it.
        .route("/v1/api/{project}/event-triggers/queue", post(queue))
}

async fn queue(
    State(state): State<ApiState>,
    Path(project): Path<String>,
    headers: HeaderMap,
    body: JsonBytes,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    let request = QueueRequest::parse(&body.0, key).map_err(|bad| match bad {
        BadRequest::Malformed(message) => Error::Malformed(message),
        BadRequest::Invalid(errors) => Error::Invalid(errors),
    })?;
    match request {
        QueueRequest::One(event) if event.synchronous => {
            let (queued, outcome) = state.eventing.queue_synchronously(&project, *event).await?;
            Ok(synchronous(&queued, outcome))
        }
        QueueRequest::One(_) => {
            let queued = state.eventing.queue(&project, request).await?;
            let body = queued.first().map(Receipt::of);
            Ok(replayed(json_response(StatusCode::ACCEPTED, &body), queued.iter().all(|event| event.replayed)))
        }
        QueueRequest::Batch(_) => {
            let queued = state.eventing.queue(&project, request).await?;
            let body: Vec<_> = queued.iter().map(Receipt::of).collect();
            Ok(replayed(json_response(StatusCode::ACCEPTED, &body), queued.iter().all(|event| event.replayed)))
        }
    }
}

/// The key of the header; another one that is passed over would be taken for known by the next request.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let wrong = |message: &str| Error::field("Idempotency-Key", message);
    let mut keys = headers.get_all("idempotency-key").iter();
    let key = keys.next();
    if keys.next().is_some() {
        return Err(wrong("The header stands in the request more than once; an event has one idempotency key."));
    }
    key.map(|key| key.to_str())
        .transpose()
        .map_err(|_| wrong("An idempotency key is made of printable ASCII characters in a header."))
}

/// The answer to an accepted event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt<'a> {
    event_id: &'a str,
    scheduled_at: &'a str,
    triggers: u32,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    ignored: &'a [String],
}

impl<'a> Receipt<'a> {
    fn of(event: &'a QueuedEvent) -> Self {
        let queued = &event.queued;
        Self {
            event_id: &queued.event_id,
            scheduled_at: &queued.scheduled_at,
            triggers: queued.triggers,
            ignored: &event.ignored,
        }
    }
}

/// The answer to a synchronous event.
fn synchronous(queued: &QueuedEvent, outcome: Synchronous) -> Response {
    let (outcome, waits) = match outcome {
        Synchronous::Ended(outcome) => (outcome, None),
        Synchronous::StillRunning(outcome, waits) => (outcome, Some(waits)),
    };
    let deliveries: Vec<_> = outcome.deliveries.iter().map(shown).collect();
    let response = if waits.is_none() && outcome.delivered() {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            event_id: &'a str,
            result: Option<Box<RawValue>>,
            deliveries: Vec<Value>,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            ignored: &'a [String],
        }
        // Uninterpreted, so that the digits of numbers and the order of keys stay the webhook's.
        let result = outcome.result.and_then(|json| RawValue::from_string(json).ok());
        json_response(
            StatusCode::OK,
            &Body { event_id: &outcome.event_id, result, deliveries, ignored: &queued.ignored },
        )
    } else {
        let (status, why) = match waits {
            None => (StatusCode::BAD_GATEWAY, failure(&outcome)),
            Some(waits) => (StatusCode::GATEWAY_TIMEOUT, unfinished(&waits)),
        };
        let mut problem = Problem::new(status, why)
            .with("eventId", outcome.event_id)
            .with("result", Value::Null)
            .with("deliveries", deliveries);
        if !queued.ignored.is_empty() {
            problem = problem.with("ignored", queued.ignored.clone());
        }
        problem.into_response()
    };
    replayed(response, queued.replayed)
}

fn failure(outcome: &EventOutcome) -> String {
    let reasons: Vec<_> = outcome
        .deliveries
        .iter()
        .map(|delivery| {
            let times = match delivery.attempts {
                1 => "1 attempt".to_owned(),
                n => format!("{n} attempts"),
            };
            format!(
                "{} failed after {times}: {}",
                delivery.trigger,
                delivery.error.as_deref().unwrap_or("no reason is known.")
            )
        })
        .collect();
    reasons.join(" ")
}

fn unfinished(waits: &[(String, Wait)]) -> String {
    let told: Vec<_> = waits.iter().map(|(trigger, wait)| format!("{trigger} ({})", wait.text)).collect();
    let goes_on = if waits.iter().all(|(_, wait)| wait.reason == WaitReason::Paused) {
        "delivery goes on when they are resumed"
    } else {
        "delivery goes on"
    };
    format!("No outcome yet from {}; the event is queued and {goes_on}.", told.join(", "))
}

fn shown(delivery: &Delivery) -> Value {
    let last = delivery.last();
    let response = last.and_then(|attempt| {
        let response = attempt.response.as_ref()?;
        let headers: serde_json::Map<String, Value> =
            response.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let mut shown = json!({
            "status": response.status,
            "headers": headers,
            "body": response.body,
            "durationMs": millis(attempt.duration_us),
        });
        if response.cut {
            shown["cut"] = true.into();
        }
        Some(shown)
    });
    json!({
        "trigger": delivery.trigger,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "response": response,
        "error": delivery.error,
    })
}

fn json_response(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(body) => (status, [(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => Problem::from(Error::Internal(std::sync::Arc::new(error))).into_response(),
    }
}

fn replayed(mut response: Response, replayed: bool) -> Response {
    if replayed {
        response.headers_mut().insert(REPLAYED.clone(), HeaderValue::from_static("true"));
    }
    response
}
