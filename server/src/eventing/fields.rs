//! JSON objects taken apart key by key: known keys are parsed, each with an error of its own, and what is left over is
//! named. Values are cut out as text and never interpreted on the way.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::model::FieldError;
pub use crate::model::json::malformed;

/// Takes known keys out of an object and gathers what is wrong with them; what is left over is unknown.
pub struct Fields<'a> {
    errors: Vec<FieldError>,
    members: Members<'a>,
}

impl<'a> Fields<'a> {
    pub fn of(object: &'a RawValue) -> serde_json::Result<Self> {
        Ok(Self { errors: Vec::new(), members: Members::parse(object)? })
    }

    /// The value of a key; absent and `null` alike mean its default.
    pub fn take<T>(&mut self, key: &str, parse: impl FnOnce(&'a RawValue) -> Result<T, String>) -> Option<T> {
        let mut found = None;
        let mut count = 0;
        self.members.0.retain(|(name, value)| {
            if name == key {
                found = Some(*value);
                count += 1;
            }
            name != key
        });
        if count > 1 {
            self.error(key, &format!("`{key}` stands in the object {count} times."));
            return None;
        }
        let value = found.filter(|value| value.get() != "null")?;
        match parse(value) {
            Ok(parsed) => Some(parsed),
            Err(message) => {
                self.error(key, &message);
                None
            }
        }
    }

    /// The fields of the object that stands under a key; `example`: what it could look like.
    pub fn take_fields(&mut self, key: &str, example: &str) -> Option<Self> {
        self.take(key, |raw| Self::of(raw).map_err(|_| format!("An object is expected, such as {example}.")))
    }

    /// Refuses `null`, for objects in which an absent key means more than its default.
    pub fn refuse_null(&mut self, message: &str) {
        let null = self.members.0.iter().filter(|(_, value)| value.get() == "null");
        let null: Vec<_> = null.map(|(key, _)| FieldError::new(key.as_ref(), message)).collect();
        self.errors.extend(null);
    }

    /// Adds what is wrong with a field.
    pub fn error(&mut self, field: &str, message: &str) {
        self.errors.push(FieldError::new(field, message));
    }

    /// Whether something is wrong with a field.
    pub fn failed(&self, field: &str) -> bool {
        self.errors.iter().any(|error| error.field == field)
    }

    /// All that is wrong, and the keys that nobody took.
    pub fn into_errors_and_unknown(self) -> (Vec<FieldError>, Vec<String>) {
        (self.errors, self.members.0.into_iter().map(|(key, _)| key.into_owned()).collect())
    }
}

pub fn string(raw: &RawValue) -> Result<String, String> {
    serde_json::from_str(raw.get()).map_err(|_| format!("Text is expected, not {}.", shortened(raw)))
}

pub fn number(raw: &RawValue) -> Result<f64, String> {
    serde_json::from_str(raw.get()).map_err(|_| format!("A number is expected, not {}.", shortened(raw)))
}

pub fn whole(raw: &RawValue) -> Result<i64, String> {
    let number = number(raw)?;
    if number.fract() == 0.0 { Ok(number as i64) } else { Err(format!("A whole number is expected, not {number}.")) }
}

pub fn boolean(raw: &RawValue) -> Result<bool, String> {
    serde_json::from_str(raw.get()).map_err(|_| format!("true or false is expected, not {}.", shortened(raw)))
}

fn shortened(raw: &RawValue) -> String {
    let text = raw.get();
    if text.chars().count() <= 40 { text.to_owned() } else { text.chars().take(40).chain(['…']).collect() }
}

/// The members of a JSON object in their order, values uninterpreted, repeated keys kept.
pub struct Members<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    pub fn parse(object: &'a RawValue) -> serde_json::Result<Self> {
        serde_json::from_str(object.get())
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                #[derive(Deserialize)]
                struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
                let mut members = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
