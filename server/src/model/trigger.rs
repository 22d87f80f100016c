use serde::{Deserialize, Serialize};

use super::project::typed;
use super::{DEFAULT_RETRIES, DEFAULT_TIMEOUT_MS, Project, TriggerDefaults};

/// An event trigger: events of its type are delivered to its webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    pub name: String,
    /// Where its events come from; `custom` is the one source there is.
    pub source: String,
    pub event_type: String,
    pub url: String,
    /// Attempts after the first.
    pub retries: u16,
    /// Milliseconds for a whole attempt.
    pub timeout_ms: u32,
    /// Headers added to every request, in order of their names.
    pub headers: Vec<(String, String)>,
    /// The JSON object that the original's clients keep with a trigger, as text.
    pub options: String,
    /// Deliveries in flight on one node; `None`: the server's default.
    pub concurrency: Option<u32>,
    /// Milliseconds before the first retry; `None`: the server's default.
    pub backoff_first_ms: Option<u32>,
    /// The longest wait before a retry in milliseconds; `None`: the server's default.
    pub backoff_max_ms: Option<u32>,
    /// `false`: paused. Its deliveries wait in the queue.
    pub enabled: bool,
    /// Deliveries waiting in the queue, of which at most [`Self::MOST_COUNTED`] are counted; 0 where nobody asks for them.
    pub pending: u64,
}

impl Trigger {
    pub const MOST_COUNTED: u64 = 10_000;
}

/// All that the page of a project's triggers shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggersPage {
    pub project: Project,
    pub triggers: Vec<Trigger>,
    /// Event types in use, to be offered while typing.
    pub types: Vec<String>,
}

/// The form that creates or changes a trigger, as typed: every value is text, so that nothing typed is ever lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TriggerForm {
    pub name: String,
    pub source: String,
    pub event_type: String,
    pub url: String,
    pub retries: String,
    /// Milliseconds.
    pub timeout: String,
    /// One `Name: value` a line.
    pub headers: String,
    pub concurrency: String,
    /// Milliseconds.
    pub backoff_first: String,
    /// Milliseconds.
    pub backoff_max: String,
}

impl Default for TriggerForm {
    fn default() -> Self {
        Self {
            name: String::new(),
            source: "custom".into(),
            event_type: String::new(),
            url: String::new(),
            retries: DEFAULT_RETRIES.to_string(),
            timeout: DEFAULT_TIMEOUT_MS.to_string(),
            headers: String::new(),
            concurrency: String::new(),
            backoff_first: String::new(),
            backoff_max: String::new(),
        }
    }
}

impl TriggerForm {
    /// That of a new trigger in a project with these defaults.
    pub fn of_new(defaults: TriggerDefaults) -> Self {
        Self {
            retries: defaults.retries.unwrap_or(DEFAULT_RETRIES).to_string(),
            timeout: defaults.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS).to_string(),
            backoff_first: typed(defaults.backoff_first_ms),
            backoff_max: typed(defaults.backoff_max_ms),
            ..Self::default()
        }
    }
}

impl From<&Trigger> for TriggerForm {
    fn from(trigger: &Trigger) -> Self {
        let lines: Vec<_> = trigger.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        Self {
            name: trigger.name.clone(),
            source: trigger.source.clone(),
            event_type: trigger.event_type.clone(),
            url: trigger.url.clone(),
            retries: trigger.retries.to_string(),
            timeout: trigger.timeout_ms.to_string(),
            headers: lines.join("\n"),
            concurrency: typed(trigger.concurrency),
            backoff_first: typed(trigger.backoff_first_ms),
            backoff_max: typed(trigger.backoff_max_ms),
        }
    }
}

/// The form that sends a test event, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventForm {
    /// JSON; empty means `null`.
    pub data: String,
    /// A checkbox: present when checked.
    pub synchronous: Option<String>,
    pub schedule: Schedule,
    /// Seconds; used with [`Schedule::Delay`].
    pub delay: String,
    /// As a browser's date and time input gives it, such as `2019-10-19T12:40`; used with [`Schedule::Time`].
    pub time: String,
    /// Of the time from UTC, such as `+02:00`. Empty: the time is in UTC, since without JavaScript nobody knows the zone.
    pub offset: String,
}

impl EventForm {
    /// The time as RFC 3339; empty where no time was typed.
    pub fn timestamp(&self) -> String {
        let (time, offset) = (self.time.trim(), self.offset.as_str());
        // Browsers leave out seconds that are zero.
        let seconds = if time.len() == "2019-10-19T12:40".len() { ":00" } else { "" };
        let zone = if offset.is_empty() { "Z" } else { offset };
        if time.is_empty() { String::new() } else { format!("{time}{seconds}{zone}") }
    }
}

/// When a test event is to be triggered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    #[default]
    Now,
    /// So many seconds from now.
    Delay,
    /// At a time.
    Time,
}
