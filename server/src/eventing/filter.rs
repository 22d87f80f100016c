//! Filters of the event log, parsed once.

use uuid::Uuid;

use super::Error;
use super::names::{EventType, Name, Timestamp};
use crate::model::{EventFilter, EventQuery, EventStatus, FieldError};
use crate::store::{DataMatch, Span};

/// Events on a page where the query says nothing.
const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;
/// The longest text, path or value, in bytes.
const MAX_TEXT: usize = 1_000;

/// Which events are meant.
#[derive(Clone, Debug)]
pub struct Criteria {
    pub event_type: Option<EventType>,
    pub trigger: Option<Name>,
    pub status: Option<EventStatus>,
    pub data: DataMatch,
    /// By the times of acceptance, which their ids begin with.
    pub span: Span,
}

/// A page of the event log.
#[derive(Clone, Debug)]
pub struct PageRequest {
    pub criteria: Criteria,
    pub limit: usize,
}

impl Criteria {
    pub fn parse(filter: &EventFilter) -> Result<Self, Error> {
        let mut errors = Vec::new();
        let criteria = Self::gather(filter, &mut errors);
        if errors.is_empty() { Ok(criteria) } else { Err(Error::Invalid(errors)) }
    }

    /// What is wrong with a filter.
    pub fn errors_of(filter: &EventFilter) -> Vec<FieldError> {
        let mut errors = Vec::new();
        Self::gather(filter, &mut errors);
        errors
    }

    fn gather(filter: &EventFilter, errors: &mut Vec<FieldError>) -> Self {
        let mut span = Span { from: Uuid::nil(), before: Uuid::max() };
        if let Some(from) = field(errors, "from", &filter.from, instant) {
            span.from = from;
        }
        if let Some(to) = field(errors, "to", &filter.to, instant) {
            span.before = to;
        }
        if let Some(id) = field(errors, "id", &filter.id, id) {
            span.from = span.from.max(id);
            span.before = span.before.min(next(id));
        }
        let path = field(errors, "path", &filter.path, path);
        let value = field(errors, "value", &filter.value, short);
        if filter.path.is_empty() != filter.value.is_empty() {
            let (missing, message) = if filter.path.is_empty() {
                ("path", "A value is looked for at a path, such as order.id.")
            } else {
                ("value", "A path needs the value that stands there.")
            };
            errors.push(FieldError::new(missing, message));
        }
        Self {
            event_type: field(errors, "type", &filter.event_type, EventType::parse),
            trigger: field(errors, "trigger", &filter.trigger, Name::parse),
            status: field(errors, "status", &filter.status, status),
            data: DataMatch { text: field(errors, "text", &filter.text, short), member: path.zip(value) },
            span,
        }
    }
}

impl PageRequest {
    pub fn parse(query: &EventQuery) -> Result<Self, Error> {
        let mut errors = Vec::new();
        let mut criteria = Criteria::gather(&query.filter, &mut errors);
        let limit = field(&mut errors, "limit", &query.limit, limit).unwrap_or(DEFAULT_LIMIT);
        if let Some(cursor) = field(&mut errors, "cursor", &query.cursor, cursor) {
            criteria.span.before = criteria.span.before.min(cursor);
        }
        if let Some(after) = field(&mut errors, "after", &query.after, id) {
            criteria.span.from = criteria.span.from.max(next(after));
        }
        if errors.is_empty() { Ok(Self { criteria, limit }) } else { Err(Error::Invalid(errors)) }
    }
}

/// Where a page ended, as a caller hands it back.
pub fn cursor_of(last: Uuid) -> String {
    last.simple().to_string()
}

fn field<T>(
    errors: &mut Vec<FieldError>,
    name: &str,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    if text.is_empty() {
        return None;
    }
    parse(text).map_err(|message| errors.push(FieldError::new(name, message))).ok()
}

/// The smallest id of an instant.
fn instant(text: &str) -> Result<Uuid, String> {
    let Timestamp(at) = match text.parse::<f64>() {
        Ok(millis) => Timestamp::from_millis(millis)?,
        Err(_) => Timestamp::parse(text)?,
    };
    // Nothing was accepted before 1970, and an id has 48 bits for milliseconds, which last until the year 10889.
    let millis = u128::try_from(at.timestamp_millis()).unwrap_or(0);
    Ok(Uuid::from_u128(millis << 80))
}

fn id(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| format!("{text:?} is not the id of an event."))
}

fn cursor(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is no cursor. The `next` of the page before is one; without any, the page is the newest.")
    })
}

fn next(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128().saturating_add(1))
}

fn status(text: &str) -> Result<EventStatus, String> {
    EventStatus::parse(text).ok_or_else(|| {
        let names: Vec<_> = EventStatus::ALL.iter().map(|status| status.as_str()).collect();
        format!("A status is one of {}.", names.join(", "))
    })
}

fn limit(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        .ok_or_else(|| format!("A limit is 1 to {MAX_LIMIT}."))
}

fn path(text: &str) -> Result<Vec<String>, String> {
    let path: Vec<_> = short(text)?.split('.').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        return Err("A path is made of keys with dots between them, such as order.items.0.id.".into());
    }
    Ok(path)
}

fn short(text: &str) -> Result<String, String> {
    if text.len() > MAX_TEXT {
        return Err(format!("At most {MAX_TEXT} bytes can be looked for."));
    }
    if text.contains('\0') {
        return Err("No data holds this character as it is: JSON writes it \\u0000.".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> EventQuery {
        let mut query = EventQuery::default();
        for (name, value) in pairs {
            let field = match *name {
                "limit" => &mut query.limit,
                "cursor" => &mut query.cursor,
                "after" => &mut query.after,
                other => query.filter.get_mut(other).expect("a filter"),
            };
            *field = (*value).to_owned();
        }
        query
    }

    #[test]
    fn wrong_fields_are_named() {
        let long = "x".repeat(MAX_TEXT + 1);
        let bad = [
            ("type", "\n"),
            ("trigger", "a b"),
            ("status", "done"),
            ("from", "yesterday"),
            ("to", "1e300"),
            ("id", "7"),
            ("text", "\0"),
            ("text", long.as_str()),
            ("limit", "0"),
            ("limit", "201"),
            ("limit", "-1"),
            ("cursor", "x"),
            ("after", "x"),
        ];
        for (name, value) in bad {
            match PageRequest::parse(&query(&[(name, value)])) {
                Err(Error::Invalid(errors)) => assert_eq!(errors[0].field, name),
                other => panic!("{name}={value}: {other:?}"),
            }
        }
        for (given, missing) in [("path", "value"), ("value", "path")] {
            match PageRequest::parse(&query(&[(given, "a")])) {
                Err(Error::Invalid(errors)) => assert_eq!(errors[0].field, missing),
                other => panic!("{given}: {other:?}"),
            }
        }
        assert!(PageRequest::parse(&query(&[("path", "a..b"), ("value", "1")])).is_err());
    }

    #[test]
    fn bounds_narrow_each_other() {
        let at = "2019-10-19T12:40:50.053Z";
        let request = PageRequest::parse(&query(&[("from", at), ("to", "1571488850054")])).expect("a request");
        assert_eq!(request.limit, DEFAULT_LIMIT);
        let span = request.criteria.span;
        assert_eq!(span.from.to_string(), "016de408-e085-0000-0000-000000000000");
        assert_eq!(span.before.as_u128() - span.from.as_u128(), 1 << 80);

        let id = "016de408-e085-7000-8000-000000000001";
        let request = PageRequest::parse(&query(&[("from", at), ("id", id)])).expect("a request");
        assert_eq!(request.criteria.span.from.to_string(), id);
        assert_eq!(request.criteria.span.before.as_u128() - request.criteria.span.from.as_u128(), 1);

        let request = PageRequest::parse(&query(&[("after", id), ("limit", "200")])).expect("a request");
        assert_eq!(request.criteria.span.from.to_string(), "016de408-e085-7000-8000-000000000002");
        let cursor = cursor_of(request.criteria.span.from);
        let request = PageRequest::parse(&query(&[("cursor", &cursor)])).expect("a request");
        assert_eq!(request.criteria.span.before.to_string(), "016de408-e085-7000-8000-000000000002");
    }
}
