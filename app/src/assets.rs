//! The browser's files, inside the binary: compressed when it was built, named by their content, cached for a year.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, VARY};
use http::{HeaderValue, StatusCode};
use rust_embed::RustEmbed;
use serde::Deserialize;

use crate::pages::on_demand;

/// What `cargo xtask build` made of the frontend and the styles.
#[derive(RustEmbed)]
#[folder = "../target/site"]
struct Files;

/// The current names of the files. They change with their content.
#[derive(Clone, Debug, Deserialize)]
pub struct Manifest {
    pub css: String,
    /// The folder of the JavaScript and the wasm.
    code: String,
    /// The files that a part needs beside the main ones, by its name.
    parts: HashMap<String, Vec<String>>,
}

impl Manifest {
    /// The address of a file of the code.
    pub fn code(&self, name: &str) -> String {
        format!("/assets/{}/{name}", self.code)
    }

    /// What a page begins with beside the main files: the file of all that its part needs, and the addresses of those of
    /// what is open in it.
    pub fn parts_of(&self, path: &str, query: &str) -> Option<(String, BTreeSet<String>)> {
        let parts = on_demand::parts_of(path, query);
        let mut parts = parts.iter().filter_map(|part| Some((part.name, self.parts.get(part.name)?)));
        let (name, with_it) = parts.next()?;
        let more = parts.flat_map(|(_, files)| files).filter(|file| !with_it.contains(file));
        Some((format!("{name}.bin"), more.map(|name| self.code(name)).collect()))
    }
}

/// `None`: this binary was built without the browser's part; pages still work, unstyled and without JavaScript.
pub static MANIFEST: LazyLock<Option<Manifest>> =
    LazyLock::new(|| serde_json::from_slice(&Files::get("manifest.json")?.data).ok());

/// Serves the files under `/assets/`.
pub fn router() -> Router {
    Router::new().route("/assets/{*file}", get(serve))
}

async fn serve(Path(file): Path<String>, headers: HeaderMap) -> Response {
    let Some(content_type) = content_type(&file) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let encodings = [("br", ".br"), ("gzip", ".gz")].into_iter().filter(|(name, _)| accepts(accepted, name));
    let compressed = encodings.map(|(name, ending)| (Some(name), format!("{file}{ending}")));
    let found =
        compressed.chain([(None, file.clone())]).find_map(|(encoding, name)| Some((encoding, Files::get(&name)?)));
    let Some((encoding, found)) = found else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = found.data.into_owned().into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // The path holds a hash of the content: whatever was fetched once under it stays right for ever.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

fn content_type(file: &str) -> Option<&'static str> {
    match file.rsplit_once('.')?.1 {
        "js" => Some("text/javascript; charset=utf-8"),
        "wasm" => Some("application/wasm"),
        "css" => Some("text/css; charset=utf-8"),
        "bin" => Some("application/octet-stream"),
        _ => None,
    }
}

/// Whether an `Accept-Encoding` takes an encoding (RFC 9110 section 12.5.3).
fn accepts(header: &str, encoding: &str) -> bool {
    header.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        parts.next() == Some(encoding) && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

#[cfg(test)]
mod tests {
    use super::accepts;

    #[test]
    fn encodings() {
        assert!(accepts("gzip, deflate, br, zstd", "br"));
        assert!(accepts("br;q=0.5", "br"));
        assert!(!accepts("br;q=0, gzip", "br"));
        assert!(!accepts("", "gzip"));
        assert!(!accepts("brotli", "br"));
    }
}
