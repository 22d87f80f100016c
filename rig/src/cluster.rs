//! The PostgreSQL of a run, fresh, its databases, and what it has used of the machine so far.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use server::store::embedded::Embedded;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use tempfile::TempDir;

use crate::proc;

/// A PostgreSQL as the product itself starts it, in a folder that goes with it.
pub struct Cluster {
    embedded: Option<Embedded>,
    folder: TempDir,
    settings: Vec<(String, String)>,
    counts_statements: bool,
}

impl Cluster {
    /// `settings` of PostgreSQL besides those of the product, name and value.
    pub async fn start(settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_in(&std::env::temp_dir(), settings).await
    }

    /// The same with its folder in another one than that for temporary files.
    pub async fn start_in(parent: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("mission-control-rig-")
            // PostgreSQL runs as another user where this is root.
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir_in(parent)?;
        let extension = std::fs::read_dir("/usr/share/postgresql").into_iter().flatten().flatten();
        let counts_statements = extension
            .map(|version| version.path().join("extension/pg_stat_statements.control"))
            .any(|file| file.exists());
        let mut settings: Vec<_> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if counts_statements {
            settings.push(("shared_preload_libraries".to_owned(), "pg_stat_statements".to_owned()));
        }
        let mut cluster = Self { embedded: None, folder, settings, counts_statements };
        cluster.resume().await?;
        Ok(cluster)
    }

    fn options(&self) -> Result<PgConnectOptions> {
        self.embedded.as_ref().map(Embedded::options).ok_or_else(|| anyhow!("PostgreSQL is stopped"))
    }

    /// A new database, empty: the first node on it brings the schema.
    pub async fn database(&self, name: &str) -> Result<Database> {
        self.remove(name).await?;
        self.run(format!("create database {name}")).await?;
        let options = self.options()?.database(name);
        let sockets = options.get_socket().cloned().context("PostgreSQL listens on a socket")?;
        let pool = PgPoolOptions::new().max_connections(2).connect_with(options).await?;
        if self.counts_statements {
            sqlx::query("create extension pg_stat_statements").execute(&pool).await?;
        }
        let postmaster = self.postmaster()?;
        Ok(Database { pool, name: name.to_owned(), sockets, postmaster, counts_statements: self.counts_statements })
    }

    /// Runs a statement over a connection of its own.
    pub async fn execute(&self, sql: &'static str) -> Result<()> {
        self.run(sql.to_owned()).await
    }

    /// Drops a database, if it is there, so that PostgreSQL has no work with it any more.
    pub async fn remove(&self, name: &str) -> Result<()> {
        self.run(format!("drop database if exists {name} with (force)")).await
    }

    async fn run(&self, sql: String) -> Result<()> {
        let mut connection = PgConnection::connect_with(&self.options()?).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// Stops it in good order; the folder stays, so that it can start again.
    pub async fn pause(&mut self) {
        if let Some(embedded) = self.embedded.take() {
            embedded.stop().await;
        }
    }

    /// Starts it again on the same folder.
    pub async fn resume(&mut self) -> Result<()> {
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.embedded = Some(Embedded::start_with(&self.folder.path().join("data"), &settings).await?);
        Ok(())
    }

    /// `kill -9` of every process of it at once. It is started again after half a second. Gives how many were killed.
    pub fn kill(&self) -> Result<usize> {
        proc::kill_tree(self.postmaster()?)
    }

    fn postmaster(&self) -> Result<i32> {
        let content = std::fs::read_to_string(self.folder.path().join("data/postgres/postmaster.pid"))?;
        Ok(content.lines().next().unwrap_or_default().trim().parse()?)
    }

    pub async fn stop(mut self) {
        self.pause().await;
    }
}

impl Drop for Cluster {
    /// Where a failure left it running.
    fn drop(&mut self) {
        if let (Some(embedded), Ok(runtime)) = (self.embedded.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(embedded.stop());
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
    pub async fn settled(&self, patience: Duration) -> Result<()> {
        self.until_none("select count(*) from (select from queue limit 1) as few", patience).await
    }

    /// Waits until deliveries that a statement counts are no longer pending.
    pub async fn until_none(&self, pending: &'static str, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        while self.number(pending).await? > 0 {
            if Instant::now() > deadline {
                bail!("deliveries are still pending after {patience:?}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
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
        Ok(Work { cpu: proc::tree_cpu(self.postmaster)?, commits, wal_bytes, statements })
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
