use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use server::functions::save_trigger;
use server::model::{Trigger, TriggerDefaults, TriggerForm};

use super::url_from_here;
use crate::components::{
    Alert, ButtonLink, Dialog, Field, Kind, Note, SubmitButton, Toasts, error_of, on_submitted, submit,
};
use crate::{PageState, Posted};

/// The form that creates or changes a trigger.
#[component]
pub fn EditDialog(
    project: String,
    existing: Option<Trigger>,
    types: Vec<String>,
    /// Of the project, for a new trigger.
    defaults: TriggerDefaults,
    changed: Callback<()>,
) -> impl IntoView {
    let Posted { trigger: posted, errors, failure, .. } = PageState::posted_by("save").unwrap_or_default();
    let start = || existing.as_ref().map_or_else(|| TriggerForm::of_new(defaults), TriggerForm::from);
    let form = posted.unwrap_or_else(start);
    let existing = existing.map(|trigger| trigger.name);
    let errors = RwSignal::new(errors);
    let failure = RwSignal::new(failure);
    let path = url_from_here(&project, &[]);
    let (title, action) = match &existing {
        Some(name) => (format!("Edit {name}"), url_from_here(&project, &[("edit", name)])),
        None => ("Add event trigger".to_owned(), url_from_here(&project, &[("add", "")])),
    };
    let navigate = use_navigate();
    let toasts = Toasts::here();
    let save = {
        let existing = existing.clone();
        Action::new(move |form: &TriggerForm| save_trigger(project.clone(), existing.clone(), form.clone()))
    };
    let after = path.clone();
    on_submitted(save, errors, failure, move |_| {
        changed.run(());
        toasts.say("Trigger saved");
        navigate(&after, Default::default());
    });
    // Where something is set or wrong there, it shows.
    let advanced_used = [&form.headers, &form.concurrency, &form.backoff_first, &form.backoff_max]
        .iter()
        .any(|value| !value.is_empty());
    let headers_error = error_of(errors, "headers");
    view! {
        <Dialog title=title close=path.clone()>
            <form
                method="post"
                action=action
                novalidate
                class="flex flex-col gap-4"
                on:submit=submit(save, failure)
            >
                <Alert message=failure/>
                <input type="hidden" name="intent" value="save"/>
                <input type="hidden" name="existing" value=existing.unwrap_or_default()/>
                <Field name="name" label="Trigger Name" value=form.name error=error_of(errors, "name") placeholder="welcome-email" hint="Unique in the project." autofocus=true/>
                <div class="grid grid-cols-1 sm:grid-cols-[10rem_1fr] gap-4">
                    <div class="flex flex-col gap-1">
                        <label for="field-source" class="text-sm font-medium text-ink">"Source"</label>
                        <select id="field-source" name="source" class="input" aria-describedby="field-source-note">
                            <option value="custom" selected=form.source == "custom">"Custom"</option>
                        </select>
                        <Note id="field-source-note" hint="" error=error_of(errors, "source")/>
                    </div>
                    <Field name="event_type" label="Type" value=form.event_type error=error_of(errors, "type") placeholder="sent-email" hint="All triggers of a type get its events." list="known-types"/>
                </div>
                <datalist id="known-types">{types.into_iter().map(|known| view! { <option value=known></option> }).collect_view()}</datalist>
                <Field name="url" label="Webhook URL" kind="url" value=form.url error=error_of(errors, "url") placeholder="https://example.com/hooks/email" hint="Gets a POST with the event as a CloudEvent."/>
                <div class="grid grid-cols-1 sm:grid-cols-2 gap-4">
                    <Field name="retries" label="Retries" value=form.retries error=error_of(errors, "retries") inputmode="numeric" hint="After the first attempt, 0 to 100."/>
                    <Field name="timeout" label="Timeout" value=form.timeout error=error_of(errors, "timeout") inputmode="numeric" hint="Milliseconds for a whole attempt."/>
                </div>
                <details open=advanced_used class="rounded-md border border-line px-3 py-2">
                    <summary class="cursor-pointer text-sm font-medium text-ink">"Advanced"</summary>
                    <div class="mt-3 mb-1 flex flex-col gap-4">
                        <div class="flex flex-col gap-1">
                            <label for="field-headers" class="text-sm font-medium text-ink">"Headers"</label>
                            <textarea id="field-headers" name="headers" rows="3" spellcheck="false" placeholder="Authorization: Bearer …" aria-describedby="field-headers-note" aria-invalid=move || headers_error.get().is_some().then_some("true") class="input font-mono text-xs">{form.headers}</textarea>
                            <Note id="field-headers-note" hint="Added to every request, one Name: value a line." error=headers_error/>
                        </div>
                        <div class="grid grid-cols-1 sm:grid-cols-3 gap-4">
                            <Field name="concurrency" label="Concurrency" value=form.concurrency error=error_of(errors, "concurrency") inputmode="numeric" hint="In flight on a node."/>
                            <Field name="backoff_first" label="First wait" value=form.backoff_first error=error_of(errors, "backoffFirst") inputmode="numeric" hint="Milliseconds before retry 1."/>
                            <Field name="backoff_max" label="Longest wait" value=form.backoff_max error=error_of(errors, "backoffMax") inputmode="numeric" hint="Milliseconds."/>
                        </div>
                    </div>
                </details>
                <div class="flex justify-end gap-2">
                    <ButtonLink href=path kind=Kind::Plain>"Cancel"</ButtonLink>
                    <SubmitButton kind=Kind::Primary text="Save" pending=save.pending() pending_text="Saving…"/>
                </div>
            </form>
        </Dialog>
    }
}
