//! axum's extractors, whose errors are told in the API's own form.

use axum::extract::{self, FromRequestParts};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// What stands in the places of a path.
pub struct Path<T>(pub T);

/// What comes after the question mark.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let extracted = extract::Path::from_request_parts(parts, state).await;
        extracted.map(|path| Self(path.0)).map_err(|wrong| Problem::new(wrong.status(), wrong.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let extracted = extract::Query::from_request_parts(parts, state).await;
        extracted.map(|query| Self(query.0)).map_err(|wrong| Problem::new(wrong.status(), wrong.body_text()))
    }
}
