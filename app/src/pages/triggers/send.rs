use leptos::html;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use server::functions::{earlier_data, send_event};
use server::model::{EventForm, Trigger, json};

use super::schedule::ScheduleFields;
use super::{triggers_url, url_from_here};
use crate::components::{
    Alert, ButtonLink, CopyBlock, Dialog, JsonEditor, Kind, OutcomePanel, SubmitButton, error_of, on_submitted,
    stands_in, submit,
};
use crate::load::load;
use crate::{PageState, Posted, curl, query};

/// The id of the form, for the button that sends again from outside of it.
const FORM: &str = "send-event";

/// The form that sends an event, and below it what came of it.
#[component]
pub fn SendDialog(project: String, trigger: Trigger) -> impl IntoView {
    let Posted { event: typed, errors, failure, .. } = PageState::posted_by("send").unwrap_or_default();
    let errors = RwSignal::new(errors);
    let failure = RwSignal::new(failure);
    let path = url_from_here(&project, &[]);
    let form_path = url_from_here(&project, &[("trigger", &trigger.name)]);
    let search = use_location().search;
    // While the dialog closes, what it shows stays: the address tells of another one by then, or of none.
    let asked = Memo::new(move |asked: Option<&(Option<String>, bool)>| {
        search.with(|search| match asked {
            Some(asked) if query::value(search, "trigger").is_none() => asked.clone(),
            _ => (query::value(search, "event"), query::value(search, "sync").is_some()),
        })
    });
    let event = Memo::new(move |_| asked.with(|(event, _)| event.clone()));
    let synchronous = Memo::new(move |_| asked.with(|(_, synchronous)| *synchronous));
    let checked = typed.as_ref().map_or_else(|| synchronous.get_untracked(), |form| form.synchronous.is_some());

    let navigate = use_navigate();
    let waits = RwSignal::new(false);
    let send = {
        let (project, name) = (project.clone(), trigger.name.clone());
        Action::new(move |form: &EventForm| {
            waits.set(form.synchronous.is_some());
            send_event(project.clone(), name.clone(), form.clone())
        })
    };
    let shown_by = StoredValue::new((project.clone(), trigger.name.clone()));
    on_submitted(send, errors, failure, move |queued| {
        let sync = waits.get_untracked().then_some(("sync", ""));
        let url = shown_by.with_value(|(project, trigger)| {
            let shown = [("trigger", trigger.as_str()), ("event", &queued.event_id)].into_iter().chain(sync);
            search.with_untracked(|search| triggers_url(project, search, &shown.collect::<Vec<_>>()))
        });
        navigate(&url, NavigateOptions { scroll: false, replace: true, ..Default::default() });
    });
    let general = Signal::derive(move || failure.get().or_else(|| error_of(errors, "type").get()));
    let data_error = error_of(errors, "data");
    let previous = {
        let (project, event_type) = (project.clone(), trigger.event_type.clone());
        // Once: what stands in the address later must not overwrite what was typed.
        let from = search.with_untracked(|search| query::value(search, "from"));
        load(|| (), move |()| earlier_data(project.clone(), event_type.clone(), from.clone()))
    };
    let paused = (!trigger.enabled).then(|| {
        view! { <p class="text-sm text-warn">"This trigger is paused: its events wait until it is resumed."</p> }
    });

    // The form as it stands, for the command that does the same.
    let element = NodeRef::<html::Form>::new();
    let current = RwSignal::new(typed.clone().unwrap_or_default());
    let look = move || {
        if let Some(Ok(form)) = element.get_untracked().map(|form| stands_in(&form)) {
            current.set(form);
        }
    };
    let command = {
        let (origin, project, event_type) = (PageState::origin_here(), project.clone(), trigger.event_type.clone());
        Memo::new(move |_| current.with(|form| curl::queue(&origin, &project, &event_type, form)))
    };
    let shown = StoredValue::new(typed.clone());
    let on_keydown = move |event: web_sys::KeyboardEvent| {
        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) && !send.pending().get_untracked() {
            event.prevent_default();
            if let Some(form) = element.get_untracked() {
                drop(form.request_submit());
            }
        }
    };
    view! {
        <Dialog title=format!("Trigger {}", trigger.name) close=path.clone()>
            <form
                node_ref=element
                id=FORM
                method="post"
                action=form_path
                novalidate
                class="flex flex-col gap-4"
                on:input=move |_| look()
                on:keydown=on_keydown
                on:submit=submit(send, failure)
            >
                <Alert message=general/>
                <input type="hidden" name="intent" value="send"/>
                <input type="hidden" name="name" value=trigger.name/>
                <p class="text-sm text-soft">
                    "Queues an event of type " <code class="font-mono text-ink">{trigger.event_type}</code> "; every trigger of that type gets it."
                </p>
                {paused}
                <Suspense>
                    {move || Suspend::new(async move {
                        let previous = previous.await.map(|data| data.map(|data| json::indent(&data)));
                        let missing = previous.as_ref().err().map(|failure| {
                            view! { <p class="text-sm text-warn">{failure.message.clone()} " The form starts empty."</p> }
                        });
                        let typed = shown.with_value(|form| form.as_ref().map(|form| form.data.clone()));
                        let start = typed.or(previous.ok().flatten()).unwrap_or_else(|| "{}".to_owned());
                        current.update(|form| form.data.clone_from(&start));
                        view! {
                            {missing}
                            <JsonEditor name="data" label="Event Data" value=start hint="JSON; empty means null." error=data_error/>
                        }
                    })}
                </Suspense>
                <ScheduleFields form=typed.unwrap_or_default() errors=errors/>
                <div class="flex flex-wrap items-center justify-between gap-3">
                    <label class="flex items-center gap-2 py-2 text-sm text-ink cursor-pointer">
                        <input type="checkbox" name="synchronous" value="on" checked=checked class="w-4 h-4 accent-accent"/>
                        "Trigger event synchronously"
                    </label>
                    <div class="flex gap-2">
                        <ButtonLink href=path kind=Kind::Plain>"Close"</ButtonLink>
                        <SubmitButton kind=Kind::Primary text="Trigger" pending=send.pending() pending_text="Waiting…" shortcut="Control+Enter"/>
                    </div>
                </div>
                <details class="text-sm" on:toggle=move |_| look()>
                    <summary class="cursor-pointer text-soft hover:text-ink">"Copy as curl"</summary>
                    <div class="mt-2"><CopyBlock text=command label="Command that queues this event"/></div>
                </details>
            </form>
            <OutcomePanel project=project event=event synchronous=synchronous form=FORM/>
        </Dialog>
    }
}
