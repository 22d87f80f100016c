use serde::{Deserialize, Serialize};

use super::DeliveryStatus;

/// How far back statistics go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Range {
    #[default]
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "24h")]
    Day,
    #[serde(rename = "7d")]
    Week,
}

impl Range {
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.as_str() == name)
    }

    /// Seconds that one bucket of a series stands for.
    pub fn bucket_seconds(self) -> u32 {
        match self {
            Self::Hour => 60,
            Self::Day => 15 * 60,
            Self::Week => 2 * 3600,
        }
    }

    /// Buckets in a series.
    pub fn buckets(self) -> u32 {
        match self {
            Self::Hour => 60,
            Self::Day => 96,
            Self::Week => 84,
        }
    }
}

/// Outcomes counted over some time. Durations are those of single attempts, known to about an eighth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    pub delivered: u64,
    /// Deliveries whose retries ran out.
    pub failed: u64,
    /// Attempts that failed and were followed by another.
    pub retried: u64,
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
}

impl Tally {
    /// Of the deliveries that ended, the part that was delivered, 0 to 1.
    pub fn success_rate(&self) -> Option<f64> {
        let ended = self.delivered + self.failed;
        (ended > 0).then(|| self.delivered as f64 / ended as f64)
    }
}

/// How a trigger does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TriggerHealth {
    pub trigger: String,
    /// The last 20 at most, oldest first: delivered or failed.
    pub outcomes: Vec<DeliveryStatus>,
    pub success_rate: Option<f64>,
    #[serde(flatten)]
    pub tally: Tally,
}

/// How a project does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    pub range: Range,
    /// Pending deliveries now, those that are scheduled for later included; at most [`Self::MOST_COUNTED`] are counted, and of
    /// ten thousand and more the number may be some seconds old.
    pub pending: u64,
    pub success_rate: Option<f64>,
    /// Over the whole range.
    #[serde(flatten)]
    pub tally: Tally,
    pub bucket_seconds: u32,
    /// Oldest first, without gaps; the last one is under way.
    pub series: Vec<Bucket>,
}

impl Overview {
    pub const MOST_COUNTED: u64 = 1_000_000;
}

/// One step of a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// When it began, ISO 8601 in UTC with milliseconds.
    pub at: String,
    #[serde(flatten)]
    pub tally: Tally,
}
