use anyhow::Result;

use crate::run;
use crate::shell::{command, execute, step};

/// Builds the server and the measuring program, and measures.
pub fn run(yes: bool, quick: bool, only: &[String]) -> Result<()> {
    let server = run::build(yes)?;
    step("Building the load generator");
    // Together with the server's package, so that what both need is built once with the features of both.
    let packages = ["--package", "bench", "--package", "app", "--features", "app/ssr"];
    execute(command("cargo", ["build", "--release", "--bin", "bench"]).args(packages))?;
    let mut bench = command("target/release/bench", ["--server"]);
    bench.arg(server);
    if quick {
        bench.arg("--quick");
    } else if only.is_empty() {
        bench.args(["--write", "docs"]);
    }
    if !only.is_empty() {
        bench.args(["--only", &only.join(",")]);
    }
    execute(&mut bench)
}
