use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::setup::Setup;
use crate::shell::{command, execute, step};
use crate::site;
use crate::wasm::Toolchain;

/// Packages and features of everything that is not for the browser. libFuzzer is among them so that what it drives is built.
const NATIVE: [&str; 5] = ["--workspace", "--exclude", "frontend", "--features", "app/ssr,server/ssr,fuzz/libfuzzer"];

/// Everything that must hold before a change is taken. `screenshots`: those of the documents are renewed.
pub fn run(yes: bool, screenshots: bool) -> Result<()> {
    let clock = Instant::now();
    let toolchain = Setup::new(yes).for_tests()?;
    step("Formatting");
    execute(&mut command("cargo", ["fmt", "--all", "--check"]))?;
    site::build(toolchain)?;
    clippy(toolchain)?;
    step("Documentation");
    let mut doc = command("cargo", ["doc", "--no-deps", "--document-private-items"]);
    execute(doc.args(NATIVE).env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links"))?;
    step("Unit and integration tests");
    execute(command("cargo", ["test"]).args(NATIVE))?;
    breaking()?;
    end_to_end(screenshots)?;
    step(&format!("All checks passed in {} s", clock.elapsed().as_secs()));
    Ok(())
}

fn clippy(toolchain: Toolchain) -> Result<()> {
    step("Clippy, native");
    execute(command("cargo", ["clippy", "--all-targets"]).args(NATIVE).args(["--", "--deny", "warnings"]))?;
    step("Clippy, wasm");
    // Warnings of our crates only: dependencies are not checked. The profile's dependencies are those of the build.
    execute(toolchain.cargo("clippy").args(["--package", "frontend", "--profile", "wasm", "--", "--deny", "warnings"]))
}

/// One round of everything that `cargo xtask chaos` breaks.
fn breaking() -> Result<()> {
    step("Building what breaks things");
    execute(command("cargo", ["build", "--bin", "chaos"]).args(NATIVE))?;
    step("Breaking things");
    execute(&mut command("target/debug/chaos", ["--quick", "--server", "target/debug/mission-control"]))
}

/// The tests in a real browser, against the binary that `cargo test` has built.
fn end_to_end(screenshots: bool) -> Result<()> {
    step("End-to-end tests");
    install("end2end")?;
    let mut playwright = playwright(Path::new("target/debug/mission-control"))?;
    if screenshots {
        std::fs::create_dir_all("docs/screenshots")?;
        playwright.env("MC_SCREENSHOTS", std::fs::canonicalize("docs/screenshots")?);
    }
    execute(&mut playwright)
}

/// Installs what a folder's package.json names.
pub fn install(folder: &str) -> Result<()> {
    execute(command("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder))
}

/// Playwright against a server's binary.
pub fn playwright(server: &Path) -> Result<Command> {
    let binary = std::fs::canonicalize(server).with_context(|| format!("there is no {}", server.display()))?;
    let mut playwright = command("npx", ["playwright", "test"]);
    playwright.current_dir("end2end").env("MC_BINARY", binary).env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
    Ok(playwright)
}
