//! How a project and its triggers do.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ApiState;
use super::extract::{Path, Query};
use super::problem::Problem;
use crate::eventing::Error;
use crate::model::{Overview, Range};

pub fn router() -> Router<ApiState> {
    Router::new()
        .route("/v1/api/{project}/eventing/overview", get(overview))
        .route("/v1/api/{project}/eventing/health", get(health))
}

#[derive(Deserialize)]
struct RangeQuery {
    range: Option<String>,
}

impl RangeQuery {
    fn parse(&self) -> Result<Range, Error> {
        let Some(name) = self.range.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(Range::default());
        };
        Range::parse(name).ok_or_else(|| Error::field("range", "A range is 1h, 24h or 7d."))
    }
}

async fn overview(
    State(state): State<ApiState>,
    Path(project): Path<String>,
    Query(query): Query<RangeQuery>,
) -> Result<Json<Overview>, Problem> {
    Ok(Json(state.eventing.overview(&project, query.parse()?).await?))
}

async fn health(
    State(state): State<ApiState>,
    Path(project): Path<String>,
    Query(query): Query<RangeQuery>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "triggers": state.eventing.trigger_health(&project, query.parse()?).await? })))
}
