//! One POST to a webhook, which may be slow, endless, broken or hostile.
//!
//! Guarantees: the trigger's timeout covers everything from the name lookup to the last byte read; no redirect is
//! followed; no more than [`KEPT_BODY`] bytes of a response are ever held; the address connected to is one that the guard
//! has checked. Whatever happens, the caller gets an [`Exchange`] and never an error.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use rustls::client::Resumption;
use url::Url;

use super::course::{Connecting, Course, Sessions, Timings};
use super::guard::{GuardedResolver, Lookup, NetworkGuard, Refused, SystemLookup, Unresolved};
use super::retry::parse_retry_after;

/// How much of a response body is kept, in bytes; what comes after is not read.
pub const KEPT_BODY: usize = 64 * 1024;

/// How much of a response's headers is kept, in bytes of their JSON; those after it are left out.
pub const KEPT_HEADERS: usize = 16 * 1024;

/// Connections that have not been used for this long are closed.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// Servers whose TLS sessions are remembered, so that the next handshake is shorter.
const TLS_SESSIONS: usize = 256;

/// What a webhook answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// JSON object, name → value; several of one name joined by `, ` (RFC 9110 section 5.3).
    pub headers: String,
    pub body: Vec<u8>,
    /// The body went on after what was kept.
    pub cut: bool,
    pub retry_after: Option<Duration>,
}

/// One attempt's course.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub started_at: DateTime<Utc>,
    pub duration: Duration,
    pub timings: Timings,
    /// Present as soon as the headers came, even where the body then broke.
    pub answer: Option<Answer>,
    /// Why the attempt failed, in plain words; `None`: it succeeded.
    pub error: Option<String>,
}

/// The HTTP client of a node.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    guard: Arc<NetworkGuard>,
}

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("Webhooks cannot be called over TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("Webhooks cannot be called over HTTP: {0}")]
    Http(#[from] reqwest::Error),
}

impl Client {
    pub fn new(guard: Arc<NetworkGuard>) -> Result<Self, Unusable> {
        Self::with_lookup(guard, SystemLookup)
    }

    /// One that looks names up in a way of its own.
    pub fn with_lookup(guard: Arc<NetworkGuard>, lookup: impl Lookup) -> Result<Self, Unusable> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("mission-control/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            // It would be for HTTP/2, and clones every request. Whether there is another attempt is the engine's to say.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            // A proxy from the environment would resolve names behind the guard's back.
            .no_proxy()
            .dns_resolver(Arc::new(GuardedResolver::new(guard.clone(), lookup)))
            .tls_backend_preconfigured(tls()?)
            .connector_layer(Connecting)
            .pool_idle_timeout(IDLE_CONNECTION)
            .tcp_nodelay(true)
            .build()?;
        Ok(Self { http, guard })
    }

    /// POSTs a JSON body and waits for the whole exchange, at most for `timeout`.
    pub async fn post(&self, url: &Url, headers: HeaderMap, body: Bytes, timeout: Duration) -> Exchange {
        let started_at = Utc::now();
        let course = Course::begin();
        let mut answer = None;
        let exchange = self.exchange(url, headers, body, &course, &mut answer);
        let outcome = tokio::time::timeout(timeout, course.clone().of(exchange)).await;
        let duration = course.elapsed();
        let error = match outcome {
            Ok(Ok(())) => answer.as_ref().and_then(refusal),
            Ok(Err(message)) => Some(message),
            Err(_) => Some(timed_out(timeout, answer.is_some())),
        };
        Exchange { started_at, duration, timings: course.timings(), answer, error }
    }

    async fn exchange(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        course: &Course,
        answer: &mut Option<Answer>,
    ) -> Result<(), String> {
        self.guard.check_literal(url).map_err(|refused| refused.to_string())?;
        let mut request = reqwest::Request::new(Method::POST, url.clone());
        *request.headers_mut() = headers;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(body.into());
        let mut response = self.http.execute(request).await.map_err(|error| in_plain_words(url, &error))?;
        course.answered();
        let answer = answer.insert(Answer {
            status: response.status().as_u16(),
            headers: headers_json(response.headers()),
            body: Vec::new(),
            cut: false,
            retry_after: response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| parse_retry_after(value.to_str().ok()?, Utc::now())),
        });
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = KEPT_BODY - answer.body.len();
                    answer.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        // Dropping the response closes the connection: nobody reads the rest.
                        answer.cut = true;
                        return Ok(());
                    }
                }
                Ok(None) => return Ok(()),
                Err(_) => {
                    return Err(format!("The webhook answered {} but its response body broke off.", answer.status));
                }
            }
        }
    }
}

/// As reqwest has it by itself: what this machine trusts, HTTP/1.1.
fn tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(rustls_platform_verifier::Verifier::new(provider.clone())?);
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        // Custom in name only: it asks the platform, as reqwest does.
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::store(Arc::new(Sessions::new(TLS_SESSIONS)));
    Ok(config)
}

/// Headers that a trigger may not set: they belong to the message itself or to the connection.
pub fn is_reserved_header(name: &HeaderName) -> bool {
    use http::header::*;
    const RESERVED: [HeaderName; 10] = [
        CONNECTION,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_TYPE,
        EXPECT,
        HOST,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    RESERVED.contains(name) || name.as_str().starts_with("mission-control-")
}

fn refusal(answer: &Answer) -> Option<String> {
    match answer.status {
        200..300 => None,
        300..400 => Some(format!(
            "The webhook answered {}: redirects are not followed, and only 2xx counts as delivered.",
            answer.status
        )),
        status => Some(format!("The webhook answered {status}; only 2xx counts as delivered.")),
    }
}

fn timed_out(timeout: Duration, answered: bool) -> String {
    let what = if answered { "its response did not end" } else { "it did not answer" };
    format!("The webhook took too long: {what} within the trigger's timeout of {} ms.", timeout.as_millis())
}

fn in_plain_words(url: &Url, error: &reqwest::Error) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let mut last = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        if source.is::<Refused>() || source.is::<Unresolved>() {
            return source.to_string();
        }
        if let Some(io) = source.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind;
            match io.kind() {
                ErrorKind::ConnectionRefused => {
                    return format!("The connection to {host}:{port} was refused: nothing listens there.");
                }
                ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof => {
                    return closed(host, port);
                }
                ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                    return format!("The host {host} cannot be reached from here.");
                }
                _ => {}
            }
        }
        if let Some(tls) = tls_error(source) {
            return format!("No connection to {host}:{port} over TLS: {}.", untrusted(tls));
        }
        last = source.to_string();
        next = source.source();
    }
    // hyper's words; its error type is not ours to depend on.
    if last == "connection closed before message completed" {
        return closed(host, port);
    }
    if error.is_connect() {
        format!("No connection to {host}:{port}: {last}.")
    } else {
        format!("The exchange with {host}:{port} failed: {last}.")
    }
}

/// The TLS error that an error is or holds: `source` of an I/O error passes over what it holds.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let held = |error: &'a (dyn Error + 'static)| {
        Some(error.downcast_ref::<std::io::Error>()?.get_ref()? as &(dyn Error + 'static))
    };
    std::iter::successors(Some(error), |error| held(*error)).find_map(|error| error.downcast_ref())
}

fn untrusted(error: &rustls::Error) -> String {
    use rustls::CertificateError::*;
    let rustls::Error::InvalidCertificate(reason) = error else { return error.to_string() };
    match reason {
        Expired | ExpiredContext { .. } => "its certificate has expired".to_owned(),
        NotValidYet | NotValidYetContext { .. } => "its certificate is not valid yet".to_owned(),
        NotValidForName | NotValidForNameContext { .. } => "its certificate is for another name".to_owned(),
        UnknownIssuer => {
            "its certificate is not trusted, since nobody that this machine trusts has issued it".to_owned()
        }
        Revoked => "its certificate has been revoked".to_owned(),
        other => format!("its certificate is not accepted ({other})"),
    }
}

fn closed(host: &str, port: u16) -> String {
    format!("The connection to {host}:{port} was closed before the webhook answered.")
}

/// Written by hand: a map of values would be built and thrown away for every response.
fn headers_json(headers: &HeaderMap) -> String {
    let mut json = Vec::with_capacity(2 + headers.len() * 48);
    json.push(b'{');
    // The values of a name follow each other.
    let mut pairs = headers.iter().peekable();
    while let Some((name, value)) = pairs.next() {
        let mut value = String::from_utf8_lossy(value.as_bytes());
        while let Some((_, more)) = pairs.next_if(|(other, _)| *other == name) {
            let value = value.to_mut();
            value.push_str(", ");
            value.push_str(&String::from_utf8_lossy(more.as_bytes()));
        }
        if json.len() + name.as_str().len() + value.len() + 6 > KEPT_HEADERS {
            continue;
        }
        if json.len() > 1 {
            json.push(b',');
        }
        // A header's name needs no escapes (RFC 9110 section 5.1). Writing into a Vec cannot fail.
        let _ = write!(json, "\"{name}\":");
        let _ = serde_json::to_writer(&mut json, &*value);
    }
    json.push(b'}');
    String::from_utf8(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_become_an_object() {
        let mut headers = HeaderMap::new();
        assert_eq!(headers_json(&headers), "{}");
        for (name, value) in [("x-one", "1"), ("x-two", "a \"b\" \\"), ("x-one", "2")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let parsed: serde_json::Value = serde_json::from_str(&headers_json(&headers)).expect("JSON");
        assert_eq!(parsed, serde_json::json!({"x-one": "1, 2", "x-two": "a \"b\" \\"}));
        headers.append("x-two", HeaderValue::from_bytes(&[b'y'; KEPT_HEADERS]).expect("a value"));
        headers.insert("x-three", HeaderValue::from_static("3"));
        let parsed: serde_json::Value = serde_json::from_str(&headers_json(&headers)).expect("JSON");
        assert_eq!(parsed, serde_json::json!({"x-one": "1, 2", "x-three": "3"}), "what is too long is left out");
        headers.insert("x-odd", HeaderValue::from_bytes(b"\xff").expect("a value"));
        assert!(serde_json::from_str::<serde_json::Value>(&headers_json(&headers)).is_ok());
    }
}
