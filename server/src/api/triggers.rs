//! The admin API of triggers, in the original product's shape, with a few keys more.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::ApiState;
use super::body::JsonBytes;
use super::problem::Problem;
use crate::eventing::{Error, TriggerInput};
use crate::model::{FieldError, Trigger};

pub fn router() -> Router<ApiState> {
    Router::new()
        .route("/v1/config/projects/{project}/eventing/triggers", get(list))
        .route("/v1/config/projects/{project}/eventing/triggers/{name}", post(put).delete(delete))
}

#[derive(Deserialize)]
struct ListQuery {
    id: Option<String>,
}

async fn list(State(state): State<ApiState>, Path(project): Path<String>, Query(query): Query<ListQuery>) -> Result<Json<Value>, Problem> {
    let triggers = state.eventing.triggers(&project, query.id.as_deref()).await?;
    if let (Some(id), true) = (&query.id, triggers.is_empty()) {
        return Err(Error::NotFound(format!("There is no trigger {id:?} in the project {project}.")).into());
    }
    let shown: Vec<_> = triggers.iter().map(shown).collect();
    Ok(Json(json!({ "result": shown })))
}

/// A trigger in a request; numbers as JSON has them, so that one out of range is told, not called malformed.
#[derive(Deserialize)]
struct Body {
    id: Option<String>,
    source: Option<String>,
    r#type: Option<String>,
    url: Option<String>,
    retries: Option<f64>,
    timeout: Option<f64>,
    options: Option<Box<RawValue>>,
    enabled: Option<bool>,
    headers: Option<BTreeMap<String, String>>,
    concurrency: Option<f64>,
    #[serde(rename = "backoffFirst")]
    backoff_first: Option<f64>,
    #[serde(rename = "backoffMax")]
    backoff_max: Option<f64>,
    #[serde(flatten)]
    ignored: BTreeMap<String, Box<RawValue>>,
}

/// Creates a trigger or replaces the one of that name.
async fn put(State(state): State<ApiState>, Path((project, name)): Path<(String, String)>, body: JsonBytes) -> Result<Json<Value>, Problem> {
    let body: Body = body.parse()?;
    let mut errors = Vec::new();
    if body.id.as_ref().is_some_and(|id| *id != name) {
        errors.push(FieldError::new("id", format!("The path names the trigger {name:?}, the body another one.")));
    }
    let options = body.options.map_or_else(|| "{}".to_owned(), |raw| raw.get().to_owned());
    if !options.starts_with('{') {
        errors.push(FieldError::new("options", "Options are an object."));
    }
    let mut whole = |field: &str, number: Option<f64>| {
        number.map(|number| {
            if number.fract() != 0.0 {
                errors.push(FieldError::new(field, format!("A whole number is expected, not {number}.")));
            }
            number as i64
        })
    };
    let default = TriggerInput::default();
    let input = TriggerInput {
        name,
        source: body.source.unwrap_or(default.source),
        event_type: body.r#type.unwrap_or_default(),
        url: body.url.unwrap_or_default(),
        retries: whole("retries", body.retries).unwrap_or(default.retries),
        timeout_ms: whole("timeout", body.timeout).unwrap_or(default.timeout_ms),
        headers: body.headers.unwrap_or_default(),
        options,
        concurrency: whole("concurrency", body.concurrency),
        backoff_first_ms: whole("backoffFirst", body.backoff_first),
        backoff_max_ms: whole("backoffMax", body.backoff_max),
        enabled: body.enabled,
    };
    if !errors.is_empty() {
        return Err(Error::Invalid(errors).into());
    }
    let saved = state.eventing.put_trigger(&project, &input).await?;
    let mut answer = json!({ "result": shown(&saved) });
    if !body.ignored.is_empty() {
        answer["ignored"] = body.ignored.into_keys().collect();
    }
    Ok(Json(answer))
}

async fn delete(State(state): State<ApiState>, Path((project, name)): Path<(String, String)>) -> Result<Json<Value>, Problem> {
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

fn shown(trigger: &Trigger) -> Value {
    let shown = Shown {
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
    };
    serde_json::to_value(shown).unwrap_or_default()
}
