use serde::{Deserialize, Serialize};

use super::Project;

/// All that the page of a project's settings shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectSettings {
    pub project: Project,
    /// Deliveries that wait in its queue.
    pub pending: u64,
    /// The server's settings that bear on it.
    pub limits: Vec<Limit>,
}

/// A setting of the server, as people read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Such as `--retention`.
    pub flag: String,
    /// What it limits, as `--help` says it.
    pub what: String,
    pub value: String,
}
