//! A build guided by a profile: the compiler is told what ran how often under load, keeps that close together, and spends no
//! room on the rest. The server's code is wide and flat, and nothing else has saved nearly as much of its time. docs/limits.md
//! has the figures.
//!
//! The compiler does it in three steps: a build that counts, a run of it, and a build that has read the counts.
//! Source: The rustc book, "Profile-guided Optimization". `cargo pgo` would do the same, but takes the program that reads the
//! counts from rustup alone, which not every machine has or can get it from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::setup::Setup;
use crate::shell::{command, execute, output, step};
use crate::site;

/// Where the counts are gathered, and what was made of them.
const COUNTS: &str = "target/profile/counts";
const PROFILES: &str = "target/profile";

/// What is built: the server, and the program that measures it and is measured beside it.
pub struct Built {
    pub server: PathBuf,
    pub bench: PathBuf,
}

/// Builds the one file to deploy, and the measuring program with it.
pub fn build(yes: bool) -> Result<Built> {
    let setup = Setup::new(yes);
    let toolchain = setup.for_running()?;
    let profdata = setup.for_profiles()?;
    site::build(toolchain)?;
    let here = std::env::current_dir()?;
    let host = host()?;

    step("Building a server that counts");
    let counting = compile(&host, &format!("-Cprofile-generate={}", here.join(COUNTS).display()))?;
    // Named by what was run, so that cargo sees a new profile, and an unchanged program is not run again.
    let programs = [fs::read(&counting.server)?, fs::read(&counting.bench)?].concat();
    let profile = here.join(PROFILES).join(format!("{}.profdata", &site::hash(&programs)[..16]));
    if !profile.exists() {
        step("Running it under load; counting slows it down, so its figures mean nothing");
        // Of programs that are gone.
        if Path::new(PROFILES).exists() {
            fs::remove_dir_all(PROFILES)?;
        }
        fs::create_dir_all(COUNTS)?;
        execute(command(&counting.bench.to_string_lossy(), ["--quick", "--server"]).arg(&counting.server))?;
        let unfinished = profile.with_extension("part");
        execute(command(&profdata.to_string_lossy(), ["merge", "--output"]).arg(&unfinished).arg(COUNTS))
            .context("the counts cannot be read; is RUSTFLAGS set? It replaces the flags of this build")?;
        fs::rename(unfinished, &profile)?;
    }

    step("Building the server by what it counted");
    let built = compile(&host, &format!("-Cprofile-use={}", profile.display()))?;
    eprintln!("    {}  {} MB", built.server.display(), fs::metadata(&built.server)?.len() / 1_000_000);
    Ok(built)
}

/// Builds both for the named target, so that the flag is not for what only runs in the compiler.
fn compile(host: &str, flag: &str) -> Result<Built> {
    let packages = ["--package", "app", "--bin", "mission-control", "--features", "app/ssr", "--package", "bench"];
    execute(
        command("cargo", ["build", "--release", "--bin", "bench"])
            .args(packages)
            .args(["--target", host])
            // Joined with the flags of .cargo/config.toml.
            .args(["--config", &format!("build.rustflags=[{flag:?}]")]),
    )?;
    let folder = PathBuf::from("target").join(host).join("release");
    Ok(Built { server: folder.join("mission-control"), bench: folder.join("bench") })
}

fn host() -> Result<String> {
    about_rustc("host: ").context("rustc does not say for which machine it compiles")
}

/// What `rustc -vV` says after a word.
fn about_rustc(word: &str) -> Option<String> {
    output("rustc", &["-vV"])?.lines().find_map(|line| line.strip_prefix(word).map(str::to_owned))
}

/// The program that reads counts, of the LLVM of this compiler: another may not know the format.
pub fn find_profdata() -> Result<Option<PathBuf>> {
    let Some(sysroot) = output("rustc", &["--print", "sysroot"]) else { bail!("rustc is not installed") };
    let of_rustup = Path::new(&sysroot).join("lib/rustlib").join(host()?).join("bin/llvm-profdata");
    let of_system = Path::new("/usr/bin").join(format!("llvm-profdata-{}", llvm_version()?));
    Ok([of_rustup, of_system].into_iter().find(|program| program.is_file()))
}

/// The major version of the compiler's LLVM.
pub fn llvm_version() -> Result<String> {
    let version = about_rustc("LLVM version: ").context("rustc does not say which LLVM it has")?;
    Ok(version.split('.').next().unwrap_or_default().to_owned())
}
