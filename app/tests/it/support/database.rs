use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::unistd::{User, geteuid};
use server::store::embedded::Embedded;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The PostgreSQL of this test run; without autovacuum, so that nothing but the tests and what they test works in it.
/// Its runtime lives as long as the process does.
static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| {
    std::thread::spawn(|| {
        let runtime = Box::leak(Box::new(tokio::runtime::Runtime::new().expect("a runtime")));
        let folder = std::env::temp_dir().join(format!("mission-control-it-{}", std::process::id()));
        let embedded =
            runtime.block_on(Embedded::start_with(&folder, &[("autovacuum", "off")])).expect("PostgreSQL starts");
        let options = embedded.options();
        std::mem::forget(embedded);
        stop_with_this_process(&folder);
        Cluster { options, folder }
    })
    .join()
    .expect("PostgreSQL starts")
});

struct Cluster {
    options: PgConnectOptions,
    folder: PathBuf,
}

/// However this process ends, its end closes a pipe, and that stops PostgreSQL.
fn stop_with_this_process(folder: &Path) {
    let script = "cat > /dev/null; kill -INT $(head -n 1 \"$0/postgres/postmaster.pid\"); sleep 2; rm -rf \"$0\"";
    let mut watchdog = Command::new("sh");
    watchdog.arg("-c").arg(script).arg(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut watchdog, 0);
    std::mem::forget(watchdog.spawn().expect("sh runs"));
}

/// A database of a test's own.
pub struct Database {
    pub pool: PgPool,
    name: String,
}

impl Database {
    pub async fn fresh() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("it_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let cluster = tokio::task::spawn_blocking(|| &*CLUSTER).await.expect("PostgreSQL starts");
        let admin =
            PgPoolOptions::new().max_connections(1).connect_with(cluster.options.clone()).await.expect("a connection");
        sqlx::query(sqlx::AssertSqlSafe(format!("create database {name}"))).execute(&admin).await.expect("a database");
        admin.close().await;
        let pool = PgPoolOptions::new().max_connections(2).connect_lazy_with(cluster.options.clone().database(&name));
        Self { pool, name }
    }

    pub fn url(&self) -> String {
        self.url_through(&CLUSTER.folder.join("socket"))
    }

    fn url_through(&self, sockets: &Path) -> String {
        format!("postgres:///{}?host={}&user=mission_control", self.name, sockets.display())
    }

    /// One number.
    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect("a count")
    }

    /// How many statements are in PostgreSQL's log.
    pub fn logged_statements(&self) -> usize {
        let log = std::fs::read_to_string(CLUSTER.folder.join("postgres.log")).expect("a log");
        log.lines().filter(|line| line.contains("LOG:  execute ") || line.contains("LOG:  statement: ")).count()
    }

    pub async fn execute(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.pool).await.expect("a statement");
    }
}

/// A way to a database that can be cut.
pub struct Cut {
    folder: PathBuf,
    pub url: String,
    proxy: Option<tokio::task::JoinHandle<()>>,
    frozen: watch::Sender<bool>,
}

impl Cut {
    pub async fn new(database: &Database) -> Self {
        let folder = std::env::temp_dir().join(format!("mission-control-cut-{}-{}", std::process::id(), database.name));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (url, frozen) = (database.url_through(&folder), watch::Sender::new(false));
        let mut cut = Self { url, folder, proxy: None, frozen };
        cut.mend();
        cut
    }

    /// Keeps every connection and says nothing more on it, as a machine that was switched off.
    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// Speaks again, on new connections.
    pub fn thaw(&self) {
        self.frozen.send_replace(false);
    }

    /// Closes every connection and takes no new one.
    pub async fn cut(&mut self) {
        if let Some(proxy) = self.proxy.take() {
            proxy.abort();
            drop(proxy.await);
        }
        drop(std::fs::remove_file(self.socket()));
    }

    pub fn mend(&mut self) {
        let listener = UnixListener::bind(self.socket()).expect("a socket");
        let frozen = self.frozen.subscribe();
        self.proxy = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let mut frozen = frozen.clone();
                connections.spawn(async move {
                    if let Ok(mut far) = UnixStream::connect(CLUSTER.folder.join("socket/.s.PGSQL.5432")).await {
                        let is_frozen = tokio::select! {
                            biased;
                            is_frozen = async { frozen.wait_for(|frozen| *frozen).await.is_ok() } => is_frozen,
                            _ = copy_bidirectional(&mut near, &mut far) => false,
                        };
                        if is_frozen {
                            std::future::pending::<()>().await;
                        }
                    }
                });
            }
        }));
    }

    fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// A folder for an embedded PostgreSQL of a test's own, which its user can reach.
pub fn data_dir(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("mission-control-it-{}-{name}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).expect("a folder");
    assert!(!geteuid().is_root() || User::from_name("postgres").is_ok());
    folder
}
