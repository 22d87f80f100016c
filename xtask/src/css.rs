//! The stylesheet: Tailwind utilities found in the sources of the pages, and the hand-written rules of `style/`.
//!
//! encre-css makes the utilities: it is Tailwind-compatible, pure Rust and kept up. A class that yields no rule is a typo,
//! and fails the build.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use encre_css::{Config, Preflight};

const TOKENS: &str = "style/tokens.css";
const BASE: &str = "style/base.css";

/// Builds the whole stylesheet, minified.
pub fn build() -> Result<String> {
    let mut config =
        Config::from_file("style/tailwind.toml").map_err(|error| anyhow!("style/tailwind.toml: {error}"))?;
    let mut classes = BTreeSet::new();
    for file in sources(Path::new("app/src"))? {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        for literal in class_literals(&text) {
            classes.extend(literal.split_whitespace().map(str::to_owned));
        }
    }
    let (tokens, base) = (fs::read_to_string(TOKENS)?, fs::read_to_string(BASE)?);
    let preflight = encre_css::generate([], &config);
    config.preflight = Preflight::new_none();

    let by_hand = |class: &String| base.contains(&format!(".{class}"));
    let unknown: Vec<_> = classes
        .iter()
        .filter(|class| !by_hand(class) && encre_css::generate([class.as_str()], &config).trim().is_empty())
        .cloned()
        .collect();
    if !unknown.is_empty() {
        bail!("these classes of app/src yield no rule: {}", unknown.join(" "));
    }
    // In one call, so that the rules come out in the order in which they override each other.
    let utilities = encre_css::generate(classes.iter().map(String::as_str), &config);
    // The hand-written rules come first: a utility on an element says more than its class.
    let whole = [preflight, tokens, base, utilities].join("\n");
    Ok(minifier::css::minify(&whole)
        .map_err(|error| anyhow!("the stylesheet cannot be minified: {error}"))?
        .to_string())
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The string literals that hold classes: `class="…"` in views, and tuples or match arms of functions called `classes`
/// and variables of that name, which hold whole literals too.
fn class_literals(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("class=\"") {
        rest = &rest[at + "class=\"".len()..];
        let end = rest.find('"').unwrap_or(rest.len());
        // Where code fills in the class, the literal that it comes from counts.
        found.extend(Some(&rest[..end]).filter(|literal| !literal.contains('{')));
        rest = &rest[end..];
    }
    // Sets of classes that code chooses between all start with how the element is laid out.
    for literal in text.split('"').skip(1).step_by(2) {
        if literal.starts_with("inline-flex ") {
            found.push(literal);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::class_literals;

    #[test]
    fn literals_are_found() {
        let text = "view! { <p class=\"a b\"/> <b id=\"x\" class=\"c\"/> } Kind::A => \"inline-flex d\",";
        assert_eq!(class_literals(text), ["a b", "c", "inline-flex d"]);
    }
}
