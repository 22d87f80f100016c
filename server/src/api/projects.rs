use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ApiState;
use super::body::JsonBytes;
use super::problem::Problem;
use crate::eventing::DefaultsInput;
use crate::model::{Project, TriggerDefaults};

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
    #[derive(Deserialize)]
    struct Body {
        name: Option<String>,
        #[serde(rename = "triggerDefaults")]
        defaults: Option<DefaultsInput>,
    }
    let body: Body = body.parse()?;
    let project = state.eventing.put_project(&project, body.name.as_deref(), body.defaults).await?;
    Ok(Json(json!({ "result": shown(&project) })))
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
