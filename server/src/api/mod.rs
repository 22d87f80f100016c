//! The HTTP API, a module a noun; each owns its `router`.

mod body;
mod events;
mod extract;
mod health;
mod jobs;
mod origin;
pub mod problem;
mod projects;
mod queue;
mod stats;
mod triggers;

use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use http::{Method, StatusCode, Uri};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::eventing::Eventing;
use crate::eventing::fields::string;
use problem::Problem;

pub use origin::refuse_foreign_origins;

/// The router clones it several times a request.
type ApiState = Arc<Shared>;

/// What every handler needs.
pub struct Shared {
    pub eventing: Eventing,
    /// Bytes.
    pub body_limit: usize,
    /// The server stops: answers without an end come to theirs.
    pub stop: CancellationToken,
}

/// All routes of the API; what is under its paths and unknown is answered in its own form.
pub fn router(shared: Shared) -> Router {
    Router::new()
        .merge(events::router())
        .merge(health::router())
        .merge(jobs::router())
        .merge(projects::router())
        .merge(queue::router())
        .merge(stats::router())
        .merge(triggers::router())
        .route("/v1/{*rest}", any(unknown_path))
        .method_not_allowed_fallback(wrong_method)
        .with_state(Arc::new(shared))
}

/// Milliseconds, as answers hold them.
fn millis(micros: u32) -> f64 {
    f64::from(micros) / 1000.0
}

/// For the key `id` of a body, which has to say what the path says.
fn same_as_in_path<'a>(what: &'a str, name: &'a str) -> impl FnOnce(&RawValue) -> Result<(), String> + 'a {
    move |raw| match string(raw)? {
        same if same == name => Ok(()),
        _ => Err(format!("The path names the {what} {name:?}, the body another one.")),
    }
}

async fn unknown_path(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("The API has no path {}.", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}.", uri.path()))
}
