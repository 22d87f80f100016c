//! The embedded PostgreSQL: the machine's own binaries, run on a folder of ours, reachable through a Unix socket only.
//!
//! One `mission-control` owns a data folder at a time, by a lock that the kernel drops with the process. So a PostgreSQL
//! that still runs there belongs to a process that was killed; it is stopped, and what it left behind is recovered by
//! PostgreSQL itself at the next start. PostgreSQL refuses to run as root; as root it is run as another user.

use std::fs::{self, File, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::{Pid, User, geteuid};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const DATABASE: &str = "mission_control";
const SUPERUSER: &str = "mission_control";

/// Settings of the server and why. Everything else is PostgreSQL's default: fsync and full_page_writes are on.
const SETTINGS: [(&str, &str); 11] = [
    ("listen_addresses", ""),             // the Unix socket only
    ("unix_socket_permissions", "0700"),  // for the user it runs as, and root
    ("max_connections", "100"),           // a node needs 19 by default
    ("shared_buffers", "128MB"),          // holds the hot table many times over; small machines stay usable
    ("max_wal_size", "2GB"),              // fewer checkpoints under load
    ("checkpoint_timeout", "15min"),      // the same
    ("wal_compression", "on"),            // full-page images shrink to a third
    ("random_page_cost", "1.1"),          // SSDs
    ("jit", "off"),                       // short statements: compiling one takes longer than running it
    ("log_checkpoints", "off"),           // the log is for what needs a person
    ("log_min_error_statement", "panic"), // the same: thousands of events can be in a statement that failed
];

/// Settings that older versions do not know: the major version that brought each, name and value.
const NEWER_SETTINGS: [(u32, &str, &str); 1] = [
    // After a crash everything is written to disk first: by one call instead of one for each of a thousand files, which
    // takes seconds.
    (14, "recovery_init_sync_method", "syncfs"),
];

/// A log that is larger when PostgreSQL starts, in bytes, is put aside.
const LARGEST_LOG: u64 = 16 * 1024 * 1024;
/// How long PostgreSQL may take from start to its first answer; recovery after a crash included.
const START_TIMEOUT: Duration = Duration::from_secs(300);
/// How long it may take to stop before it is stopped harder.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// Why the embedded PostgreSQL does not run, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error(
        "No PostgreSQL server is installed on this machine. Install it (Debian: apt-get install postgresql), or name a database with --database-url."
    )]
    NoBinaries,
    #[error(
        "Another mission-control uses the data folder {0}. Stop it, choose another --data-dir, or give all nodes one database with --database-url."
    )]
    InUse(PathBuf),
    #[error(
        "PostgreSQL does not run as root, and its user {user} cannot enter {folder}. Choose a --data-dir that every user can reach, such as /var/lib/mission-control, or run chmod o+x on that folder."
    )]
    Unreachable { user: String, folder: PathBuf },
    #[error(
        "PostgreSQL does not run as root, and this machine has neither a user postgres nor a user nobody to run it as."
    )]
    NoUser,
    #[error(
        "The data folder {folder} holds a database of PostgreSQL {found}, and this machine has version {installed}. Install version {found}, or choose another --data-dir."
    )]
    Version { folder: PathBuf, found: String, installed: String },
    #[error("{what} failed: {output}")]
    Failed { what: &'static str, output: String },
    #[error("PostgreSQL did not start; the end of {log} says: {tail}")]
    NotStarted { log: PathBuf, tail: String },
    #[error("{doing}: {source}")]
    Io { doing: String, source: io::Error },
    #[error("The embedded PostgreSQL answers with an error: {0}")]
    Sql(#[from] sqlx::Error),
}

/// A running PostgreSQL, watched and restarted until it is stopped.
pub struct Embedded {
    options: PgConnectOptions,
    stop: CancellationToken,
    supervisor: JoinHandle<()>,
    /// Held while this process lives.
    _lock: File,
}

impl Embedded {
    /// Starts the PostgreSQL of a data folder, and creates both where they do not exist yet.
    pub async fn start(data_dir: &Path) -> Result<Self, EmbeddedError> {
        Self::start_with(data_dir, &[]).await
    }

    /// The same with further settings of PostgreSQL, name and value.
    pub async fn start_with(data_dir: &Path, settings: &[(&str, &str)]) -> Result<Self, EmbeddedError> {
        let mut server = Server::prepare(data_dir, settings)?;
        server.add_newer_settings().await?;
        let lock = lock(&server.data_dir)?;
        server.stop_orphan().await?;
        server.init().await?;
        let mut child = server.spawn()?;
        if let Err(error) = server.wait_until_ready(&mut child).await {
            terminate(&mut child).await;
            return Err(error);
        }
        let options = server.options(DATABASE);
        let stop = CancellationToken::new();
        let supervisor = tokio::spawn(supervise(server, child, stop.clone()));
        Ok(Self { options, stop, supervisor, _lock: lock })
    }

    /// Where to connect.
    pub fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// Stops PostgreSQL: open transactions are rolled back, everything committed is on disk.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.supervisor.await {
            tracing::error!(%error, "the supervisor of PostgreSQL failed");
        }
    }
}

/// Where things are and who runs them.
struct Server {
    binaries: PathBuf,
    data_dir: PathBuf,
    cluster: PathBuf,
    sockets: PathBuf,
    log: PathBuf,
    /// User and group to run PostgreSQL as; `None`: as this process.
    account: Option<User>,
    /// Name and value.
    settings: Vec<(String, String)>,
}

impl Server {
    fn prepare(data_dir: &Path, settings: &[(&str, &str)]) -> Result<Self, EmbeddedError> {
        let binaries = find_binaries().ok_or(EmbeddedError::NoBinaries)?;
        let account = if geteuid().is_root() { Some(unprivileged_user().ok_or(EmbeddedError::NoUser)?) } else { None };
        fs::create_dir_all(data_dir).map_err(|source| doing("creating the data folder", data_dir, source))?;
        let data_dir =
            data_dir.canonicalize().map_err(|source| doing("looking up the data folder", data_dir, source))?;
        if let Some(account) = &account {
            check_reachable(&data_dir, account)?;
        }
        let sockets = socket_folder(&data_dir);
        let server = Self {
            binaries,
            cluster: data_dir.join("postgres"),
            sockets,
            log: data_dir.join("postgres.log"),
            data_dir,
            account,
            settings: SETTINGS.iter().chain(settings).map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        };
        server.own_folder(&server.sockets)?;
        Ok(server)
    }

    /// A folder that only PostgreSQL's user can enter.
    fn own_folder(&self, folder: &Path) -> Result<(), EmbeddedError> {
        let owner = self.account.as_ref().map_or(geteuid(), |account| account.uid);
        match fs::create_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // In a folder for temporary files somebody else may have been first.
                let found = fs::symlink_metadata(folder).map_err(|source| doing("looking at", folder, source))?;
                if !found.is_dir() || ![owner.as_raw(), geteuid().as_raw()].contains(&found.uid()) {
                    return Err(doing(
                        "using",
                        folder,
                        io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to somebody else"),
                    ));
                }
            }
            other => other.map_err(|source| doing("creating", folder, source))?,
        }
        if let Some(account) = &self.account {
            chown(folder, Some(account.uid.as_raw()), Some(account.gid.as_raw()))
                .map_err(|source| doing("handing over", folder, source))?;
        }
        fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(|source| doing("closing", folder, source))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        // Its own process group: Ctrl-C in a terminal is for this process, which then stops PostgreSQL in good order.
        command.current_dir(&self.sockets).stdin(Stdio::null()).process_group(0);
        if let Some(account) = &self.account {
            command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
        }
        command
    }

    /// Creates the cluster once, beside its final place, so that an interrupted attempt leaves nothing half done.
    async fn init(&self) -> Result<(), EmbeddedError> {
        if let Ok(found) = fs::read_to_string(self.cluster.join("PG_VERSION")) {
            let installed = self.version().await?;
            if found.trim() != installed {
                return Err(EmbeddedError::Version {
                    folder: self.data_dir.clone(),
                    found: found.trim().to_owned(),
                    installed,
                });
            }
            return Ok(());
        }
        tracing::info!(folder = %self.cluster.display(), "creating the database");
        let fresh = self.data_dir.join("postgres.new");
        if fresh.exists() {
            fs::remove_dir_all(&fresh).map_err(|source| doing("removing an unfinished", &fresh, source))?;
        }
        self.own_folder(&fresh)?;
        let output = self
            .command("initdb")
            .arg("--pgdata")
            .arg(&fresh)
            // Locale C compares text by its bytes: faster, and the same after every upgrade of the C library.
            .args(["--username", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions"])
            .output()
            .await
            .map_err(|source| doing("running", &self.binaries.join("initdb"), source))?;
        if !output.status.success() {
            let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(EmbeddedError::Failed { what: "Creating the database (initdb)", output });
        }
        fs::rename(&fresh, &self.cluster).map_err(|source| doing("moving into place", &fresh, source))
    }

    /// Before the others, so that those that were asked for win.
    async fn add_newer_settings(&mut self) -> Result<(), EmbeddedError> {
        let version = self.version().await?.parse().unwrap_or(0);
        let known = NEWER_SETTINGS.iter().filter(|(since, ..)| *since <= version);
        self.settings.splice(0..0, known.map(|(_, name, value)| ((*name).into(), (*value).into())));
        Ok(())
    }

    /// The installed major version.
    async fn version(&self) -> Result<String, EmbeddedError> {
        let output = self
            .command("postgres")
            .arg("--version")
            .output()
            .await
            .map_err(|source| doing("running", &self.binaries.join("postgres"), source))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let number =
            text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).unwrap_or_default();
        Ok(number.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().to_owned())
    }

    /// Stops the PostgreSQL that a killed process left running, and removes the lock file of one that was killed itself
    /// and whose process id has been taken by another program since (usual in containers).
    async fn stop_orphan(&self) -> Result<(), EmbeddedError> {
        let pid_file = self.cluster.join("postmaster.pid");
        let Ok(content) = fs::read_to_string(&pid_file) else { return Ok(()) };
        let pid = content.lines().next().and_then(|line| line.trim().parse::<i32>().ok()).filter(|pid| *pid > 1);
        let Some(pid) = pid.filter(|pid| self.is_our_postgres(*pid)) else {
            tracing::info!("removing the lock file of a PostgreSQL that is gone");
            return fs::remove_file(&pid_file).map_err(|source| doing("removing", &pid_file, source));
        };
        tracing::info!(pid, "stopping the PostgreSQL that an earlier process left running");
        let pid = Pid::from_raw(pid);
        for (signal, patience) in [(Signal::SIGINT, STOP_TIMEOUT), (Signal::SIGQUIT, STOP_TIMEOUT)] {
            // Gone in between is what is wanted.
            let _ = signal::kill(pid, signal);
            let deadline = tokio::time::Instant::now() + patience;
            while tokio::time::Instant::now() < deadline {
                if signal::kill(pid, None).is_err() {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Err(EmbeddedError::InUse(self.data_dir.clone()))
    }

    fn is_our_postgres(&self, pid: i32) -> bool {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
        let folder = fs::read_link(process.join("cwd")).unwrap_or_default();
        name.trim() == "postgres" && folder == self.cluster
    }

    fn spawn(&self) -> Result<Child, EmbeddedError> {
        // One older log beside it. Where it cannot be moved, it grows.
        if fs::metadata(&self.log).is_ok_and(|log| log.len() > LARGEST_LOG) {
            drop(fs::rename(&self.log, self.log.with_extension("log.1")));
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(|source| doing("opening", &self.log, source))?;
        let also_log = log.try_clone().map_err(|source| doing("opening", &self.log, source))?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(&self.cluster).arg("-k").arg(&self.sockets).stdout(log).stderr(also_log);
        for (name, value) in &self.settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command.spawn().map_err(|source| doing("running", &self.binaries.join("postgres"), source))
    }

    fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass().socket(&self.sockets).username(SUPERUSER).database(database)
    }

    async fn wait_until_ready(&self, child: &mut Child) -> Result<(), EmbeddedError> {
        let deadline = tokio::time::Instant::now() + START_TIMEOUT;
        loop {
            match self.options("postgres").connect().await {
                Ok(mut connection) => {
                    let exists =
                        sqlx::query_scalar!("select exists (select from pg_database where datname = $1)", DATABASE)
                            .fetch_one(&mut connection)
                            .await?;
                    if exists != Some(true) {
                        sqlx::query("create database mission_control").execute(&mut connection).await?;
                    }
                    return Ok(connection.close().await?);
                }
                Err(error) => {
                    let exited = child.try_wait().map_err(|source| doing("watching", &self.cluster, source))?.is_some();
                    if exited || tokio::time::Instant::now() > deadline {
                        tracing::debug!(%error, "no connection to PostgreSQL");
                        return Err(EmbeddedError::NotStarted { log: self.log.clone(), tail: tail(&self.log) });
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
}

async fn supervise(server: Server, mut child: Child, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return terminate(&mut child).await,
            status = child.wait() => tracing::error!(?status, log = %server.log.display(), "PostgreSQL ended by itself; starting it again"),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        child = loop {
            // Killed with SIGKILL, its children may live on for a moment and hold the shared memory.
            match server.spawn() {
                Ok(child) => break child,
                Err(error) => tracing::error!(%error, "PostgreSQL cannot be started; trying again"),
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        };
    }
}

/// Fast shutdown, and where that takes too long an immediate one. Source: PostgreSQL manual, "Shutting Down the Server".
async fn terminate(child: &mut Child) {
    let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) else { return };
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        let _ = signal::kill(Pid::from_raw(pid), signal);
        if tokio::time::timeout(STOP_TIMEOUT, child.wait()).await.is_ok() {
            return;
        }
    }
    drop(child.kill().await);
}

fn lock(data_dir: &Path) -> Result<File, EmbeddedError> {
    let path = data_dir.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| doing("opening", &path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(EmbeddedError::InUse(data_dir.to_owned())),
        Err(fs::TryLockError::Error(source)) => Err(doing("locking", &path, source)),
    }
}

/// The folder of PostgreSQL's server programs: on the PATH, as `pg_config` says, or where distributions put them, the
/// newest first.
pub fn find_binaries() -> Option<PathBuf> {
    let is_server = |folder: &PathBuf| folder.join("postgres").is_file() && folder.join("initdb").is_file();
    let on_path: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    if let Some(found) = on_path.into_iter().find(is_server) {
        return Some(found);
    }
    if let Ok(output) = std::process::Command::new("pg_config").arg("--bindir").output() {
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        if is_server(&folder) {
            return Some(folder);
        }
    }
    let mut versions: Vec<(u32, PathBuf)> = Vec::new();
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/usr/local", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql@"),
    ] {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(version) = name.strip_prefix(prefix).and_then(|version| version.parse().ok()) {
                versions.push((version, entry.path().join("bin")));
            }
        }
    }
    versions.sort();
    versions.into_iter().rev().map(|(_, folder)| folder).find(is_server)
}

fn unprivileged_user() -> Option<User> {
    ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).ok().flatten())
}

/// Whether a user can walk down to a folder, by the permission bits of all folders on the way.
fn check_reachable(folder: &Path, user: &User) -> Result<(), EmbeddedError> {
    for step in folder.ancestors() {
        let found = fs::metadata(step).map_err(|source| doing("looking at", step, source))?;
        let bit = match () {
            () if found.uid() == user.uid.as_raw() => 0o100,
            () if found.gid() == user.gid.as_raw() => 0o010,
            () => 0o001,
        };
        if found.mode() & bit == 0 {
            return Err(EmbeddedError::Unreachable { user: user.name.clone(), folder: step.to_owned() });
        }
    }
    Ok(())
}

/// The folder of the socket: in the data folder, or for temporary files where the path would be too long for a socket
/// (107 bytes, unix(7)).
fn socket_folder(data_dir: &Path) -> PathBuf {
    let beside = data_dir.join("socket");
    if beside.as_os_str().len() + "/.s.PGSQL.5432.lock".len() <= 100 {
        return beside;
    }
    let mut hasher = DefaultHasher::new();
    data_dir.hash(&mut hasher);
    std::env::temp_dir().join(format!("mission-control-{:016x}", hasher.finish()))
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
}

fn doing(what: &str, path: &Path, source: io::Error) -> EmbeddedError {
    EmbeddedError::Io { doing: format!("{what} {}", path.display()), source }
}
