use anyhow::{Context, Result};

use crate::run;
use crate::setup::Setup;
use crate::shell::{execute, step};
use crate::tests::{install, playwright};

/// Builds the server, and has Lighthouse look at its pages in the Chromium of the end-to-end tests.
pub fn run(yes: bool) -> Result<()> {
    Setup::new(yes).for_tests()?;
    let server = run::build(yes)?;
    step("Lighthouse");
    install("end2end")?;
    install("end2end/lighthouse")?;
    let mut playwright = playwright(&server)?;
    playwright.args(["--config", "lighthouse"]).env("MC_DOCS", std::fs::canonicalize("docs").context("no docs")?);
    execute(&mut playwright)
}
