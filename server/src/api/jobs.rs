//! Jobs over HTTP: redelivering or cancelling all events of a filter.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::ApiState;
use super::body::JsonBytes;
use super::events::unknown_filter;
use super::extract::Path;
use super::problem::Problem;
use crate::eventing::Error;
use crate::eventing::fields::{Fields, boolean, number, string};
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
    let (form, dry_run) = parse(body.fields(r#"{"action": "redeliver", "filter": {}}"#)?)?;
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

/// A job, and whether it is only to be counted. A key that is misspelt or has no value must not widen what is done.
fn parse(mut fields: Fields<'_>) -> Result<(JobForm, bool), Error> {
    fields.refuse_null("null means nothing here; leave the key out.");
    let action = fields.take("action", action);
    if action.is_none() && !fields.failed("action") {
        fields.error("action", "An action is needed: redeliver or cancel.");
    }
    let filter = fields.take_fields("filter", r#"{"status": "failed"}"#);
    let rate = fields.take("rate", |raw| number(raw).map(|rate| rate.to_string())).unwrap_or_default();
    let dry_run = fields.take("dryRun", boolean).unwrap_or_default();
    let (mut errors, unknown) = fields.into_errors_and_unknown();
    errors.extend(unknown.into_iter().map(|key| FieldError::new(key, "There are action, filter, rate and dryRun.")));

    let mut parsed = EventFilter::default();
    if let Some(mut fields) = filter {
        fields.refuse_null("null means nothing here; leave the filter out where any will do.");
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
    match string(raw) {
        // An empty filter is none in a form; here it is a value that was not filled in, and a job for everything.
        Ok(empty) if empty.is_empty() => Err("Nothing stands here; leave the filter out where any will do.".into()),
        Ok(text) => Ok(text),
        Err(_) => Ok(raw.get().to_owned()),
    }
}
