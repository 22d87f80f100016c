//! The browser's part: compiled, bound to JavaScript, and made small where the tools for that are there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use wasm_bindgen_cli_support::Bindgen;

use crate::shell::{command, execute, has, output, step};
use crate::snip::{bare, snip};

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
    let mut cargo = toolchain.cargo("rustc");
    // Where the functions and the data refer to each other: what splitting goes by.
    cargo.args(["--package", "frontend", "--profile", "wasm", "--", "-Clink-arg=--emit-relocs"]);
    execute(&mut cargo)?;
    Ok(Path::new(toolchain.target_dir()).join(TARGET).join("wasm/frontend.wasm"))
}

/// The wasm of every page.
pub const MAIN: &str = "app_bg.wasm";

/// The part that no page begins with: it is needed when a dialog opens, in a page that has most of it already.
const LATER: &str = "dialogs";

/// What browsers load.
pub struct Code {
    /// By their names, under which they refer to each other.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The names of the files that a part needs beside the main ones, by its name.
    pub parts: BTreeMap<String, Vec<String>>,
}

/// The file that has all in one that a page of a part begins with.
pub fn bundle_of(part: &str) -> String {
    format!("{part}.bin")
}

/// Makes the JavaScript and the wasm that browsers load, in parts.
pub fn bind(wasm: &Path, work: &Path) -> Result<Code> {
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let whole = snip(&read(wasm)?)?;
    let (main, folder) = (work.join("main.wasm"), work.join("code"));
    let mut options = wasm_split_cli_support::Options::new(&whole);
    options.output_dir = &folder;
    options.main_out_path = &main;
    options.main_module = "./app.js";
    options.link_name = "./parts.js";
    let split = wasm_split_cli_support::transform(options).map_err(|error| anyhow!("{error:#}"))?;
    let mut bindgen = Bindgen::new();
    let bindgen = bindgen
        .input_path(&main)
        .out_name("app")
        .web(true)
        .map_err(|error| anyhow!(error))?
        .typescript(false)
        // The parts use what the linker exports, and know functions by the linker's names.
        .keep_lld_exports(true)
        .demangle(false)
        .remove_name_section(true)
        .remove_producers_section(true);
    bindgen.generate(&folder).map_err(|error| error.context("wasm-bindgen failed"))?;
    for file in std::fs::read_dir(&folder)? {
        let file = file?.path();
        if file.extension().is_some_and(|ending| ending == "wasm") {
            std::fs::write(&file, bare(&read(&file)?)?)?;
        }
    }
    optimize(&folder);
    let mut files = BTreeMap::new();
    for file in std::fs::read_dir(&folder)? {
        let file = file?;
        files.insert(file.file_name().to_string_lossy().into_owned(), read(&file.path())?);
    }
    let parts = split.prefetch_map.into_iter();
    let parts = parts.map(|(part, files)| (part, files.into_iter().map(|name| name + ".wasm").collect())).collect();
    let mut code = Code { files, parts };
    code.bundle()?;
    Ok(code)
}

/// Wasm of fewer bytes is loaded together: a request for each would take longer than their bytes.
const SMALL: usize = 4 * 1024;
/// The file that it is in.
const SMALL_FILE: &str = "small.bin";

impl Code {
    /// Puts modules together, since they are smaller when they are compressed together, and a request each takes time: what a
    /// part needs, for pages that begin with it, and the smallest modules for whatever comes later.
    fn bundle(&mut self) -> Result<()> {
        let modules: BTreeMap<String, Vec<u8>> = self
            .files
            .iter()
            .filter(|(name, _)| name.ends_with(".wasm"))
            .map(|(n, c)| (n.clone(), c.clone()))
            .collect();
        let loader = self.files.get("parts.js").context("there is no loader of the parts")?;
        let mut loader = String::from_utf8(loader.clone())?;
        let is_small = |name: &String| modules.get(name).is_some_and(|content| content.len() < SMALL);
        for name in modules.keys().filter(|name| *name != MAIN) {
            let alone = format!("fetch(new URL(\"./{name}\", import.meta.url))");
            ensure!(loader.matches(&alone).count() == 1, "the loader of the parts does not load {name} as expected");
            loader = loader.replace(&alone, &format!("moduleOf({name:?}, {})", is_small(name)));
        }
        loader += &include_str!("bundle.js").replace("SMALL_FILE", SMALL_FILE);
        self.files.insert("parts.js".into(), loader.into_bytes());
        for (part, names) in &mut self.parts {
            if part != LATER {
                self.files.insert(bundle_of(part), joined(&modules, names)?);
            }
            let before = names.len();
            names.retain(|name| !is_small(name));
            if names.len() < before {
                names.push(SMALL_FILE.into());
            }
        }
        let small: Vec<String> = modules.keys().filter(|name| is_small(name)).cloned().collect();
        self.files.insert(SMALL_FILE.into(), joined(&modules, &small)?);
        self.files.retain(|name, _| !is_small(name));
        Ok(())
    }
}

/// Modules in one file, as `bundle.js` reads it.
fn joined(modules: &BTreeMap<String, Vec<u8>>, names: &[String]) -> Result<Vec<u8>> {
    let contents = names.iter().map(|name| modules.get(name).with_context(|| format!("there is no {name}")));
    let contents: Vec<_> = contents.collect::<Result<_>>()?;
    let list: Vec<_> =
        names.iter().zip(&contents).map(|(name, content)| format!("[{name:?},{}]", content.len())).collect();
    let mut out = format!("[{}]\n", list.join(",")).into_bytes();
    out.extend(contents.into_iter().flatten());
    Ok(out)
}

/// Modules of fewer bytes are not worth starting wasm-opt for.
const OPTIMIZED: u64 = 16 * 1024;

/// Shrinks the wasm with wasm-opt, from npm's binaryen. Only a larger download is lost without it.
fn optimize(folder: &Path) {
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
        for file in std::fs::read_dir(folder)? {
            let (wasm, bytes) = file.and_then(|file| Ok((file.path(), file.metadata()?.len())))?;
            if wasm.extension().is_some_and(|ending| ending == "wasm") && bytes >= OPTIMIZED {
                execute(
                    command("node", ["--stack-size=4000", "target/tools/node_modules/binaryen/bin/wasm-opt", "-Oz"])
                        .args(BROWSER_FEATURES)
                        .arg(&wasm)
                        .arg("-o")
                        .arg(&wasm),
                )?;
            }
        }
        Ok(())
    };
    if let Err(error) = install() {
        eprintln!("wasm-opt did not work ({error:#}): the browser's part stays larger than it could be.");
    }
}
