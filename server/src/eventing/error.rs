use std::sync::Arc;

use crate::model::FieldError;
use crate::queue::AcceptError;
use crate::store;

/// Why something could not be done. Knows nothing of HTTP; `api::problem` maps it, and `app::forms` for pages.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was sent is wrong; one entry a field.
    #[error("{}", summary(.0))]
    Invalid(Vec<FieldError>),
    /// Not JSON; the message says where.
    #[error("{0}")]
    Malformed(String),
    /// What is asked for does not exist; the message names it.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be done as things stand; the message says what stands in the way.
    #[error("{0}")]
    Conflict(String),
    /// Too much waits already.
    #[error("Too many deliveries of this project are waiting already; try again later, or raise --backlog-limit.")]
    BacklogFull,
    /// The database cannot be reached, or the server is going down.
    #[error("The database cannot be reached at the moment; nothing was changed. Try again in a few seconds.")]
    Unavailable,
    /// The database was lost, or the server stopped, while it worked.
    #[error(
        "The database was lost, or the server stopped, meanwhile. What was to change may have changed: look before you try again. \
         An event that is sent again with the same idempotency key is queued once."
    )]
    Uncertain,
    /// A fault of ours. The cause is logged and never shown.
    #[error("Something went wrong inside the server; its log says more.")]
    Internal(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// One wrong field.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// What is said where an error means that the database is away.
    fn away(error: &sqlx::Error) -> Option<Self> {
        if store::is_uncertain(error) {
            Some(Self::Uncertain)
        } else {
            store::is_unavailable(error).then_some(Self::Unavailable)
        }
    }
}

fn summary(errors: &[FieldError]) -> String {
    let lines: Vec<_> =
        errors
            .iter()
            .map(|error| {
                if error.field.is_empty() {
                    error.message.clone()
                } else {
                    format!("{}: {}", error.field, error.message)
                }
            })
            .collect();
    lines.join(" ")
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if let Some(away) = Self::away(&error) {
            away
        } else if store::is_orphan(&error) {
            Self::NotFound("What this belongs to was deleted in this moment; nothing was changed.".to_owned())
        } else if store::is_unstorable_text(&error) {
            Self::NotFound("Nothing has a name with a null character in it.".to_owned())
        } else {
            Self::Internal(Arc::new(error))
        }
    }
}

impl From<AcceptError> for Error {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::BacklogFull => Self::BacklogFull,
            AcceptError::ShuttingDown => Self::Unavailable,
            AcceptError::CutOff => Self::Uncertain,
            AcceptError::Lost => Self::Internal(Arc::new(error)),
            AcceptError::Store(error) => Self::away(&error).unwrap_or(Self::Internal(error)),
        }
    }
}
