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
    pub defaults: TriggerDefaults,
}

/// What a new trigger of a project gets where nothing else is said. `None`: what every trigger gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TriggerDefaults {
    /// Attempts after the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u16>,
    /// Milliseconds for a whole attempt.
    #[serde(rename = "timeout", skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    /// Milliseconds before the first retry.
    #[serde(rename = "backoffFirst", skip_serializing_if = "Option::is_none")]
    pub backoff_first_ms: Option<u32>,
    /// The longest wait before a retry in milliseconds.
    #[serde(rename = "backoffMax", skip_serializing_if = "Option::is_none")]
    pub backoff_max_ms: Option<u32>,
}

/// The form that sets what new triggers get, as typed; what is empty is left to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DefaultsForm {
    pub retries: String,
    /// Milliseconds.
    pub timeout: String,
    /// Milliseconds.
    pub backoff_first: String,
    /// Milliseconds.
    pub backoff_max: String,
}

impl From<TriggerDefaults> for DefaultsForm {
    fn from(defaults: TriggerDefaults) -> Self {
        Self {
            retries: typed(defaults.retries),
            timeout: typed(defaults.timeout_ms),
            backoff_first: typed(defaults.backoff_first_ms),
            backoff_max: typed(defaults.backoff_max_ms),
        }
    }
}

/// A number as somebody would have typed it; none: nothing.
pub(super) fn typed(number: Option<impl ToString>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// The form that creates a project, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectForm {
    pub name: String,
    pub title: String,
}
