use leptos::html;
use leptos::prelude::*;
use server::model::{EventFilter, EventPage, EventStatus, EventSummary};
use web_sys::wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

use super::filters::words;
use super::{events_path, url_of};
use crate::components::{ButtonLink, Kind, StatusBadge, Tone, When};
use crate::pages::triggers::QueueExample;

impl From<EventStatus> for Tone {
    fn from(status: EventStatus) -> Self {
        match status {
            EventStatus::Delivered => Self::Good,
            EventStatus::Failed => Self::Bad,
            EventStatus::Scheduled | EventStatus::Pending | EventStatus::Retrying => Self::Waiting,
            EventStatus::Cancelled | EventStatus::NoTrigger => Self::Off,
        }
    }
}

/// The status of an event.
#[component]
pub fn EventBadge(status: EventStatus) -> impl IntoView {
    view! { <StatusBadge tone=Tone::from(status) text=words(status)/> }
}

/// The event whose link has the focus, or had it last.
pub type LastFocused = StoredValue<Option<String>>;

/// The event in whose row an element is.
fn event_of(element: &Element) -> Option<String> {
    element.closest("tr").ok().flatten()?.get_attribute("data-event")
}

/// A page of the log.
#[component]
pub fn EventsTable(project: String, events: Vec<EventSummary>, last_focused: LastFocused) -> impl IntoView {
    let body = NodeRef::<html::Tbody>::new();
    let note_focus = move |event: web_sys::FocusEvent| {
        let element = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        last_focused.set_value(element.as_ref().and_then(event_of));
    };
    // A row tells of another event when newer ones have come; the focus goes along with its own.
    Effect::new(move |_| {
        let active = document().active_element();
        let (Some(body), Some(active), Some(event)) = (body.get(), active, last_focused.get_value()) else { return };
        if body.contains(Some(&active)) && event_of(&active).as_ref() != Some(&event) {
            let link = body.query_selector(&format!("tr[data-event={event:?}] a")).ok().flatten();
            match link.and_then(|link| link.dyn_into::<HtmlElement>().ok()) {
                Some(link) => drop(link.focus()),
                None => last_focused.set_value(event_of(&active)),
            }
        }
    });
    let rows = events.into_iter().map(|event| view! { <Row project=project.clone() event=event/> }).collect_view();
    view! {
        <div class="overflow-hidden rounded-lg border border-line bg-surface">
            <table class="stacking w-full text-left text-sm" data-testid="events">
                <thead class="border-b border-line bg-sunken text-xs text-soft">
                    <tr>
                        <th scope="col" class="px-4 py-2 font-medium">"Status"</th>
                        <th scope="col" class="px-3 py-2 font-medium">"Type"</th>
                        <th scope="col" class="px-3 py-2 font-medium">"Event"</th>
                        <th scope="col" class="px-3 py-2 font-medium">"Accepted"</th>
                        <th scope="col" class="px-3 py-2 text-right font-medium">"Delivered"</th>
                        <th scope="col" class="px-3 py-2 text-right font-medium">"Attempts"</th>
                        <th scope="col" class="px-4 py-2 font-medium">"Last error"</th>
                    </tr>
                </thead>
                <tbody node_ref=body class="ruled" on:focusin=note_focus>{rows}</tbody>
            </table>
        </div>
    }
}

#[component]
fn Row(project: String, event: EventSummary) -> impl IntoView {
    let id = event.id.clone();
    let path = format!("{}/{id}", events_path(&project));
    let later = event.status == EventStatus::Scheduled;
    let scheduled = later.then(|| {
        view! {
            <span class="block text-xs text-soft">"due " <When at=event.scheduled_at/></span>
        }
    });
    let error = event.last_error.map(|error| view! { <span class="clamped">{error}</span> });
    view! {
        <tr data-event=id class="hover:bg-sunken">
            <td data-label="Status" class="px-4 py-2 whitespace-nowrap"><EventBadge status=event.status/></td>
            <td data-label="Type" class="px-3 py-2 font-mono text-xs text-ink"><span class="clamped max-w-64">{event.event_type}</span></td>
            <td data-label="Event" class="px-3 py-2 font-mono text-xs">
                <a href=path class="text-accent-text hover:underline break-all lg:whitespace-nowrap">{event.id}</a>
            </td>
            <td data-label="Accepted" class="px-3 py-2 text-soft whitespace-nowrap"><When at=event.accepted_at/>{scheduled}</td>
            <td data-label="Delivered" class="px-3 py-2 text-right text-ink tabular-nums whitespace-nowrap">
                {format!("{} of {}", event.deliveries.delivered, event.triggers)}
            </td>
            <td data-label="Attempts" class="px-3 py-2 text-right text-ink tabular-nums">{event.attempts}</td>
            <td data-label="Last error" class="px-4 py-2 text-xs text-soft">{error}</td>
        </tr>
    }
}

/// How far the page looked, and the way to older and to the newest events.
#[component]
pub fn Pages(project: String, filter: EventFilter, cursor: String, page: EventPage) -> impl IntoView {
    let newest = (!cursor.is_empty()).then(|| {
        view! { <ButtonLink href=url_of(&project, &filter, &[]) kind=Kind::Plain>"Newest"</ButtonLink> }
    });
    let further = page.searched_to.is_some();
    let older = page.next.map(|next| {
        let text = if further { "Search further back" } else { "Older" };
        view! { <ButtonLink href=url_of(&project, &filter, &[("cursor", &next)]) kind=Kind::Plain>{text}</ButtonLink> }
    });
    view! {
        <nav aria-label="Pages" class="mt-3 flex flex-wrap items-center justify-between gap-3">
            <p class="text-xs text-soft">{page.searched_to.map(|at| view! { <SearchedTo at=at/> })}</p>
            <div class="flex gap-2">{newest} {older}</div>
        </nav>
    }
}

#[component]
fn SearchedTo(at: String) -> impl IntoView {
    view! { "A search in the data stops after half a second. Everything accepted since " <When at=at/> " was looked at." }
}

/// Events exist, or may exist, but none that is asked for.
#[component]
pub fn NoMatch(project: String, filter: EventFilter, page: EventPage) -> impl IntoView {
    let path = events_path(&project);
    let further = page.next.clone().map(|next| {
        view! { <ButtonLink href=url_of(&project, &filter, &[("cursor", &next)]) kind=Kind::Primary>"Search further back"</ButtonLink> }
    });
    view! {
        <div class="rounded-lg border border-line bg-surface px-6 py-12 text-center" data-testid="no-match">
            <h2 class="text-base font-semibold text-ink">"No event matches"</h2>
            <p class="mt-1 text-sm text-soft">{page.searched_to.map(|at| view! { <SearchedTo at=at/> })}</p>
            <div class="mt-4 flex justify-center gap-2">
                {further}
                <ButtonLink href=path kind=Kind::Plain>"Show all events"</ButtonLink>
            </div>
        </div>
    }
}

/// A project without events.
#[component]
pub fn Empty(project: String, event_type: Option<String>) -> impl IntoView {
    view! {
        <div class="rounded-lg border border-line bg-surface px-6 py-10" data-testid="no-events">
            <div class="mx-auto max-w-2xl text-center">
                <h2 class="text-base font-semibold text-ink">"No events yet"</h2>
                <p class="mt-1 mb-4 text-sm text-soft">
                    "Every event that an application queues is listed here, with what became of it. Queue the first one:"
                </p>
                <QueueExample project=project event_type=event_type.unwrap_or_else(|| "sent-email".to_owned())/>
            </div>
        </div>
    }
}
