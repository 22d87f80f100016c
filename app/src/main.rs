//! `mission-control`: event triggers with their web UI, in one process.

use clap::{Parser, Subcommand};
use server::config::Config;
use server::listen::ListenConfig;

/// An event is a hundred small allocations on two threads: the C library's allocator costs a twentieth of the throughput.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Event triggers: queues events, delivers them to webhooks, and shows what came of them.
#[derive(Parser)]
#[command(name = "mission-control", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Config,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server: HTTP API, Mission Control and delivery workers (the default)
    #[command(version)]
    Serve(Box<Config>),
    /// Runs a webhook receiver for trying things out: prints every event that it gets and answers as told
    #[command(version)]
    Listen(ListenConfig),
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    let ended = match cli.command {
        Some(Command::Listen(config)) => server::listen::listen(config).await.map_err(|error| error.to_string()),
        Some(Command::Serve(config)) => {
            server::serve(*config, app::shell::router).await.map_err(|error| error.to_string())
        }
        None => server::serve(cli.serve, app::shell::router).await.map_err(|error| error.to_string()),
    };
    match ended {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mission-control: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
