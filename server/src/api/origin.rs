//! Cross-site request forgery: a page of another origin must not change anything here.
//!
//! Browsers say where a request comes from in `Sec-Fetch-Site` and `Origin`; programs send neither and pass.
//! Source: Fetch standard, "Origin header"; W3C Fetch Metadata.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, HeaderMap, ORIGIN};
use http::{Method, StatusCode};
use url::{Host, Url};

use super::problem::Problem;

/// Refuses state-changing requests that come from another origin; in dev mode also whatever was asked of another host than
/// this one: a page whose name was made to stand for a loopback address (DNS rebinding) is of the same origin to its browser.
pub async fn refuse_foreign_origins(State(dev_mode): State<bool>, request: Request, next: Next) -> Response {
    if dev_mode && !is_for_this_machine(request.headers()) {
        return Problem::new(
            StatusCode::FORBIDDEN,
            "In dev mode only requests to localhost or a loopback address are answered. Ask there, or start the server with \
             --dev=false behind a reverse proxy.",
        )
        .into_response();
    }
    let changes_state = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if changes_state && is_foreign(request.headers()) {
        return Problem::new(
            StatusCode::FORBIDDEN,
            "A page of another origin may not change anything here; nothing was done.",
        )
        .into_response();
    }
    next.run(request).await
}

fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return true;
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return false };
    // `null` and whatever is no URL is foreign.
    let Ok(origin) = Url::parse(origin) else { return true };
    let default_port = origin.port_or_known_default();
    let same = |host: &str| {
        // The request's own scheme is unknown behind a proxy that ends TLS: the origin's is as good for its default port.
        Url::parse(&format!("{}://{host}", origin.scheme()))
            .is_ok_and(|own| own.host() == origin.host() && own.port_or_known_default() == default_port)
    };
    // X-Forwarded-Host cannot be set by a page of another origin without a preflight, which nobody answers here.
    !text(HOST.as_str()).is_some_and(same) && !text("x-forwarded-host").is_some_and(same)
}

/// Whether the `Host` is one that no name server can give to others. Browsers always send one.
fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else { return true };
    let url = host.to_str().ok().and_then(|host| Url::parse(&format!("http://{host}")).ok());
    match url.as_ref().and_then(Url::host) {
        // RFC 6761 section 6.3.
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn foreign(pairs: &[(&'static str, &'static str)]) -> bool {
        is_foreign(
            &pairs
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect(),
        )
    }

    #[test]
    fn hosts_of_this_machine() {
        let asks = |host: &str| {
            is_for_this_machine(&[(HOST, HeaderValue::from_str(host).expect("a header"))].into_iter().collect())
        };
        for host in ["localhost:4122", "LOCALHOST", "mc.localhost:80", "127.0.0.1:4122", "127.1.2.3", "[::1]:4122"] {
            assert!(asks(host), "{host}");
        }
        for host in ["evil.example:4122", "localhost.evil.example", "192.168.0.1", "0.0.0.0:4122", "[::]:1", "", "a b"]
        {
            assert!(!asks(host), "{host}");
        }
        assert!(is_for_this_machine(&HeaderMap::new()), "programs of old send none");
    }

    #[test]
    fn who_is_foreign() {
        assert!(!foreign(&[("host", "127.0.0.1:4122")]));
        assert!(!foreign(&[("host", "127.0.0.1:4122"), ("origin", "http://127.0.0.1:4122")]));
        assert!(!foreign(&[
            ("host", "mc.example"),
            ("origin", "https://mc.example"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(!foreign(&[
            ("host", "backend:80"),
            ("x-forwarded-host", "mc.example"),
            ("origin", "https://mc.example")
        ]));
        assert!(foreign(&[("host", "127.0.0.1:4122"), ("origin", "http://127.0.0.1:3000")]));
        assert!(foreign(&[("host", "127.0.0.1:4122"), ("origin", "http://evil.example")]));
        assert!(foreign(&[("host", "127.0.0.1:4122"), ("origin", "null")]));
        assert!(foreign(&[("host", "127.0.0.1:4122"), ("sec-fetch-site", "cross-site")]));
        assert!(foreign(&[("host", "127.0.0.1:4122"), ("sec-fetch-site", "same-site")]));
        assert!(foreign(&[("origin", "http://127.0.0.1:4122")]));
    }
}
