use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::ApiState;
use super::problem::Problem;

pub fn router() -> Router<ApiState> {
    Router::new().route("/health/live", get(live)).route("/health/ready", get(ready))
}

/// The process answers.
async fn live() -> Json<Value> {
    Json(json!({"status": "live"}))
}

/// The process can do its work.
async fn ready(State(state): State<ApiState>) -> Result<Json<Value>, Problem> {
    state.eventing.ready().await?;
    Ok(Json(json!({"status": "ready"})))
}
