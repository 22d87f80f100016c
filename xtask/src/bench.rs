use anyhow::Result;

use crate::guided::{self, Built};
use crate::run;
use crate::shell::{command, execute, step};

/// Builds the server and the measuring program, and measures.
pub fn run(yes: bool, quick: bool, profile_guided: bool, only: &[String]) -> Result<()> {
    let Built { server, bench } = if profile_guided { guided::build(yes)? } else { build(yes)? };
    step("Measuring");
    let mut bench = command(&bench.to_string_lossy(), ["--server"]);
    bench.arg(server);
    if quick {
        bench.arg("--quick");
    } else if only.is_empty() {
        bench.args(["--write", "docs"]);
    }
    if profile_guided {
        bench.arg("--profile-guided");
    }
    if !only.is_empty() {
        bench.args(["--only", &only.join(",")]);
    }
    execute(&mut bench)
}

fn build(yes: bool) -> Result<Built> {
    let server = run::build(yes)?;
    step("Building the load generator");
    // Together with the server's package, so that what both need is built once with the features of both.
    let packages = ["--package", "bench", "--package", "app", "--features", "app/ssr"];
    execute(command("cargo", ["build", "--release", "--bin", "bench"]).args(packages))?;
    Ok(Built { server, bench: "target/release/bench".into() })
}
