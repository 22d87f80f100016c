//! The HTTP server: one task a connection, and bounds on what a slow, silent or greedy client can hold.
//!
//! Guarantees: a client that has not sent its request's head within the read timeout is hung up on, an idle one too; a
//! body that is not there whole within the same time breaks off with [`TooSlow`]; a client that takes nothing of its answer for
//! so long is hung up on; a head takes no more than [`HEAD`] bytes of memory; past the most connections new ones wait in the kernel's queue.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use http::Request;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpUserTimeout;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::telemetry::Seldom;

/// The largest head of a request, in bytes; past it the answer is 431.
const HEAD: usize = 64 * 1024;
/// Between two complaints that no more connections are taken.
const COMPLAINT: Duration = Duration::from_secs(60);
/// Files that a process has open besides connections: the database's, the log, the runtime's.
const OTHER_FILES: usize = 200;

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a request's head, and again for its body.
    pub read_timeout: Duration,
    pub connections: usize,
}

/// A request's body was not there in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the request's body did not arrive within {} s", .0.as_secs_f64())]
pub struct TooSlow(Duration);

/// Serves connections until `stop`, and then what is under way to its end.
pub async fn serve(listener: TcpListener, app: Router, limits: Limits, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let connections = TaskTracker::new();
    let mut complaints = Seldom::every(COMPLAINT);
    loop {
        if room.available_permits() == 0 && complaints.speaks() {
            tracing::warn!(
                limits.connections,
                "as many connections as are allowed (--max-connections): more must wait"
            );
        }
        let next = async {
            // Never closed, so there is a permit some time.
            let permit = room.clone().acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, app.clone(), limits.read_timeout, permit, stop.clone());
                drop(connections.spawn(connection));
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                // Out of files, most likely: those that are open must end first.
                tracing::error!(%error, "cannot accept connections; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(
    stream: TcpStream,
    app: Router,
    read_timeout: Duration,
    _permit: Option<OwnedSemaphorePermit>,
    stop: CancellationToken,
) {
    drop(stream.set_nodelay(true));
    // Who takes nothing of an answer for so long is gone or means harm. Source: tcp(7).
    let patience = u32::try_from(read_timeout.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = setsockopt(&stream, TcpUserTimeout, &patience) {
        tracing::debug!(%error, "a connection has no limit of its own for writing");
    }
    let service = app.map_request(move |request: Request<Incoming>| {
        request
            .map(|body| if body.is_end_stream() { Body::empty() } else { Body::new(InTime::new(body, read_timeout)) })
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(read_timeout)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    // An error here is the client's: it hung up, was too slow, or spoke no HTTP. It has had its answer where there is one.
    tokio::select! {
        ended = connection.as_mut() => return drop(ended),
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    drop(connection.await);
}

/// Whether a connection ended before it was accepted: no fault of this server's.
fn is_of_the_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Raises this process's limit of open files as far as it may, and says how many of the `wanted` connections it has
/// room for beside `deliveries` in flight.
pub fn within_limits(wanted: usize, deliveries: usize) -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
    let files = if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft };
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let room = files.saturating_sub(deliveries + OTHER_FILES).max(files / 4).max(1);
    if room < wanted {
        tracing::warn!(
            files,
            connections = room,
            "the limit of open files (ulimit -n) leaves room for fewer connections than --max-connections"
        );
    }
    room.min(wanted)
}

/// A request's body with a deadline. The clock starts when it is first waited for.
struct InTime {
    body: Incoming,
    time: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl InTime {
    fn new(body: Incoming, time: Duration) -> Self {
        Self { body, time, deadline: None }
    }
}

impl HttpBody for InTime {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let late = self.deadline.as_ref().is_some_and(|deadline| deadline.is_elapsed());
            // Drips never let the deadline itself be waited for.
            return Poll::Ready(if late {
                Some(Err(TooSlow(self.time).into()))
            } else {
                frame.map(|frame| Ok(frame?))
            });
        }
        let time = self.time;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Some(Err(TooSlow(time).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
