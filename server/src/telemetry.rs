//! Logs: one line an event on standard error, for people or as JSON. Panics are logged and counted like everything else.

use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Starts logging. `filter` is in the syntax of tracing-subscriber's `EnvFilter`, such as `info` or `info,server=debug`.
pub fn init(filter: &str, format: LogFormat) -> Result<(), String> {
    let filter = parse(filter)?;
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

/// A filter in which no word is a slip of the pen, and which leaves warnings in where it names modules alone.
fn parse(filter: &str) -> Result<EnvFilter, String> {
    let wrong = |why: String| {
        format!("The log filter {filter:?} cannot be read: {why}. It looks like info, or info,server=debug,sqlx=debug.")
    };
    let mut words = filter.split(',').map(str::trim).filter(|word| !word.is_empty() && !word.contains(['=', '[']));
    if let Some(word) = words.clone().find(|word| word.parse::<LevelFilter>().is_err()) {
        return Err(wrong(format!("{word:?} is no level")));
    }
    let base = if words.next().is_some() { "" } else { "warn," };
    // PostgreSQL's notices say at every start that the tables exist.
    EnvFilter::try_new(format!("{base}sqlx::postgres::notice=warn,{filter}")).map_err(|error| wrong(error.to_string()))
}

/// Keeps the log from saying the same again and again.
#[derive(Debug)]
pub struct Seldom {
    every: Duration,
    said: Option<Instant>,
}

impl Seldom {
    /// With at least so long between two lines.
    pub fn every(every: Duration) -> Self {
        Self { every, said: None }
    }

    /// Whether a line may be written now; the clock starts anew then.
    pub fn speaks(&mut self) -> bool {
        let speaks = self.said.is_none_or(|at| at.elapsed() >= self.every);
        if speaks {
            self.said = Some(Instant::now());
        }
        speaks
    }
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

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_filter_never_hides_what_went_wrong_by_a_slip_of_the_pen() {
        for filter in ["info", "DEBUG", "off", "info,server=debug", "", "server=debug,info"] {
            assert!(parse(filter).is_ok(), "{filter}");
        }
        assert!(parse("verbose").expect_err("no level").contains("\"verbose\" is no level"));
        assert!(parse("info,servr").is_err());
        assert!(parse("server=loud").is_err());
        let text = parse("mission_control=debug").expect("a filter").to_string();
        assert!(text.split(',').any(|word| word == "warn"), "{text}");
    }
}
