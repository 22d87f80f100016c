//! The system under test: nodes on a database of their own, two triggers of one type, and the webhook that both point at.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rig::{Act, Cluster, Database, Node, Program, Receiver};
use serde_json::Value;
use sqlx::Row;
use tempfile::TempDir;
use uuid::Uuid;

use crate::books::{Arrival, Books, Delivery};
use crate::context::Context;
use crate::load::{Load, Sent};

/// Where events are queued, and triggers registered.
pub const QUEUE_PATH: &str = "/v1/api/default/eventing/queue";
pub const TRIGGERS_PATH: &str = "/v1/config/projects/default/eventing/triggers";

const TRIGGERS: usize = 2;
/// Of the triggers: with the lease's slack of 15 s, a lease that nobody releases ends after 17 s.
const TIMEOUT_MS: u32 = 2_000;
/// The webhook answers after 20 to 150 ms, so that deliveries are in flight whenever something breaks.
const FASTEST: u64 = 20;
const SLOWEST: u64 = 150;
/// How long everything may take to settle once nothing is broken any more: a lease that nobody released, and a retry.
const SETTLING: Duration = Duration::from_secs(60);

/// Nodes and all that they need, gone when it is dropped.
pub struct System {
    pub database: Database,
    pub nodes: Vec<Member>,
    pub receiver: Receiver,
    pub triggers: Vec<i32>,
    pub http: reqwest::Client,
    program: Program,
    has_limit: bool,
    folder: TempDir,
}

/// A node, and the name under which it holds leases.
pub struct Member {
    pub node: Node,
    pub id: Uuid,
}

/// How a system differs from the ordinary.
pub struct Shape<'a> {
    /// Further flags of every node.
    pub flags: &'a [&'a str],
    /// By how much the clocks of the nodes are off; those beyond the end are right.
    pub clocks: &'a [&'a str],
    /// How long the webhook takes to answer; `None`: 20 to 150 ms.
    pub answers_after: Option<Duration>,
    /// Of the triggers, in milliseconds.
    pub timeout_ms: u32,
    /// Of the project, in deliveries.
    pub backlog_limit: Option<u32>,
}

impl Default for Shape<'_> {
    fn default() -> Self {
        Self { flags: &[], clocks: &[], answers_after: None, timeout_ms: TIMEOUT_MS, backlog_limit: None }
    }
}

impl System {
    /// So many nodes on a new database of the cluster that all scenarios share.
    pub async fn start(context: &Context, nodes: usize) -> Result<Self> {
        Self::of_shape(context, &context.shared.cluster, nodes, Shape::default()).await
    }

    pub async fn of_shape(context: &Context, cluster: &Cluster, nodes: usize, shape: Shape<'_>) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let database = cluster.database(&format!("chaos_{}", NEXT.fetch_add(1, Ordering::Relaxed))).await?;
        let receiver = Receiver::start(move |number, _| {
            let spread = FASTEST + number as u64 * 7 % (SLOWEST - FASTEST);
            Act::AfterWaiting(shape.answers_after.unwrap_or(Duration::from_millis(spread)))
        })
        .await?;
        let folder = tempfile::Builder::new().prefix("mission-control-chaos-").tempdir()?;
        let http = context.shared.http.clone();
        let mut program = Program::serving(&context.shared.server, &database.url())
            .with(shape.flags)
            .logging_to(folder.path().join("nodes.log"));
        if let Some(limit) = shape.backlog_limit {
            program = program.with(&["--backlog-limit", &limit.to_string()]);
        }
        let has_limit = shape.backlog_limit.is_some();
        let (members, triggers) = (Vec::new(), Vec::new());
        let mut system = Self { database, nodes: members, receiver, triggers, http, program, has_limit, folder };
        for number in 0..nodes {
            let mut program = system.program.clone();
            if let Some(offset) = shape.clocks.get(number).filter(|offset| !offset.is_empty()) {
                program = program.with_clock(offset);
            }
            let node = Node::start(program).await.with_context(|| system.last_words())?;
            let id = system.newest_node().await?;
            system.nodes.push(Member { node, id });
        }
        if nodes > 0 {
            system.create_triggers(shape.timeout_ms).await?;
        }
        Ok(system)
    }

    /// Starts further nodes, all at once.
    pub async fn start_together(&mut self, count: usize) -> Result<()> {
        let starting = (0..count).map(|_| Node::start(self.program.clone()));
        let started = futures::future::try_join_all(starting).await.with_context(|| self.last_words())?;
        let ids = sqlx::query_scalar("select id from nodes order by started_at desc limit $1").bind(count as i64);
        let ids: Vec<Uuid> = ids.fetch_all(&self.database.pool).await?;
        ensure!(ids.len() == count, "{count} nodes have started, and the database knows {}", ids.len());
        // Which of them is which does not show.
        self.nodes.extend(started.into_iter().zip(ids).map(|(node, id)| Member { node, id }));
        if self.triggers.is_empty() {
            self.create_triggers(TIMEOUT_MS).await?;
        }
        Ok(())
    }

    async fn create_triggers(&mut self, timeout_ms: u32) -> Result<()> {
        for number in 0..TRIGGERS {
            let more = serde_json::json!({"timeout": timeout_ms});
            self.create_trigger(&format!("chaos-{number}"), "chaos", &self.receiver.url(), more).await?;
        }
        self.triggers =
            sqlx::query_scalar("select id from triggers order by id").fetch_all(&self.database.pool).await?;
        Ok(())
    }

    /// Registers a trigger with whatever else is given.
    pub async fn create_trigger(&self, name: &str, event_type: &str, url: &str, more: Value) -> Result<()> {
        let mut body = serde_json::json!({"type": event_type, "url": url});
        for (key, value) in more.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        let (status, answer) = self.post(&format!("{TRIGGERS_PATH}/{name}"), body.to_string()).await?;
        ensure!(status == 200, "the trigger {name} was refused: {answer}");
        Ok(())
    }

    /// Queues one event or several at the first node.
    pub async fn queue(&self, events: &Value) -> Result<()> {
        let (status, answer) = self.post(QUEUE_PATH, events.to_string()).await?;
        ensure!(status == 202, "events were refused: {status} {answer}");
        Ok(())
    }

    /// Sends JSON, or what should be, to the first node. Gives status and body of the answer.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Result<(u16, String)> {
        let url = format!("http://{}{path}", self.nodes[0].node.address);
        let request = self.http.post(url).header("content-type", "application/json").body(body);
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Asks the first node. Gives status and body of the answer.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        let answer = self.http.get(format!("http://{}{path}", self.nodes[0].node.address)).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Resident memory of the first node, in MiB.
    pub fn resident(&self) -> Result<u64> {
        Ok(self.nodes[0].node.resident()? / (1024 * 1024))
    }

    /// Fails where a node has logged a panic, or a request that failed by its own fault.
    pub fn no_fault(&self) -> Result<()> {
        let text = std::fs::read_to_string(self.log())?;
        let fault = text.lines().find(|line| line.contains("panic") || line.contains("a request failed"));
        ensure!(fault.is_none(), "a node logged: {}", fault.unwrap_or_default());
        Ok(())
    }

    /// All that the nodes have logged.
    pub fn logged(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.log())?)
    }

    /// Nodes are started one after another, so this is the one that has just been.
    async fn newest_node(&self) -> Result<Uuid> {
        Ok(sqlx::query_scalar("select id from nodes order by started_at desc limit 1")
            .fetch_one(&self.database.pool)
            .await?)
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("nodes.log")
    }

    /// What the nodes logged, each kind of line once, for whoever has to find out why something failed.
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let mut kinds: Vec<(&str, &str, usize)> = Vec::new();
        for line in text.lines() {
            // After the time and before the fields.
            let kind = line.split_once(' ').map_or(line, |(_, rest)| rest);
            let kind = kind.split_once('=').map_or(kind, |(message, _)| message);
            match kinds.iter_mut().find(|(known, ..)| *known == kind) {
                Some((_, last, count)) => (*last, *count) = (line, *count + 1),
                None => kinds.push((kind, line, 1)),
            }
        }
        let told = kinds.into_iter().map(|(_, last, count)| format!("{count} times, at last: {last}"));
        format!("the nodes logged\n{}", told.collect::<Vec<_>>().join("\n"))
    }

    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|member| member.node.address).collect()
    }

    /// Starts a load on all nodes, and waits until it flows.
    pub async fn load(&self, rate: u32) -> Result<Load> {
        let load = Load::start(&self.http, self.addresses(), rate);
        self.resumed(Instant::now(), Duration::from_secs(10)).await?;
        Ok(load)
    }

    /// Starts a node again that has ended, at its old address.
    pub async fn restart(&mut self, number: usize) -> Result<()> {
        self.nodes[number].node.restart().await.with_context(|| self.last_words())?;
        self.nodes[number].id = self.newest_node().await?;
        Ok(())
    }

    /// The deliveries leased to a node.
    pub async fn held_by(&self, node: Uuid) -> Result<Vec<Delivery>> {
        let rows = sqlx::query("select event_id, trigger_id from queue where owner = $1").bind(node);
        let rows = rows.fetch_all(&self.database.pool).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// The deliveries that some nodes still held when they were killed or frozen just now.
    pub async fn left_by(&self, numbers: &[usize]) -> Result<Vec<Delivery>> {
        // Statements that PostgreSQL had got from them by then end within this time.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut left = Vec::new();
        for number in numbers {
            left.extend(self.held_by(self.nodes[*number].id).await?);
        }
        Ok(left)
    }

    /// Those of some deliveries that are pending.
    async fn pending(&self, deliveries: &HashSet<Delivery>) -> Result<usize> {
        let (events, triggers): (Vec<_>, Vec<_>) = deliveries.iter().copied().unzip();
        let sql = "select count(*) from queue join unnest($1::uuid[], $2::int[]) as h (event_id, trigger_id)
                    using (event_id, trigger_id)";
        let count: i64 = sqlx::query_scalar(sql).bind(events).bind(triggers).fetch_one(&self.database.pool).await?;
        Ok(count as usize)
    }

    /// How many of these deliveries the history has from a node.
    pub async fn finished_by(&self, deliveries: &[Delivery], node: Uuid) -> Result<usize> {
        let (events, triggers): (Vec<_>, Vec<_>) = deliveries.iter().copied().unzip();
        let count: i64 = sqlx::query_scalar(
            "select count(*) from deliveries d
               join unnest($1::uuid[], $2::int[]) as h (event_id, trigger_id) using (event_id, trigger_id)
              where d.node = $3",
        )
        .bind(events)
        .bind(triggers)
        .bind(node)
        .fetch_one(&self.database.pool)
        .await?;
        Ok(count as usize)
    }

    pub fn arrivals(&self) -> Vec<Arrival> {
        self.receiver.look(|requests| requests.iter().filter_map(Arrival::of).collect())
    }

    /// When each event arrived first.
    pub fn first_arrivals(&self) -> HashMap<Uuid, Instant> {
        let mut first = HashMap::new();
        for arrival in self.arrivals() {
            first.entry(arrival.delivery.0).or_insert(arrival.at);
        }
        first
    }

    /// Waits until a delivery arrives that comes after the given moment. Gives how long after.
    pub async fn resumed(&self, after: Instant, patience: Duration) -> Result<Duration> {
        while after.elapsed() < patience {
            let first = |requests: &[rig::Received]| requests.iter().map(|one| one.at).find(|at| *at > after);
            if let Some(at) = self.receiver.look(first) {
                return Ok(at - after);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        anyhow::bail!("no delivery arrived for {patience:?}; {}", self.last_words())
    }

    /// Waits until every one of these deliveries has arrived again after the given moment. Gives how long the last one took.
    pub async fn taken_over(&self, deliveries: &[Delivery], after: Instant, patience: Duration) -> Result<Duration> {
        let wanted: HashSet<_> = deliveries.iter().copied().collect();
        loop {
            let mut missing = wanted.clone();
            let mut last = after;
            for arrival in self.arrivals().iter().filter(|arrival| arrival.at > after) {
                if missing.remove(&arrival.delivery) {
                    last = last.max(arrival.at);
                }
            }
            // One that is not pending any more was written down by the last statement of the broken node.
            let pending = self.pending(&missing).await?;
            if pending == 0 {
                return Ok(last - after);
            }
            ensure!(
                after.elapsed() < patience,
                "{pending} of {} deliveries were not taken over within {patience:?}; {}",
                wanted.len(),
                self.last_words()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// No node has ended.
    pub fn all_run(&mut self) -> Result<()> {
        for number in 0..self.nodes.len() {
            ensure!(self.nodes[number].node.runs()?, "node {number} has ended; {}", self.last_words());
        }
        Ok(())
    }

    /// Ends the load, waits until nothing is in flight, and proves the books: every acknowledged event reached every
    /// trigger, the history says the same, and nothing is left in the queue.
    pub async fn close_books(&self, load: Load, allowed_duplicates: usize) -> Result<(Sent, Books)> {
        let sent = load.stop().await;
        // First what is wrong, then what the nodes said.
        let explained = |error: anyhow::Error| anyhow::anyhow!("{error:#}\n{}", self.last_words());
        sent.check(self.has_limit).map_err(explained)?;
        self.database.settled(SETTLING).await.map_err(explained)?;
        let books = Books::new(&sent.acknowledged, sent.unanswered, &self.triggers, &self.arrivals());
        books.check(allowed_duplicates).map_err(explained)?;
        let ids: Vec<_> = sent.acknowledged.iter().map(|event| event.id).collect();
        let kept: i64 = sqlx::query_scalar("select count(*) from events where id = any($1)")
            .bind(&ids)
            .fetch_one(&self.database.pool)
            .await?;
        ensure!(kept as usize == ids.len(), "{} acknowledged events, {kept} of them in the database", ids.len());
        let unfinished: i64 = sqlx::query_scalar(
            "select count(*) from events e cross join unnest($1::int[]) as t (id)
              where e.type = 'chaos' and (select count(*) from deliveries d
                     where d.project_id = e.project_id and d.event_id = e.id and d.trigger_id = t.id
                       and d.status = 'delivered') <> 1",
        )
        .bind(&self.triggers)
        .fetch_one(&self.database.pool)
        .await?;
        if unfinished > 0 {
            let kinds = self.other_endings().await?;
            bail!(
                "{unfinished} deliveries do not stand in the history exactly once as delivered: {}",
                kinds.join("; ")
            );
        }
        Ok((sent, books))
    }

    /// How often deliveries ended in which other way than as delivered, in words.
    async fn other_endings(&self) -> Result<Vec<String>, sqlx::Error> {
        let endings = "select count(*) || ' ' || status || ' after ' || attempts || ' attempts: ' || coalesce(error, '') from deliveries
                        where status <> 'delivered' group by status, attempts, error order by 1";
        sqlx::query_scalar(endings).fetch_all(&self.database.pool).await
    }

    /// Stops every node in good order.
    pub async fn stop(self) -> Result<()> {
        for member in self.nodes {
            member.node.stop().await?;
        }
        self.database.pool.close().await;
        Ok(())
    }
}
