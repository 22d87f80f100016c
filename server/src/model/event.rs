use serde::{Deserialize, Serialize};

use super::Wait;

/// An event that is durably queued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    pub event_id: String,
    /// When it is due, ISO 8601 in UTC with milliseconds.
    pub scheduled_at: String,
    /// How many triggers get it.
    pub triggers: u32,
}

/// Where an event stands: its deliveries, ended and pending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventOutcome {
    pub event_id: String,
    pub event_type: String,
    /// ISO 8601 in UTC with milliseconds.
    pub scheduled_at: String,
    /// The first successful webhook's answer, as JSON text; where it is an object with a key `response`, that key's value.
    pub result: Option<String>,
    /// One a trigger, in the order in which the triggers were created.
    pub deliveries: Vec<Delivery>,
}

impl EventOutcome {
    /// Deliveries that have not ended.
    pub fn pending(&self) -> usize {
        self.deliveries.iter().filter(|delivery| delivery.status == DeliveryStatus::Pending).count()
    }

    /// Whether a webhook has taken the event.
    pub fn delivered(&self) -> bool {
        self.deliveries.iter().any(|delivery| delivery.status == DeliveryStatus::Delivered)
    }
}

/// The state of one event's way to one trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStatus {
    /// Waiting, being tried, or waiting for its next retry.
    Pending,
    /// A webhook answered 2xx.
    Delivered,
    /// The retries ran out.
    Failed,
    /// Its trigger was deleted, or a person cancelled it.
    Cancelled,
}

impl DeliveryStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One event to one trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub trigger: String,
    pub status: DeliveryStatus,
    /// Attempts begun, one under way included.
    pub attempts: u16,
    /// Why it was not delivered, in plain words.
    pub error: Option<String>,
    /// The ended attempts of which a record exists, oldest first; the last one decided the delivery.
    pub history: Vec<Attempt>,
    /// Why it has not ended, where that was looked up.
    pub wait: Option<Wait>,
}

impl Delivery {
    /// The attempt that stands last.
    pub fn last(&self) -> Option<&Attempt> {
        self.history.last()
    }
}

/// One HTTP POST of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// From 1.
    pub number: u16,
    /// ISO 8601 in UTC with milliseconds.
    pub started_at: String,
    /// From the name lookup to the last byte read.
    pub duration_us: u32,
    pub timings: Timings,
    pub response: Option<Response>,
    /// Why it failed, in plain words.
    pub error: Option<String>,
    /// The node that made it.
    pub node: Option<String>,
}

/// What of an attempt took how long, in microseconds. `None`: it was not done. An attempt that was answered and connected to
/// nobody used a connection that was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timings {
    /// Looking the host's name up.
    pub dns_us: Option<u32>,
    /// Connecting over TCP.
    pub connect_us: Option<u32>,
    /// The TLS handshake.
    pub tls_us: Option<u32>,
    /// From the beginning of the attempt until the head of the response was there.
    pub first_byte_us: Option<u32>,
}

/// What a webhook answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    pub status: u16,
    /// In the order of their names; several of one name are joined by `, `.
    pub headers: Vec<(String, String)>,
    /// As text; bytes that are not UTF-8 are replaced.
    pub body: String,
    /// The body was longer than what is kept of it (64 KiB).
    pub cut: bool,
}
