//! The browser's files as they go into the binary: named by their content and compressed, in `target/site`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::shell::step;
use crate::{css, wasm};

const SITE: &str = "target/site";
/// What the files of the site were made of.
const STAMP: &str = "target/site.stamp";

/// Builds whatever has changed. Files that stay the same are not touched, so that the server need not be linked again.
pub fn build(toolchain: wasm::Toolchain) -> Result<()> {
    let compiled = wasm::compile(toolchain)?;
    step("Building the stylesheet");
    let style = css::build()?;
    let input = fs::read(&compiled).with_context(|| format!("cannot read {}", compiled.display()))?;
    let stamp = format!("{} {}", hash(&input), hash(style.as_bytes()));
    if fs::read_to_string(STAMP).is_ok_and(|made_of| made_of == stamp) && Path::new(SITE).join("manifest.json").exists()
    {
        return Ok(());
    }
    let work = PathBuf::from("target/site.work");
    fs::create_dir_all(&work)?;
    let (js, wasm) = wasm::bind(&compiled, &work)?;

    step("Compressing the browser's files");
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut name = |ending: &str, content: Vec<u8>| -> Result<String> {
        let name = format!("app-{}.{ending}", &hash(&content)[..16]);
        files.insert(format!("{name}.br"), brotli(&content)?);
        files.insert(format!("{name}.gz"), gzip(&content)?);
        files.insert(name.clone(), content);
        Ok(name)
    };
    let (js, wasm, css) = (name("js", js)?, name("wasm", wasm)?, name("css", style.into_bytes())?);
    for file in [&js, &wasm, &css] {
        eprintln!(
            "    {file}  {} kB, {} kB with brotli",
            files[file].len() / 1000,
            files[&format!("{file}.br")].len() / 1000
        );
    }
    let manifest = format!("{{\"js\": \"{js}\", \"wasm\": \"{wasm}\", \"css\": \"{css}\"}}\n");
    files.insert("manifest.json".into(), manifest.into_bytes());

    fs::create_dir_all(SITE)?;
    for entry in fs::read_dir(SITE)? {
        let entry = entry?;
        if !files.contains_key(&*entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path())?;
        }
    }
    for (name, content) in files {
        let path = Path::new(SITE).join(name);
        if fs::read(&path).ok().as_ref() != Some(&content) {
            fs::write(path, content)?;
        }
    }
    fs::remove_dir_all(&work)?;
    Ok(fs::write(STAMP, stamp)?)
}

fn hash(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn brotli(content: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    brotli::CompressorWriter::new(&mut out, 64 * 1024, 11, 22).write_all(content)?;
    Ok(out)
}

fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}
