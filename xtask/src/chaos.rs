use anyhow::Result;

use crate::run;
use crate::setup::Setup;
use crate::shell::{command, execute, step};

/// Builds the server and the breaking program, and breaks; further arguments are that program's own.
pub fn run(yes: bool, arguments: &[String]) -> Result<()> {
    Setup::new(yes).for_breaking()?;
    let server = run::build(yes)?;
    step("Building what breaks things");
    // Together with the server's package, so that what both need is built once with the features of both.
    let packages = ["--package", "chaos", "--package", "app", "--features", "app/ssr"];
    execute(command("cargo", ["build", "--release", "--bin", "chaos"]).args(packages))?;
    step("Breaking things");
    execute(command("target/release/chaos", ["--server"]).arg(server).args(arguments))
}
