//! The load generator: clients on connections of their own, each sending its next event as soon as the last one was
//! answered (closed loop), or events at a fixed rate whatever the answers do (open loop).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::{Buf, BytesMut};
use hdrhistogram::Histogram;
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::receiver::latency_histogram;
use crate::wire::{Clock, head};

/// What is sent, and to whom.
#[derive(Clone, Debug)]
pub struct Load {
    pub clock: Clock,
    /// Clients are spread over them.
    pub targets: Vec<SocketAddr>,
    pub path: &'static str,
    pub event_type: &'static str,
    /// Bytes of `data`.
    pub size: usize,
    pub synchronous: bool,
    /// The status that counts as accepted.
    pub expected: u16,
}

/// What became of a load.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub accepted: u64,
    /// When the first event was sent.
    pub began: Instant,
    /// When the last one was answered.
    pub ended: Instant,
    /// Microseconds from sending to the answer.
    pub latency: Histogram<u64>,
}

impl Outcome {
    /// Events accepted a second.
    pub fn rate(&self) -> f64 {
        self.accepted as f64 / (self.ended - self.began).as_secs_f64()
    }
}

impl Load {
    pub fn to(clock: Clock, targets: Vec<SocketAddr>) -> Self {
        Self {
            clock,
            targets,
            path: "/v1/api/default/eventing/queue",
            event_type: "bench",
            size: 200,
            synchronous: false,
            expected: 202,
        }
    }

    /// The bytes of one request, with room for the time of sending.
    fn request(&self, target: SocketAddr) -> (Vec<u8>, usize) {
        let sent = self.clock.micros();
        let around = "{\"sent\":,\"pad\":\"\"}".len() + sent.to_string().len();
        let pad = identifiers(self.size.saturating_sub(around));
        let more = if self.synchronous { ",\"isSynchronous\":true" } else { "" };
        let body = format!("{{\"type\":\"{}\",\"data\":{{\"sent\":{sent},\"pad\":\"{pad}\"}}{more}}}", self.event_type);
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: {target}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.path,
            body.len()
        );
        let request = [head.as_bytes(), body.as_bytes()].concat();
        let at = memmem::find(&request, b"\"sent\":").unwrap_or_default() + "\"sent\":".len();
        (request, at)
    }

    /// `clients` send as fast as they are answered, for the given time.
    pub async fn closed(&self, clients: usize, time: Duration) -> Result<Outcome> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = JoinSet::new();
        let clients = self.clients(clients).await?;
        let began = Instant::now();
        for mut client in clients {
            let stop = stop.clone();
            running.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    client.send(Instant::now()).await?;
                }
                Ok(client)
            });
        }
        tokio::time::sleep(time).await;
        stop.store(true, Ordering::Relaxed);
        gather(running, began).await
    }

    /// `count` events, as fast as `clients` are answered.
    pub async fn count(&self, clients: usize, count: u64) -> Result<Outcome> {
        let left = Arc::new(AtomicU64::new(count));
        let mut running = JoinSet::new();
        let clients = self.clients(clients).await?;
        let began = Instant::now();
        for mut client in clients {
            let left = left.clone();
            running.spawn(async move {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    client.send(Instant::now()).await?;
                }
                Ok(client)
            });
        }
        gather(running, began).await
    }

    /// `rate` events a second for the given time, over `clients` connections. Latencies count from when an event should
    /// have been sent, so that a slow answer cannot hide the ones that wait behind it.
    pub async fn open(&self, rate: f64, clients: usize, time: Duration) -> Result<Outcome> {
        let mut running = JoinSet::new();
        let mut lines = Vec::new();
        for mut client in self.clients(clients).await? {
            let (line, mut due) = mpsc::unbounded_channel::<Instant>();
            lines.push(line);
            running.spawn(async move {
                while let Some(due) = due.recv().await {
                    client.send(due).await?;
                }
                Ok(client)
            });
        }
        let began = Instant::now();
        // A thread of its own: the timers of the runtime are as coarse as a millisecond.
        let pacer = std::thread::spawn(move || {
            let total = (rate * time.as_secs_f64()) as u64;
            for number in 0..total {
                let due = began + Duration::from_secs_f64(number as f64 / rate);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if lines[number as usize % lines.len()].send(due).is_err() {
                    return;
                }
            }
        });
        let outcome = gather(running, began).await;
        drop(pacer.join());
        outcome
    }

    /// Clients that are connected and ready to send.
    async fn clients(&self, count: usize) -> Result<Vec<Client>> {
        let mut clients = Vec::with_capacity(count);
        for number in 0..count {
            clients.push(self.client(number).await?);
        }
        Ok(clients)
    }

    async fn client(&self, number: usize) -> Result<Client> {
        let target = self.targets[number % self.targets.len()];
        let (request, sent_at) = self.request(target);
        let stream = TcpStream::connect(target).await.with_context(|| format!("cannot connect to {target}"))?;
        stream.set_nodelay(true)?;
        Ok(Client {
            clock: self.clock,
            stream,
            buffer: BytesMut::with_capacity(8 * 1024),
            request,
            sent_at,
            expected: self.expected,
            accepted: 0,
            latency: latency_histogram()?,
        })
    }
}

/// So many bytes of text, which PostgreSQL compresses to about half.
fn identifiers(length: usize) -> String {
    let mut text: String =
        std::iter::repeat_with(|| Uuid::now_v7().simple().to_string()).take(length / 32 + 1).collect();
    text.truncate(length);
    text
}

struct Client {
    clock: Clock,
    stream: TcpStream,
    buffer: BytesMut,
    request: Vec<u8>,
    /// Where the time of sending stands in the request.
    sent_at: usize,
    expected: u16,
    accepted: u64,
    latency: Histogram<u64>,
}

impl Client {
    /// Sends an event that was due at the given time, and reads the answer.
    async fn send(&mut self, due: Instant) -> Result<()> {
        let digits = self.clock.micros_at(due).to_string();
        self.request[self.sent_at..self.sent_at + digits.len()].copy_from_slice(digits.as_bytes());
        self.stream.write_all(&self.request).await?;
        loop {
            if let Some(head) = head(&self.buffer)?
                && self.buffer.len() >= head.total
            {
                if head.status != self.expected {
                    bail!("an event was refused: {}", String::from_utf8_lossy(&self.buffer[..head.total]));
                }
                self.accepted += 1;
                self.buffer.advance(head.total);
                self.latency.saturating_record(due.elapsed().as_micros().max(1) as u64);
                return Ok(());
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
        }
    }
}

async fn gather(mut running: JoinSet<Result<Client>>, began: Instant) -> Result<Outcome> {
    let mut outcome = Outcome { accepted: 0, began, ended: Instant::now(), latency: latency_histogram()? };
    while let Some(client) = running.join_next().await {
        let client = client??;
        outcome.accepted += client.accepted;
        outcome.latency.add(&client.latency)?;
    }
    outcome.ended = Instant::now();
    Ok(outcome)
}
