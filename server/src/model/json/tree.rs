use serde_json::value::RawValue;

use super::{SPACE, outside_strings};

/// Deeper values stay text: a tree that deep helps nobody, and its own depth must not matter.
const DEEPEST: usize = 32;

/// JSON taken apart, each key and scalar as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree<'a> {
    /// Keys with their quotation marks.
    Object(Vec<(&'a str, Tree<'a>)>),
    Array(Vec<Tree<'a>>),
    Scalar(&'a str),
}

impl<'a> Tree<'a> {
    /// `None`: it is not JSON.
    pub fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str::<&RawValue>(text).ok().map(|json| Self::of(json.get(), 0))
    }

    /// Of text that is known to be JSON.
    fn of(text: &'a str, depth: usize) -> Self {
        let text = text.trim_matches(SPACE);
        let inside = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
        match text.as_bytes().first() {
            Some(b'{') if depth < DEEPEST => Self::Object(
                parts(inside, b',')
                    .into_iter()
                    .map(|member| {
                        let key = parts(member, b':').first().copied().unwrap_or_default();
                        let value = member.get(key.len() + 1..).unwrap_or_default();
                        (key.trim_matches(SPACE), Self::of(value, depth + 1))
                    })
                    .collect(),
            ),
            Some(b'[') if depth < DEEPEST => {
                Self::Array(parts(inside, b',').into_iter().map(|element| Self::of(element, depth + 1)).collect())
            }
            _ => Self::Scalar(text),
        }
    }
}

/// What stands between separators that are neither in strings nor in brackets.
fn parts(text: &str, separator: u8) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut from, mut depth) = (0, 0_usize);
    for (at, byte) in outside_strings(text) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ if byte == separator && depth == 0 => {
                found.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    let last = &text[from..];
    if !(found.is_empty() && last.trim_matches(SPACE).is_empty()) {
        found.push(last);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::Tree::{self, Array, Object, Scalar};

    #[test]
    fn everything_stays_as_it_was_written() {
        let text = "{\"a:b\": [1.10, \"x,]\\\"\" , {}], \"é\" :{\"n\":null}, \"a:b\":[ ]}";
        assert_eq!(
            Tree::parse(text),
            Some(Object(vec![
                ("\"a:b\"", Array(vec![Scalar("1.10"), Scalar("\"x,]\\\"\""), Object(vec![])])),
                ("\"é\"", Object(vec![("\"n\"", Scalar("null"))])),
                ("\"a:b\"", Array(vec![])),
            ]))
        );
        assert_eq!(Tree::parse(" 12 "), Some(Scalar("12")));
        assert_eq!(Tree::parse("{\"a\":"), None);
    }

    #[test]
    fn great_depth_stays_text() {
        let text = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        let mut tree = Tree::parse(&text).expect("it is JSON");
        let mut depth = 0;
        while let Array(mut elements) = tree {
            tree = elements.pop().expect("an element");
            depth += 1;
        }
        assert_eq!((depth, tree), (32, Scalar(&text[32..1_968])));
    }
}
