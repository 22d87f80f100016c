use std::time::Duration;

use leptos::html;
use leptos::prelude::*;
use server::functions::{Failure, set_trigger_enabled};
use server::model::{Trigger, TriggersPage};
use web_sys::wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlElement};

use super::overview::Health;
use super::{Figured, url_from_here};
use crate::components::words::counted;
use crate::components::{ButtonLink, CopyBlock, Kind, StatusBadge, SubmitButton, Toasts, Tone};
use crate::{PageState, curl};

/// The control of the table that had the focus last: its trigger, and its place among the controls of that.
pub type LastFocused = StoredValue<Option<(String, u32)>>;

/// Pauses the trigger of the name, or resumes it.
type Switch = Action<(String, bool), Result<bool, Failure>>;

/// What a person can do with a trigger, in its row.
const CONTROLS: &str = "a, button";

/// The table, and below it how applications queue events.
#[component]
pub fn TriggersTable(
    page: TriggersPage,
    changed: Callback<()>,
    /// Why a trigger could not be paused or resumed.
    failure: RwSignal<Option<String>>,
    figures: Figured,
    last_focused: LastFocused,
) -> impl IntoView {
    let body = NodeRef::<html::Tbody>::new();
    let note_focus = move |event: web_sys::FocusEvent| last_focused.set_value(control_of(&event));
    // Who clicks beside the table has left it.
    let note_leaving = move |event: web_sys::FocusEvent| {
        let control = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let look = move || {
            if is_nowhere(active().as_ref()) && control.is_some_and(|control| control.is_connected()) {
                _ = last_focused.try_set_value(None);
            }
        };
        set_timeout(look, Duration::ZERO);
    };
    // A row tells of another trigger after some changes; whoever works with keys goes on from where they were, or at the
    // table's beginning where that is gone.
    Effect::new(move |_| {
        let (Some(body), Some((trigger, place))) = (body.get(), last_focused.get_value()) else { return };
        let active = active();
        let displaced = active
            .as_ref()
            .is_some_and(|active| body.contains(Some(active)) && trigger_of(active).as_ref() != Some(&trigger));
        if displaced || is_nowhere(active.as_ref()) {
            focus(body.query_selector(&format!("tr[data-trigger={trigger:?}]")), place)
                .or_else(|| focus(body.query_selector("tr"), 0));
        }
    });
    let project = page.project.name;
    let toasts = Toasts::here();
    let switch: Switch = {
        let project = project.clone();
        Action::new(move |(trigger, enabled): &(String, bool)| {
            let (switched, enabled) = (set_trigger_enabled(project.clone(), trigger.clone(), *enabled), *enabled);
            async move { switched.await.map(|()| enabled) }
        })
    };
    Effect::new(move |_| match switch.value().get() {
        Some(Ok(enabled)) => {
            failure.set(None);
            changed.run(());
            toasts.say(if enabled { "Trigger resumed" } else { "Trigger paused" });
        }
        Some(Err(error)) => failure.set(Some(error.message)),
        None => {}
    });
    let example = page.triggers.first().map(|trigger| trigger.event_type.clone()).unwrap_or_default();
    let rows = page
        .triggers
        .into_iter()
        .map(|trigger| {
            view! { <Row project=project.clone() trigger=trigger switch=switch figures=figures/> }.into_any()
        })
        .collect_view();
    view! {
        <div class="overflow-hidden rounded-lg border border-line bg-surface">
            <table class="stacking w-full text-left text-sm">
                <thead class="border-b border-line bg-sunken text-xs text-soft">
                    <tr>
                        <th scope="col" class="px-4 py-2 font-medium">"Name"</th>
                        <th scope="col" class="px-3 py-2 font-medium">"Source"</th>
                        <th scope="col" class="px-3 py-2 font-medium">"Type"</th>
                        <th scope="col" class="px-3 py-2 font-medium">"Webhook URL"</th>
                        <th scope="col" class="px-3 py-2 text-right font-medium">"Retries"</th>
                        <th scope="col" class="px-3 py-2 text-right font-medium">"Timeout"</th>
                        <th scope="col" class="px-3 py-2 font-medium">"Health"</th>
                        <th scope="col" class="px-4 py-2 text-right font-medium">"Actions"</th>
                    </tr>
                </thead>
                <tbody node_ref=body class="ruled" on:focusin=note_focus on:focusout=note_leaving>{rows}</tbody>
            </table>
        </div>
        <details class="mt-5 text-sm">
            <summary class="cursor-pointer text-soft hover:text-ink">"Queue events from an application"</summary>
            <div class="mt-3"><QueueExample project=project event_type=example/></div>
        </details>
    }
}

fn active() -> Option<Element> {
    document().active_element()
}

fn is_nowhere(active: Option<&Element>) -> bool {
    active.is_none_or(|element| element.tag_name() == "BODY")
}

/// The trigger in whose row an element is.
fn trigger_of(element: &Element) -> Option<String> {
    element.closest("tr").ok().flatten()?.get_attribute("data-trigger")
}

/// The control that an event is about.
fn control_of(event: &web_sys::FocusEvent) -> Option<(String, u32)> {
    let control = event.target()?.dyn_into::<Element>().ok()?;
    let row = control.closest("tr").ok().flatten()?;
    let controls = row.query_selector_all(CONTROLS).ok()?;
    let place = (0..controls.length()).find(|place| controls.item(*place).as_ref() == Some(control.as_ref()))?;
    Some((trigger_of(&control)?, place))
}

fn focus(row: Result<Option<Element>, JsValue>, place: u32) -> Option<()> {
    let control = row.ok().flatten()?.query_selector_all(CONTROLS).ok()?.item(place)?;
    control.dyn_into::<HtmlElement>().ok()?.focus().ok()
}

#[component]
fn Row(project: String, trigger: Trigger, switch: Switch, figures: Figured) -> impl IntoView {
    let sought = StoredValue::new(trigger.name.clone());
    let name = trigger.name;
    let url_of = |dialog| url_from_here(&project, &[(dialog, &name)]);
    let enabled = trigger.enabled;
    let switched = name.clone();
    let (verb, intent) = if enabled { ("Pause", "pause") } else { ("Resume", "resume") };
    let paused = (!enabled).then(|| {
        let text = match trigger.pending {
            0 => "paused".to_owned(),
            n => format!("paused, {} waiting", counted(n, Trigger::MOST_COUNTED)),
        };
        view! { <StatusBadge tone=Tone::Off text=text/> }
    });
    view! {
        <tr data-trigger=name.clone()>
            <td data-label="Name" class="px-4 py-2.5">
                <span class="flex flex-wrap items-center gap-2">
                    <span class="max-w-64 font-medium text-ink anywhere">{name.clone()}</span>
                    {paused}
                </span>
            </td>
            <td data-label="Source" class="px-3 py-2.5 text-soft">{if trigger.source == "custom" { "Custom".to_owned() } else { trigger.source }}</td>
            <td data-label="Type" class="px-3 py-2.5 font-mono text-xs text-ink"><span class="block max-w-64 anywhere">{trigger.event_type}</span></td>
            <td data-label="Webhook URL" class="px-3 py-2.5 font-mono text-xs text-ink"><span class="block max-w-96 break-all">{trigger.url}</span></td>
            <td data-label="Retries" class="px-3 py-2.5 text-right text-ink tabular-nums">{trigger.retries}</td>
            <td data-label="Timeout" class="px-3 py-2.5 text-right text-ink whitespace-nowrap tabular-nums">{format!("{} ms", trigger.timeout_ms)}</td>
            <td data-label="Health" class="px-3 py-2.5">
                // No boundary of its own: it would count among what is loaded, in another order on the server than in the browser.
                {move || Suspend::new(async move {
                    let health = figures.await.ok().and_then(|(_, all)| all.into_iter().find(|one| sought.with_value(|name| one.trigger == *name)));
                    view! { <Health health=health/> }.into_any()
                })}
            </td>
            <td class="px-4 py-2.5">
                <div class="flex flex-wrap lg:flex-nowrap justify-end gap-1.5">
                    <ButtonLink href=url_of("trigger") kind=Kind::Primary label=format!("Trigger {name}")>"Trigger"</ButtonLink>
                    <ButtonLink href=url_of("edit") kind=Kind::Plain label=format!("Edit {name}")>"Edit"</ButtonLink>
                    <form
                        method="post"
                        action=url_from_here(&project, &[])
                        on:submit=move |event| {
                            event.prevent_default();
                            switch.dispatch((switched.clone(), !enabled));
                        }
                    >
                        <input type="hidden" name="intent" value=intent/>
                        <input type="hidden" name="name" value=name.clone()/>
                        <SubmitButton kind=Kind::Plain text=verb pending=switch.pending() label=format!("{verb} {name}")/>
                    </form>
                    <ButtonLink href=url_of("delete") kind=Kind::Plain label=format!("Delete {name}")>"Delete"</ButtonLink>
                </div>
            </td>
        </tr>
    }
}

/// A project without triggers.
#[component]
pub fn EmptyState(project: String) -> impl IntoView {
    let add = url_from_here(&project, &[("add", "")]);
    view! {
        <div class="rounded-lg border border-line bg-surface px-6 py-10">
            <div class="mx-auto max-w-2xl text-center">
                <h2 class="text-base font-semibold text-ink">"No event triggers yet"</h2>
                <p class="mt-1 mb-4 text-sm text-soft">
                    "An event trigger calls a webhook whenever an event of its type is queued: reliably, with retries, now or later. Add one, then queue an event:"
                </p>
                <QueueExample project=project event_type="sent-email".to_owned()/>
                <div class="mt-5"><ButtonLink href=add kind=Kind::Primary>"Add an event trigger"</ButtonLink></div>
            </div>
        </div>
    }
}

/// The command that queues an event.
#[component]
pub fn QueueExample(project: String, event_type: String) -> impl IntoView {
    let command = curl::example(&PageState::origin_here(), &project, &event_type);
    view! { <CopyBlock text=command label="Command that queues an event"/> }
}
