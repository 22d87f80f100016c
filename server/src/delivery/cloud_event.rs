//! The body that a webhook receives: CloudEvents 1.0-rc1 in its structured JSON form, written by hand so that `data` goes
//! out byte for byte as it came in.
//!
//! Source: CloudEvents 1.0-rc1, "Required Attributes", and its JSON Event Format.

use std::io::Write;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

/// An accepted event, as its deliveries carry it.
#[derive(Clone, Debug)]
pub struct Event {
    pub id: Uuid,
    pub project_id: i32,
    pub event_type: Arc<str>,
    /// JSON text as sent.
    pub data: Arc<str>,
    pub due_at: DateTime<Utc>,
}

/// Bytes of a body around the type and the data, a few more than there are.
const AROUND: usize = 192;

impl Event {
    /// The request body, the same for every trigger and every attempt. `source` is this installation's identity.
    pub fn body(&self, source: Uuid) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.data.len() + self.event_type.len() + AROUND);
        // Neither a Vec nor a str gives a writer cause to fail.
        let _ = write!(body, r#"{{"specversion":"1.0-rc1","id":"{}","type":"#, self.id);
        let _ = serde_json::to_writer(&mut body, &*self.event_type);
        let _ = write!(body, r#","source":"{source}","time":"{}","data":{}}}"#, iso(self.due_at), self.data);
        body
    }
}

/// ISO 8601 in UTC with milliseconds and `Z`, such as `2019-10-19T12:40:50.053Z`.
pub fn iso(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_exactly_this() {
        let event = Event {
            id: Uuid::from_u128(0x43e32d79_f2bf_41c0_be5f_a75c8c1bcfbf),
            project_id: 1,
            event_type: "a \"quoted\" type".into(),
            data: "{\"foo\":  1e400}".into(),
            due_at: DateTime::from_timestamp_millis(1_571_488_850_053).expect("a valid instant"),
        };
        let source = Uuid::from_u128(0x1fb07d5d_b670_468e_ba94_ad5f06a5c053);
        assert_eq!(
            String::from_utf8_lossy(&event.body(source)),
            "{\"specversion\":\"1.0-rc1\",\"id\":\"43e32d79-f2bf-41c0-be5f-a75c8c1bcfbf\",\"type\":\"a \\\"quoted\\\" type\",\
             \"source\":\"1fb07d5d-b670-468e-ba94-ad5f06a5c053\",\"time\":\"2019-10-19T12:40:50.053Z\",\"data\":{\"foo\":  1e400}}"
        );
    }
}
