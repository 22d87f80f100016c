use std::collections::BTreeMap;

use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use serde::de::DeserializeOwned;
use server::functions::Failure;
use server::model::{FieldError, Submitted};
use web_sys::js_sys::Array;
use web_sys::wasm_bindgen::JsCast;
use web_sys::{FormData, HtmlElement, HtmlFormElement};

const UNREADABLE: &str = "The form cannot be read. Load the page again.";

/// Sorts out what becomes of a submitted form: messages go to their fields, a failure above all of them, and what was done to
/// `done`.
pub fn on_submitted<I, T>(
    form: Action<I, Result<Submitted<T>, Failure>>,
    errors: RwSignal<Vec<FieldError>>,
    failure: RwSignal<Option<String>>,
    done: impl Fn(T) + 'static,
) where
    I: Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    Effect::new(move |_| match form.value().get() {
        Some(Ok(Submitted::Done(outcome))) => {
            errors.set(Vec::new());
            failure.set(None);
            done(outcome);
        }
        Some(Ok(Submitted::Invalid(wrong))) => {
            errors.set(wrong);
            failure.set(None);
            request_animation_frame(lead_to_mistake);
        }
        Some(Err(error)) => failure.set(Some(error.message)),
        None => {}
    });
}

/// Leads to the first field that is wrong, also where it is out of sight or folded away.
fn lead_to_mistake() {
    let find = |selectors| document().query_selector(selectors).ok().flatten();
    let wrong = find("dialog[open] [aria-invalid=true]").or_else(|| find("form [aria-invalid=true]"));
    if let Some(field) = wrong.and_then(|field| field.dyn_into::<HtmlElement>().ok()) {
        if let Ok(Some(folded)) = field.closest("details:not([open])") {
            folded.toggle_attribute("open").ok();
        }
        field.focus().ok();
    }
}

/// What a form does when it is submitted: what was typed goes to its action instead of to the page's address.
pub fn submit<I, T>(
    form: Action<I, Result<Submitted<T>, Failure>>,
    failure: RwSignal<Option<String>>,
) -> impl Fn(SubmitEvent) + 'static
where
    I: DeserializeOwned + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    move |event| {
        event.prevent_default();
        match typed_into(&event) {
            Ok(_) if form.pending().get_untracked() => {}
            Ok(typed) => drop(form.dispatch(typed)),
            Err(error) => failure.set(Some(error)),
        }
    }
}

/// What was typed into the form that is submitted.
pub fn typed_into<I: DeserializeOwned>(event: &SubmitEvent) -> Result<I, String> {
    let form = event.target().and_then(|form| form.dyn_into::<HtmlFormElement>().ok());
    stands_in(&form.ok_or(UNREADABLE)?)
}

/// What stands in a form. All that is typed is text, so it is a JSON object of texts.
pub fn stands_in<I: DeserializeOwned>(form: &HtmlFormElement) -> Result<I, String> {
    let fields = FormData::new_with_form(form).map_err(|_| UNREADABLE)?;
    let fields = Array::from(&fields);
    let fields = fields.iter().map(|field| {
        let [name, value] = [0, 1].map(|place| Array::from(&field).get(place).as_string().unwrap_or_default());
        (name, value)
    });
    let fields: BTreeMap<String, String> = fields.collect();
    let json = serde_json::to_vec(&fields).map_err(|error| error.to_string())?;
    serde_json::from_slice(&json).map_err(|error| error.to_string())
}
