use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, anyhow};

use crate::setup::Setup;
use crate::shell::{command, execute, step};
use crate::site;

/// Builds the one file to deploy.
pub fn build(yes: bool) -> Result<PathBuf> {
    let toolchain = Setup::new(yes).for_running()?;
    site::build(toolchain)?;
    step("Building the server");
    execute(&mut command(
        "cargo",
        ["build", "--release", "--package", "app", "--bin", "mission-control", "--features", "ssr"],
    ))?;
    let binary = PathBuf::from("target/release/mission-control");
    eprintln!("    {}  {} MB", binary.display(), std::fs::metadata(&binary)?.len() / 1_000_000);
    Ok(binary)
}

/// Builds and becomes the server, so that signals reach it.
pub fn run(yes: bool, arguments: &[String]) -> Result<()> {
    let binary = build(yes)?;
    step("Starting Mission Control");
    let error = Command::new(std::fs::canonicalize(binary)?).arg("serve").args(arguments).exec();
    Err(anyhow!("cannot start the server: {error}"))
}
