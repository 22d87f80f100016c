//! A node as it runs in earnest: a process of its own that can be killed, frozen and started again.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::proc;

/// How a node is started.
#[derive(Clone, Debug)]
pub struct Program {
    binary: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log: Option<PathBuf>,
}

impl Program {
    /// `mission-control serve` on a database.
    pub fn serving(binary: &Path, database_url: &str) -> Self {
        let arguments = ["serve", "--database-url", database_url, "--log", "warn"].map(str::to_owned).into();
        Self { binary: binary.to_owned(), arguments, environment: Vec::new(), log: None }
    }

    /// Further flags.
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Its clock is off by so much, such as `+1h`, by libfaketime.
    pub fn with_clock(mut self, offset: &str) -> Self {
        let preload = "/usr/$LIB/faketime/libfaketime.so.1";
        self.environment.extend([("LD_PRELOAD", preload), ("FAKETIME", offset)].map(|(k, v)| (k.into(), v.into())));
        self
    }

    /// What it logs goes to the end of this file rather than to this process's standard error.
    pub fn logging_to(mut self, file: PathBuf) -> Self {
        self.log = Some(file);
        self
    }

    fn spawn(&self, listen: SocketAddr) -> Result<Child> {
        let mut command = Command::new(&self.binary);
        command.args(&self.arguments).arg("--listen").arg(listen.to_string());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(log) = &self.log {
            command.stderr(File::options().create(true).append(true).open(log)?);
        }
        let spawned = command.stdout(Stdio::piped()).kill_on_drop(true).spawn();
        spawned.with_context(|| format!("cannot run {}", self.binary.display()))
    }
}

/// A running `mission-control serve`, killed when it goes out of scope.
pub struct Node {
    program: Program,
    child: Child,
    pub address: SocketAddr,
}

impl Node {
    /// Starts one on a port that is free, and waits until it listens.
    pub async fn start(program: Program) -> Result<Self> {
        Self::start_on(program, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    async fn start_on(program: Program, listen: SocketAddr) -> Result<Self> {
        let mut child = program.spawn(listen)?;
        let mut lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
        while let Some(line) = lines.next_line().await? {
            if let Some((_, address)) = line.split_once("http://") {
                let address = address.trim().parse()?;
                // Whatever else it says must not fill the pipe.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Ok(Self { program, child, address });
            }
        }
        bail!("the server ended before it said where it listens")
    }

    /// Starts it again, at the same address. Whatever still runs of it is killed.
    pub async fn restart(&mut self) -> Result<()> {
        if self.runs()? {
            self.kill().await?;
        }
        *self = Self::start_on(self.program.clone(), self.address).await?;
        Ok(())
    }

    fn pid(&self) -> Result<i32> {
        Ok(self.child.id().context("the server has ended")?.try_into()?)
    }

    /// Whether it has not ended.
    pub fn runs(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    pub fn signal(&self, which: Signal) -> Result<()> {
        Ok(signal::kill(Pid::from_raw(self.pid()?), which)?)
    }

    /// `kill -9`, and waits for its end.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    pub fn cpu(&self) -> Result<Duration> {
        Ok(proc::stat(self.pid()?)?.0)
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> Result<u64> {
        proc::resident(self.pid()?)
    }

    /// Stops it in good order.
    pub async fn stop(mut self) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        let status = self.ended().await?;
        if !status.success() {
            bail!("the server ended with {status}");
        }
        Ok(())
    }
}
