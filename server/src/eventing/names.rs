//! The values that requests carry, each parsed once at the edge and trusted from there on. Their errors say what would be
//! right, to be shown beside the field.

use std::fmt;

use chrono::{DateTime, Utc};

macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
            pub fn into_string(self) -> String {
                self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// The name of a project or trigger: 1 to 128 of `A-Z a-z 0-9 . _ -`, starting with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(String);
text_newtype!(Name);

impl Name {
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("A name is needed.".into());
        }
        if text.len() > 128 {
            return Err(format!("A name has at most 128 characters; this one has {}.", text.chars().count()));
        }
        if let Some(bad) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-')) {
            return Err(format!("A name is made of letters A-Z, digits and . _ - only; {bad:?} is none of them."));
        }
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err("A name starts with a letter or a digit.".into());
        }
        Ok(Self(text.to_owned()))
    }
}

/// The type of an event: 1 to 255 printable characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventType(String);
text_newtype!(EventType);

impl EventType {
    pub fn parse(text: &str) -> Result<Self, String> {
        printable(text, "A type")?;
        Ok(Self(text.to_owned()))
    }
}

/// A caller's key under which an event is queued once: 1 to 255 printable characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);
text_newtype!(IdempotencyKey);

impl IdempotencyKey {
    pub fn parse(text: &str) -> Result<Self, String> {
        printable(text, "An idempotency key")?;
        Ok(Self(text.to_owned()))
    }

    /// The key of one event of a batch that was sent under one key. The separator is a control character, which no
    /// caller's own key can hold.
    pub fn of_batch_item(&self, index: usize) -> Self {
        Self(format!("{}\u{1f}{index}", self.0))
    }
}

fn printable(text: &str, what: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("{what} is needed."));
    }
    let length = text.chars().count();
    if length > 255 {
        return Err(format!("{what} has at most 255 characters; this one has {length}."));
    }
    if let Some(bad) = text.chars().find(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(format!("{what} is made of printable characters; {bad:?} is not one."));
    }
    Ok(())
}

/// The last moment that a schedule may name: the end of the year 9999, as RFC 3339 ends there.
const LAST_MILLIS: f64 = 253_402_300_799_999.0;
/// The longest delay in seconds: a hundred years.
const LONGEST_DELAY: f64 = 3_155_760_000.0;

/// When an event is asked to be triggered. The past is accepted and means at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timestamp(pub DateTime<Utc>);

impl Timestamp {
    /// From Unix milliseconds, fractions rounded. What lies before 1970 is as past as 1970 is.
    pub fn from_millis(millis: f64) -> Result<Self, String> {
        const WRONG: &str = "A timestamp is Unix milliseconds up to the year 9999.";
        if !millis.is_finite() || millis.abs() > LAST_MILLIS {
            return Err(WRONG.into());
        }
        // PostgreSQL's time begins in 4713 BC, which this range reaches beyond.
        DateTime::from_timestamp_millis(millis.max(0.0).round() as i64).map(Self).ok_or_else(|| WRONG.into())
    }

    /// From RFC 3339 text such as `2019-10-19T12:40:50.053Z`.
    pub fn parse(text: &str) -> Result<Self, String> {
        DateTime::parse_from_rfc3339(text)
            .map_err(|_| format!("A timestamp in text is RFC 3339, such as 2019-10-19T12:40:50.053Z; {text:?} is not."))
            .and_then(|at| Self::from_millis(at.timestamp_millis() as f64))
    }

    /// Whether the moment can still be written in four digits of a year when so much is added to it.
    pub fn can_wait(self, delay: Delay) -> bool {
        self.0.timestamp_millis() as f64 + delay.0 * 1000.0 <= LAST_MILLIS
    }
}

/// Seconds to wait after the timestamp; fractions allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Delay(f64);

impl Delay {
    pub fn from_seconds(seconds: f64) -> Result<Self, String> {
        if !seconds.is_finite() || seconds < 0.0 {
            return Err("A delay is 0 or more seconds.".into());
        }
        if seconds > LONGEST_DELAY {
            return Err("A delay is at most 3155760000 seconds (100 years).".into());
        }
        Ok(Self(seconds))
    }

    pub fn seconds(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "0", "welcome-email", "A.b_c-9", &"x".repeat(128)] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", ".a", "_a", "a b", "ä", "a/b", &"x".repeat(129)] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn types() {
        for good in ["sent-email", "order / paid", "注文", "🎉", &"é".repeat(255)] {
            assert!(EventType::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a\nb", "a\0", "\u{2028}", &"x".repeat(256)] {
            assert!(EventType::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn timestamps() {
        let text = "2019-10-19T12:40:50.053Z";
        assert_eq!(Timestamp::parse(text), Timestamp::from_millis(1_571_488_850_053.0));
        assert_eq!(Timestamp::parse("2019-10-19T14:40:50.053+02:00"), Timestamp::parse(text));
        assert!(Timestamp::from_millis(-1.0).is_ok());
        assert!(Timestamp::from_millis(LAST_MILLIS).is_ok());
        assert_eq!(Timestamp::from_millis(-LAST_MILLIS), Timestamp::from_millis(0.0));
        assert_eq!(Timestamp::parse("0000-01-01T00:00:00Z"), Timestamp::from_millis(0.0));
        let last = Timestamp::from_millis(LAST_MILLIS).expect("the last moment");
        assert!(last.can_wait(Delay(0.0)) && !last.can_wait(Delay(0.001)));
        for bad in [f64::NAN, f64::INFINITY, LAST_MILLIS + 1.0, -1e300] {
            assert!(Timestamp::from_millis(bad).is_err(), "{bad}");
        }
        for bad in ["", "tomorrow", "2019-10-19", "2019-13-19T12:40:50Z", "9999-12-31T23:59:59-23:59"] {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn delays() {
        assert_eq!(Delay::from_seconds(0.25).map(Delay::seconds), Ok(0.25));
        for bad in [-0.001, f64::NAN, f64::INFINITY, LONGEST_DELAY * 2.0] {
            assert!(Delay::from_seconds(bad).is_err(), "{bad}");
        }
    }
}
