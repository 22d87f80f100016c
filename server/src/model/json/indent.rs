/// How much longer a text may become, beside a little that any may: lists of numbers become four times as long, and only what
/// is nested very deeply more than eight times.
const LONGEST: usize = 8;
const A_LITTLE: usize = 64 * 1024;

/// Puts every member and element on a line of its own, indented by two spaces. What is not JSON comes back as it is, and so
/// does what would become very much longer.
pub fn indent(text: &str) -> String {
    if serde_json::from_str::<&serde_json::value::RawValue>(text).is_err() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut characters = text.trim().chars().filter_not_space().peekable();
    while let Some(c) = characters.next() {
        if out.len() > text.len() * LONGEST + A_LITTLE {
            return text.to_owned();
        }
        match c {
            '{' | '[' => {
                out.push(c);
                if let Some(close) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' => {
                out.push(c);
                // The filter passes strings through whole, so the end is the first quote that is not escaped.
                while let Some(inner) = characters.next() {
                    out.push(inner);
                    match inner {
                        '\\' => out.extend(characters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            _ => out.push(c),
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

trait FilterNotSpace: Iterator<Item = char> + Sized {
    /// Drops JSON's white space outside strings.
    fn filter_not_space(self) -> impl Iterator<Item = char> {
        let (mut in_string, mut escaped) = (false, false);
        self.filter(move |c| {
            if in_string {
                in_string = escaped || *c != '"';
                escaped = !escaped && *c == '\\';
                return true;
            }
            in_string = *c == '"';
            !matches!(c, ' ' | '\t' | '\n' | '\r')
        })
    }
}

impl<I: Iterator<Item = char>> FilterNotSpace for I {}

#[cfg(test)]
mod tests {
    use super::indent;

    #[test]
    fn tokens_stay_as_they_are() {
        let text = "{\"b\":1.10e+2, \"a\" : [ ], \"s\":\"x, {y}: \\\"z\\\\\",\"n\":{\"k\":[1,2]}}";
        let pretty = "{\n  \"b\": 1.10e+2,\n  \"a\": [],\n  \"s\": \"x, {y}: \\\"z\\\\\",\n  \"n\": {\n    \"k\": [\n      1,\n      2\n    ]\n  }\n}";
        assert_eq!(indent(text), pretty);
        assert_eq!(indent(pretty), pretty);
        assert_eq!(indent("12345678901234567890123"), "12345678901234567890123");
    }

    #[test]
    fn indentation_does_not_outgrow_the_text() {
        let nested = |levels| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(indent(&nested(3)), "[\n  [\n    []\n  ]\n]");
        assert_eq!(indent(&nested(100)).lines().count(), 199);
        let deep = nested(100_000);
        assert_eq!(indent(&deep), deep);
        let wide = format!("{}{}1{}", "[".repeat(60), "1,".repeat(100_000), "]".repeat(60));
        assert_eq!(indent(&wide), wide);
        let numbers = format!("[[[{}1]]]", "1,".repeat(100_000));
        assert_eq!(indent(&numbers).lines().count(), 100_007);
    }

    #[test]
    fn what_is_not_json_comes_back() {
        for text in ["", "ok", "{\"a\":", "<html>"] {
            assert_eq!(indent(text), text);
        }
    }
}
