//! The types that the server and the browser share, one file a noun.

mod detail;
mod event;
mod form;
mod job;
pub mod json;
mod log;
mod project;
mod settings;
mod stats;
mod trigger;

pub use detail::{Changed, DeliveryDetail, EventDetail, Left, Request, Run, Wait, WaitReason};
pub use event::{Attempt, Delivery, DeliveryStatus, EventOutcome, Queued, Response, Timings};
pub use form::{FieldError, Submitted};
pub use job::{Job, JobAction, JobForm, JobState};
pub use log::{
    DeliveryCounts, EventCount, EventFilter, EventPage, EventQuery, EventStatus, EventSummary, FilterChoices,
};
pub use project::{DefaultsForm, Project, ProjectForm, TriggerDefaults};
pub use settings::{Limit, ProjectSettings};
pub use stats::{Bucket, Overview, Range, Tally, TriggerHealth};
pub use trigger::{EventForm, Schedule, Trigger, TriggerForm, TriggersPage};

/// What a trigger gets when nothing else is said: the original product's defaults.
pub const DEFAULT_RETRIES: u16 = 3;
/// Milliseconds, from the name lookup to the last byte of the response body.
pub const DEFAULT_TIMEOUT_MS: u32 = 5_000;
/// The most retries that a trigger may ask for.
pub const MAX_RETRIES: u16 = 100;
/// The longest timeout of a trigger, in milliseconds.
pub const MAX_TIMEOUT_MS: u32 = 600_000;
/// The most deliveries of one trigger that may be in flight on a node.
pub const MAX_CONCURRENCY: u32 = 10_000;
/// The longest wait before a retry that a trigger may ask for, in milliseconds: a day.
pub const MAX_BACKOFF_MS: u32 = 86_400_000;
