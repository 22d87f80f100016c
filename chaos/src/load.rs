//! A steady load that survives whatever is broken under it, and remembers what was acknowledged.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

/// Clients that send one event after another, each on its own.
const CLIENTS: u32 = 16;
/// How long a client waits for an answer; a node answers 503 after three seconds without its database.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between a refusal and the next attempt at another node.
const PAUSE: Duration = Duration::from_millis(50);

/// One event that a node has said it keeps.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    pub id: Uuid,
    pub sent_at: Instant,
    /// When the 202 came.
    pub at: Instant,
}

/// What became of the load so far.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    pub acknowledged: Vec<Acknowledged>,
    /// Answers 503 with `Retry-After`.
    pub unavailable: u64,
    /// Answers 429 with `Retry-After`.
    pub limited: u64,
    /// Connections that could not be made, so that nothing was sent.
    pub unreachable: u64,
    /// Connections that broke, and answers that did not come in time: whether such an event is kept is unknown.
    pub unanswered: u64,
    /// Answers that nothing excuses.
    pub wrong: Vec<String>,
}

impl Sent {
    /// Fails where a node answered anything but 202 and a proper 503, or, where it has a backlog limit, a proper 429.
    pub fn check(&self, has_limit: bool) -> Result<()> {
        ensure!(has_limit || self.limited == 0, "{} answers 429 without a backlog to speak of", self.limited);
        match self.wrong.first() {
            None => Ok(()),
            Some(first) => {
                bail!("{} answers were neither 202 nor a proper 503 or 429, first: {first}", self.wrong.len())
            }
        }
    }
}

/// A running load; it ends when it is dropped.
pub struct Load {
    sent: Arc<Mutex<Sent>>,
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Load {
    /// Sends so many events a second to the nodes at these addresses.
    pub fn start(http: &reqwest::Client, nodes: Vec<SocketAddr>, rate: u32) -> Self {
        let (sent, stop) = (Arc::<Mutex<Sent>>::default(), Arc::<AtomicBool>::default());
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let client = Client { http: http.clone(), nodes: nodes.clone(), sent: sent.clone(), stop: stop.clone() };
            clients.spawn(client.run(number as usize, Duration::from_secs(1) * CLIENTS / rate.max(1)));
        }
        Self { sent, stop, clients }
    }

    /// What became of it so far.
    pub fn so_far(&self) -> Sent {
        lock(&self.sent).clone()
    }

    /// Adds what became of another one, so that the books hold both.
    pub fn add(&self, other: Sent) {
        let mut sent = lock(&self.sent);
        sent.acknowledged.extend(other.acknowledged);
        sent.unavailable += other.unavailable;
        sent.limited += other.limited;
        sent.unreachable += other.unreachable;
        sent.unanswered += other.unanswered;
        sent.wrong.extend(other.wrong);
    }

    /// Waits until an event has been acknowledged that was sent after this call. Gives when that was.
    pub async fn acknowledges(&self, patience: Duration) -> Result<Instant> {
        let began = Instant::now();
        while began.elapsed() < patience {
            // Those that were under way at this moment may have been accepted before whatever was broken.
            let first = lock(&self.sent).acknowledged.iter().rev().find(|event| event.sent_at > began).copied();
            if let Some(first) = first {
                return Ok(first.at);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("no event was acknowledged for {patience:?}")
    }

    /// Ends it once every client has its last answer.
    pub async fn stop(mut self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        while self.clients.join_next().await.is_some() {}
        lock(&self.sent).clone()
    }
}

fn lock(sent: &Mutex<Sent>) -> MutexGuard<'_, Sent> {
    sent.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Client {
    http: reqwest::Client,
    nodes: Vec<SocketAddr>,
    sent: Arc<Mutex<Sent>>,
    stop: Arc<AtomicBool>,
}

impl Client {
    async fn run(self, number: usize, pace: Duration) {
        let mut ticks = tokio::time::interval(pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Clients start at different nodes, and go to the next one after every event and every refusal.
        let mut turn = number;
        while !self.stop.load(Ordering::Relaxed) {
            ticks.tick().await;
            if !self.send(self.nodes[turn % self.nodes.len()]).await {
                tokio::time::sleep(PAUSE).await;
            }
            turn += 1;
        }
    }

    /// Sends one event. `false`: the node does not take it now.
    async fn send(&self, node: SocketAddr) -> bool {
        let url = format!("http://{node}/v1/api/default/eventing/queue");
        let request = self.http.post(url).header("content-type", "application/json").timeout(PATIENCE);
        let request = request.body(r#"{"type":"chaos","data":{"kept":true}}"#);
        let sent_at = Instant::now();
        let answer = async {
            let response = request.send().await?;
            let (status, asks_to_wait) = (response.status().as_u16(), response.headers().contains_key("retry-after"));
            Ok::<_, reqwest::Error>((status, asks_to_wait, response.text().await?))
        };
        let answer = answer.await;
        let mut sent = lock(&self.sent);
        match answer {
            Ok((202, _, body)) => match event_id(&body) {
                Some(id) => {
                    sent.acknowledged.push(Acknowledged { id, sent_at, at: Instant::now() });
                    return true;
                }
                None => sent.wrong.push(format!("202 {body}")),
            },
            Ok((503, true, _)) => sent.unavailable += 1,
            Ok((429, true, _)) => sent.limited += 1,
            Ok((status, _, body)) => sent.wrong.push(format!("{status} {body}")),
            Err(error) if error.is_connect() => sent.unreachable += 1,
            Err(_) => sent.unanswered += 1,
        }
        false
    }
}

fn event_id(body: &str) -> Option<Uuid> {
    let answer: serde_json::Value = serde_json::from_str(body).ok()?;
    answer["eventId"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_its_event() {
        let id = Uuid::now_v7();
        assert_eq!(event_id(&format!(r#"{{"eventId":"{id}","triggers":2}}"#)), Some(id));
        assert_eq!(event_id("{}"), None);
        assert_eq!(event_id("<html>"), None);
    }
}
