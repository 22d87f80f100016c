//! What the pages are made of.

mod alert;
mod button;
mod copy;
mod dialog;
mod field;
mod layout;
mod nav;
mod outcome;
mod plot;
mod status;
mod time;

pub use alert::Alert;
pub use button::{ButtonLink, Kind, SubmitButton};
pub use copy::CopyBlock;
pub use dialog::Dialog;
pub use field::{Field, Note, error_of};
pub use layout::{Layout, PageHeading};
pub use nav::{Place, ProjectNav, Section};
pub use outcome::{OutcomePanel, ResponseView, milliseconds};
pub use plot::{Look, Plot, Series};
pub use status::{StatusBadge, Tone};
pub use time::{Clock, When};
