//! What the numbers of a trigger may be.

use crate::model::{FieldError, MAX_BACKOFF_MS, MAX_CONCURRENCY, MAX_RETRIES, MAX_TIMEOUT_MS};

/// What one number may be.
pub(super) struct Bounds {
    /// The name of the field that holds it.
    field: &'static str,
    least: u32,
    most: u32,
    /// Of what it is a number.
    unit: &'static str,
}

const MILLISECONDS: &str = " of milliseconds";

pub(super) const RETRIES: Bounds = Bounds { field: "retries", least: 0, most: MAX_RETRIES as u32, unit: "" };
pub(super) const TIMEOUT: Bounds = Bounds { field: "timeout", least: 1, most: MAX_TIMEOUT_MS, unit: MILLISECONDS };
pub(super) const CONCURRENCY: Bounds = Bounds { field: "concurrency", least: 1, most: MAX_CONCURRENCY, unit: "" };
pub(super) const BACKOFF_FIRST: Bounds =
    Bounds { field: "backoffFirst", least: 0, most: MAX_BACKOFF_MS, unit: MILLISECONDS };
pub(super) const BACKOFF_MAX: Bounds =
    Bounds { field: "backoffMax", least: 0, most: MAX_BACKOFF_MS, unit: MILLISECONDS };

impl Bounds {
    /// A number as typed; `None`: nothing was, or it is none, which is added to the errors.
    pub fn parse(&self, text: &str, errors: &mut Vec<FieldError>) -> Option<i64> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let refuse = |_| errors.push(FieldError::new(self.field, format!("A whole number is expected, not {text:?}.")));
        text.parse().map_err(refuse).ok()
    }

    /// The number, where it is within the bounds; that it is not is added to the errors.
    pub fn check(&self, value: Option<i64>, errors: &mut Vec<FieldError>) -> Option<i32> {
        let value = value?;
        let Self { field, least, most, unit } = self;
        if (i64::from(*least)..=i64::from(*most)).contains(&value) {
            return i32::try_from(value).ok();
        }
        errors.push(FieldError::new(
            *field,
            format!("A whole number{unit} from {least} to {most} is expected, not {value}."),
        ));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_within_its_bounds() {
        for (text, number, complaints) in [
            ("", None, 0),
            (" 7 ", Some(7), 0),
            ("100", Some(100), 0),
            ("101", None, 1),
            ("-1", None, 1),
            ("1.5", None, 1),
        ] {
            let mut errors = Vec::new();
            let parsed = RETRIES.parse(text, &mut errors);
            assert_eq!(RETRIES.check(parsed, &mut errors), number, "{text:?}");
            assert_eq!(errors.len(), complaints, "{text:?}");
        }
    }
}
