//! JSON as text, never interpreted: every key, number and escape stays as it was written. The server and the browser's
//! editor say the same of it in the same words.

mod brackets;
mod indent;
mod mistake;
mod tree;

pub use brackets::pair_at;
pub use indent::indent;
pub use mistake::{Mistake, check, malformed};
pub use tree::Tree;

/// White space between JSON's tokens. RFC 8259 section 2.
pub const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// The bytes of text that are not in strings, and their places. Brackets, separators and quotation marks are ASCII, which no
/// byte of another character is in UTF-8.
fn outside_strings(text: &str) -> impl Iterator<Item = (usize, u8)> {
    let (mut in_string, mut escaped) = (false, false);
    text.bytes().enumerate().filter(move |(_, byte)| {
        if in_string {
            in_string = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            return false;
        }
        in_string = *byte == b'"';
        !in_string
    })
}
