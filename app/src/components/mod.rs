//! What the pages are made of.

mod alert;
mod button;
mod copy;
mod dialog;
mod field;
mod json_editor;
mod json_tree;
mod layout;
mod nav;
mod outcome;
mod plot;
mod response;
mod shortcuts;
mod status;
mod time;
mod toast;
pub mod words;

pub use alert::Alert;
pub use button::{ButtonLink, Kind, SmallButton, SubmitButton};
pub use copy::CopyBlock;
pub use dialog::Dialog;
pub use field::{Field, Note, error_of};
pub use json_editor::JsonEditor;
pub use json_tree::JsonTree;
pub use layout::{Layout, PageHeading};
pub use nav::{Place, ProjectNav, Section};
pub use outcome::OutcomePanel;
pub use plot::{Look, Plot, Series};
pub use response::ResponseView;
pub use shortcuts::Shortcuts;
pub use status::{StatusBadge, Tone};
pub use time::{Clock, When, exact};
pub use toast::{ToastRegion, Toasts};
