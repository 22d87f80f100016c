use leptos::ev::SubmitEvent;
use leptos::form::FromFormData;
use leptos::prelude::*;
use server::functions::Failure;
use server::model::{FieldError, Submitted};

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
        }
        Some(Err(error)) => failure.set(Some(error.message)),
        None => {}
    });
}

/// What a form does when it is submitted: what was typed goes to its action instead of to the page's address.
pub fn submit<I, T>(
    form: Action<I, Result<Submitted<T>, Failure>>,
    failure: RwSignal<Option<String>>,
) -> impl Fn(SubmitEvent) + 'static
where
    I: FromFormData + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    move |event| {
        event.prevent_default();
        match I::from_event(&event) {
            Ok(typed) => drop(form.dispatch(typed)),
            Err(error) => failure.set(Some(error.to_string())),
        }
    }
}
