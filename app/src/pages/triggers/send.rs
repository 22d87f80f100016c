use leptos::form::FromFormData;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};
use server::functions::{last_data, send_event};
use server::model::{EventForm, Submitted, Trigger};

use super::page_path;
use crate::components::{Alert, ButtonLink, Dialog, Kind, Note, OutcomePanel, SubmitButton, error_of};
use crate::{PageState, Posted};

/// The form that sends an event, and below it what came of it.
#[component]
pub fn SendDialog(project: String, trigger: Trigger) -> impl IntoView {
    let posted = PageState::take_posted();
    let Posted { event: typed, errors, failure, .. } = posted.unwrap_or_default();
    let errors = RwSignal::new(errors);
    let failure = RwSignal::new(failure);
    let path = page_path(&project);
    let form_path = format!("{path}?trigger={}", trigger.name);
    let query = use_query_map();
    let event = Signal::derive(move || query.with(|query| query.get("event")));
    let synchronous = Signal::derive(move || query.with(|query| query.get("sync").is_some()));
    let checked = typed.as_ref().map_or_else(|| synchronous.get_untracked(), |form| form.synchronous.is_some());
    let typed = StoredValue::new(typed);

    let navigate = use_navigate();
    let waits = RwSignal::new(false);
    let send = {
        let (project, name) = (project.clone(), trigger.name.clone());
        Action::new(move |form: &EventForm| {
            waits.set(form.synchronous.is_some());
            send_event(project.clone(), name.clone(), form.clone())
        })
    };
    let after = form_path.clone();
    Effect::new(move |_| match send.value().get() {
        Some(Ok(Submitted::Done(queued))) => {
            errors.set(Vec::new());
            failure.set(None);
            let sync = if waits.get_untracked() { "&sync" } else { "" };
            let options = NavigateOptions { scroll: false, replace: true, ..Default::default() };
            navigate(&format!("{after}&event={}{sync}", queued.event_id), options);
        }
        Some(Ok(Submitted::Invalid(wrong))) => {
            errors.set(wrong);
            failure.set(None);
        }
        Some(Err(error)) => failure.set(Some(error.message)),
        None => {}
    });
    let general = Signal::derive(move || failure.get().or_else(|| error_of(errors, "type").get()));
    let data_error = error_of(errors, "data");
    let previous = {
        let (project, event_type) = (project.clone(), trigger.event_type.clone());
        Resource::new(|| (), move |()| last_data(project.clone(), event_type.clone()))
    };
    let paused = (!trigger.enabled).then(|| {
        view! { <p class="text-sm text-warn">"This trigger is paused: its events wait until it is resumed."</p> }
    });
    view! {
        <Dialog title=format!("Trigger {}", trigger.name) close=path.clone()>
            <form
                method="post"
                action=form_path
                class="flex flex-col gap-4"
                on:submit=move |event| {
                    event.prevent_default();
                    match EventForm::from_event(&event) {
                        Ok(form) => drop(send.dispatch(form)),
                        Err(error) => failure.set(Some(error.to_string())),
                    }
                }
            >
                <Alert message=general/>
                <input type="hidden" name="intent" value="send"/>
                <input type="hidden" name="name" value=trigger.name/>
                <p class="text-sm text-soft">
                    "Queues an event of type " <code class="font-mono text-ink">{trigger.event_type}</code> "; every trigger of that type gets it."
                </p>
                {paused}
                <div class="flex flex-col gap-1">
                    <label for="field-data" class="text-sm font-medium text-ink">"Event Data"</label>
                    <Suspense>
                        {move || Suspend::new(async move {
                            let previous = previous.await.ok().flatten().map(|data| server::model::json::indent(&data));
                            let start = typed.with_value(|form| form.as_ref().map(|form| form.data.clone())).or(previous).unwrap_or_else(|| "{}".to_owned());
                            view! {
                                <textarea
                                    id="field-data"
                                    name="data"
                                    rows="6"
                                    spellcheck="false"
                                    autocomplete="off"
                                    aria-describedby="field-data-note"
                                    aria-invalid=move || data_error.get().is_some().then_some("true")
                                    class="input font-mono text-xs leading-5"
                                >
                                    {start}
                                </textarea>
                            }
                        })}
                    </Suspense>
                    <div class="font-mono"><Note id="field-data-note" hint="JSON; empty means null." error=data_error/></div>
                </div>
                <div class="flex flex-wrap items-center justify-between gap-3">
                    <label class="flex items-center gap-2 py-2 text-sm text-ink cursor-pointer">
                        <input type="checkbox" name="synchronous" value="on" checked=checked class="w-4 h-4 accent-accent"/>
                        "Trigger event synchronously"
                    </label>
                    <div class="flex gap-2">
                        <ButtonLink href=path kind=Kind::Plain>"Close"</ButtonLink>
                        <SubmitButton kind=Kind::Primary text="Trigger" pending=send.pending() pending_text="Waiting…"/>
                    </div>
                </div>
            </form>
            <OutcomePanel project=project event=event synchronous=synchronous/>
        </Dialog>
    }
}
