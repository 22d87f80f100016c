//! Clients of the API that mean harm. The integration tests ask for more of each.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rig::refused_bodies;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Findings, Scenario};
use crate::context::Context;
use crate::system::{QUEUE_PATH, Shape, System};
use crate::watch::watched;

pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "hostile-clients",
    shows: "clients that send wrong, endless or half a request, or nothing at all, with a read timeout of 1 s, beside good ones",
    alone: true,
    run: |context| Box::pin(hostile(context)),
}];

/// Good events a second.
const RATE: u32 = 50;
/// Connections at once of each kind that say too little.
const SLOW: usize = 200;
/// Within which they are hung up on; the read timeout is a second.
const HUNG_UP: Duration = Duration::from_secs(10);
/// More than a server may take of one body, or of one head.
const MOST: usize = 64 * 1024 * 1024;
/// How much a node may grow after the first round, which fills pools and buffers; in MiB.
const GROWTH: u64 = 24;
const ROUNDS: u32 = 2;

/// What comes of a round.
#[derive(Default)]
struct Round {
    refused: usize,
    hung_up: usize,
    slowest: Duration,
}

async fn hostile(context: &Context) -> Result<Findings> {
    let shape = Shape { flags: &["--read-timeout", "1"], ..Shape::default() };
    let mut system = System::of_shape(context, &context.shared.cluster, 1, shape).await?;
    let load = system.load(RATE).await?;
    let (mut total, mut sizes, mut slowest_answer) = (Round::default(), Vec::new(), Duration::ZERO);
    let rounds = ROUNDS.max(context.rounds().min(10));
    for _ in 0..rounds {
        let (round, seen) = watched(&system, one_round(&system)).await?;
        total.refused += round.refused;
        total.hung_up += round.hung_up;
        total.slowest = total.slowest.max(round.slowest);
        slowest_answer = slowest_answer.max(seen.slowest_answer);
        sizes.push(system.resident()?);
    }
    let (first, last) = (sizes[0], sizes[sizes.len() - 1]);
    ensure!(last < first + GROWTH, "{first} MiB grew to {last} MiB");
    system.all_run()?;
    system.no_fault()?;
    let (_, books) = system.close_books(load, 0).await?;
    let strangers = system.database.number("select count(*) from events where type <> 'chaos'").await?;
    ensure!(strangers == 0, "{strangers} events were queued by requests that were refused");
    system.stop().await?;
    let text = format!(
        "{} requests refused with their reason, none with 5xx; {} connections hung up on, the slow ones after {:.1} s at most; no panic; beside them {}; health answered within {:.0} ms; {first} MiB after the first round, {last} MiB after the last",
        total.refused,
        total.hung_up,
        total.slowest.as_secs_f64(),
        books.summary(),
        slowest_answer.as_secs_f64() * 1_000.0
    );
    Ok(Findings { rounds, text })
}

async fn one_round(system: &System) -> Result<Round> {
    let mut round = Round::default();
    for (body, expected) in refused_bodies() {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let (status, answer) = system.post(QUEUE_PATH, body).await?;
        ensure!(status == expected, "{shown} was answered {status} {answer}");
        round.refused += 1;
    }
    let post = format!("POST {QUEUE_PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n");
    let half_a_body = format!("{post}content-length: 1000\r\n\r\n{{\"type\":");
    let began = Instant::now();
    let mut slow = Vec::new();
    for says in ["", "GET /health/live HTTP/1.1\r\nx: y", &half_a_body] {
        for _ in 0..SLOW {
            let mut stream = connect(system).await?;
            stream.write_all(says.as_bytes()).await?;
            slow.push(stream);
        }
    }
    for mut stream in slow {
        // A reset is as good as an end.
        let end = async { drop(stream.read_to_end(&mut Vec::new()).await) };
        tokio::time::timeout(HUNG_UP, end).await.context("a slow client was not hung up on")?;
        round.hung_up += 1;
    }
    round.slowest = began.elapsed();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for (says, on) in [
        (format!("{post}transfer-encoding: chunked\r\n\r\n"), chunk),
        ("GET / HTTP/1.1\r\nhost: localhost\r\nx: ".to_owned(), "abcdefgh".repeat(1_000)),
        ("GET / HTTP/1.1\r\n".to_owned(), "x-a: b\r\n".repeat(1_000)),
    ] {
        let mut stream = connect(system).await?;
        stream.write_all(says.as_bytes()).await?;
        let mut sent = 0;
        while stream.write_all(on.as_bytes()).await.is_ok() {
            sent += on.len();
            ensure!(sent < MOST, "{says:?} may go on for ever");
        }
        round.hung_up += 1;
    }
    Ok(round)
}

async fn connect(system: &System) -> Result<TcpStream> {
    Ok(TcpStream::connect(system.nodes[0].node.address).await?)
}
