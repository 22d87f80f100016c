use serde::{Deserialize, Serialize};

use super::{Attempt, DeliveryStatus, EventSummary};

/// All that is known of one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventDetail {
    pub summary: EventSummary,
    /// The CloudEvent that every webhook gets, JSON text byte for byte as it is sent.
    pub cloud_event: String,
    /// One a trigger, in the order in which the triggers were created.
    pub deliveries: Vec<DeliveryDetail>,
}

/// One event to one trigger, with all its runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryDetail {
    pub trigger: String,
    /// The trigger is deleted: nothing can be redelivered to it.
    pub deleted: bool,
    /// Of the latest run.
    pub status: DeliveryStatus,
    /// Where it goes, as the trigger is set now.
    pub request: Request,
    /// What a pending delivery waits for.
    pub wait: Option<Wait>,
    /// Oldest first; the last one is the one that counts. A run that was cancelled before its first attempt has no attempts.
    pub runs: Vec<Run>,
}

/// How a trigger's webhook is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub url: String,
    /// In the order of their names; those that every request has are left out.
    pub headers: Vec<(String, String)>,
}

/// A delivery from its being queued to its end: the first one, and one more for every redelivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// From 0.
    pub run: u16,
    pub status: DeliveryStatus,
    pub finished_at: Option<String>,
    /// Attempts begun, one under way and those that a crash cut short included.
    pub attempts_begun: u16,
    /// Why it was not delivered, in plain words.
    pub error: Option<String>,
    /// The attempts of which a record exists, oldest first.
    pub attempts: Vec<Attempt>,
}

/// Why a delivery has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    pub reason: WaitReason,
    /// The same in plain words, such as `retry 2 of 3`.
    pub text: String,
    /// When the next attempt is due; `None`: it is under way, or waits for a person.
    pub next_attempt_at: Option<String>,
    /// The node that works on it.
    pub node: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitReason {
    /// Its time has not come.
    Scheduled,
    /// The last attempt failed; the next one is due later.
    Retry,
    /// The trigger is paused.
    Paused,
    /// Due, and waits until its turn comes.
    FreeSlot,
    /// A node has taken it: an attempt is under way or about to begin.
    InFlight,
}

/// What a redelivery or cancellation did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    pub event_id: String,
    /// The triggers whose deliveries were changed, by name.
    pub triggers: Vec<String>,
    /// Those that were left as they are, and why.
    pub left: Vec<Left>,
}

/// A delivery that was not changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    pub trigger: String,
    /// In plain words.
    pub why: String,
}
