//! What the pages are made of.

mod alert;
mod button;
mod copy;
mod dialog;
mod field;
mod layout;
mod outcome;
mod status;

pub use alert::Alert;
pub use button::{ButtonLink, Kind, SubmitButton};
pub use copy::CopyBlock;
pub use dialog::Dialog;
pub use field::{Field, Note, error_of};
pub use layout::{Layout, PageHeading};
pub use outcome::{OutcomePanel, ResponseView, milliseconds};
pub use status::{StatusBadge, Tone};
