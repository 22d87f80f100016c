use serde::{Deserialize, Serialize};

/// Why one field of a request or form was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field's name, as the HTTP API spells it; `[3].type` inside a batch.
    pub field: String,
    /// What is wrong and what would be right, in plain words.
    pub message: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// What came of a submitted form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Submitted<T> {
    /// It was carried out.
    Done(T),
    /// It was refused, and nothing was changed.
    Invalid(Vec<FieldError>),
}
