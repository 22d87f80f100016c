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
