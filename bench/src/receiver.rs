//! A webhook that answers 200 as fast as it can, or never, and keeps the books: how many events came, how long after they
//! were sent, and which came twice.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::{Buf, BytesMut};
use hdrhistogram::Histogram;
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::wire::{Clock, head};

/// How the receiver treats a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers 200 at once.
    Answer,
    /// Reads the request and never answers.
    Hang,
}

struct Books {
    clock: Clock,
    received: AtomicU64,
    behaviour: Behaviour,
    /// Microseconds from sending to arrival, of the current measurement.
    latency: Mutex<Histogram<u64>>,
    /// Event ids seen, where somebody asked for them.
    ids: Mutex<Option<HashSet<[u8; 36]>>>,
    duplicates: AtomicU64,
}

/// A running receiver; it ends when it is dropped.
pub struct Receiver {
    address: SocketAddr,
    books: Arc<Books>,
    task: JoinHandle<()>,
}

impl Receiver {
    pub async fn start(clock: Clock, behaviour: Behaviour) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let books = Arc::new(Books {
            clock,
            received: AtomicU64::new(0),
            behaviour,
            latency: Mutex::new(latency_histogram()?),
            ids: Mutex::new(None),
            duplicates: AtomicU64::new(0),
        });
        let shared = books.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let books = shared.clone();
                // Whatever breaks a connection shows in the counts.
                tokio::spawn(async move { drop(serve(stream, &books).await) });
            }
        });
        Ok(Self { address, books, task })
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn received(&self) -> u64 {
        self.books.received.load(Ordering::Relaxed)
    }

    /// Starts a new latency measurement.
    pub fn forget_latency(&self) {
        self.books.latency.lock().unwrap_or_else(PoisonError::into_inner).reset();
    }

    pub fn latency(&self) -> Histogram<u64> {
        self.books.latency.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers the ids of events from now on, so that repetitions are counted.
    pub fn watch_ids(&self) {
        *self.books.ids.lock().unwrap_or_else(PoisonError::into_inner) = Some(HashSet::new());
        self.books.duplicates.store(0, Ordering::Relaxed);
    }

    /// Ends that, since it takes time. Gives how often an id came that had come before.
    pub fn forget_ids(&self) -> u64 {
        let watched = self.books.ids.lock().unwrap_or_else(PoisonError::into_inner).take();
        watched.map_or(0, |_| self.books.duplicates.load(Ordering::Relaxed))
    }

    /// Waits until so many requests have come in all. Gives the moment; fails where nothing comes for a while.
    pub async fn wait_for(&self, count: u64) -> Result<Instant> {
        let (mut last, mut changed) = (self.received(), Instant::now());
        loop {
            let received = self.received();
            if received >= count {
                return Ok(Instant::now());
            }
            if received != last {
                (last, changed) = (received, Instant::now());
            } else if changed.elapsed() > Duration::from_secs(30) {
                bail!("{received} of {count} events arrived, and no more for 30 s");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// From a microsecond to ten minutes, to three digits.
pub fn latency_histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 600_000_000, 3)?)
}

async fn serve(mut stream: TcpStream, books: &Books) -> Result<()> {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    stream.set_nodelay(true)?;
    let mut buffer = BytesMut::with_capacity(8 * 1024);
    loop {
        let Some(head) = head(&buffer)? else {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            continue;
        };
        while buffer.len() < head.total {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        books.enter(&buffer[head.body..head.total]);
        buffer.advance(head.total);
        match books.behaviour {
            Behaviour::Answer => stream.write_all(ANSWER).await?,
            Behaviour::Hang => {}
        }
    }
}

impl Books {
    fn enter(&self, body: &[u8]) {
        if let Some(sent) = number_after(body, b"\"sent\":") {
            let micros = self.clock.micros().saturating_sub(sent).max(1);
            self.latency.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(micros);
        }
        if let Some(ids) = self.ids.lock().unwrap_or_else(PoisonError::into_inner).as_mut()
            && let Some(at) = memmem::find(body, b"\"id\":\"")
            && let Some(Ok(id)) = body.get(at + 6..at + 42).map(<[u8; 36]>::try_from)
            && !ids.insert(id)
        {
            self.duplicates.fetch_add(1, Ordering::Relaxed);
        }
        self.received.fetch_add(1, Ordering::Relaxed);
    }
}

fn number_after(body: &[u8], key: &[u8]) -> Option<u64> {
    let at = memmem::find(body, key)? + key.len();
    let digits = body[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&body[at..at + digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::number_after;

    #[test]
    fn a_number_is_found_in_a_body() {
        assert_eq!(number_after(br#"{"data":{"sent":1234567890,"pad":"x"}}"#, b"\"sent\":"), Some(1_234_567_890));
        assert_eq!(number_after(br#"{"data":null}"#, b"\"sent\":"), None);
    }
}
