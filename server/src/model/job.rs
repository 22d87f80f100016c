use serde::{Deserialize, Serialize};

use super::EventFilter;

/// What a job does with every event of its filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobAction {
    #[default]
    Redeliver,
    Cancel,
}

impl JobAction {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redeliver => "redeliver",
            Self::Cancel => "cancel",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    Running,
    /// It has gone through all of its events.
    Finished,
    /// It was stopped by a person; what it had done is done.
    Cancelled,
}

/// The form that starts a job, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobForm {
    pub action: JobAction,
    pub filter: EventFilter,
    /// Events a second; empty: as fast as it goes.
    pub rate: String,
}

/// Redelivers or cancels many events in the background, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub id: String,
    pub action: JobAction,
    pub filter: EventFilter,
    /// Events a second.
    pub rate: Option<u32>,
    pub state: JobState,
    /// Events that matched when it was started; `None`: there were too many to count at once.
    pub total: Option<u64>,
    /// Events handled.
    pub done: u64,
    /// Deliveries queued again or cancelled.
    pub deliveries: u64,
    /// Everything accepted later than this has been handled.
    pub searched_to: Option<String>,
    pub created_at: String,
    pub finished_at: Option<String>,
}
