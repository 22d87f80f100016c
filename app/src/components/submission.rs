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
