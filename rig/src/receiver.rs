//! A webhook on a bare socket, so that it can misbehave; it remembers every request.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use chrono::{DateTime, Utc};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Status, header lines, body.
    Answer(u16, String, String),
    /// Waits, then answers 200.
    AfterWaiting(Duration),
    /// Status 200, then the body a byte at a time with this long between.
    Drip(Duration),
    /// Status 200 and a body that never ends.
    Endless,
    /// A content length, fewer bytes than that, and the end.
    BreakOff,
    /// Closes without an answer.
    HangUp,
    /// These bytes and the end.
    Raw(Vec<u8>),
    /// These bytes and a reset.
    Reset(Vec<u8>),
    /// The first bytes once, then the others for ever, with so long between.
    Repeat(Vec<u8>, Vec<u8>, Duration),
}

impl Act {
    pub fn ok() -> Self {
        Self::status(200)
    }

    pub fn status(status: u16) -> Self {
        Self::Answer(status, String::new(), String::new())
    }

    pub fn body(body: impl Into<String>) -> Self {
        Self::Answer(200, String::new(), body.into())
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub at: Instant,
    pub wall: DateTime<Utc>,
    pub request_line: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Received {
    /// A header's value; empty where there is none. Names are in lower case.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body; null where it is no JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

type Behave = dyn Fn(usize, &Received) -> Act + Send + Sync;

#[derive(Default)]
struct State {
    received: Vec<Received>,
    open: usize,
    most_open: usize,
}

/// A webhook, written on a bare socket so that it can misbehave.
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// `behave` gets the number of the request, from 0, and the request.
    pub async fn start(behave: impl Fn(usize, &Received) -> Act + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
        let behave: Arc<Behave> = Arc::new(behave);
        let shared = state.clone();
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    // Gone before it was taken, or no descriptor left for it: the next one may work.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                let (state, behave) = (shared.clone(), behave.clone());
                tokio::spawn(async move { serve(stream, &state, &*behave).await });
            }
        });
        Ok(Self { address, state, task })
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook?a=b", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn received(&self) -> Vec<Received> {
        self.look(<[Received]>::to_vec)
    }

    /// Looks at all requests without copying them.
    pub fn look<T>(&self, look: impl FnOnce(&[Received]) -> T) -> T {
        look(&lock(&self.state).received)
    }

    /// The most requests that were ever open at once.
    pub fn most_open(&self) -> usize {
        lock(&self.state).most_open
    }

    /// The requests that are open now.
    pub fn open(&self) -> usize {
        lock(&self.state).open
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, state: &Mutex<State>, behave: &Behave) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        let act = {
            let mut state = lock(state);
            let act = behave(state.received.len(), &request);
            state.received.push(request);
            state.open += 1;
            state.most_open = state.most_open.max(state.open);
            act
        };
        let go_on = answer(stream.get_mut(), act).await.unwrap_or(false);
        lock(state).open -= 1;
        if !go_on {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let request_line = lines.remove(0);
    let headers: HashMap<_, _> = lines
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some(Received { at: Instant::now(), wall: Utc::now(), request_line, headers, body })
}

/// `true`: the connection can carry another request.
async fn answer(stream: &mut TcpStream, act: Act) -> std::io::Result<bool> {
    match act {
        Act::Answer(status, headers, body) => {
            let head = format!("HTTP/1.1 {status} Whatever\r\n{headers}content-length: {}\r\n\r\n", body.len());
            // 204 and 304 have no length and no body (RFC 9110 section 8.6).
            let head =
                if matches!(status, 204 | 304) { format!("HTTP/1.1 {status} Whatever\r\n{headers}\r\n") } else { head };
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
            Ok(true)
        }
        Act::AfterWaiting(time) => {
            tokio::time::sleep(time).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
            Ok(true)
        }
        Act::Drip(between) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await?;
            loop {
                stream.write_all(b".").await?;
                tokio::time::sleep(between).await;
            }
        }
        Act::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            let chunk = format!("{:x}\r\n{}\r\n", 8192, "x".repeat(8192));
            loop {
                stream.write_all(chunk.as_bytes()).await?;
            }
        }
        Act::BreakOff => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this").await?;
            Ok(false)
        }
        Act::HangUp => Ok(false),
        Act::Raw(bytes) => {
            stream.write_all(&bytes).await?;
            Ok(false)
        }
        Act::Reset(bytes) => {
            stream.write_all(&bytes).await?;
            stream.set_zero_linger()?;
            Ok(false)
        }
        Act::Repeat(first, again, between) => {
            stream.write_all(&first).await?;
            loop {
                stream.write_all(&again).await?;
                tokio::time::sleep(between).await;
            }
        }
    }
}
