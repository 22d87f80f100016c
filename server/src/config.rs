//! The settings, one documented struct: flags, each with its environment variable. `--help` is the reference.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use ipnet::IpNet;

use crate::delivery::Backoff;
use crate::queue::EngineSettings;
use crate::telemetry::LogFormat;

/// Settings of `mission-control serve`.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Address and port of the HTTP API and Mission Control
    #[arg(long, env = "MC_LISTEN", value_name = "ADDR:PORT", default_value = "127.0.0.1:4122", value_parser = address)]
    pub listen: SocketAddr,

    /// Folder of the embedded PostgreSQL, used where no database URL is given
    #[arg(long, env = "MC_DATA_DIR", value_name = "DIR", default_value = "./data")]
    pub data_dir: PathBuf,

    /// PostgreSQL to use instead of the embedded one, such as postgres://user:password@host/name; any number of nodes may share it
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Dev mode: no login, a project "default", webhooks on loopback and private networks. The default on a loopback address, and possible only there; --dev=false behind a proxy that asks for credentials
    #[arg(long, env = "MC_DEV", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub dev: Option<bool>,

    /// Networks that webhooks may be in although they are private or reserved, such as 10.1.0.0/16,fd00::/8
    #[arg(long, env = "MC_ALLOW_NETWORKS", value_name = "CIDR,…", value_delimiter = ',')]
    pub allow_networks: Vec<IpNet>,

    /// Longest wait of a synchronous event for its outcome, in seconds
    #[arg(long, env = "MC_SYNC_WAIT", value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub sync_wait: Duration,

    /// Largest request body of the API, in bytes
    #[arg(long, env = "MC_BODY_LIMIT", value_name = "BYTES", default_value_t = 1024 * 1024)]
    pub body_limit: usize,

    /// Time for a client to send the head of a request, and again for its body, in seconds; idle connections are closed after it
    #[arg(long, env = "MC_READ_TIMEOUT", value_name = "SECONDS", default_value = "30", value_parser = some_seconds)]
    pub read_timeout: Duration,

    /// Connections of clients at the same time; more have to wait
    #[arg(long, env = "MC_MAX_CONNECTIONS", value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,

    /// Deliveries of a project that have not ended, scheduled ones too, at which new events are answered with 429
    #[arg(long, env = "MC_BACKLOG_LIMIT", value_name = "N", default_value_t = 1_000_000)]
    pub backlog_limit: u64,

    /// Days that events, their deliveries and idempotency keys are kept; what is still pending is kept longer
    #[arg(long, env = "MC_RETENTION", value_name = "DAYS", default_value = "30", value_parser = days)]
    pub retention: Duration,

    /// Deliveries of one trigger in flight on this node, where the trigger says nothing else
    #[arg(long, env = "MC_CONCURRENCY", value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub concurrency: u32,

    /// Deliveries of all triggers in flight on this node; a trigger holds no more of them than are free, so one alone half
    #[arg(long, env = "MC_MAX_IN_FLIGHT", value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_in_flight: u32,

    /// Wait before the first retry, in seconds, where the trigger says nothing else
    #[arg(long, env = "MC_BACKOFF_FIRST", value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub backoff_first: Duration,

    /// Growth of the wait from one retry to the next
    #[arg(long, env = "MC_BACKOFF_FACTOR", value_name = "FACTOR", default_value_t = 4.0, value_parser = factor)]
    pub backoff_factor: f64,

    /// Longest wait before a retry, in seconds, where the trigger says nothing else
    #[arg(long, env = "MC_BACKOFF_MAX", value_name = "SECONDS", default_value = "3600", value_parser = seconds)]
    pub backoff_max: Duration,

    /// Time for requests and deliveries under way to end at shutdown, in seconds
    #[arg(long, env = "MC_GRACE", value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub grace: Duration,

    /// Connections to the database for requests; the engine and searches hold nine more
    #[arg(long, env = "MC_DATABASE_CONNECTIONS", value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=1_000))]
    pub database_connections: u32,

    /// Longest time for a statement of the database, in seconds; past it the database is taken for gone, and its connection closed
    #[arg(long, env = "MC_DATABASE_TIMEOUT", value_name = "SECONDS", default_value = "60", value_parser = some_seconds)]
    pub database_timeout: Duration,

    /// What is logged: error, warn, info, debug or trace, also by module as in info,server=debug
    #[arg(long, env = "MC_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// How log lines look
    #[arg(long, env = "MC_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

impl Config {
    /// Whether this server runs in dev mode, or why it must not start.
    pub fn dev_mode(&self) -> Result<bool, String> {
        if self.listen.ip().is_loopback() {
            return Ok(self.dev.unwrap_or(true));
        }
        let address = self.listen;
        Err(if self.dev == Some(true) {
            format!(
                "Dev mode has no login, so it listens on loopback only, and {address} can be reached from other machines. \
                 Listen on 127.0.0.1:{}, or leave out --dev.",
                address.port()
            )
        } else {
            format!(
                "There are no admin credentials, and {address} can be reached from other machines: anybody could change the triggers. \
                 Listen on 127.0.0.1:{} with --dev=false and put a reverse proxy that asks for credentials in front of it.",
                address.port()
            )
        })
    }

    pub fn engine(&self) -> EngineSettings {
        EngineSettings {
            concurrency: self.concurrency,
            max_in_flight: self.max_in_flight as usize,
            backoff: Backoff { first: self.backoff_first, factor: self.backoff_factor, longest: self.backoff_max },
            backlog_limit: self.backlog_limit,
            sync_wait: self.sync_wait,
            retention: self.retention,
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an IP address and a port are expected, such as 127.0.0.1:4122 or [::1]:4122".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds is expected, such as 10 or 0.5".to_owned())?;
    if !(0.0..=31_536_000.0).contains(&seconds) {
        return Err("seconds lie between 0 and 31536000 (a year)".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Seconds where none at all would let nothing happen.
fn some_seconds(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        time if time < Duration::from_millis(100) => Err("at least 0.1 seconds are expected".to_owned()),
        time => Ok(time),
    }
}

fn days(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(days @ 1..=36_500) => Ok(Duration::from_secs(days * 24 * 3600)),
        _ => Err("a whole number of days from 1 to 36500 is expected".to_owned()),
    }
}

fn factor(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(factor) if (1.0..=100.0).contains(&factor) => Ok(factor),
        _ => Err("the factor lies between 1 and 100".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{FromArgMatches, Parser};

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        config: Config,
    }

    fn config(arguments: &[&str]) -> Config {
        let matches = <Cli as clap::CommandFactory>::command().get_matches_from([&["test"], arguments].concat());
        Cli::from_arg_matches(&matches).expect("the arguments are right").config
    }

    #[test]
    fn dev_mode_is_for_loopback_only() {
        assert_eq!(config(&[]).dev_mode(), Ok(true));
        assert_eq!(config(&["--listen", "[::1]:80", "--dev"]).dev_mode(), Ok(true));
        assert_eq!(config(&["--dev=false"]).dev_mode(), Ok(false));
        assert!(config(&["--listen", "0.0.0.0:80"]).dev_mode().is_err_and(|why| why.contains("admin credentials")));
        assert!(config(&["--listen", "192.168.1.2:80", "--dev"]).dev_mode().is_err_and(|why| why.contains("loopback")));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert!(seconds("-1").is_err() && seconds("NaN").is_err() && seconds("x").is_err());
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(some_seconds("0").is_err() && some_seconds("0.1").is_ok());
        assert!(factor("0.5").is_err() && factor("NaN").is_err());
        assert!(days("0").is_err() && days("1.5").is_err());
        assert_eq!(days("30"), Ok(Duration::from_secs(2_592_000)));
    }

    #[test]
    fn the_readme_lists_every_setting() {
        let table: Vec<_> = include_str!("../../README.md").lines().filter(|line| line.starts_with("| `--")).collect();
        let command = <Cli as clap::CommandFactory>::command();
        let settings: Vec<_> = command.get_arguments().filter(|argument| argument.get_env().is_some()).collect();
        for setting in &settings {
            let flag = setting.get_long().expect("every setting is a flag");
            let variable = setting.get_env().expect("and a variable").to_string_lossy();
            let default: Vec<_> = setting.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
            // A flag without a value is off by default, and the table leaves that out.
            let default = match default.join(",") {
                none if none.is_empty() || none == "false" => String::new(),
                default => format!("`{default}` "),
            };
            let row = format!("| `--{flag}` | `{variable}` | {default}| ");
            assert!(table.iter().any(|line| line.starts_with(&row)), "README.md has no row {row}");
        }
        assert_eq!(table.len(), settings.len(), "README.md lists a setting that does not exist");
    }
}
