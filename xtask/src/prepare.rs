use anyhow::{Context, Result};

use crate::shell::{command, execute, step};

const SCRATCH: &str = "mission_control_prepare";

/// Records what the compile-time checks of SQL need, from a scratch database with all migrations.
pub fn run() -> Result<()> {
    let server = std::env::var("DATABASE_URL").context(
        "DATABASE_URL must name a PostgreSQL server on which a scratch database may be made; \
         that of a running `cargo xtask run` is postgres:///mission_control?host=$PWD/data/socket&user=mission_control",
    )?;
    let sql = |database: &str, arguments: &[&str]| {
        execute(&mut command(
            "psql",
            ["--quiet", "--set=ON_ERROR_STOP=1", "--dbname", database].iter().chain(arguments),
        ))
    };
    step("Making a scratch database");
    sql(&server, &["--command", &format!("drop database if exists {SCRATCH}")])?;
    sql(&server, &["--command", &format!("create database {SCRATCH}")])?;
    let checked = check(&server, &sql);
    sql(&server, &["--command", &format!("drop database {SCRATCH} with (force)")])?;
    checked
}

fn check(server: &str, sql: &impl Fn(&str, &[&str]) -> Result<()>) -> Result<()> {
    let (address, parameters) = server
        .split_once('?')
        .map_or((server, String::new()), |(address, parameters)| (address, format!("?{parameters}")));
    let base = address.rsplit_once('/').map_or(address, |(base, _)| base);
    let scratch = format!("{base}/{SCRATCH}{parameters}");
    let mut migrations: Vec<_> = std::fs::read_dir("migrations")?.flatten().map(|entry| entry.path()).collect();
    migrations.sort();
    for migration in &migrations {
        sql(&scratch, &["--file", &migration.to_string_lossy()])?;
    }
    step("Checking all SQL");
    if std::path::Path::new(".sqlx").exists() {
        std::fs::remove_dir_all(".sqlx")?;
    }
    std::fs::create_dir(".sqlx")?;
    // The macros write what they learn where this variable points, and only when they run: a new time stamp makes them.
    let library = std::fs::File::options().append(true).open("server/src/lib.rs")?;
    library.set_modified(std::time::SystemTime::now())?;
    let folder = std::fs::canonicalize(".sqlx")?;
    execute(
        command("cargo", ["check", "--package", "server", "--features", "ssr"])
            .env("DATABASE_URL", scratch)
            .env("SQLX_OFFLINE", "false")
            .env("SQLX_OFFLINE_DIR", folder),
    )
}
