//! What the machine needs, installed where it is missing. Says what it is about to install, and asks first on a terminal.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::guided;
use crate::shell::{command, consent, execute, has, output, run_within, step};
use crate::wasm::Toolchain;

/// rustup downloads some 20 MB; where it cannot, it may hang instead of failing.
const RUSTUP_PATIENCE: Duration = Duration::from_secs(120);

pub struct Setup {
    yes: bool,
}

impl Setup {
    pub fn new(yes: bool) -> Self {
        Self { yes }
    }

    /// What building and running needs.
    pub fn for_running(&self) -> Result<Toolchain> {
        self.postgres()?;
        self.wasm()
    }

    /// What breaking things needs on top.
    pub fn for_breaking(&self) -> Result<()> {
        if !has("faketime") {
            self.packages(&["faketime"], "wrong clocks for the tests")?;
        }
        Ok(())
    }

    /// What the tests need on top. The browser's part must come from a toolchain that has clippy for it.
    pub fn for_tests(&self) -> Result<Toolchain> {
        let toolchain = self.for_running()?;
        if !has("chromium") {
            self.packages(&["chromium"], "the browser of the end-to-end tests")?;
        }
        self.for_breaking()?;
        if !has("npm") {
            self.packages(&["nodejs", "npm"], "the end-to-end tests")?;
        }
        if toolchain == Toolchain::Debian && !Path::new("/usr/bin/cargo-clippy").exists() {
            self.packages(&["rust-web-clippy"], "clippy for the browser's part")?;
        }
        Ok(toolchain)
    }

    /// What building by a profile needs on top: the program that reads the counts.
    pub fn for_profiles(&self) -> Result<PathBuf> {
        if let Some(found) = guided::find_profdata()? {
            return Ok(found);
        }
        if let Some(found) = by_rustup(["component", "add", "llvm-tools"], guided::find_profdata)? {
            return Ok(found);
        }
        let package = format!("llvm-{}", guided::llvm_version()?);
        self.packages(&[&package], "what reads the profile of a build")?;
        guided::find_profdata()?
            .context("No llvm-profdata for this compiler was found. Run: rustup component add llvm-tools")
    }

    fn postgres(&self) -> Result<()> {
        if has("postgres")
            || has("initdb")
            || output("pg_config", &["--bindir"]).is_some_and(|folder| Path::new(&folder).join("postgres").exists())
        {
            return Ok(());
        }
        let installed = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten()
            .any(|version| version.path().join("bin/postgres").exists());
        if installed {
            return Ok(());
        }
        self.packages(&["postgresql"], "PostgreSQL's server programs, for the embedded database")
    }

    /// The toolchain that builds the browser's part: rustup's own where it has or gets the wasm target, else Debian's.
    fn wasm(&self) -> Result<Toolchain> {
        let forced = std::env::var("XTASK_WASM").unwrap_or_default();
        if forced != "debian" {
            if Toolchain::Rustup.is_installed() {
                return Ok(Toolchain::Rustup);
            }
            if forced != "rustup" && Toolchain::Debian.is_installed() {
                return Ok(Toolchain::Debian);
            }
            let installed = || Ok(Toolchain::Rustup.is_installed().then_some(Toolchain::Rustup));
            if let Some(installed) = by_rustup(["target", "add", "wasm32-unknown-unknown"], installed)? {
                return Ok(installed);
            }
        }
        if !Toolchain::Debian.is_installed() {
            self.packages(
                &["rustc-web", "cargo-web", "rust-web-src", "lld"],
                "a Rust compiler for the browser's part",
            )?;
        }
        if !Toolchain::Debian.is_installed() {
            bail!("No Rust toolchain for the browser's part. Run: rustup target add wasm32-unknown-unknown");
        }
        Ok(Toolchain::Debian)
    }

    fn packages(&self, names: &[&str], what_for: &str) -> Result<()> {
        let list = names.join(" ");
        if !has("apt-get") {
            bail!(
                "Missing: {what_for}. Install it with this system's package manager (on Debian: apt-get install {list}), then run this again."
            );
        }
        let is_root = output("id", &["-u"]).as_deref() == Some("0");
        if !is_root && !has("sudo") {
            bail!("Missing: {what_for}. As root, run: apt-get install {list}");
        }
        step(&format!("Installing {what_for}: {list}"));
        if !self.yes && !consent(&format!("Install the Debian packages {list}?")) {
            bail!("Not installed. By hand: apt-get install {list}");
        }
        let apt = |arguments: &[&str]| {
            let mut apt = if is_root {
                command("apt-get", arguments)
            } else {
                command("sudo", std::iter::once(&"apt-get").chain(arguments))
            };
            apt.env("DEBIAN_FRONTEND", "noninteractive");
            // The PostgreSQL that Debian would start as a service is not wanted; its programs are.
            apt.env("PG_CREATE_MAIN_CLUSTER", "false");
            apt
        };
        execute(&mut apt(&["update", "--quiet"]))?;
        let install: Vec<&str> =
            ["install", "--yes", "--quiet", "--no-install-recommends"].iter().chain(names).copied().collect();
        execute(&mut apt(&install))
    }
}

/// Has rustup add something, and looks for it. `None`: rustup could not, so somebody else has to.
fn by_rustup<T>(arguments: [&str; 3], find: impl FnOnce() -> Result<Option<T>>) -> Result<Option<T>> {
    if !has("rustup") {
        return Ok(None);
    }
    let what = arguments[2];
    step(&format!("Installing {what} with rustup"));
    let added = run_within(&mut command("rustup", arguments), RUSTUP_PATIENCE);
    let found = if added { find()? } else { None };
    if found.is_none() {
        eprintln!("rustup could not install {what}; trying the system's packages.");
    }
    Ok(found)
}
