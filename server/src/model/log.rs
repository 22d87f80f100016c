use serde::{Deserialize, Serialize};

use super::FieldError;

/// Which events are meant, as typed: every value is text and an empty one means any, so that nothing typed is ever lost.
/// The names of its fields are those of the query string.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventFilter {
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub event_type: String,
    /// The name of a trigger. With it an event stands for its delivery to this trigger: its status, counts and errors are
    /// those of this delivery alone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub trigger: String,
    /// An [`EventStatus`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// The earliest acceptance: RFC 3339 or Unix milliseconds.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// Accepted before this: RFC 3339 or Unix milliseconds.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// The id of one event.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Stands in the data as it was sent, letter for letter.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Keys and indices into the data, with dots between them: `order.items.0.id`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What stands there: text without quotation marks, or a number, `true`, `false`, `null`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
}

impl EventFilter {
    /// The names of all filters, as they stand in a query string.
    pub const NAMES: [&str; 9] = ["type", "trigger", "status", "from", "to", "id", "text", "path", "value"];

    /// The filter of a name; `None`: there is none of that name.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "type" => &mut self.event_type,
            "trigger" => &mut self.trigger,
            "status" => &mut self.status,
            "from" => &mut self.from,
            "to" => &mut self.to,
            "id" => &mut self.id,
            "text" => &mut self.text,
            "path" => &mut self.path,
            "value" => &mut self.value,
            _ => return None,
        })
    }

    /// Whether every event is meant.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What an event log can be filtered by: the names in use. And what is wrong with a filter of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterChoices {
    pub triggers: Vec<String>,
    pub types: Vec<String>,
    pub errors: Vec<FieldError>,
}

/// One page of the event log, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventQuery {
    #[serde(flatten)]
    pub filter: EventFilter,
    /// Events on a page, 1 to 200; empty: 50.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub limit: String,
    /// Where the page before it ended: its `next`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cursor: String,
    /// Only events newer than the one of this id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub after: String,
}

/// Where an event stands, all its deliveries taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventStatus {
    /// Its time has not come.
    Scheduled,
    /// Due, and not ended.
    Pending,
    /// An attempt failed, and another one follows.
    Retrying,
    /// Every delivery was taken by its webhook.
    Delivered,
    /// All have ended, and one at least failed for good.
    Failed,
    /// All have ended, none failed, and one at least was cancelled.
    Cancelled,
    /// No trigger was registered for its type.
    NoTrigger,
}

impl EventStatus {
    pub const ALL: [Self; 7] = [
        Self::Scheduled,
        Self::Pending,
        Self::Retrying,
        Self::Delivered,
        Self::Failed,
        Self::Cancelled,
        Self::NoTrigger,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::NoTrigger => "no-trigger",
        }
    }

    /// The status of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Whether every delivery has ended.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Delivered | Self::Failed | Self::Cancelled | Self::NoTrigger)
    }
}

/// The deliveries of an event, each in its latest run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryCounts {
    pub pending: u32,
    pub delivered: u32,
    pub failed: u32,
    pub cancelled: u32,
}

/// One line of the event log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventSummary {
    pub id: String,
    #[serde(rename = "type")]
    pub event_type: String,
    /// ISO 8601 in UTC with milliseconds, like all times.
    pub accepted_at: String,
    /// When it is, or was, due for the first time.
    pub scheduled_at: String,
    pub status: EventStatus,
    /// Deliveries made of it.
    pub triggers: u32,
    pub deliveries: DeliveryCounts,
    /// Begun in the latest runs of all deliveries.
    pub attempts: u32,
    /// Why the delivery that ended last was not delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// A page of the event log, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventPage {
    pub events: Vec<EventSummary>,
    /// The cursor of the page after this one; `None`: nothing older matches.
    pub next: Option<String>,
    /// The search took too long for one answer: everything accepted later than this was looked at, and `next` goes on from
    /// there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub searched_to: Option<String>,
}

/// How many events match a filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventCount {
    pub events: u64,
    /// Counting took too long: there are at least so many, all accepted later than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub searched_to: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_called_alike_everywhere() {
        for status in EventStatus::ALL {
            assert_eq!(serde_json::to_value(status).expect("JSON"), status.as_str());
            assert_eq!(EventStatus::parse(status.as_str()), Some(status));
        }
        assert_eq!(EventStatus::parse("Failed"), None);
    }

    #[test]
    fn filters_are_called_alike_everywhere() {
        let mut filter = EventFilter::default();
        for name in EventFilter::NAMES {
            *filter.get_mut(name).expect("a filter") = name.to_uppercase();
        }
        let json = serde_json::to_value(&filter).expect("JSON");
        for name in EventFilter::NAMES {
            assert_eq!(json[name], name.to_uppercase());
        }
        assert_eq!(serde_json::from_value::<EventFilter>(json).expect("a filter"), filter);
        assert!(filter.get_mut("limit").is_none());
    }
}
