use leptos::prelude::*;
use server::functions::set_trigger_defaults;
use server::model::{DEFAULT_RETRIES, DEFAULT_TIMEOUT_MS, DefaultsForm, Project};

use crate::components::{Alert, Field, Kind, Section, SubmitButton, Toasts, error_of, on_submitted, submit};
use crate::{PageState, Posted};

/// Sets what new triggers of the project get.
#[component]
pub fn TriggerDefaultsForm(project: Project) -> impl IntoView {
    let Posted { defaults: typed, errors, failure, .. } = PageState::posted_by("defaults").unwrap_or_default();
    let form = typed.unwrap_or_else(|| project.defaults.into());
    let errors = RwSignal::new(errors);
    let failure = RwSignal::new(failure);
    let toasts = Toasts::here();
    let action = Section::Settings.path(&project.name);
    let save = Action::new(move |form: &DefaultsForm| set_trigger_defaults(project.name.clone(), form.clone()));
    on_submitted(save, errors, failure, move |()| toasts.say("Defaults saved"));
    view! {
        <form
            method="post"
            action=action
            novalidate
            class="flex flex-col gap-4"
            on:submit=submit(save, failure)
        >
            <Alert message=failure/>
            <input type="hidden" name="intent" value="defaults"/>
            <p class="text-sm text-soft">"What a new trigger starts with. Triggers that exist stay as they are."</p>
            <div class="grid grid-cols-1 sm:grid-cols-2 lg:grid-cols-4 gap-4">
                <Field name="retries" label="Retries" value=form.retries error=error_of(errors, "retries") inputmode="numeric" placeholder=DEFAULT_RETRIES.to_string() hint="After the first attempt, 0 to 100."/>
                <Field name="timeout" label="Timeout" value=form.timeout error=error_of(errors, "timeout") inputmode="numeric" placeholder=DEFAULT_TIMEOUT_MS.to_string() hint="Milliseconds for a whole attempt."/>
                <Field name="backoff_first" label="First wait" value=form.backoff_first error=error_of(errors, "backoffFirst") inputmode="numeric" hint="Milliseconds before retry 1; the server's if empty."/>
                <Field name="backoff_max" label="Longest wait" value=form.backoff_max error=error_of(errors, "backoffMax") inputmode="numeric" hint="Milliseconds; the server's if empty."/>
            </div>
            <div><SubmitButton kind=Kind::Primary text="Save defaults" pending=save.pending() pending_text="Saving…"/></div>
        </form>
    }
}
