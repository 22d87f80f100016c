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
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir_all(&work)?;
    let code = wasm::bind(&compiled, &work)?;

    step("Compressing the browser's files");
    let mut files = BTreeMap::new();
    // Named by their content. The files of the code refer to each other, so theirs is the name of a folder.
    let css = format!("{}.css", &hash(style.as_bytes())[..16]);
    add(&mut files, css.clone(), style.into_bytes())?;
    let whole: Vec<u8> = code.files.values().flatten().copied().collect();
    let folder = hash(&whole)[..16].to_owned();
    for (name, content) in code.files {
        add(&mut files, format!("{folder}/{name}"), content)?;
    }
    let brotli = |name: &str| files.get(&format!("{folder}/{name}.br")).map_or(0, Vec::len);
    let pages = code.parts.keys().map(|part| (part, brotli(&wasm::bundle_of(part)))).filter(|(_, bytes)| *bytes > 0);
    for (page, bytes) in pages {
        eprintln!("    {page}: {} kB of wasm with brotli", (brotli(wasm::MAIN) + bytes) / 1000);
    }
    let parts = code.parts.iter().map(|(part, names)| format!("{part:?}: {names:?}")).collect::<Vec<_>>().join(", ");
    let manifest = format!("{{\"css\": \"{css}\", \"code\": \"{folder}\", \"parts\": {{{parts}}}}}\n");
    files.insert("manifest.json".into(), manifest.into_bytes());

    fs::create_dir_all(SITE)?;
    for entry in fs::read_dir(SITE)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && name != folder {
            fs::remove_dir_all(entry.path())?;
        } else if entry.path().is_file() && !files.contains_key(&name) {
            fs::remove_file(entry.path())?;
        }
    }
    fs::create_dir_all(Path::new(SITE).join(&folder))?;
    for (name, content) in files {
        let path = Path::new(SITE).join(name);
        if fs::read(&path).ok().as_ref() != Some(&content) {
            fs::write(path, content)?;
        }
    }
    fs::remove_dir_all(&work)?;
    Ok(fs::write(STAMP, stamp)?)
}

/// A file, and the same compressed.
fn add(files: &mut BTreeMap<String, Vec<u8>>, name: String, content: Vec<u8>) -> Result<()> {
    files.insert(format!("{name}.br"), brotli(&content)?);
    files.insert(format!("{name}.gz"), gzip(&content)?);
    files.insert(name, content);
    Ok(())
}

pub fn hash(content: &[u8]) -> String {
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
