//! A database with nodes on it and triggers in it, and the measurement that most scenarios share.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use hdrhistogram::Histogram;
use rig::{Cluster, Database, Node, Program, Work};
use serde_json::json;

use crate::load::Load;
use crate::receiver::{Behaviour, Receiver};
use crate::wire::Clock;

/// How long what is pending may take to end.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long and how much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Of one throughput measurement.
    pub time: Duration,
    /// Before it, not counted.
    pub warm_up: Duration,
    /// How often what belongs together is measured in turns.
    pub rounds: usize,
    /// Finished deliveries in the history.
    pub finished: u64,
    /// Deliveries scheduled for later.
    pub scheduled: u64,
    /// Every row of the tables, or the main ones.
    pub whole: bool,
}

/// What all scenarios work with.
pub struct Bench {
    pub server: PathBuf,
    pub clock: Clock,
    pub cluster: Cluster,
    pub receiver: Receiver,
    pub scale: Scale,
    pub http: reqwest::Client,
}

/// Nodes on a fresh database.
pub struct Setup {
    pub database: Database,
    pub nodes: Vec<Node>,
}

impl Bench {
    pub async fn new(server: PathBuf, scale: Scale) -> Result<Self> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let clock = Clock::start();
        Ok(Self {
            server,
            clock,
            cluster: Cluster::start(&[]).await?,
            receiver: Receiver::start(clock, Behaviour::Answer).await?,
            scale,
            http: reqwest::Client::builder().no_proxy().build()?,
        })
    }

    pub async fn nodes(&self, count: usize) -> Result<Setup> {
        self.nodes_of("bench", count).await
    }

    async fn nodes_of(&self, database: &str, count: usize) -> Result<Setup> {
        let database = self.cluster.database(database).await?;
        let mut nodes = Vec::new();
        for _ in 0..count {
            // What is scheduled for later counts as pending, and here it is a million.
            let program = Program::serving(&self.server, &database.url()).with(&["--backlog-limit", "10000000"]);
            nodes.push(Node::start(program).await?);
        }
        Ok(Setup { database, nodes })
    }

    /// A database of its own with the schema and nobody at work.
    pub async fn bare_database(&self) -> Result<Database> {
        let Setup { database, nodes } = self.nodes_of("bare", 1).await?;
        for node in nodes {
            node.stop().await?;
        }
        Ok(database)
    }

    /// Nodes with triggers of the type `bench` that point at the receiver.
    pub async fn ready(&self, nodes: usize, triggers: usize) -> Result<Setup> {
        self.ready_on("bench", nodes, triggers).await
    }

    /// The same on a database of this name, beside others.
    pub async fn ready_on(&self, database: &str, nodes: usize, triggers: usize) -> Result<Setup> {
        let setup = self.nodes_of(database, nodes).await?;
        for number in 0..triggers {
            self.trigger(&setup, &format!("bench-{number}"), "bench", &self.receiver.url(), true).await?;
        }
        Ok(setup)
    }

    /// Creates a trigger or changes it.
    pub async fn trigger(&self, setup: &Setup, name: &str, event_type: &str, url: &str, enabled: bool) -> Result<()> {
        let address = setup.nodes[0].address;
        let path = format!("http://{address}/v1/config/projects/default/eventing/triggers/{name}");
        let body = json!({"type": event_type, "url": url, "enabled": enabled}).to_string();
        let answer = self.http.post(path).header("content-type", "application/json").body(body).send().await?;
        if !answer.status().is_success() {
            bail!("a trigger was refused: {}", answer.text().await?);
        }
        Ok(())
    }

    pub fn load(&self, setup: &Setup) -> Load {
        Load::to(self.clock, setup.nodes.iter().map(|node| node.address).collect())
    }

    /// Sends from so many clients for the given time and waits until everything has arrived.
    pub async fn deliver(&self, load: &Load, clients: usize, time: Duration, fan_out: u64) -> Result<Delivered> {
        let before = self.receiver.received();
        self.receiver.forget_latency();
        let outcome = load.closed(clients, time).await?;
        let count = outcome.accepted * fan_out;
        let last = self.receiver.wait_for(before + count).await?;
        Ok(Delivered {
            count,
            rate: count as f64 / (last - outcome.began).as_secs_f64(),
            latency: self.receiver.latency(),
            accept_latency: outcome.latency,
        })
    }

    /// Delivers for the scale's time after a warm-up, and checks the books.
    pub async fn throughput(&self, setup: &Setup, load: &Load, clients: usize, fan_out: u64) -> Result<Throughput> {
        self.deliver(load, clients, self.scale.warm_up, fan_out).await?;
        setup.database.settled(PATIENCE).await?;

        let (work, cpu) = (setup.database.work().await?, setup.cpu()?);
        let finished = setup.database.number("select count(*) from deliveries").await?;
        let before = self.receiver.received();
        if fan_out == 1 {
            self.receiver.watch_ids();
        }
        let delivered = self.deliver(load, clients, self.scale.time, fan_out).await?;
        let expected = delivered.count;
        setup.database.settled(PATIENCE).await?;
        let repeated = (self.receiver.received() - before - expected).max(self.receiver.forget_ids());
        let kept = setup.database.number("select count(*) from deliveries").await? - finished;
        if kept as u64 != expected {
            bail!("{expected} deliveries were accepted, {kept} are in the history");
        }
        Ok(Throughput {
            repeated,
            rate: delivered.rate,
            latency: delivered.latency,
            accept_latency: delivered.accept_latency,
            cost: Cost::between(work, setup.database.work().await?, setup.cpu()? - cpu, expected),
        })
    }
}

impl Setup {
    /// CPU time of all nodes.
    pub fn cpu(&self) -> Result<Duration> {
        self.nodes.iter().map(Node::cpu).sum()
    }

    pub async fn stop(self) -> Result<()> {
        for node in self.nodes {
            node.stop().await?;
        }
        self.database.pool.close().await;
        Ok(())
    }
}

/// What a closed loop delivered.
#[derive(Clone, Debug)]
pub struct Delivered {
    pub count: u64,
    /// Deliveries a second, from the first event sent to the last one arrived.
    pub rate: f64,
    /// Microseconds from sending an event to its arrival at the webhook.
    pub latency: Histogram<u64>,
    /// Microseconds from sending an event to its 202.
    pub accept_latency: Histogram<u64>,
}

/// What a closed loop reached, and at what cost.
#[derive(Clone, Debug)]
pub struct Throughput {
    /// Requests to the webhook beyond one a delivery, or to the same one.
    pub repeated: u64,
    /// Deliveries a second, from the first event sent to the last one arrived.
    pub rate: f64,
    /// Microseconds from sending an event to its arrival at the webhook.
    pub latency: Histogram<u64>,
    /// Microseconds from sending an event to its 202.
    pub accept_latency: Histogram<u64>,
    pub cost: Cost,
}

/// What one delivery takes.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Microseconds of CPU.
    pub server: f64,
    /// Microseconds of CPU.
    pub postgres: f64,
    pub commits: f64,
    pub statements: Option<f64>,
    pub wal_bytes: f64,
}

impl Cost {
    fn between(before: Work, after: Work, server: Duration, deliveries: u64) -> Self {
        let each = |total: f64| total / deliveries.max(1) as f64;
        let statements = before.statements.zip(after.statements).map(|(before, after)| each((after - before) as f64));
        Self {
            server: each(server.as_secs_f64() * 1e6),
            postgres: each((after.cpu - before.cpu).as_secs_f64() * 1e6),
            commits: each((after.commits - before.commits) as f64),
            statements,
            wal_bytes: each((after.wal_bytes - before.wal_bytes) as f64),
        }
    }
}
