use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use server::api;
use server::connections::{self, Limits};
use server::delivery::guard::{Lookup, SystemLookup};
use server::delivery::{Backoff, Client, NetworkGuard};
use server::eventing::Eventing;
use server::queue::{Engine, EngineSettings};
use server::store::{Store, parse_database_url};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Server;

/// A server without dev mode, in the process of the test, so that the test can reach inside. Its network is the real one.
pub struct InProcess {
    pub engine: Engine,
    pub server: Server<()>,
    stop: CancellationToken,
}

impl InProcess {
    pub async fn start(url: &str, allowed: &[&str]) -> Self {
        Self::with_lookup(url, allowed, SystemLookup).await
    }

    pub async fn with_lookup(url: &str, allowed: &[&str], lookup: impl Lookup) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let store =
            Store::open(parse_database_url(url).expect("a URL"), 4, Duration::from_secs(60)).await.expect("a database");
        store.create_project("default", "Default").await.expect("a project");
        let allowed: Vec<IpNet> = allowed.iter().map(|network| network.parse().expect("a network")).collect();
        let guard = Arc::new(NetworkGuard::new(&allowed, false));
        let client = Client::with_lookup(guard.clone(), lookup).expect("a client");
        let first = Duration::from_millis(20);
        let settings = EngineSettings {
            concurrency: 100,
            max_in_flight: 1_000,
            backoff: Backoff { first, factor: 1.0, longest: first },
            backlog_limit: 1_000_000,
            sync_wait: Duration::from_secs(20),
            retention: Duration::from_secs(24 * 3600),
        };
        let engine = Engine::start(store, client, settings).await.expect("an engine");
        let eventing = Eventing::new(engine.clone(), guard, false);
        let stop = CancellationToken::new();
        let app = api::router(api::Shared { eventing, body_limit: 1024 * 1024, stop: stop.clone() });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let limits = Limits { read_timeout: Duration::from_secs(30), connections: 100 };
        tokio::spawn(connections::serve(listener, app, limits, stop.clone()));
        Self { engine, server: Server::at(address), stop }
    }

    /// Ends it in good order.
    pub async fn stop(self) {
        self.stop.cancel();
        self.engine.shut_down(Instant::now() + Duration::from_secs(5)).await;
    }
}
