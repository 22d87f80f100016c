//! The event log of a project. The URL holds the filters and the place in the log; with `bulk` in it, the dialog that
//! redelivers or cancels all that match is open.

mod bulk;
mod filters;
mod table;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::{use_location, use_params_map};
use server::functions::{load_events, load_filter_choices};
use server::model::{EventFilter, EventPage, EventQuery, FieldError, FilterChoices, JobAction, Submitted};

use super::on_demand::{bulk_dialog, when_loaded};
use super::{FailurePage, Loading};
use crate::components::{Alert, ButtonLink, Kind, PageHeading, Section};
use crate::live::{Live, LiveSwitch};
use crate::load::{load, load_live, renew_with};
use crate::query;
pub use bulk::BulkDialog;
use filters::Filters;
pub use table::EventBadge;
use table::{Empty, EventsTable, LastFocused, NoMatch, Pages};

/// Where a project's events are.
pub fn events_path(project: &str) -> String {
    Section::Events.path(project)
}

/// Events on one page: a screenful.
const ON_A_PAGE: &str = "25";

/// What the page's URL says.
fn query_of(search: &str) -> EventQuery {
    let mut asked = EventQuery { limit: ON_A_PAGE.to_owned(), ..EventQuery::default() };
    for name in EventFilter::NAMES {
        if let (Some(field), Some(value)) = (asked.filter.get_mut(name), query::value(search, name)) {
            *field = value;
        }
    }
    asked.cursor = query::value(search, "cursor").unwrap_or_default();
    asked
}

/// The page's URL for a filter, and what else it is to say.
pub fn url_of(project: &str, filter: &EventFilter, more: &[(&'static str, &str)]) -> String {
    let (mut filter, mut url) = (filter.clone(), events_path(project));
    for name in EventFilter::NAMES {
        if let Some(value) = filter.get_mut(name).filter(|value| !value.is_empty()) {
            query::add(&mut url, name, value);
        }
    }
    for (name, value) in more {
        query::add(&mut url, name, value);
    }
    url
}

/// The page.
#[component]
pub fn EventsPage() -> impl IntoView {
    let params = use_params_map();
    let url = use_location().search;
    let project = Memo::new(move |_| params.with(|params| params.get("project").unwrap_or_default()));
    let query = Memo::new(move |_| url.with(|url| query_of(url)));
    let bulk = Memo::new(move |_| match url.with(|url| query::value(url, "bulk")).as_deref() {
        Some("redeliver") => Some(JobAction::Redeliver),
        Some("cancel") => Some(JobAction::Cancel),
        _ => None,
    });
    // Apart from the events, which a live page asks for again and again: what somebody is filling in stays meanwhile.
    let filter = Memo::new(move |_| query.with(|query| query.filter.clone()));
    filters::follow(filter);
    let choices = load(move || (project.get(), filter.get()), |(project, filter)| load_filter_choices(project, filter));
    let (page, renew) = load_live(move || (project.get(), query.get()), |(project, query)| load_events(project, query));
    let live = Live::follow(project, renew_with(renew, choices));
    let last_focused = LastFocused::new(None);
    view! {
        <Title text="Events"/>
        <Transition fallback=Loading>
            {move || Suspend::new(async move {
                choices.await.ok().map(|choices| {
                    let (project, filter) = (project.get_untracked(), filter.get_untracked());
                    view! { <Head project=project filter=filter choices=choices live=live/> }
                })
            })}
            {move || Suspend::new(async move {
                match (choices.await, page.await) {
                    (Ok(choices), Ok(events)) => {
                        let (project, asked) = (project.get_untracked(), query.get_untracked());
                        view! { <Log project=project asked=asked events=events types=choices.types last_focused=last_focused/> }.into_any()
                    }
                    (Err(failure), _) | (_, Err(failure)) => view! { <FailurePage failure=failure/> }.into_any(),
                }
            })}
        </Transition>
        {move || {
            bulk.get().map(|action| {
                let (project, filter) = (project.get(), filter.get());
                when_loaded(bulk_dialog::PART, move || bulk_dialog::view(project.clone(), action, filter.clone()))
            })
        }}
    }
}

/// What can be done with the events, and the filters.
#[component]
fn Head(project: String, filter: EventFilter, choices: FilterChoices, live: Live) -> impl IntoView {
    let [redeliver, cancel] = ["redeliver", "cancel"].map(|action| url_of(&project, &filter, &[("bulk", action)]));
    let jobs = super::jobs_path(&project);
    view! {
        <PageHeading title="Events">
            <LiveSwitch live=live/>
            <ButtonLink href=jobs kind=Kind::Plain>"Bulk jobs"</ButtonLink>
            <ButtonLink href=redeliver kind=Kind::Plain>"Redeliver…"</ButtonLink>
            <ButtonLink href=cancel kind=Kind::Plain>"Cancel…"</ButtonLink>
        </PageHeading>
        <Filters project=project filter=filter choices=choices/>
    }
}

/// The events that were asked for.
#[component]
fn Log(
    project: String,
    asked: EventQuery,
    events: Submitted<EventPage>,
    types: Vec<String>,
    last_focused: LastFocused,
) -> impl IntoView {
    let EventQuery { filter, cursor, .. } = asked;
    match events {
        Submitted::Invalid(errors) => {
            // What is wrong with a filter stands there.
            let elsewhere = |error: &FieldError| !EventFilter::NAMES.contains(&error.field.as_str());
            errors
                .into_iter()
                .find(elsewhere)
                .map(|error| {
                    view! {
                        <Alert message=Some(error.message)/>
                        <div class="mt-3 flex"><ButtonLink href=url_of(&project, &filter, &[]) kind=Kind::Plain>"Newest"</ButtonLink></div>
                    }
                })
                .into_any()
        }
        Submitted::Done(page)
            if page.events.is_empty() && page.next.is_none() && filter.is_empty() && cursor.is_empty() =>
        {
            view! { <Empty project=project event_type=types.into_iter().next()/> }.into_any()
        }
        Submitted::Done(page) if page.events.is_empty() => {
            view! { <NoMatch project=project filter=filter page=page/> }.into_any()
        }
        Submitted::Done(page) => {
            let pages = view! { <Pages project=project.clone() filter=filter cursor=cursor page=page.clone()/> };
            view! {
                <EventsTable project=project events=page.events last_focused=last_focused/>
                {pages}
            }
            .into_any()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_holds_the_filters() {
        let filter = EventFilter { event_type: "a&b".into(), text: "x%2Fy z".into(), ..EventFilter::default() };
        let url = url_of("shop", &filter, &[("cursor", "c")]);
        assert!(url.starts_with("/projects/shop/events?"), "{url}");
        let asked = query_of(url.trim_start_matches("/projects/shop/events"));
        assert_eq!((asked.filter, asked.cursor), (filter, "c".to_owned()));
    }
}
