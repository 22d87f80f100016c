//! The settings that people want to see beside their projects, in the words of `--help`.

use std::time::Duration;

use clap::Args;

use crate::config::Config;
use crate::model::Limit;

/// What bears on events and their deliveries, as this server is set.
pub fn limits(config: &Config) -> Vec<Limit> {
    let command = Config::augment_args(clap::Command::new("serve"));
    let limit = |id: &str, value: String| {
        let argument = command.get_arguments().find(|argument| argument.get_id() == id)?;
        Some(Limit {
            flag: format!("--{}", argument.get_long()?),
            what: argument.get_help().map(ToString::to_string).unwrap_or_default(),
            value,
        })
    };
    [
        limit("retention", duration(config.retention)),
        limit("backlog_limit", config.backlog_limit.to_string()),
        limit("body_limit", bytes(config.body_limit)),
        limit("sync_wait", duration(config.sync_wait)),
        limit("backoff_first", duration(config.backoff_first)),
        limit("backoff_factor", format!("× {}", config.backoff_factor)),
        limit("backoff_max", duration(config.backoff_max)),
        limit("concurrency", config.concurrency.to_string()),
        limit("max_in_flight", config.max_in_flight.to_string()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// In the largest unit that it fills without a rest.
fn duration(of: Duration) -> String {
    let counted = |count: u64, one: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
    match of.as_secs() {
        seconds if of.subsec_nanos() > 0 || seconds % 60 > 0 || seconds == 0 => format!("{} s", of.as_secs_f64()),
        seconds if seconds % 86_400 == 0 => counted(seconds / 86_400, "day"),
        seconds if seconds % 3_600 == 0 => counted(seconds / 3_600, "hour"),
        seconds => format!("{} min", seconds / 60),
    }
}

fn bytes(count: usize) -> String {
    match count {
        mebi if mebi > 0 && mebi % (1024 * 1024) == 0 => format!("{} MiB", mebi / 1024 / 1024),
        kibi if kibi > 0 && kibi % 1024 == 0 => format!("{} KiB", kibi / 1024),
        count => format!("{count} bytes"),
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

    #[test]
    fn every_limit_has_its_flag_and_its_help() {
        let arguments = ["test", "--retention", "7", "--sync-wait", "0.5", "--body-limit", "2048"];
        let matches = <Cli as clap::CommandFactory>::command().get_matches_from(arguments);
        let config = Cli::from_arg_matches(&matches).expect("the arguments are right").config;
        let limits = limits(&config);
        assert_eq!(limits.len(), 9);
        let value = |flag: &str| limits.iter().find(|limit| limit.flag == flag).map(|limit| limit.value.as_str());
        assert_eq!(value("--retention"), Some("7 days"));
        assert_eq!(value("--sync-wait"), Some("0.5 s"));
        assert_eq!(value("--body-limit"), Some("2 KiB"));
        assert_eq!(value("--backoff-max"), Some("1 hour"));
        assert!(limits.iter().all(|limit| !limit.what.is_empty()));
    }

    #[test]
    fn durations_in_their_largest_unit() {
        for (seconds, text) in
            [(1, "1 s"), (60, "1 min"), (90, "90 s"), (7_200, "2 hours"), (86_400, "1 day"), (0, "0 s")]
        {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }
}
