use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::body::JsonBytes;
use super::extract::Path;
use super::problem::Problem;
use super::{ApiState, same_as_in_path};
use crate::eventing::fields::{Fields, string, whole};
use crate::eventing::{DefaultsInput, Error, ProjectInput};
use crate::model::{FieldError, Project, TriggerDefaults};

pub fn router() -> Router<ApiState> {
    Router::new()
        .route("/v1/config/projects", get(list))
        .route("/v1/config/projects/{project}", post(put).delete(delete))
}

async fn list(State(state): State<ApiState>) -> Result<Json<Value>, Problem> {
    let projects: Vec<_> = state.eventing.projects().await?.iter().map(shown).collect();
    Ok(Json(json!({ "result": projects })))
}

/// Creates a project, or gives an existing one another name for people and other defaults for its new triggers.
async fn put(
    State(state): State<ApiState>,
    Path(project): Path<String>,
    body: JsonBytes,
) -> Result<Json<Value>, Problem> {
    let (input, ignored) = parse(&project, body.fields(r#"{"name": "My shop"}"#)?)?;
    let project = state.eventing.put_project(&project, input).await?;
    let mut saved = json!({ "result": shown(&project) });
    if !ignored.is_empty() {
        saved["ignored"] = json!(ignored);
    }
    Ok(Json(saved))
}

/// A project in a request, and the keys that mean nothing.
fn parse(name: &str, mut fields: Fields<'_>) -> Result<(ProjectInput, Vec<String>), Error> {
    fields.take("id", same_as_in_path("project", name));
    let title = fields.take("name", string);
    let given = fields.take_fields("triggerDefaults", r#"{"retries": 5, "timeout": 10000}"#);
    let (mut errors, ignored) = fields.into_errors_and_unknown();
    let defaults = given.map(|mut given| {
        let defaults = DefaultsInput {
            retries: given.take("retries", whole),
            timeout: given.take("timeout", whole),
            backoff_first: given.take("backoffFirst", whole),
            backoff_max: given.take("backoffMax", whole),
        };
        let (wrong, unknown) = given.into_errors_and_unknown();
        errors.extend(wrong);
        let message = "The defaults are retries, timeout, backoffFirst and backoffMax.";
        errors.extend(unknown.into_iter().map(|key| FieldError::new(key, message)));
        defaults
    });
    if errors.is_empty() { Ok((ProjectInput { title, defaults }, ignored)) } else { Err(Error::Invalid(errors)) }
}

/// Deletes a project with all that it holds.
async fn delete(State(state): State<ApiState>, Path(project): Path<String>) -> Result<Json<Value>, Problem> {
    let cancelled = state.eventing.delete_project(&project).await?;
    Ok(Json(json!({ "result": {"cancelled": cancelled} })))
}

fn shown(project: &Project) -> Value {
    let mut shown = json!({"id": project.name, "name": project.title});
    if project.defaults != TriggerDefaults::default() {
        shown["triggerDefaults"] = json!(project.defaults);
    }
    shown
}
