//! What this machine can do: the HTTP path alone, and the SQL of a delivery's whole life alone, in batches of 50. Both in
//! series on the same cores are what an engine is measured by: 1 / (1 / HTTP + 1 / SQL). One that needs less SQL passes it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hdrhistogram::Histogram;
use rig::Database;
use server::delivery::cloud_event::Event;
use server::delivery::{Client, NetworkGuard};
use server::eventing::request::QueueRequest;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use url::Url;
use uuid::Uuid;

use crate::receiver::{Receiver, latency_histogram};

/// The process that forwards every event at once to a webhook, without a database: the same framework, the same parser,
/// the same HTTP client, and its answer after the webhook's.
pub async fn forward(target: Url) -> Result<()> {
    let client = client()?;
    let app = Router::new().route("/{*path}", post(forward_one)).with_state(Arc::new((client, target)));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    let listener = axum::serve::ListenerExt::tap_io(listener, |connection| drop(connection.set_nodelay(true)));
    Ok(axum::serve(listener, app).await?)
}

async fn forward_one(State(shared): State<Arc<(Client, Url)>>, body: Bytes) -> Response {
    let (client, target) = &*shared;
    let Ok(QueueRequest::One(event)) = QueueRequest::parse(&body, None) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let id = Uuid::now_v7();
    let (event_type, now) = (event.event_type.as_str().into(), std::time::SystemTime::now().into());
    let event = Event { id, project_id: 1, event_type, data: event.data, due_at: now };
    let exchange =
        client.post(target, Default::default(), event.body(Uuid::nil()).into(), Duration::from_secs(5)).await;
    match exchange.error {
        None => (StatusCode::ACCEPTED, format!("{{\"eventId\":\"{id}\"}}")).into_response(),
        Some(error) => (StatusCode::BAD_GATEWAY, error).into_response(),
    }
}

/// The process that posts events to a webhook, so many at once, without a database: what a drain does beside its SQL.
pub async fn post_events(target: Url) -> Result<()> {
    let shared = Arc::new((client()?, target));
    let mut posting = tokio::task::JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let shared = shared.clone();
        posting.spawn(async move {
            let (client, target) = &*shared;
            let (event_type, data) = (Arc::from("bench"), Arc::from(format!("{:?}", "x".repeat(200))));
            loop {
                let (event_type, data, now) = (Arc::clone(&event_type), Arc::clone(&data), SystemTime::now().into());
                let event = Event { id: Uuid::now_v7(), project_id: 1, event_type, data, due_at: now };
                let body = event.body(Uuid::nil()).into();
                let exchange = client.post(target, Default::default(), body, Duration::from_secs(5)).await;
                if let Some(error) = exchange.error {
                    return error;
                }
            }
        });
    }
    let first = posting.join_next().await.context("somebody posts")??;
    bail!(first)
}

fn client() -> Result<Client> {
    drop(rustls::crypto::ring::default_provider().install_default());
    Ok(Client::new(Arc::new(NetworkGuard::new(&[], true)))?)
}

/// This program in another role, in a process of its own. It ends with its standard input.
struct Role(Child);

impl Role {
    fn start(role: &str, target: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([role, "--target", target]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        Ok(Self(command.spawn()?))
    }

    /// Ends it in good order.
    async fn end(mut self) -> Result<()> {
        drop(self.0.stdin.take());
        let status = self.0.wait().await?;
        ensure!(status.success(), "a process beside the server failed: {status}");
        Ok(())
    }
}

/// Plays a role until the standard input ends.
pub async fn play(role: impl Future<Output = Result<()>>) -> Result<()> {
    let input = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    tokio::select! {
        ended = role => ended,
        read = input => Ok(read?.map(drop)?),
    }
}

/// The posts that arrive in a second at a webhook, as the product's HTTP client makes them.
pub async fn posts(receiver: &Receiver, warm_up: Duration, time: Duration) -> Result<f64> {
    let posting = Role::start("post", &receiver.url())?;
    tokio::time::sleep(warm_up).await;
    let (before, began) = (receiver.received(), Instant::now());
    tokio::time::sleep(time).await;
    let rate = (receiver.received() - before) as f64 / began.elapsed().as_secs_f64();
    posting.end().await?;
    ensure!(rate > 0.0, "nothing arrives at the webhook");
    Ok(rate)
}

/// A running forwarder.
pub struct Forwarder {
    role: Role,
    pub address: std::net::SocketAddr,
}

impl Forwarder {
    pub async fn start(target: &str) -> Result<Self> {
        let mut role = Role::start("forward", target)?;
        let mut lines = BufReader::new(role.0.stdout.take().context("a pipe")?).lines();
        let line = lines.next_line().await?.context("the forwarder ended")?;
        let address = line.trim_start_matches("http://").parse()?;
        Ok(Self { role, address })
    }

    pub async fn stop(self) -> Result<()> {
        self.role.end().await
    }
}

/// Posts at once.
const IN_FLIGHT: usize = 100;

/// Rows in one statement of the SQL ceilings, and connections.
const BATCH: usize = 50;
const CLIENTS: usize = 4;

/// So many identifiers as the engine makes them, UUIDv7, numbered.
fn ids(count: usize) -> String {
    format!(
        "select (left(time, 8) || '-' || right(time, 4) || '-7' || substr(random::text, 16, 15) || lpad(to_hex(n), 6, '0'))::uuid as id, n
           from lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') as time, gen_random_uuid() as random,
                generate_series(1, {count}) as n"
    )
}

/// Accepts so many events.
fn accept_statement(events: usize) -> String {
    format!(
        "with ids as ({}), new_events as (
           insert into events (id, project_id, type, data, due_at, triggers)
           select id, 1, 'bench', repeat('x', 200), now(), 1 from ids
           returning id
         )
         insert into queue (event_id, trigger_id, project_id, due_at) select id, :client_id, 1, now() from new_events;",
        ids(events)
    )
}

/// Claims and completes a batch: the least SQL that does it on the real tables. A claimed row has an owner, since one that
/// was tried and has none belongs to the index of those to be retried. The claim finds its rows by where they lie; the
/// completion must look them up by their key, as only that still holds in another transaction.
const CLAIM_AND_COMPLETE: &str = "
    with claimed as (
      update queue
         set due_at = now() + interval '20 s', attempt = 1, fence = 1, owner = '00000000-0000-0000-0000-000000000001'
       where ctid = any (array(
             select ctid from queue
              where trigger_id = :client_id and due_at <= now()
              order by due_at limit 50 for update skip locked))
      returning event_id
    )
    select coalesce(array_agg(event_id), '{}') as ids from claimed \\gset
    with gone as (
      delete from queue where event_id = any (:ids::uuid[]) and trigger_id + 0 = :client_id and fence = 1 returning event_id
    )
    insert into deliveries (event_id, project_id, trigger_id, run, attempts, status, started_at, duration_us, response_status)
    select event_id, 1, :client_id, 0, 1, 'delivered', now(), 1000, 200 from gone;";

/// Deliveries a second through accept, claim and completion, by pgbench.
pub async fn sql_cycle(database: &Database, time: Duration) -> Result<f64> {
    batches(database, &format!("{} {CLAIM_AND_COMPLETE}", accept_statement(BATCH)), &for_so_long(time)).await
}

/// Deliveries a second through claim and completion alone, by pgbench, of as many as are due.
pub async fn sql_drain(database: &Database, due: usize) -> Result<f64> {
    let fill = format!(
        "insert into queue (event_id, trigger_id, project_id, due_at)
         select id, n % {CLIENTS}, 1, now() from ({}) as ids",
        ids(due)
    );
    database.execute(&fill).await?;
    database.execute("vacuum analyze queue").await?;
    let rate = batches(database, CLAIM_AND_COMPLETE, &format!("--transactions={}", due / CLIENTS / BATCH)).await?;
    ensure!(database.number("select count(*) from queue").await? == 0, "pgbench left some");
    // Nothing is left to be tidied up beside what is measured next.
    database.execute("truncate queue, deliveries").await?;
    Ok(rate)
}

/// Events a second through the accepting statement alone, by pgbench.
pub async fn sql_accept(database: &Database, time: Duration) -> Result<f64> {
    batches(database, &accept_statement(BATCH), &for_so_long(time)).await
}

fn for_so_long(time: Duration) -> String {
    format!("--time={}", time.as_secs().max(1))
}

/// Microseconds that PostgreSQL alone takes to accept one event durably, so many a second.
pub async fn sql_latency(database: &Database, rate: f64, time: Duration) -> Result<Histogram<u64>> {
    let folder = tempfile::tempdir()?;
    let prefix = folder.path().join("log").to_string_lossy().into_owned();
    let (rate, prefix) = (format!("--rate={rate}"), format!("--log-prefix={prefix}"));
    pgbench(database, &accept_statement(1), "on", &[&for_so_long(time), &rate, "--log", &prefix]).await?;
    let mut latency = latency_histogram()?;
    for file in std::fs::read_dir(folder.path())? {
        for line in std::fs::read_to_string(file?.path())?.lines() {
            // The third column is the time from when the transaction was to begin until its end.
            let micros = line.split(' ').nth(2).and_then(|column| column.parse().ok());
            latency.saturating_record(micros.with_context(|| format!("pgbench logged {line:?}"))?);
        }
    }
    Ok(latency)
}

/// Rows a second of a script that works on batches, without waiting for the disk at all, which the engine may not do: this
/// is what the cores can do.
async fn batches(database: &Database, script: &str, how_long: &str) -> Result<f64> {
    let text = pgbench(database, script, "off", &[how_long]).await?;
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next());
    let rate: f64 = rate.with_context(|| format!("pgbench said {text:?}"))?.parse()?;
    Ok(rate * BATCH as f64)
}

async fn pgbench(database: &Database, script: &str, synchronous_commit: &str, more: &[&str]) -> Result<String> {
    let program = find_pgbench().context("pgbench is not installed; on Debian it comes with the package postgresql")?;
    let file = tempfile::NamedTempFile::new()?;
    // One statement a line is what pgbench reads.
    let one_line = |statement: &str| statement.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<_> = script.split(';').map(one_line).collect();
    std::fs::write(file.path(), lines.join(";\n").replace("\\gset ", "\\gset\n"))?;
    // Planned as the engine's statements are.
    let mut options = format!("-c synchronous_commit={synchronous_commit}");
    for (name, value) in server::store::ENGINE_SETTINGS {
        options += &format!(" -c {name}={value}");
    }
    let output = Command::new(program)
        .env("PGOPTIONS", options)
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--username=mission_control"])
        .arg(format!("--client={CLIENTS}"))
        .args(more)
        .arg("--file")
        .arg(file.path())
        .arg("--host")
        .arg(&database.sockets)
        .arg(&database.name)
        .output()
        .await?;
    if !output.status.success() {
        bail!("pgbench failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn find_pgbench() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|version| version.path().join("bin/pgbench")).collect();
    found.extend(std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join("pgbench")));
    found.into_iter().find(|path| Path::new(path).is_file())
}
