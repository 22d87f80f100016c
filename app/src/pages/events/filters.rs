use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use server::model::{EventFilter, EventStatus, FieldError, FilterChoices};
use web_sys::SubmitEvent;
use web_sys::js_sys::Reflect;

use super::{events_path, url_of};
use crate::components::{ButtonLink, Kind, Note, SubmitButton, error_of, typed_into};

/// The filters, a form that asks for a URL: it works without JavaScript and can be bookmarked.
#[component]
pub fn Filters(project: String, filter: EventFilter, choices: FilterChoices) -> impl IntoView {
    let errors = RwSignal::new(choices.errors);
    let path = events_path(&project);
    let navigate = use_navigate();
    let clear = (!filter.is_empty()).then(|| {
        view! { <ButtonLink href=path.clone() kind=Kind::Plain>"Clear"</ButtonLink> }
    });
    // What is seldom used is folded away, unless it is in use.
    let detailed =
        [&filter.from, &filter.to, &filter.id, &filter.path, &filter.value].iter().any(|value| !value.is_empty());
    let statuses = EventStatus::ALL.into_iter().map(|status| (status.as_str().to_owned(), words(status).to_owned()));
    let triggers = choices.triggers.into_iter().map(|name| (name.clone(), name));
    let types = choices.types.into_iter().map(|name| view! { <option value=name></option> }).collect_view();
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        if let Ok(filter) = typed_into::<EventFilter>(&event) {
            navigate(&url_of(&project, &filter, &[]), Default::default());
        }
    };
    view! {
        <form method="get" action=path role="search" aria-label="Filter events" on:submit=submit class="mb-4 rounded-lg border border-line bg-surface p-3">
            <div class="grid grid-cols-1 sm:grid-cols-2 lg:grid-cols-[10rem_12rem_12rem_1fr_auto] items-start gap-2">
                <Choice name="status" label="Status" any="Any status" chosen=filter.status options=statuses.collect() errors=errors/>
                <Value name="type" label="Type" placeholder="Any type" value=filter.event_type errors=errors list="event-types"/>
                <Choice name="trigger" label="Trigger" any="Any trigger" chosen=filter.trigger options=triggers.collect() errors=errors/>
                <Value name="text" label="Text in the data" placeholder="Text in the data" value=filter.text errors=errors/>
                <div class="flex gap-2 sm:pt-5">
                    <SubmitButton kind=Kind::Primary text="Filter"/>
                    {clear}
                </div>
            </div>
            <datalist id="event-types">{types}</datalist>
            <details class="mt-2 text-sm" open=detailed>
                <summary class="w-max cursor-pointer text-xs text-soft hover:text-ink">"Time, event id, value in the data"</summary>
                <div class="mt-2 grid grid-cols-1 sm:grid-cols-2 lg:grid-cols-5 items-start gap-2">
                    <Value name="from" label="Accepted from (UTC)" placeholder="2026-01-31T08:00:00Z" value=filter.from errors=errors/>
                    <Value name="to" label="Accepted before (UTC)" placeholder="2026-01-31T09:00:00Z" value=filter.to errors=errors/>
                    <Value name="id" label="Event id" placeholder="" value=filter.id errors=errors/>
                    <Value name="path" label="Path in the data" placeholder="order.items.0.id" value=filter.path errors=errors/>
                    <Value name="value" label="Value there" placeholder="42" value=filter.value errors=errors/>
                </div>
            </details>
        </form>
    }
}

/// Lets the fields say what the URL says whenever that changes. They are not set when the page is hydrated: somebody may have
/// filled them in before its code was there.
pub fn follow(filter: Memo<EventFilter>) {
    Effect::new(move |followed: Option<()>| {
        let mut filter = filter.get();
        if followed.is_none() {
            return;
        }
        for name in EventFilter::NAMES {
            let field = document().get_element_by_id(&format!("filter-{name}"));
            if let (Some(field), Some(value)) = (field, filter.get_mut(name)) {
                drop(Reflect::set(&field, &"value".into(), &value.as_str().into()));
            }
        }
    });
}

/// A status as people read it.
pub fn words(status: EventStatus) -> &'static str {
    match status {
        EventStatus::Scheduled => "Scheduled",
        EventStatus::Pending => "Pending",
        EventStatus::Retrying => "Retrying",
        EventStatus::Delivered => "Delivered",
        EventStatus::Failed => "Failed",
        EventStatus::Cancelled => "Cancelled",
        EventStatus::NoTrigger => "No trigger",
    }
}

#[component]
fn Choice(
    name: &'static str,
    label: &'static str,
    any: &'static str,
    chosen: String,
    /// Value and text.
    options: Vec<(String, String)>,
    errors: RwSignal<Vec<FieldError>>,
) -> impl IntoView {
    let id = format!("filter-{name}");
    // What the URL says stays chosen even where it is no longer on offer.
    let unknown = (!chosen.is_empty() && options.iter().all(|(value, _)| *value != chosen))
        .then(|| view! { <option value=chosen.clone() selected=true>{chosen.clone()}</option> });
    let options = options
        .into_iter()
        .map(|(value, text)| {
            let selected = value == chosen;
            view! { <option value=value selected=selected>{text}</option> }
        })
        .collect_view();
    view! {
        <div class="flex min-w-0 flex-col gap-1">
            <label for=id.clone() class="text-xs leading-4 text-soft">{label}</label>
            <select id=id.clone() name=name class="input">
                <option value="">{any}</option>
                {unknown}
                {options}
            </select>
            <Note id=format!("{id}-note") hint="" error=error_of(errors, name)/>
        </div>
    }
}

#[component]
fn Value(
    name: &'static str,
    label: &'static str,
    placeholder: &'static str,
    value: String,
    errors: RwSignal<Vec<FieldError>>,
    #[prop(optional)] list: Option<&'static str>,
) -> impl IntoView {
    let id = format!("filter-{name}");
    let note = format!("{id}-note");
    let error = error_of(errors, name);
    view! {
        <div class="flex min-w-0 flex-col gap-1">
            <label for=id.clone() class="text-xs leading-4 text-soft">{label}</label>
            <input
                id=id
                name=name
                value=value
                placeholder=placeholder
                list=list
                autocomplete="off"
                spellcheck="false"
                aria-invalid=move || error.get().is_some().then_some("true")
                aria-describedby=note.clone()
                class="input"
            />
            <Note id=note hint="" error=error/>
        </div>
    }
}
