//! `mission-control`: event triggers with their web UI, in one process.

use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
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

/// A variable that is set to nothing, as compose files leave them, is not set.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    command.mut_args(|setting| {
        let is_empty = setting.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        if is_empty { setting.env(Resettable::Reset) } else { setting }
    })
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let command = without_empty_variables(Cli::command()).mut_subcommands(without_empty_variables);
    let cli = Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
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
