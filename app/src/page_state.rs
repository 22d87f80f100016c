use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use server::model::{DefaultsForm, EventForm, FieldError, JobForm, ProjectForm, TriggerForm};

use crate::theme::Theme;

/// A form that was submitted without JavaScript and refused: shown again as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Posted {
    /// Which form it was, so that no other one takes it for its own.
    pub intent: String,
    pub project: Option<ProjectForm>,
    pub defaults: Option<DefaultsForm>,
    pub trigger: Option<TriggerForm>,
    pub event: Option<EventForm>,
    pub job: Option<JobForm>,
    pub errors: Vec<FieldError>,
    /// Why it could not be carried out although nothing was wrong with it.
    pub failure: Option<String>,
}

/// What is to be said of a button that was pressed without JavaScript and did not do all that it says.
#[cfg(feature = "ssr")]
#[derive(Clone)]
pub(crate) struct Refused(pub String);

/// An extension of the request for a page: what becomes its `mark`.
#[cfg(feature = "ssr")]
#[derive(Clone)]
pub(crate) struct Mark(pub String);

/// What the server knows when it renders a page and the browser has to know too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PageState {
    pub dev_mode: bool,
    /// Scheme and host as the browser sees them, for the commands that the pages show.
    pub origin: String,
    pub theme: Theme,
    /// How far the project was before the page's data was read, for whoever listens to what changes.
    pub mark: Option<String>,
    /// A `Posted` as JSON: only the code of the form that it was posted by reads it.
    pub posted: Option<String>,
    /// Why a button did not do all that it says; it has no form that would say so.
    pub refused: Option<String>,
}

impl PageState {
    /// Takes it from the request on the server, and from the page in the browser.
    pub(crate) fn provide() {
        let state = SharedValue::new(Self::of_request).into_inner();
        provide_context(StoredValue::new(state));
    }

    #[cfg(feature = "ssr")]
    fn of_request() -> Self {
        let host = |parts: http::request::Parts| {
            let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let scheme =
                header("x-forwarded-proto").filter(|scheme| scheme == "https").unwrap_or_else(|| "http".into());
            let host = header("x-forwarded-host").or_else(|| header("host")).unwrap_or_else(|| "localhost".into());
            format!("{scheme}://{host}")
        };
        Self {
            dev_mode: use_context::<server::eventing::Eventing>().is_some_and(|eventing| eventing.dev_mode()),
            origin: use_context().map(host).unwrap_or_default(),
            theme: Theme::of_request(),
            mark: use_context::<http::request::Parts>()
                .and_then(|parts| parts.extensions.get().map(|Mark(mark): &Mark| mark.clone())),
            posted: use_context::<Posted>().and_then(|posted| serde_json::to_string(&posted).ok()),
            refused: use_context::<Refused>().map(|Refused(why)| why),
        }
    }

    #[cfg(not(feature = "ssr"))]
    fn of_request() -> Self {
        Self::default()
    }

    fn stored() -> StoredValue<PageState> {
        use_context().unwrap_or_else(|| StoredValue::new(PageState::default()))
    }

    pub fn dev_mode_here() -> bool {
        Self::stored().with_value(|state| state.dev_mode)
    }

    pub fn origin_here() -> String {
        Self::stored().with_value(|state| state.origin.clone())
    }

    pub(crate) fn theme_here() -> Theme {
        Self::stored().with_value(|state| state.theme)
    }

    /// The mark that the page came with. In the browser it is taken once: what is loaded later is newer.
    pub(crate) fn take_mark() -> Option<String> {
        Self::stored().try_update_value(|state| state.mark.take()).flatten()
    }

    /// The refused form that this page answers, if it was the one of the given intent. In the browser it is given once: a
    /// dialog that is opened later starts afresh. The server may render a component more than once before it sends it.
    pub(crate) fn posted_by(intent: &str) -> Option<Posted> {
        let state = Self::stored();
        let posted =
            state.with_value(|state| state.posted.as_deref().map(|posted| serde_json::from_slice(posted.as_bytes())));
        let posted: Posted = posted?.ok().filter(|posted: &Posted| posted.intent == intent)?;
        if cfg!(not(feature = "ssr")) {
            state.update_value(|state| state.posted = None);
        }
        Some(posted)
    }

    /// Why the button that was pressed without JavaScript did not do all that it says.
    pub(crate) fn take_refused() -> Option<String> {
        let state = Self::stored();
        if cfg!(feature = "ssr") {
            state.with_value(|state| state.refused.clone())
        } else {
            state.try_update_value(|state| state.refused.take()).flatten()
        }
    }
}
