//! Jobs over HTTP: redelivering or cancelling all events of a filter.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::ApiState;
use super::body::JsonBytes;
use super::events::unknown_filter;
use super::problem::Problem;
use crate::eventing::Error;
use crate::eventing::fields::{Fields, boolean, malformed, number, string};
use crate::model::{EventFilter, FieldError, Job, JobAction, JobForm};

pub fn router() -> Router<ApiState> {
    Router::new()
        .route("/v1/api/{project}/eventing/jobs", get(list).post(start))
        .route("/v1/api/{project}/eventing/jobs/{id}", get(show))
        .route("/v1/api/{project}/eventing/jobs/{id}/cancel", post(cancel))
}

async fn list(State(state): State<ApiState>, Path(project): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "jobs": state.eventing.jobs(&project).await? })))
}

async fn show(
    State(state): State<ApiState>,
    Path((project, id)): Path<(String, String)>,
) -> Result<Json<Job>, Problem> {
    Ok(Json(state.eventing.job(&project, &id).await?))
}

/// Starts a job, or counts what it would handle.
async fn start(
    State(state): State<ApiState>,
    Path(project): Path<String>,
    body: JsonBytes,
) -> Result<Response, Problem> {
    let (form, dry_run) = parse(body.parse()?)?;
    if dry_run {
        return Ok(Json(state.eventing.count_for_job(&project, &form).await?).into_response());
    }
    Ok((StatusCode::ACCEPTED, Json(state.eventing.start_job(&project, &form).await?)).into_response())
}

async fn cancel(
    State(state): State<ApiState>,
    Path((project, id)): Path<(String, String)>,
) -> Result<Json<Job>, Problem> {
    Ok(Json(state.eventing.cancel_job(&project, &id).await?))
}

/// A job, and whether it is only to be counted. A key that is misspelt must not widen what is done.
fn parse(object: &RawValue) -> Result<(JobForm, bool), Error> {
    let fields_of = |object| Fields::of(object).map_err(|error| Error::Malformed(malformed(&error)));
    if !object.get().starts_with('{') {
        return Err(Error::field("body", "The body is an object such as {\"action\": \"redeliver\", \"filter\": {}}."));
    }
    let mut fields = fields_of(object)?;
    let action = fields.take("action", action);
    if action.is_none() && !fields.failed("action") {
        fields.error("action", "An action is needed: redeliver or cancel.");
    }
    let filter = fields.take("filter", |raw| match raw.get().starts_with('{') {
        true => Ok(raw.to_owned()),
        false => Err("A filter is an object such as {\"status\": \"failed\"}.".to_owned()),
    });
    let rate = fields.take("rate", |raw| number(raw).map(|rate| rate.to_string())).unwrap_or_default();
    let dry_run = fields.take("dryRun", boolean).unwrap_or_default();
    let (mut errors, unknown) = fields.into_errors_and_unknown();
    errors.extend(unknown.into_iter().map(|key| FieldError::new(key, "There are action, filter, rate and dryRun.")));

    let mut parsed = EventFilter::default();
    if let Some(filter) = filter {
        let mut fields = fields_of(&filter)?;
        for name in EventFilter::NAMES {
            if let (Some(value), Some(field)) = (fields.take(name, text), parsed.get_mut(name)) {
                *field = value;
            }
        }
        let (wrong, unknown) = fields.into_errors_and_unknown();
        errors.extend(wrong);
        errors.extend(unknown.into_iter().map(|key| FieldError::new(key, unknown_filter("nothing else"))));
    }
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    Ok((JobForm { action: action.unwrap_or_default(), filter: parsed, rate }, dry_run))
}

fn action(raw: &RawValue) -> Result<JobAction, String> {
    serde_json::from_str(raw.get()).map_err(|_| "An action is redeliver or cancel.".to_owned())
}

/// Text, or a number, `true` or `false` as it is written.
fn text(raw: &RawValue) -> Result<String, String> {
    if raw.get().starts_with(['{', '[']) {
        return Err("Text or a number is expected.".into());
    }
    string(raw).or_else(|_| Ok(raw.get().to_owned()))
}
