//! The body of the queue API: one event or a batch of them, parsed once.
//!
//! `data` is never interpreted: it is cut out of the body as text, so that key order, the digits of numbers and escapes
//! reach the webhook as they were sent.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::fields::{Fields, boolean, malformed, number, string};
use super::names::{Delay, EventType, IdempotencyKey, Timestamp};
use crate::model::{FieldError, json};

/// The most events in one batch.
pub const MAX_BATCH: usize = 1_000;

/// One event to queue.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    pub event_type: EventType,
    /// JSON text.
    pub data: Arc<str>,
    pub timestamp: Option<Timestamp>,
    pub delay: Delay,
    pub synchronous: bool,
    pub idempotency_key: Option<IdempotencyKey>,
    /// Keys of the request that mean nothing, to be named in the answer so that a typo shows.
    pub ignored: Vec<String>,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum QueueRequest {
    One(Box<NewEvent>),
    Batch(Vec<NewEvent>),
}

/// Why a body could not be taken.
#[derive(Clone, Debug, PartialEq)]
pub enum BadRequest {
    /// Not JSON, and where.
    Malformed(String),
    /// JSON, but not what is asked for.
    Invalid(Vec<FieldError>),
}

impl QueueRequest {
    /// Parses a body. `header_key` is the header `Idempotency-Key`; on a batch every event gets a key made of it and of its
    /// place, so that sending the whole batch again queues nothing twice.
    pub fn parse(body: &[u8], header_key: Option<&str>) -> Result<Self, BadRequest> {
        let header_key =
            header_key.map(IdempotencyKey::parse).transpose().map_err(|message| invalid("Idempotency-Key", message))?;
        let text = std::str::from_utf8(body).map_err(|error| {
            BadRequest::Malformed(format!("The body is not UTF-8 from byte {} on.", error.valid_up_to() + 1))
        })?;
        if text.trim_start_matches(json::SPACE).starts_with('[') {
            let items: Vec<&RawValue> =
                serde_json::from_str(text).map_err(|error| BadRequest::Malformed(malformed(&error)))?;
            return Self::batch(&items, header_key.as_ref());
        }
        let body: &RawValue = serde_json::from_str(text).map_err(|error| BadRequest::Malformed(malformed(&error)))?;
        if !body.get().starts_with('{') {
            return Err(invalid(
                "body",
                "The body is an object such as {\"type\": \"sent-email\", \"data\": {}}, or an array of them.".into(),
            ));
        }
        let mut event = parse_event(body).map_err(BadRequest::Invalid)?;
        match (&event.idempotency_key, header_key) {
            (Some(own), Some(header)) if *own != header => {
                return Err(invalid(
                    "idempotencyKey",
                    "The header Idempotency-Key says another key; send one of the two.".into(),
                ));
            }
            (None, header) => event.idempotency_key = header,
            _ => {}
        }
        Ok(Self::One(Box::new(event)))
    }

    fn batch(items: &[&RawValue], header_key: Option<&IdempotencyKey>) -> Result<Self, BadRequest> {
        if items.is_empty() || items.len() > MAX_BATCH {
            return Err(invalid(
                "body",
                format!("A batch holds 1 to {MAX_BATCH} events; this one holds {}.", items.len()),
            ));
        }
        let mut events = Vec::with_capacity(items.len());
        let mut errors = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let parsed = if item.get().starts_with('{') {
                parse_event(item)
            } else {
                Err(vec![FieldError::new("", "Every event of a batch is an object.")])
            };
            match parsed {
                Ok(event) if event.synchronous => errors.push(FieldError::new(
                    format!("[{index}].isSynchronous"),
                    "A batch is asynchronous; send a synchronous event by itself.",
                )),
                Ok(mut event) => {
                    if event.idempotency_key.is_none() {
                        event.idempotency_key = header_key.map(|key| key.of_batch_item(index));
                    }
                    events.push(event);
                }
                Err(of_item) => errors.extend(of_item.into_iter().map(|error| {
                    let dot = if error.field.is_empty() { "" } else { "." };
                    FieldError::new(format!("[{index}]{dot}{}", error.field), error.message)
                })),
            }
        }
        if errors.is_empty() { Ok(Self::Batch(events)) } else { Err(BadRequest::Invalid(errors)) }
    }
}

fn invalid(field: &str, message: String) -> BadRequest {
    BadRequest::Invalid(vec![FieldError::new(field, message)])
}

fn parse_event(item: &RawValue) -> Result<NewEvent, Vec<FieldError>> {
    let mut fields = Fields::of(item).map_err(|error| vec![FieldError::new("", malformed(&error))])?;
    let event_type = fields.take("type", |raw| EventType::parse(&string(raw)?));
    if event_type.is_none() && !fields.failed("type") {
        fields.error("type", "A type is needed: the type of the event, such as \"sent-email\".");
    }
    let data = fields.take("data", |raw| Ok(raw.get().into()));
    let payload = fields.take("payload", |raw| Ok(raw.get().into()));
    if data.is_some() && payload.is_some() {
        fields.error("payload", "`payload` is another name of `data`; send one of the two.");
    }
    let timestamp = fields.take("timestamp", |raw| match raw.get().as_bytes().first() {
        Some(b'"') => Timestamp::parse(&string(raw)?),
        _ => Timestamp::from_millis(
            number(raw).map_err(|_| "A timestamp is a number of Unix milliseconds or RFC 3339 text.")?,
        ),
    });
    let delay = fields.take("delay", |raw| Delay::from_seconds(number(raw)?));
    if let (Some(timestamp), Some(delay)) = (timestamp, delay)
        && !timestamp.can_wait(delay)
    {
        fields.error("delay", "The timestamp and the delay together lead beyond the year 9999.");
    }
    let synchronous = fields.take("isSynchronous", boolean);
    fields
        .take("options", |raw| if raw.get().starts_with('{') { Ok(()) } else { Err("Options are an object.".into()) });
    let idempotency_key = fields.take("idempotencyKey", |raw| IdempotencyKey::parse(&string(raw)?));

    let (errors, ignored) = fields.into_errors_and_unknown();
    match event_type {
        Some(event_type) if errors.is_empty() => Ok(NewEvent {
            event_type,
            data: data.or(payload).unwrap_or_else(|| "null".into()),
            timestamp,
            delay: delay.unwrap_or_default(),
            synchronous: synchronous.unwrap_or(false),
            idempotency_key,
            ignored,
        }),
        _ => Err(errors),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::json;

    fn one(body: &str) -> NewEvent {
        match QueueRequest::parse(body.as_bytes(), None) {
            Ok(QueueRequest::One(event)) => *event,
            other => panic!("{body}: {other:?}"),
        }
    }

    fn errors(body: &str) -> Vec<String> {
        match QueueRequest::parse(body.as_bytes(), None) {
            Err(BadRequest::Invalid(errors)) => errors.into_iter().map(|error| error.field).collect(),
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn data_is_cut_out_unchanged() {
        let data = "{\"z\":1, \"a\" : 123456789012345678901234567890, \"s\":\"\\u0000\\ud800é🎉\",\"f\":1.10e+2}";
        assert_eq!(one(&format!("{{\"type\":\"t\",\"data\": {data} }}")).data[..], *data);
        assert_eq!(one(&format!("{{\"type\":\"t\",\"payload\":{data}}}")).data[..], *data);
    }

    #[test]
    fn null_means_the_default() {
        let event = one(
            r#"{"type":"t","data":null,"timestamp":null,"delay":null,"isSynchronous":null,"options":null,"idempotencyKey":null}"#,
        );
        assert_eq!(event, one(r#"{"type":"t"}"#));
        assert_eq!(&*event.data, "null");
    }

    #[test]
    fn unknown_keys_are_named() {
        assert_eq!(one(r#"{"type":"t","isSynchronus":true,"x":1}"#).ignored, ["isSynchronus", "x"]);
    }

    #[test]
    fn every_wrong_field_is_named() {
        assert_eq!(
            errors(r#"{"type":7,"timestamp":true,"delay":-1,"isSynchronous":"yes","options":[],"idempotencyKey":""}"#),
            ["type", "timestamp", "delay", "isSynchronous", "options", "idempotencyKey"]
        );
        assert_eq!(errors("{}"), ["type"]);
        assert_eq!(errors(r#"{"type":"a","type":"b"}"#), ["type"]);
        assert_eq!(errors(r#"{"type":"a","data":1,"payload":2}"#), ["payload"]);
        assert_eq!(errors(r#"{"type":"\ud800"}"#), ["type"]);
        assert_eq!(errors(r#"{"type":"a","timestamp":253402300799999,"delay":1}"#), ["delay"]);
        assert_eq!(errors("7"), ["body"]);
        assert_eq!(errors("[]"), ["body"]);
        assert_eq!(
            errors(r#"[{"type":"a"},{"type":""},7,{"type":"a","isSynchronous":true}]"#),
            ["[1].type", "[2]", "[3].isSynchronous"]
        );
    }

    #[test]
    fn malformed_bodies_say_where() {
        for (body, at) in [
            ("{\"type\": \"a\",}", "line 1, column 14"),
            ("", "line 1, column 0"),
            ("{\n \"type\" 1}", "line 2, column 9"),
            ("[1,", "line 1, column 3"),
        ] {
            match QueueRequest::parse(body.as_bytes(), None) {
                Err(BadRequest::Malformed(message)) => assert!(message.contains(at), "{body}: {message}"),
                other => panic!("{body}: {other:?}"),
            }
        }
        assert!(
            matches!(QueueRequest::parse(b"{\"type\":\"\xff\"}", None), Err(BadRequest::Malformed(message)) if message.contains("byte 10"))
        );
    }

    #[test]
    fn ten_thousand_levels_are_no_trouble() {
        let data = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(one(&format!("{{\"type\":\"t\",\"data\":{data}}}")).data[..], *data);
    }

    #[test]
    fn a_batch_under_one_header_key_gets_a_key_an_event() {
        let Ok(QueueRequest::Batch(events)) =
            QueueRequest::parse(br#"[{"type":"a"},{"type":"b","idempotencyKey":"own"}]"#, Some("k"))
        else {
            panic!("a batch was expected");
        };
        let keys: Vec<_> =
            events.iter().map(|event| event.idempotency_key.as_ref().map(IdempotencyKey::as_str)).collect();
        assert_eq!(keys, [Some("k\u{1f}0"), Some("own")]);
    }

    /// Any JSON, written in any way.
    fn any_json() -> impl Strategy<Value = String> {
        let space = "[ \t\n\r]{0,2}";
        let text = prop_oneof![any::<String>(), Just("\u{0}\u{7f}\u{2028}🎉".to_owned())]
            .prop_map(|text| serde_json::Value::from(text).to_string());
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            Just("\"\\ud800\\/\"".to_owned()),
            "-?[1-9][0-9]{0,40}(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,6})?",
            text.clone(),
        ];
        leaf.prop_recursive(6, 40, 6, move |inner| {
            let members = prop::collection::vec((text.clone(), space, inner.clone()), 0..5).prop_map(|members| {
                let members: Vec<_> =
                    members.into_iter().map(|(key, space, value)| format!("{key}:{space}{value}")).collect();
                format!("{{{}}}", members.join(","))
            });
            let elements = prop::collection::vec((space, inner), 0..5).prop_map(|elements| {
                let elements: Vec<_> = elements.into_iter().map(|(space, value)| format!("{space}{value}")).collect();
                format!("[{}]", elements.join(","))
            });
            prop_oneof![members, elements]
        })
    }

    proptest! {
        #[test]
        fn any_data_is_cut_out_unchanged(data in any_json(), synchronous: bool) {
            let body = format!("{{\"type\":\"t\", \"data\":\n{data} ,\"isSynchronous\":{synchronous}}}");
            prop_assert_eq!(&*one(&body).data, &*data);
            let spaced = format!(" {data}\n");
            prop_assert_eq!(json::check(&spaced), Ok(data.as_str()));
        }

        #[test]
        fn no_body_makes_the_parser_fail(body in prop::collection::vec(any::<u8>(), 0..200), cut in 0..200_usize, data in any_json()) {
            drop(QueueRequest::parse(&body, None));
            let event = format!("[{{\"type\":\"t\",\"data\":{data}}}]");
            let cut = cut.min(event.len() - 1);
            prop_assert!(matches!(QueueRequest::parse(&event.as_bytes()[..cut], None), Err(BadRequest::Malformed(_))));
            drop(json::check(&String::from_utf8_lossy(&body)));
        }
    }
}
