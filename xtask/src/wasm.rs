//! The browser's part: compiled, bound to JavaScript, and made small where the tools for that are there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use wasm_bindgen_cli_support::Bindgen;

use crate::shell::{command, execute, has, output, step};
use crate::snip::snip;

const TARGET: &str = "wasm32-unknown-unknown";

/// Features that every browser of the last years has. Not all that wasm-opt knows: browsers reject some.
const BROWSER_FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Who compiles for the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The toolchain of everything else.
    Rustup,
    /// Debian's packages rustc-web, cargo-web and rust-web-src, which build the standard library themselves.
    Debian,
}

impl Toolchain {
    pub fn is_installed(self) -> bool {
        match self {
            Self::Rustup => output("rustc", &["--print", "target-libdir", "--target", TARGET]).is_some_and(|folder| {
                std::fs::read_dir(folder)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
            }),
            Self::Debian => {
                Path::new("/usr/bin/rustc").exists()
                    && Path::new("/usr/bin/cargo").exists()
                    && Path::new("/usr/lib/rustlib/src/rust/library/std/Cargo.toml").exists()
                    && linker().is_some()
            }
        }
    }

    /// One target folder a toolchain: sharing one would have each throw away the other's work.
    fn target_dir(self) -> &'static str {
        match self {
            Self::Rustup => "target",
            Self::Debian => "target/debian",
        }
    }

    /// A cargo command for the browser's part.
    pub fn cargo(self, subcommand: &str) -> Command {
        match self {
            Self::Rustup => command("cargo", [subcommand, "--target", TARGET]),
            Self::Debian => {
                // An absolute path, past rustup's proxies; none of its variables may reach Debian's cargo.
                let mut cargo =
                    command("/usr/bin/cargo", [subcommand, "-Zbuild-std=std,panic_abort", "--target", TARGET]);
                cargo
                    .env_clear()
                    .envs(std::env::vars().filter(|(name, _)| !name.starts_with("CARGO") && !name.starts_with("RUST")));
                cargo.env("PATH", format!("/usr/bin:{}", std::env::var("PATH").unwrap_or_default()));
                cargo
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("CARGO_TARGET_DIR", self.target_dir());
                if let Ok(home) = std::env::var("CARGO_HOME") {
                    cargo.env("CARGO_HOME", home);
                }
                if let Some(linker) = linker() {
                    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                }
                cargo
            }
        }
    }
}

/// A linker for wasm: rustup's, or the system's.
fn linker() -> Option<PathBuf> {
    let ours = output("rustc", &["--print", "sysroot"])
        .map(|sysroot| PathBuf::from(sysroot).join("lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld"));
    let candidates = ours.into_iter().chain(
        ["/usr/bin/rust-lld", "/usr/bin/wasm-ld", "/usr/bin/wasm-ld-14", "/usr/bin/wasm-ld-19"].map(PathBuf::from),
    );
    candidates.into_iter().find(|path| path.is_file())
}

/// Compiles the frontend. Gives the wasm file, not yet bound to JavaScript.
pub fn compile(toolchain: Toolchain) -> Result<PathBuf> {
    step("Building the browser's part");
    execute(toolchain.cargo("build").args(["--package", "frontend", "--profile", "wasm"]))?;
    Ok(Path::new(toolchain.target_dir()).join(TARGET).join("wasm/frontend.wasm"))
}

/// Makes the JavaScript and the wasm that browsers load. Gives both.
pub fn bind(wasm: &Path, work: &Path) -> Result<(Vec<u8>, Vec<u8>)> {
    let snipped = work.join("snipped.wasm");
    snip(wasm, &snipped)?;
    let mut bindgen = Bindgen::new();
    let bindgen = bindgen
        .input_path(&snipped)
        .out_name("app")
        .web(true)
        .map_err(|error| anyhow!(error))?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true);
    bindgen.generate(work).map_err(|error| error.context("wasm-bindgen failed"))?;
    let bound = work.join("app_bg.wasm");
    optimize(&bound, work);
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    Ok((read(&work.join("app.js"))?, read(&bound)?))
}

/// Shrinks the wasm to less than half with wasm-opt, from npm's binaryen. Only a larger download is lost without it.
fn optimize(wasm: &Path, work: &Path) {
    if !has("npm") {
        eprintln!("npm is not installed: the browser's part stays larger than it could be.");
        return;
    }
    step("Making the browser's part small (wasm-opt)");
    let tools = Path::new("target/tools");
    let install = || -> Result<()> {
        std::fs::create_dir_all(tools)?;
        for file in ["package.json", "package-lock.json", ".npmrc"] {
            std::fs::copy(Path::new("xtask/npm").join(file), tools.join(file))?;
        }
        if !tools.join("node_modules/.bin/wasm-opt").exists() {
            execute(command("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(tools))?;
        }
        let small = work.join("small.wasm");
        execute(
            command(
                "node",
                [
                    "--stack-size=4000",
                    "target/tools/node_modules/binaryen/bin/wasm-opt",
                    "-Oz",
                    "--strip-debug",
                    "--strip-producers",
                ],
            )
            .args(BROWSER_FEATURES)
            .arg(wasm)
            .arg("-o")
            .arg(&small),
        )?;
        Ok(std::fs::rename(&small, wasm)?)
    };
    if let Err(error) = install() {
        eprintln!("wasm-opt did not work ({error:#}): the browser's part stays larger than it could be.");
    }
}
