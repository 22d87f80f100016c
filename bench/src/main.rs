//! Measures the queue engine: `cargo xtask bench` builds everything and runs this.

mod ceilings;
mod load;
mod log;
mod past;
mod plot;
mod receiver;
mod report;
mod scenarios;
mod setup;
mod wire;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Parser, Subcommand};
use url::Url;

use past::Past;
use report::Report;
use setup::{Bench, Scale};

/// The same as the server's: the HTTP ceiling must not be lower for want of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "bench", args_conflicts_with_subcommands = true)]
struct Cli {
    /// The mission-control to measure
    #[arg(long, default_value = "target/release/mission-control")]
    server: PathBuf,
    /// The main rows only, on a short history, in under two minutes
    #[arg(long)]
    quick: bool,
    /// Only the tables whose names hold one of these words
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// What is measured was built with cargo xtask --profile-guided; the page says so
    #[arg(long)]
    profile_guided: bool,
    /// Folder to write benchmarks.md, benchmarks.json and the plots into
    #[arg(long)]
    write: Option<PathBuf>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// Forwards every event to a webhook, without a database: the HTTP ceiling
    #[command(hide = true)]
    Forward {
        #[arg(long)]
        target: Url,
    },
    /// Posts events to a webhook as fast as it answers, without a database: the HTTP ceiling of draining
    #[command(hide = true)]
    Post {
        #[arg(long)]
        target: Url,
    },
}

const QUICK: Scale = Scale {
    time: Duration::from_secs(2),
    warm_up: Duration::from_millis(500),
    rounds: 1,
    finished: 200_000,
    scheduled: 50_000,
    whole: false,
};

const FULL: Scale = Scale {
    time: Duration::from_secs(6),
    warm_up: Duration::from_secs(2),
    rounds: 3,
    finished: 10_000_000,
    scheduled: 1_000_000,
    whole: true,
};

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.role {
        Some(Role::Forward { target }) => return ceilings::play(ceilings::forward(target)).await,
        Some(Role::Post { target }) => return ceilings::play(ceilings::post_events(target)).await,
        None => {}
    }
    let clock = Instant::now();
    let bench = Bench::new(cli.server.clone(), if cli.quick { QUICK } else { FULL }).await?;
    let measured = measure(&bench, &cli.only).await;
    bench.cluster.stop().await;
    let report = measured?;
    println!("{}", report.tables());
    if let Some(folder) = &cli.write {
        let scale = if cli.quick { "--quick" } else { "--full" };
        let build = if cli.profile_guided { " --profile-guided" } else { "" };
        report.write(folder, &format!("cargo xtask bench {scale}{build}"))?;
        eprintln!("written: {}", folder.join("benchmarks.md").display());
    }
    eprintln!("{}\nIn {:.0} s.", report.verdict(), clock.elapsed().as_secs_f64());
    Ok(())
}

/// Runs the scenarios whose names hold one of the words, or all of them. Those on a long history share it.
async fn measure(bench: &Bench, only: &[String]) -> Result<Report> {
    let mut report = Report { machine: scenarios::machine(bench).await?, ..Report::default() };
    let is_wanted = |name: &str| only.is_empty() || only.iter().any(|word| name.contains(word.as_str()));
    macro_rules! measure {
        ($($name:literal => $scenario:path),* $(,)?) => {
            $(if is_wanted($name) {
                eprintln!("==> {}", $name);
                $scenario(bench, &mut report).await?;
            })*
        };
    }
    measure! {
        "main" => scenarios::main_figure,
        "accept" => scenarios::accept_only,
        "drain" => scenarios::drain,
        "latency" => scenarios::latency,
        "isolation" => scenarios::isolation,
        "nodes" => scenarios::nodes,
        "shapes" => scenarios::shapes,
    }
    if ["history", "log", "pages"].into_iter().any(is_wanted) {
        let mut past = Past::begin(bench).await?;
        if is_wanted("history") {
            eprintln!("==> history");
            scenarios::history(bench, &mut report, &mut past).await?;
        }
        if is_wanted("log") {
            eprintln!("==> log");
            log::event_log(bench, &mut report, &mut past).await?;
        }
        if is_wanted("pages") {
            eprintln!("==> pages");
            log::pages(bench, &mut report, &past).await?;
        }
        past.setup.stop().await?;
    }
    Ok(report)
}
