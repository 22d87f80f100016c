//! How the time of an attempt goes by: looking the name up, connecting, the TLS handshake, and waiting for the answer.
//!
//! The HTTP client tells nobody when it does what. So whatever it calls on the way writes the time down in the attempt that
//! it is called for: the resolver, a layer around the connector, and the store of TLS sessions, which is asked for one when
//! a handshake begins. A connection is made inside the task of the attempt that needs it, which is how they find it; one that
//! is finished after its attempt took another is nobody's.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustls::NamedGroup;
use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use tower::{Layer, Service};

tokio::task_local! {
    static COURSE: Course;
}

/// What took how long. `None`: it was not done, or not to its end. With an answer and without `connect`, the attempt used
/// a connection that was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Looking the host's name up.
    pub dns: Option<Duration>,
    /// Connecting over TCP.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// From the beginning of the attempt until the head of the response was there.
    pub first_byte: Option<Duration>,
}

/// The course of one attempt so far.
#[derive(Clone, Debug)]
pub struct Course {
    began: Instant,
    marks: Arc<Mutex<Marks>>,
}

#[derive(Debug, Default)]
struct Marks {
    /// When the connection that is being made was begun, and its handshake.
    connecting: Option<Instant>,
    handshake: Option<Instant>,
    timings: Timings,
}

impl Marks {
    /// It is connected; what of the time was the lookup's is not part of it.
    fn connected(&mut self) {
        let looked_up = self.timings.dns.unwrap_or_default();
        self.timings.connect = self.connecting.map(|began| began.elapsed().saturating_sub(looked_up));
    }
}

impl Course {
    pub fn begin() -> Self {
        Self { began: Instant::now(), marks: Arc::default() }
    }

    /// Runs an attempt so that what it calls finds this course.
    pub async fn of<F: Future>(self, attempt: F) -> F::Output {
        COURSE.scope(self, attempt).await
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub fn timings(&self) -> Timings {
        self.marks().timings
    }

    /// The head of the response is there.
    pub fn answered(&self) {
        let timings = &mut self.marks().timings;
        timings.first_byte = Some(self.elapsed());
        if timings.connect.is_none() {
            // A connection became free while a name was looked up for a new one.
            timings.dns = None;
        }
    }

    fn marks(&self) -> std::sync::MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks something in the course of the attempt that this is called for, if it is.
    fn mark(change: impl FnOnce(&mut Marks)) {
        COURSE.try_with(|course| change(&mut course.marks())).ok();
    }

    /// A name was looked up.
    pub fn looked_up(took: Duration) {
        Self::mark(|marks| marks.timings.dns = Some(took));
    }
}

/// Measures what it takes to connect.
#[derive(Clone, Copy, Debug)]
pub struct Connecting;

impl<S> Layer<S> for Connecting {
    type Service = Timed<S>;

    fn layer(&self, connector: S) -> Timed<S> {
        Timed(connector)
    }
}

/// A connector that is measured.
#[derive(Clone, Debug)]
pub struct Timed<S>(S);

impl<S, Request> Service<Request> for Timed<S>
where
    S: Service<Request, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let connecting = self.0.call(request);
        Box::pin(async move {
            // An earlier connection may have failed, and this be the next.
            Course::mark(|marks| *marks = Marks { connecting: Some(Instant::now()), ..Marks::default() });
            let connection = connecting.await;
            if connection.is_ok() {
                Course::mark(|marks| match marks.handshake {
                    Some(handshake) => marks.timings.tls = Some(handshake.elapsed()),
                    None => marks.connected(),
                });
            }
            connection
        })
    }
}

/// The sessions of TLS connections, in memory, as without it. It knows when a handshake begins, since it is asked for a
/// session then.
#[derive(Debug)]
pub struct Sessions(ClientSessionMemoryCache);

impl Sessions {
    /// For so many servers.
    pub fn new(servers: usize) -> Self {
        Self(ClientSessionMemoryCache::new(servers))
    }
}

impl ClientSessionStore for Sessions {
    fn kx_hint(&self, server: &ServerName<'_>) -> Option<NamedGroup> {
        Course::mark(|marks| {
            marks.connected();
            marks.handshake = Some(Instant::now());
        });
        self.0.kx_hint(server)
    }

    fn set_kx_hint(&self, server: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(server, group);
    }

    fn set_tls12_session(&self, server: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.0.set_tls12_session(server, session);
    }

    fn tls12_session(&self, server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(server)
    }

    fn remove_tls12_session(&self, server: &ServerName<'static>) {
        self.0.remove_tls12_session(server);
    }

    fn insert_tls13_ticket(&self, server: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(server, ticket);
    }

    fn take_tls13_ticket(&self, server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(server)
    }
}
