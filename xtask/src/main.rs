//! All tooling of the repository. `cargo xtask --help` lists it.

mod bench;
mod chaos;
mod css;
mod guided;
mod lighthouse;
mod prepare;
mod run;
mod setup;
mod shell;
mod site;
mod snip;
mod tests;
mod wasm;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    /// Install what is missing without asking
    #[arg(long, global = true)]
    yes: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Installs what building and running needs: the wasm target and PostgreSQL's server programs
    Setup,
    /// Builds target/release/mission-control, one file to deploy
    Build {
        /// Run it under load and build it again by what ran how often: a third less CPU, three times as long to build
        #[arg(long)]
        profile_guided: bool,
    },
    /// Builds and starts the server; further arguments are its own, such as -- --listen 127.0.0.1:8080
    Run {
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Runs every check and test: formatting, clippy, rustdoc, unit, integration and end-to-end
    Test {
        /// Renew the screenshots in docs/
        #[arg(long)]
        screenshots: bool,
    },
    /// Measures the queue engine: throughput, latency, memory, beside what the machine could do at best
    Bench {
        /// The main rows only, in under two minutes
        #[arg(long, conflicts_with = "full")]
        quick: bool,
        /// Every row, on ten million finished deliveries, and docs/benchmarks.md renewed (the default)
        #[arg(long)]
        full: bool,
        /// A server built by the profile of a run under load
        #[arg(long)]
        profile_guided: bool,
        /// Only the scenarios whose names hold one of these words; writes nothing
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
    },
    /// Breaks nodes and databases under load and proves that nothing is lost
    ///
    /// [--quick | --rounds N] [--seed N] [--only WORDS] [--write docs]; -- --help explains them
    Chaos {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Rates the pages of a release build with Lighthouse, and renews docs/lighthouse.md
    Lighthouse,
    /// Checks all SQL against a scratch database on the server of DATABASE_URL, and records it in .sqlx
    Prepare,
}

fn main() -> ExitCode {
    match carry_out(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\x1b[1;31merror:\x1b[0m {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(cli: &Cli) -> Result<()> {
    std::env::set_current_dir(root())?;
    match &cli.command {
        Command::Setup => setup::Setup::new(cli.yes).for_running().map(drop),
        Command::Build { profile_guided: false } => run::build(cli.yes).map(drop),
        Command::Build { profile_guided: true } => guided::build(cli.yes).map(drop),
        Command::Run { arguments } => run::run(cli.yes, arguments),
        Command::Test { screenshots } => tests::run(cli.yes, *screenshots),
        Command::Bench { quick, profile_guided, only, .. } => bench::run(cli.yes, *quick, *profile_guided, only),
        Command::Chaos { arguments } => chaos::run(cli.yes, arguments),
        Command::Lighthouse => lighthouse::run(cli.yes),
        Command::Prepare => prepare::run(),
    }
}

/// The repository.
fn root() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.parent().map(PathBuf::from).unwrap_or(own)
}
