//! What was found, as lines while it runs and as a page.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::scenarios::{Findings, Scenario};

/// One scenario's end.
pub struct Entry {
    pub scenario: &'static Scenario,
    pub outcome: Result<Findings>,
    pub took: Duration,
}

impl Entry {
    /// One line: name, rounds, what was asserted with figures, and whether it holds.
    pub fn line(&self) -> String {
        let (name, seconds) = (self.scenario.name, self.took.as_secs());
        match &self.outcome {
            Ok(Findings { rounds, text }) => format!("{name}  ×{rounds}  {text}  [{seconds} s]  ok"),
            Err(error) => format!("{name}  {error:#}  [{seconds} s]  FAILED"),
        }
    }

    fn row(&self) -> String {
        let (name, shows) = (self.scenario.name, self.scenario.shows);
        match &self.outcome {
            Ok(Findings { rounds, text }) => format!("| `{name}` | {shows} | {rounds} | {text} | ok |"),
            Err(error) => {
                let first = format!("{error:#}").lines().next().unwrap_or_default().replace('|', "\\|");
                format!("| `{name}` | {shows} | | {first} | **FAILED** |")
            }
        }
    }
}

/// Writes `reliability.md` into a folder; `command` repeats the run.
pub fn write(folder: &Path, command: &str, entries: &[Entry]) -> Result<()> {
    let mut page = include_str!("page.md").replace("{command}", command);
    for entry in entries {
        let _ = writeln!(page, "{}", entry.row());
    }
    std::fs::create_dir_all(folder)?;
    Ok(std::fs::write(folder.join("reliability.md"), page)?)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::scenarios::all;

    #[test]
    fn a_failure_stays_one_row() {
        let scenario = all().next().expect("there are scenarios");
        let outcome = Err(anyhow!("3 lost | first\nand the log"));
        let entry = Entry { scenario, outcome, took: Duration::from_secs(3) };
        assert!(entry.row().ends_with("| | 3 lost \\| first | **FAILED** |"), "{}", entry.row());
        assert!(entry.line().ends_with("[3 s]  FAILED"));
    }

    #[test]
    fn names_are_told_apart() {
        let mut names: Vec<_> = all().map(|scenario| scenario.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
