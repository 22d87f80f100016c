//! `mission-control serve`: one process with the HTTP API, Mission Control and the delivery workers.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tower::util::MapResponseLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::api;
use crate::api::problem::Problem;
use crate::config::Config;
use crate::connections::{self, Limits};
use crate::delivery::client::Unusable;
use crate::delivery::{Client, NetworkGuard};
use crate::eventing::Eventing;
use crate::limits::limits;
use crate::queue::Engine;
use crate::store::embedded::{Embedded, EmbeddedError};
use crate::store::{self, Store};
use crate::telemetry::{self, Seldom};

/// How long a database of a URL may take to answer at start-up; it may be starting at the same time.
const DATABASE_PATIENCE: Duration = Duration::from_secs(30);
/// Between two lines in the log about that.
const DATABASE_SILENCE: Duration = Duration::from_secs(10);
/// The largest body of any request in bytes, where `--body-limit` says no more: a form grows when a browser encodes it.
const LARGEST_FORM: usize = 4 * 1024 * 1024;

/// How long connections to the database may take to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the server does not start, or ended in disorder.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{0}")]
    Refused(String),
    #[error(
        "Cannot listen on {address}: {source}. Is another program using the port? Choose another one with --listen."
    )]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    #[error("The database cannot be used: {}", refusal(.0))]
    Database(sqlx::Error),
    #[error(
        "The database at {place} does not answer: {source}. Is PostgreSQL running there, and is --database-url right?"
    )]
    Away { place: String, source: sqlx::Error },
    #[error(transparent)]
    Client(#[from] Unusable),
    #[error("The HTTP server failed: {0}")]
    Http(std::io::Error),
}

/// Why the database cannot be used, and what to do.
fn refusal(error: &sqlx::Error) -> String {
    if matches!(error, sqlx::Error::Migrate(why) if matches!(**why, MigrateError::VersionMissing(_))) {
        return "it was used by a newer Mission Control than this one. Start that one, or restore a backup from before it.".into();
    }
    let Some(told) = error.as_database_error() else { return error.to_string() };
    let code = told.code().unwrap_or_default();
    let advice = match &*code {
        code if code.starts_with("28") => "Check the user and the password in --database-url.",
        code if code.starts_with("3D") => "Create it, or correct the name in --database-url.",
        "42501" => "Make the user in --database-url the owner of the database.",
        "22P05" | "22021" => "It needs the encoding UTF8: create it with ENCODING 'UTF8' TEMPLATE template0.",
        _ => return error.to_string(),
    };
    format!("{}. {advice}", told.message())
}

/// Runs the server until SIGTERM, SIGINT or SIGHUP. `ui` makes Mission Control's routes.
pub async fn serve(config: Config, ui: impl FnOnce(Eventing) -> Router) -> Result<(), ServeError> {
    let dev_mode = config.dev_mode().map_err(ServeError::Refused)?;
    telemetry::init(&config.log, config.log_format).map_err(ServeError::Refused)?;
    // The default provider of rustls: an error would mean that there is one already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let stop = on_signal().map_err(ServeError::Http)?;
    // First, so that a port in use shows before anything else is touched.
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| ServeError::Listen { address: config.listen, source })?;
    let address = listener.local_addr().map_err(ServeError::Http)?;

    let embedded = match &config.database_url {
        Some(_) => None,
        None => Some(Embedded::start(&config.data_dir).await?),
    };
    let served = serve_on(&config, dev_mode, listener, address, embedded.as_ref(), ui, stop).await;
    if let Some(embedded) = embedded {
        embedded.stop().await;
    }
    if served.is_ok() {
        tracing::info!("stopped");
    }
    served
}

async fn serve_on(
    config: &Config,
    dev_mode: bool,
    listener: TcpListener,
    address: SocketAddr,
    embedded: Option<&Embedded>,
    ui: impl FnOnce(Eventing) -> Router,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let options = match (embedded, &config.database_url) {
        (Some(embedded), _) => embedded.options(),
        (None, url) => store::parse_database_url(url.as_deref().unwrap_or_default()).map_err(ServeError::Refused)?,
    };
    let store = tokio::select! {
        store = open_store(options, config) => store?,
        () = stop.cancelled() => return Ok(()),
    };
    if dev_mode {
        store.create_project("default", "Default").await.map_err(ServeError::Database)?;
    }
    let guard = Arc::new(NetworkGuard::new(&config.allow_networks, dev_mode));
    let client = Client::new(guard.clone())?;
    let engine = Engine::start(store.clone(), client, config.engine()).await.map_err(ServeError::Database)?;
    let eventing = Eventing::new(engine.clone(), guard, dev_mode).with_limits(limits(config));
    let shared = api::Shared { eventing: eventing.clone(), body_limit: config.body_limit, stop: stop.clone() };
    let app = api::router(shared).merge(ui(eventing));
    let app = layers(app, config.body_limit, dev_mode);
    let connections = connections::within_limits(config.max_connections as usize, config.max_in_flight as usize);
    let limits = Limits { read_timeout: config.read_timeout, connections };

    tracing::info!(node = %engine.node(), dev_mode, %address, "serving");
    println!("Mission Control: http://{address}");
    let mut http = tokio::spawn(connections::serve(listener, app, limits, stop.clone()));
    let ended = tokio::select! {
        ended = &mut http => Some(ended),
        () = stop.cancelled() => None,
    };
    // One deadline for requests and deliveries alike.
    let deadline = Instant::now() + config.grace;
    let ended = match ended {
        Some(ended) => Some(ended),
        None => {
            tracing::info!("stopping: no new requests, finishing what is under way");
            let finish = async {
                engine.drain().await;
                (&mut http).await
            };
            tokio::time::timeout_at(deadline.into(), finish).await.ok()
        }
    };
    http.abort();
    engine.shut_down(deadline).await;
    // Whoever still holds a connection may wait for a database that does not answer.
    drop(tokio::time::timeout(CLOSE_TIMEOUT, store.close()).await);
    match ended {
        Some(Err(error)) => Err(ServeError::Http(std::io::Error::other(error))),
        _ => Ok(()),
    }
}

/// Opens the database, with patience for one that is still starting.
async fn open_store(options: PgConnectOptions, config: &Config) -> Result<Store, ServeError> {
    let deadline = Instant::now() + DATABASE_PATIENCE;
    let place = || match options.get_socket() {
        Some(folder) => format!("the socket in {}", folder.display()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let mut log = Seldom::every(DATABASE_SILENCE);
    loop {
        match Store::open(options.clone(), config.database_connections, config.database_timeout).await {
            Ok(store) => return Ok(store),
            Err(error) if !store::is_unavailable(&error) || store::is_denied(&error) => {
                return Err(ServeError::Database(error));
            }
            Err(source) if Instant::now() > deadline => return Err(ServeError::Away { place: place(), source }),
            Err(error) => {
                if log.speaks() {
                    tracing::warn!(%error, database = place(), "the database does not answer yet; trying again");
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn layers(app: Router, body_limit: usize, dev_mode: bool) -> Router {
    let header = |name: &'static str, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    // At once, the outermost first: one by one, each would cost every request allocations of its own.
    app.layer((
        CatchPanicLayer::custom(panicked),
        // Nobody may put Mission Control into a frame and have its buttons clicked.
        header("content-security-policy", "frame-ancestors 'none'"),
        header("referrer-policy", "same-origin"),
        header("x-content-type-options", "nosniff"),
        MapResponseLayer::new(too_large),
        axum::middleware::from_fn_with_state(dev_mode, api::refuse_foreign_origins),
        // Over all routes, since server functions read their bodies whole.
        RequestBodyLimitLayer::new(body_limit.saturating_mul(4).max(LARGEST_FORM)),
    ))
}

/// The limit's own answer is bare text.
fn too_large(response: Response) -> Response {
    let told = |kind: &HeaderValue| kind.as_bytes().starts_with(b"application/problem+json");
    if response.status() != StatusCode::PAYLOAD_TOO_LARGE || response.headers().get(CONTENT_TYPE).is_some_and(told) {
        return response;
    }
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than the server accepts (--body-limit).")
        .into_response()
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("unknown");
    tracing::error!(what, "a request panicked");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong inside the server; its log says more.")
        .into_response()
}

/// A token that SIGTERM or SIGINT cancels.
fn on_signal() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // Of a terminal that is closed.
    let mut hangup = signal(SignalKind::hangup())?;
    let cancel = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
        cancel.cancel();
    });
    Ok(stop)
}
