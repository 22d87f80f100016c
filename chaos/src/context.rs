//! What a scenario works with.

use std::cell::{Cell, RefCell};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rig::Cluster;

/// Scenarios that run at once have up to three nodes each, and a node needs up to 19 connections.
const CLUSTER: [(&str, &str); 1] = [("max_connections", "400")];

/// What all scenarios share.
pub struct Shared {
    /// The mission-control under test.
    pub server: PathBuf,
    pub http: reqwest::Client,
    pub cluster: Cluster,
    pub rounds: u32,
    pub quick: bool,
    pub seed: u64,
}

/// One scenario's own view: its randomness depends on the seed and its name alone, so that it repeats whatever else runs.
pub struct Context {
    pub shared: Rc<Shared>,
    round: Cell<u32>,
    random: RefCell<StdRng>,
}

impl Context {
    pub fn new(shared: Rc<Shared>, name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (shared.seed, name).hash(&mut hasher);
        let random = RefCell::new(StdRng::seed_from_u64(hasher.finish()));
        Self { shared, round: Cell::new(0), random }
    }

    /// How often a scenario breaks what it breaks.
    pub fn rounds(&self) -> u32 {
        self.shared.rounds
    }

    /// The rounds one after another, so that progress can be told.
    pub fn each_round(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.rounds()).inspect(|round| self.round.set(round + 1))
    }

    /// The round that is under way; 0 where none has begun.
    pub fn round(&self) -> u32 {
        self.round.get()
    }

    /// The one for `--quick`, or the other.
    pub fn quick_or<T>(&self, quick: T, full: T) -> T {
        if self.shared.quick { quick } else { full }
    }

    /// A number from 0 to below the given one.
    pub fn below(&self, end: usize) -> usize {
        self.random.borrow_mut().random_range(0..end)
    }

    /// Waits for a random time, so that things are broken at any moment of the engine's work.
    pub async fn pause(&self, shortest: Duration, longest: Duration) {
        let time = self.random.borrow_mut().random_range(shortest..longest);
        tokio::time::sleep(time).await;
    }

    /// A PostgreSQL of the scenario's own, to be broken.
    pub async fn cluster(&self) -> Result<Cluster> {
        Cluster::start(&CLUSTER).await
    }
}

impl Shared {
    pub async fn new(server: PathBuf, rounds: u32, quick: bool, seed: u64) -> Result<Self> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { server, http, cluster: Cluster::start(&CLUSTER).await?, rounds, quick, seed })
    }
}
