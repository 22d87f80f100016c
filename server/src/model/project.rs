use serde::{Deserialize, Serialize};

/// A namespace for triggers and events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// As it stands in URLs.
    pub name: String,
    /// As people read it.
    pub title: String,
    /// How many triggers it has.
    pub triggers: i64,
}

/// The form that creates a project, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectForm {
    pub name: String,
    pub title: String,
}
