use std::fmt;

use serde_json::value::RawValue;

use super::SPACE;

/// Characters of a line that are shown before its mistake, and in all.
const BEFORE: usize = 40;
const SHOWN: usize = 80;

/// The first place at which text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// What is wrong and where, in one sentence.
    pub message: String,
    /// The line, or the part of it around the place.
    pub excerpt: String,
    /// Characters of the excerpt before the place.
    pub offset: usize,
}

/// The message, and below it the line with a caret under the place.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}^", self.message, self.excerpt, " ".repeat(self.offset))
    }
}

/// Checks that text is JSON, and gives it without the white space around it; empty text is `null`.
pub fn check(text: &str) -> Result<&str, Mistake> {
    if text.trim_matches(SPACE).is_empty() {
        return Ok("null");
    }
    serde_json::from_str::<&RawValue>(text).map(RawValue::get).map_err(|error| {
        let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
        // The parser counts bytes; people count characters.
        let before = line.char_indices().take_while(|(at, _)| *at + 1 < error.column()).count();
        let from = before.saturating_sub(BEFORE);
        Mistake {
            line: error.line(),
            message: sentence(&error, error.column().min(before + 1)),
            excerpt: line.chars().skip(from).take(SHOWN).collect(),
            offset: before - from,
        }
    })
}

/// A parser's complaint in one sentence, with line and column.
pub fn malformed(error: &serde_json::Error) -> String {
    sentence(error, error.column())
}

fn sentence(error: &serde_json::Error, column: usize) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    format!("Malformed JSON at line {}, column {column}: {what}.", error.line())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn json_comes_back_trimmed() {
        assert_eq!(check(" \n"), Ok("null"));
        assert_eq!(check(" {\"a\": 1.0 }\n"), Ok("{\"a\": 1.0 }"));
    }

    #[test]
    fn a_mistake_is_shown_under_its_line() {
        let mistake = check("{\n  \"é\": nope\n}").expect_err("it is malformed");
        let shown = mistake.to_string();
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(mistake.line, 2);
        // The parser stumbles over the o of nope.
        assert!(lines[0].starts_with("Malformed JSON at line 2, column 9: "), "{shown}");
        assert_eq!(lines[1], "  \"é\": nope");
        assert_eq!(lines[2], "        ^", "{shown}");
    }

    #[test]
    fn a_long_line_is_cut_around_its_mistake() {
        let mistake = check(&format!("[{}x]", "1, ".repeat(100))).expect_err("it is malformed");
        assert_eq!((mistake.offset, mistake.excerpt.chars().nth(40)), (40, Some('x')));
    }

    #[test]
    fn what_ends_too_early_is_wrong_at_its_end() {
        let mistake = check("{\n\"a\": 1").expect_err("it is malformed");
        assert_eq!(mistake.line, 2);
        assert!(mistake.message.contains("EOF while parsing an object"), "{}", mistake.message);
        assert!(check("[1,\n").is_err_and(|mistake| mistake.line == 2 && mistake.excerpt.is_empty()));
    }
}
