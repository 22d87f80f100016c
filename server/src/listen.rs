//! `mission-control listen`: a webhook receiver for trying things out. It prints every event that it gets and answers as
//! told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use http::StatusCode;
use http::header::{CONTENT_TYPE, USER_AGENT};
use tokio::net::TcpListener;

use crate::delivery::cloud_event::iso;
use crate::model::json::indent;

/// The largest request that is printed, in bytes.
const LARGEST: usize = 64 * 1024 * 1024;

/// Settings of `mission-control listen`.
#[derive(clap::Args, Clone, Debug)]
pub struct ListenConfig {
    /// Port to listen on, on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 9000)]
    pub port: u16,

    /// Status to answer with
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..=599))]
    pub status: u16,

    /// Milliseconds to wait before the answer
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub delay_ms: u64,

    /// File whose content is the answer's body; without it the body is {"received": true}
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
}

struct Answer {
    status: StatusCode,
    delay: Duration,
    body: Bytes,
    content_type: &'static str,
}

/// Listens until it is interrupted.
pub async fn listen(config: ListenConfig) -> std::io::Result<()> {
    let body =
        match &config.body {
            Some(file) => Bytes::from(tokio::fs::read(file).await.map_err(|error| {
                std::io::Error::new(error.kind(), format!("cannot read {}: {error}", file.display()))
            })?),
            None => Bytes::from_static(b"{\"received\": true}"),
        };
    let is_json = serde_json::from_slice::<&serde_json::value::RawValue>(&body).is_ok();
    let answer = Arc::new(Answer {
        status: StatusCode::from_u16(config.status).map_err(std::io::Error::other)?,
        delay: Duration::from_millis(config.delay_ms),
        body,
        content_type: if is_json { "application/json" } else { "text/plain; charset=utf-8" },
    });
    let address = SocketAddr::from(([127, 0, 0, 1], config.port));
    let listener = TcpListener::bind(address).await.map_err(|error| {
        std::io::Error::new(error.kind(), format!("cannot listen on {address}: {error}; choose another --port"))
    })?;
    println!(
        "Listening on http://{}, answering {} after {} ms",
        listener.local_addr()?,
        config.status,
        config.delay_ms
    );
    let app = Router::new().fallback(receive).with_state(answer);
    axum::serve(listener, app).await
}

async fn receive(State(answer): State<Arc<Answer>>, request: Request) -> Response {
    let line = describe(&request);
    match axum::body::to_bytes(request.into_body(), LARGEST).await {
        Ok(body) => println!("{line}\n{}\n", indent(&String::from_utf8_lossy(&body))),
        Err(error) => println!("{line}\n(the body broke off: {error})\n"),
    }
    tokio::time::sleep(answer.delay).await;
    (answer.status, [(CONTENT_TYPE, answer.content_type)], answer.body.clone()).into_response()
}

fn describe(request: &Request) -> String {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
    let (agent, attempt) = (header(USER_AGENT.as_str()), header("mission-control-attempt"));
    format!("{}  {} {}  {agent}  attempt {attempt}", iso(Utc::now()), request.method(), request.uri())
}
