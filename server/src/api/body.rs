use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::value::RawValue;

use super::ApiState;
use super::problem::Problem;
use crate::connections::TooSlow;
use crate::eventing::Error;
use crate::eventing::fields::{Fields, malformed};

/// A request body that says it is JSON and is within the limit; not parsed yet.
pub struct JsonBytes(pub Bytes);

impl FromRequest<ApiState> for JsonBytes {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Problem> {
        let content_type =
            request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !is_json(content_type) {
            let what = if content_type.is_empty() { "none".to_owned() } else { format!("{content_type:?}") };
            let detail = format!(
                "The body must be JSON with the header Content-Type: application/json; the content type sent is {what}."
            );
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        if let Some(encoding) = request.headers().get(CONTENT_ENCODING).filter(|value| *value != "identity") {
            let detail = format!("The body must come as it is; it is encoded as {encoding:?} (Content-Encoding).");
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let limit = state.body_limit;
        axum::body::to_bytes(request.into_body(), limit).await.map(Self).map_err(|error| {
            let mut causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
            let (status, detail) = causes
                .find_map(|cause| {
                    if cause.is::<http_body_util::LengthLimitError>() {
                        let detail =
                            format!("The body is larger than the {limit} bytes that are accepted (--body-limit).");
                        return Some((StatusCode::PAYLOAD_TOO_LARGE, detail));
                    }
                    cause.downcast_ref::<TooSlow>().map(|slow| {
                        (StatusCode::REQUEST_TIMEOUT, format!("Nothing was done: {slow} (--read-timeout)."))
                    })
                })
                .unwrap_or((StatusCode::BAD_REQUEST, "The body broke off.".to_owned()));
            Problem::new(status, detail)
        })
    }
}

impl JsonBytes {
    /// The fields of the object that the body is; `example`: what it could look like.
    pub fn fields(&self, example: &str) -> Result<Fields<'_>, Error> {
        let body: &RawValue = serde_json::from_slice(&self.0).map_err(|error| Error::Malformed(malformed(&error)))?;
        if !body.get().starts_with('{') {
            return Err(Error::field("body", format!("The body is an object such as {example}.")));
        }
        Fields::of(body).map_err(|error| Error::Malformed(malformed(&error)))
    }
}

/// `application/json`, with or without parameters, or another type in JSON such as `application/cloudevents+json`
/// (RFC 6839 section 3.1).
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn json_content_types() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/cloudevents+json"] {
            assert!(is_json(good), "{good}");
        }
        for bad in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "text/json+json"] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
