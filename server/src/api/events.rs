//! The event log over HTTP.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::body::JsonBytes;
use super::extract::{Path, Query};
use super::problem::Problem;
use super::{ApiState, millis};
use crate::eventing::Error;
use crate::eventing::fields::string;
use crate::model::{
    Attempt, Changed, DeliveryCounts, DeliveryDetail, EventDetail, EventFilter, EventPage, EventQuery, EventStatus,
    FieldError, Run,
};

pub fn router() -> Router<ApiState> {
    Router::new()
        .route("/v1/api/{project}/eventing/events", get(list))
        .route("/v1/api/{project}/eventing/events/live", get(live))
        .route("/v1/api/{project}/eventing/events/{id}", get(show))
        .route("/v1/api/{project}/eventing/events/{id}/redeliver", post(redeliver))
        .route("/v1/api/{project}/eventing/events/{id}/cancel", post(cancel))
}

async fn list(
    State(state): State<ApiState>,
    Path(project): Path<String>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Json<EventPage>, Problem> {
    Ok(Json(state.eventing.events(&project, &query(parameters)?).await?))
}

/// A filter that is misspelt must not show everything.
fn query(parameters: Vec<(String, String)>) -> Result<EventQuery, Error> {
    let mut query = EventQuery::default();
    let mut errors = Vec::new();
    for (name, value) in parameters {
        match name.as_str() {
            "limit" => query.limit = value,
            "cursor" => query.cursor = value,
            "after" => query.after = value,
            _ => match query.filter.get_mut(&name) {
                Some(field) => *field = value,
                None => errors.push(FieldError::new(name, unknown_filter("limit, cursor, after"))),
            },
        }
    }
    if errors.is_empty() { Ok(query) } else { Err(Error::Invalid(errors)) }
}

pub(super) fn unknown_filter(more: &str) -> String {
    format!("There are {} and {more}.", EventFilter::NAMES.join(", "))
}

async fn show(
    State(state): State<ApiState>,
    Path((project, id)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!(shown(&state.eventing.event(&project, &id).await?))))
}

async fn redeliver(
    State(state): State<ApiState>,
    Path((project, id)): Path<(String, String)>,
    body: JsonBytes,
) -> Result<Json<Changed>, Problem> {
    Ok(Json(state.eventing.redeliver(&project, &id, trigger(&body)?.as_deref()).await?))
}

async fn cancel(
    State(state): State<ApiState>,
    Path((project, id)): Path<(String, String)>,
    body: JsonBytes,
) -> Result<Json<Changed>, Problem> {
    Ok(Json(state.eventing.cancel(&project, &id, trigger(&body)?.as_deref()).await?))
}

/// The trigger that a body names. A key that is misspelt must not mean all triggers.
fn trigger(body: &JsonBytes) -> Result<Option<String>, Problem> {
    let mut fields = body.fields(r#"{} or {"trigger": "NAME"}"#)?;
    let trigger = fields.take("trigger", string);
    let (mut errors, unknown) = fields.into_errors_and_unknown();
    errors.extend(unknown.into_iter().map(|key| FieldError::new(key, "The one key that is known here is trigger.")));
    if errors.is_empty() { Ok(trigger) } else { Err(Error::Invalid(errors).into()) }
}

#[derive(Deserialize)]
struct Since {
    /// The mark that a page came with.
    mark: Option<String>,
}

/// Server-sent events: `change`, at most two a second, with the ids of events that changed.
async fn live(
    State(state): State<ApiState>,
    Path(project): Path<String>,
    Query(since): Query<Since>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let live = state.eventing.live(&project, since.mark.as_deref()).await?;
    let changes = futures::stream::unfold(live, |mut live| async {
        let changed = live.next().await;
        let data = json!({"ids": changed.ids, "more": changed.more}).to_string();
        Some((Ok(Event::default().event("change").data(data)), live))
    });
    // The page connects again by itself; a server that stops must not wait for it.
    let changes = changes.take_until(state.stop.clone().cancelled_owned());
    Ok(Sse::new(changes).keep_alive(KeepAlive::default()))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: &'a str,
    r#type: &'a str,
    accepted_at: &'a str,
    scheduled_at: &'a str,
    status: EventStatus,
    triggers: u32,
    counts: DeliveryCounts,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<&'a str>,
    /// As text: a JSON value would lose the digits and the order of keys that the webhook gets.
    cloud_event: &'a str,
    deliveries: Vec<Value>,
}

fn shown(event: &EventDetail) -> Shown<'_> {
    let summary = &event.summary;
    Shown {
        id: &summary.id,
        r#type: &summary.event_type,
        accepted_at: &summary.accepted_at,
        scheduled_at: &summary.scheduled_at,
        status: summary.status,
        triggers: summary.triggers,
        counts: summary.deliveries,
        attempts: summary.attempts,
        last_error: summary.last_error.as_deref(),
        cloud_event: &event.cloud_event,
        deliveries: event.deliveries.iter().map(delivery).collect(),
    }
}

fn delivery(delivery: &DeliveryDetail) -> Value {
    json!({
        "trigger": delivery.trigger,
        "deleted": delivery.deleted,
        "status": delivery.status,
        "request": {"url": delivery.request.url, "headers": object(&delivery.request.headers)},
        "wait": delivery.wait,
        "runs": delivery.runs.iter().map(run).collect::<Vec<_>>(),
    })
}

fn run(run: &Run) -> Value {
    json!({
        "run": run.run,
        "status": run.status,
        "finishedAt": run.finished_at,
        "attemptsBegun": run.attempts_begun,
        "error": run.error,
        "attempts": run.attempts.iter().map(attempt).collect::<Vec<_>>(),
    })
}

fn attempt(attempt: &Attempt) -> Value {
    let response = attempt.response.as_ref().map(|response| {
        json!({
            "status": response.status,
            "headers": object(&response.headers),
            "body": response.body,
            "cut": response.cut,
        })
    });
    json!({
        "number": attempt.number,
        "startedAt": attempt.started_at,
        "durationMs": millis(attempt.duration_us),
        "timings": {
            "dnsMs": attempt.timings.dns_us.map(millis),
            "connectMs": attempt.timings.connect_us.map(millis),
            "tlsMs": attempt.timings.tls_us.map(millis),
            "firstByteMs": attempt.timings.first_byte_us.map(millis),
        },
        "response": response,
        "error": attempt.error,
        "node": attempt.node,
    })
}

fn object(headers: &[(String, String)]) -> Value {
    headers.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
}
