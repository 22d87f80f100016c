use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use super::{Database, eventually};

/// Retries that do not keep a test waiting.
const FAST_RETRIES: [&str; 4] = ["--backoff-first", "0.02", "--backoff-factor", "1"];

/// A running `mission-control`, killed when it goes out of scope.
pub struct Process {
    child: Child,
    /// What follows `marker` in the first line that has it.
    pub address: String,
    /// The lines that it wrote to standard error since.
    complaints: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts one and waits until a line of its output tells its address.
    pub async fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::try_start(arguments, environment)
            .await
            .unwrap_or_else(|error| panic!("{arguments:?} did not start: {error}"))
    }

    /// The same, giving what it wrote to standard error where it ends instead.
    pub async fn try_start(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Self, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mission-control"));
        command.args(arguments).env_remove("DATABASE_URL").envs(environment.iter().copied()).env("MC_LOG", "warn");
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().expect("the binary runs");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(at) = line.find("http://") {
                let address = line[at..].split([',', ' ']).next().unwrap_or_default().to_owned();
                // Whatever else it says must not fill the pipes.
                let mut errors = BufReader::new(child.stderr.take().expect("a pipe")).lines();
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                let complaints = Arc::new(Mutex::new(Vec::new()));
                let shared = complaints.clone();
                tokio::spawn(async move {
                    while let Ok(Some(line)) = errors.next_line().await {
                        println!("{line}");
                        shared.lock().expect("a lock").push(line);
                    }
                });
                return Ok(Self { child, address, complaints });
            }
        }
        let mut errors = String::new();
        drop(child.stderr.take().expect("a pipe").read_to_string(&mut errors).await);
        drop(child.wait().await);
        Err(errors)
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id().expect("it runs")).expect("a process id")
    }

    /// How much memory it holds, in MiB.
    pub fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a size");
        line.split_whitespace().nth(1).and_then(|size| size.parse::<usize>().ok()).expect("a number") / 1024
    }

    /// Fails if it has complained of a panic or a request of its own fault.
    #[track_caller]
    pub fn expect_no_fault(&self) {
        let complaints = self.complaints.lock().expect("a lock");
        let faults: Vec<_> =
            complaints.iter().filter(|line| line.contains("panic") || line.contains("a request failed")).collect();
        assert!(faults.is_empty(), "{faults:?}");
    }

    pub fn signal(&self, which: Signal) {
        signal::kill(Pid::from_raw(self.pid()), which).expect("it runs");
    }

    /// `kill -9`.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it runs");
    }

    /// Waits for its end. Gives the exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let status =
            tokio::time::timeout(super::PATIENCE, self.child.wait()).await.expect("it ends").expect("a status");
        status.code()
    }
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.text().await.expect("a body") }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The names of the fields that a 422 complains of.
    pub fn fields(&self) -> Vec<String> {
        let json = self.json();
        json["errors"]
            .as_array()
            .expect("errors")
            .iter()
            .map(|error| error["field"].as_str().expect("a field").to_owned())
            .collect()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

/// A server with its project `default`.
pub struct Server<P = Process> {
    pub process: P,
    pub http: reqwest::Client,
    address: String,
}

impl Server {
    pub async fn start(database: &Database) -> Self {
        Self::with(database, &[]).await
    }

    pub async fn with(database: &Database, arguments: &[&str]) -> Self {
        Self::on(&database.url(), arguments).await
    }

    pub async fn on(url: &str, arguments: &[&str]) -> Self {
        let fast = if arguments.contains(&"--backoff-first") { &[][..] } else { &FAST_RETRIES[..] };
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], fast, arguments].concat();
        Self::of(Process::start(&arguments, &[("DATABASE_URL", url)]).await)
    }

    pub fn of(process: Process) -> Self {
        let address = process.address.clone();
        Self { process, http: client(), address }
    }
}

impl Server<()> {
    /// One that runs elsewhere.
    pub fn at(address: String) -> Self {
        Self { process: (), http: client(), address }
    }
}

fn client() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    client.build().expect("a client")
}

impl<P> Server<P> {
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(self.url(path))).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, body.to_string()).await
    }

    pub async fn post_text(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        Answer::of(self.http.post(self.url(path)).header("content-type", "application/json").body(body)).await
    }

    pub async fn queue(&self, body: &Value) -> Answer {
        self.queue_text(body.to_string()).await
    }

    pub async fn queue_text(&self, body: impl Into<reqwest::Body>) -> Answer {
        self.post_text("/v1/api/default/eventing/queue", body).await
    }

    /// Registers a trigger with whatever else is given.
    pub async fn trigger(&self, name: &str, event_type: &str, url: &str, more: Value) {
        let mut body = json!({"type": event_type, "url": url});
        for (key, value) in more.as_object().expect("an object") {
            body[key] = value.clone();
        }
        self.post(&format!("/v1/config/projects/default/eventing/triggers/{name}"), &body).await.expect(200);
    }

    pub async fn delete_trigger(&self, name: &str) -> Answer {
        Answer::of(self.http.delete(self.url(&format!("/v1/config/projects/default/eventing/triggers/{name}")))).await
    }
}

/// A port that nothing listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

/// Waits until no delivery of a database is pending.
pub async fn settled(database: &Database) {
    eventually("an empty queue", async || (database.count("select count(*) from queue").await == 0).then_some(()))
        .await;
}

/// Gives other tasks a moment in which something must not happen.
pub async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}
