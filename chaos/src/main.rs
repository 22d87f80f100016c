//! Breaks nodes and databases under load and proves the books: `cargo xtask chaos` builds everything and runs this.

mod books;
mod context;
mod load;
mod progress;
mod report;
mod scenarios;
mod system;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Parser;
use futures::StreamExt;

use context::{Context, Shared};
use progress::Progress;
use report::Entry;
use scenarios::Scenario;

/// Scenarios that run at once: they mostly wait, for leases to end and nodes to be missed.
const AT_ONCE: usize = 4;
const QUICK_AT_ONCE: usize = 6;

#[derive(Parser)]
#[command(name = "chaos")]
struct Cli {
    /// The mission-control to break
    #[arg(long, default_value = "target/release/mission-control")]
    server: PathBuf,
    /// How often a scenario breaks what it breaks
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// One round of each scenario, several scenarios at once
    #[arg(long, conflicts_with_all = ["rounds", "write"])]
    quick: bool,
    /// Decides when things are broken; a random one by default
    #[arg(long)]
    seed: Option<u64>,
    /// Only the scenarios whose names hold one of these words
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Folder to write reliability.md into
    #[arg(long)]
    write: Option<PathBuf>,
}

impl Cli {
    /// What repeats this run.
    fn command(&self, seed: u64) -> String {
        let extent = if self.quick { "--quick".to_owned() } else { format!("--rounds {}", self.rounds) };
        let only = if self.only.is_empty() { String::new() } else { format!(" --only {}", self.only.join(",")) };
        format!("cargo xtask chaos {extent} --seed {seed}{only}")
    }

    fn wants(&self, scenario: &Scenario) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| scenario.name.contains(word.as_str()))
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let wanted: Vec<_> = scenarios::all().filter(|scenario| cli.wants(scenario)).collect();
    ensure!(!wanted.is_empty(), "no scenario has a name like {}", cli.only.join(" or "));
    let seed = cli.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let rounds = if cli.quick { 1 } else { cli.rounds };
    let clock = Instant::now();
    let shared = Rc::new(Shared::new(cli.server.clone(), rounds, cli.quick, seed).await?);
    let progress = Progress::default();
    let run = |scenario: &'static Scenario| run(scenario, shared.clone(), &progress);
    let (alone, together): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|scenario| scenario.alone);
    let at_once = if cli.quick { QUICK_AT_ONCE } else { AT_ONCE };
    let all = async {
        let mut entries: Vec<_> = futures::stream::iter(together).map(run).buffer_unordered(at_once).collect().await;
        for scenario in alone {
            entries.push(run(scenario).await);
        }
        entries
    };
    let mut entries = tokio::select! {
        entries = all => entries,
        never = progress.tell() => match never {},
    };
    entries.sort_by_key(|entry| scenarios::all().position(|scenario| scenario.name == entry.scenario.name));
    if let Some(shared) = Rc::into_inner(shared) {
        shared.cluster.stop().await;
    }
    if let Some(folder) = &cli.write {
        report::write(folder, &cli.command(seed), &entries)?;
        println!("written: {}", folder.join("reliability.md").display());
    }
    let failed = entries.iter().filter(|entry| entry.outcome.is_err()).count();
    println!("{} of {} scenarios hold, in {} s", entries.len() - failed, entries.len(), clock.elapsed().as_secs());
    println!("Again: {}", cli.command(seed));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a scenario, and says what came of it.
async fn run(scenario: &'static Scenario, shared: Rc<Shared>, progress: &Progress) -> Entry {
    let context = Rc::new(Context::new(shared, scenario.name));
    progress.begin(scenario.name, &context);
    let clock = Instant::now();
    let outcome = (scenario.run)(&context).await;
    let entry = Entry { scenario, outcome, took: clock.elapsed() };
    progress.end(scenario.name);
    println!("{}", entry.line());
    entry
}
