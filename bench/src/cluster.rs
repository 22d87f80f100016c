//! The PostgreSQL of a run, fresh, and the nodes on it; what both have used of the machine so far.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use server::store::embedded::Embedded;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A PostgreSQL as the product itself starts it, in a folder that goes with it.
pub struct Cluster {
    embedded: Option<Embedded>,
    folder: TempDir,
    counts_statements: bool,
}

impl Cluster {
    pub async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("mission-control-bench-")
            // PostgreSQL runs as another user where this is root.
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir()?;
        let extension = std::fs::read_dir("/usr/share/postgresql").into_iter().flatten().flatten();
        let counts_statements = extension
            .map(|version| version.path().join("extension/pg_stat_statements.control"))
            .any(|file| file.exists());
        let more: &[_] = if counts_statements { &[("shared_preload_libraries", "pg_stat_statements")] } else { &[] };
        let embedded = Embedded::start_with(&folder.path().join("data"), more).await?;
        Ok(Self { embedded: Some(embedded), folder, counts_statements })
    }

    fn options(&self) -> Result<PgConnectOptions> {
        self.embedded.as_ref().map(Embedded::options).ok_or_else(|| anyhow!("PostgreSQL is stopped"))
    }

    /// A new database, empty: the first node on it brings the schema.
    pub async fn database(&self, name: &str) -> Result<Database> {
        let admin = PgPoolOptions::new().max_connections(1).connect_with(self.options()?).await?;
        sqlx::query(sqlx::AssertSqlSafe(format!("drop database if exists {name} with (force)")))
            .execute(&admin)
            .await?;
        sqlx::query(sqlx::AssertSqlSafe(format!("create database {name}"))).execute(&admin).await?;
        admin.close().await;
        let options = self.options()?.database(name);
        let sockets = options.get_socket().cloned().context("PostgreSQL listens on a socket")?;
        let pool = PgPoolOptions::new().max_connections(2).connect_with(options).await?;
        if self.counts_statements {
            sqlx::query("create extension pg_stat_statements").execute(&pool).await?;
        }
        let postmaster = std::fs::read_to_string(self.folder.path().join("data/postgres/postmaster.pid"))?;
        let postmaster = postmaster.lines().next().unwrap_or_default().trim().parse()?;
        Ok(Database { pool, name: name.to_owned(), sockets, postmaster, counts_statements: self.counts_statements })
    }

    pub async fn stop(mut self) {
        if let Some(embedded) = self.embedded.take() {
            embedded.stop().await;
        }
    }
}

/// One database of the cluster.
pub struct Database {
    pub pool: PgPool,
    pub name: String,
    pub sockets: PathBuf,
    postmaster: i32,
    counts_statements: bool,
}

impl Database {
    pub fn url(&self) -> String {
        format!("postgres:///{}?host={}&user=mission_control", self.name, self.sockets.display())
    }

    /// One number.
    pub async fn number(&self, sql: &'static str) -> Result<i64> {
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }

    pub async fn execute(&self, sql: &str) -> Result<()> {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&self.pool).await?;
        Ok(())
    }

    /// Waits until nothing is pending any more.
    pub async fn settled(&self) -> Result<()> {
        for _ in 0..3_000 {
            if self.number("select count(*) from (select from queue limit 1) as few").await? == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("deliveries are still pending after 30 s")
    }

    /// What PostgreSQL has done so far for this database.
    pub async fn work(&self) -> Result<Work> {
        // Backends tell their counts about once a second.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let commits =
            self.number("select xact_commit::bigint from pg_stat_database where datname = current_database()").await?;
        let wal_bytes = self.number("select (pg_current_wal_lsn() - '0/0')::bigint").await?;
        let statements = if self.counts_statements {
            let sql = "select coalesce(sum(calls), 0)::bigint from pg_stat_statements s
                        join pg_database d on d.oid = s.dbid and d.datname = current_database()";
            Some(self.number(sql).await?)
        } else {
            None
        };
        Ok(Work { cpu: tree_cpu(self.postmaster)?, commits, wal_bytes, statements })
    }
}

/// Sums since PostgreSQL started.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    pub cpu: Duration,
    pub commits: i64,
    pub wal_bytes: i64,
    /// `None`: the extension pg_stat_statements is not installed.
    pub statements: Option<i64>,
}

/// A running `mission-control serve`, killed when it goes out of scope.
pub struct Node {
    child: Child,
    pub address: SocketAddr,
}

impl Node {
    pub async fn start(binary: &Path, database_url: &str) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--database-url", database_url, "--log", "warn"]);
        let mut child = command
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", binary.display()))?;
        let mut lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
        while let Some(line) = lines.next_line().await? {
            if let Some((_, address)) = line.split_once("http://") {
                return Ok(Self { child, address: address.trim().parse()? });
            }
        }
        bail!("the server ended before it said where it listens")
    }

    fn pid(&self) -> Result<i32> {
        Ok(self.child.id().context("the server has ended")?.try_into()?)
    }

    pub fn cpu(&self) -> Result<Duration> {
        Ok(stat(self.pid()?)?.0)
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// Stops it in good order.
    pub async fn stop(mut self) -> Result<()> {
        signal::kill(Pid::from_raw(self.pid()?), Signal::SIGTERM)?;
        let status = self.child.wait().await?;
        if !status.success() {
            bail!("the server ended with {status}");
        }
        Ok(())
    }
}

/// CPU time of a process and of its ended children, and its parent. Source: proc(5).
fn stat(pid: i32) -> Result<(Duration, i32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may hold spaces and brackets; the last bracket ends it.
    let (_, rest) = text.rsplit_once(')').context("an unreadable /proc/PID/stat")?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let ticks: u64 = (11..15).map(number).sum();
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?.unwrap_or(100) as f64;
    Ok((Duration::from_secs_f64(ticks as f64 / per_second), number(1) as i32))
}

/// CPU time of a process and all its children.
fn tree_cpu(parent: i32) -> Result<Duration> {
    let mut total = stat(parent)?.0;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        if let Ok(pid) = entry.file_name().to_string_lossy().parse()
            && let Ok((cpu, of)) = stat(pid)
            && of == parent
        {
            total += cpu;
        }
    }
    Ok(total)
}
