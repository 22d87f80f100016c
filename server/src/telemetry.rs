//! Logs: one line an event on standard error, for people or as JSON. Panics are logged and counted like everything else.

use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Starts logging. `filter` is in the syntax of tracing-subscriber's `EnvFilter`, such as `info` or `info,server=debug`.
pub fn init(filter: &str, format: LogFormat) -> Result<(), String> {
    let filter =
        EnvFilter::try_new(filter).map_err(|error| format!("The log filter {filter:?} cannot be read: {error}."))?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match format {
        LogFormat::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
            lines.with_ansi(colours).init();
        }
        LogFormat::Json => lines.json().init(),
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

static PANICS: AtomicU64 = AtomicU64::new(0);

/// How many panics this process has survived.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let total = PANICS.fetch_add(1, Ordering::Relaxed) + 1;
    let what = panic.payload_as_str().unwrap_or("unknown");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = std::backtrace::Backtrace::capture();
    match backtrace.status() {
        std::backtrace::BacktraceStatus::Captured => tracing::error!(what, place, total, %backtrace, "a panic"),
        _ => tracing::error!(what, place, total, "a panic"),
    }
}
