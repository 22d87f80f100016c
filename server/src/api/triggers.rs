//! The admin API of triggers, in the original product's shape, with a few keys more.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::body::JsonBytes;
use super::extract::{Path, Query};
use super::problem::Problem;
use super::{ApiState, same_as_in_path};
use crate::eventing::fields::{Fields, boolean, string, whole};
use crate::eventing::{Error, TriggerInput};
use crate::model::Trigger;

pub fn router() -> Router<ApiState> {
    Router::new()
        .route("/v1/config/projects/{project}/eventing/triggers", get(list))
        .route("/v1/config/projects/{project}/eventing/triggers/{name}", post(put).delete(delete))
}

#[derive(Deserialize)]
struct ListQuery {
    id: Option<String>,
}

async fn list(
    State(state): State<ApiState>,
    Path(project): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let triggers = state.eventing.triggers(&project, query.id.as_deref()).await?;
    if let (Some(id), true) = (&query.id, triggers.is_empty()) {
        return Err(Error::NotFound(format!("There is no trigger {id:?} in the project {project}.")).into());
    }
    let result: Vec<_> = triggers.iter().map(Shown::of).collect();
    Ok(Json(Listed { result }).into_response())
}

/// Creates a trigger or replaces the one of that name.
async fn put(
    State(state): State<ApiState>,
    Path((project, name)): Path<(String, String)>,
    body: JsonBytes,
) -> Result<Response, Problem> {
    let fields = body.fields(r#"{"type": "sent-email", "url": "https://example.com/hook"}"#)?;
    let (input, ignored) = parse(name, fields)?;
    let saved = state.eventing.put_trigger(&project, &input).await?;
    Ok(Json(Saved { result: Shown::of(&saved), ignored: &ignored }).into_response())
}

/// A trigger in a request, and the keys that mean nothing.
fn parse(name: String, mut fields: Fields<'_>) -> Result<(TriggerInput, Vec<String>), Error> {
    fields.take("id", same_as_in_path("trigger", &name));
    let default = TriggerInput::default();
    let headers = |raw: &RawValue| {
        serde_json::from_str(raw.get())
            .map_err(|_| "Headers are an object of text, such as {\"Authorization\": \"Bearer x\"}.".to_owned())
    };
    let input = TriggerInput {
        source: fields.take("source", string).unwrap_or(default.source),
        event_type: fields.take("type", string).unwrap_or_default(),
        url: fields.take("url", string).unwrap_or_default(),
        retries: fields.take("retries", whole),
        timeout_ms: fields.take("timeout", whole),
        headers: fields.take("headers", headers).unwrap_or_default(),
        options: fields.take("options", object_text).unwrap_or(default.options),
        concurrency: fields.take("concurrency", whole),
        backoff_first_ms: fields.take("backoffFirst", whole),
        backoff_max_ms: fields.take("backoffMax", whole),
        enabled: fields.take("enabled", boolean),
        name,
    };
    let (errors, ignored) = fields.into_errors_and_unknown();
    if errors.is_empty() { Ok((input, ignored)) } else { Err(Error::Invalid(errors)) }
}

fn object_text(raw: &RawValue) -> Result<String, String> {
    if raw.get().starts_with('{') { Ok(raw.get().to_owned()) } else { Err("Options are an object.".into()) }
}

async fn delete(
    State(state): State<ApiState>,
    Path((project, name)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    state.eventing.delete_trigger(&project, &name).await?;
    Ok(Json(json!({})))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: &'a str,
    source: &'a str,
    r#type: &'a str,
    url: &'a str,
    retries: u16,
    timeout: u32,
    options: Option<&'a RawValue>,
    enabled: bool,
    headers: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_first: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_max: Option<u32>,
}

impl<'a> Shown<'a> {
    fn of(trigger: &'a Trigger) -> Self {
        Self {
            id: &trigger.name,
            source: &trigger.source,
            r#type: &trigger.event_type,
            url: &trigger.url,
            retries: trigger.retries,
            timeout: trigger.timeout_ms,
            options: serde_json::from_str(&trigger.options).ok(),
            enabled: trigger.enabled,
            headers: trigger.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            concurrency: trigger.concurrency,
            backoff_first: trigger.backoff_first_ms,
            backoff_max: trigger.backoff_max_ms,
        }
    }
}

/// Serialized as it stands: options are the caller's text, and nested as deeply as the caller likes.
#[derive(Serialize)]
struct Listed<'a> {
    result: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Saved<'a> {
    result: Shown<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    ignored: &'a [String],
}
