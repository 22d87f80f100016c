//! The event triggers of a project; its dialogs are opened by the URL's query.

mod delete;
mod edit;
mod overview;
mod schedule;
mod send;
mod table;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::{use_params_map, use_query_map};
use leptos_router::params::ParamsMap;
use server::functions::{Failure, load_overview, load_trigger_health, load_triggers};
use server::model::{Overview as Figures, Range, Trigger, TriggerHealth, TriggersPage as Page};

use super::{FailurePage, Loading};
use crate::components::{ButtonLink, Kind, PageHeading, Section};
use crate::live::{Live, LiveSwitch};
use delete::DeleteDialog;
use edit::EditDialog;
use overview::Overview;
use send::SendDialog;
pub use table::QueueExample;
use table::{EmptyState, TriggersTable};

/// The open dialog. Which event the send dialog shows is no part of it, so that the form stays as it is meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    Add,
    Edit(String),
    Delete(String),
    Send(String),
}

impl Open {
    fn of(query: &ParamsMap) -> Self {
        if query.get("add").is_some() {
            Self::Add
        } else if let Some(name) = query.get("edit") {
            Self::Edit(name)
        } else if let Some(name) = query.get("delete") {
            Self::Delete(name)
        } else if let Some(name) = query.get("trigger") {
            Self::Send(name)
        } else {
            Self::Nothing
        }
    }
}

/// Where a project's triggers are.
fn page_path(project: &str) -> String {
    Section::EventTriggers.path(project)
}

/// What changes all the time. It is loaded apart from the triggers, so that forms stay as they are while it is renewed.
type Figured = Resource<Result<(Figures, Vec<TriggerHealth>), Failure>>;

/// The page.
#[component]
pub fn TriggersPage() -> impl IntoView {
    let params = use_params_map();
    let query = use_query_map();
    let project = Memo::new(move |_| params.with(|params| params.get("project").unwrap_or_default()));
    let open = Memo::new(move |_| query.with(Open::of));
    let page = Resource::new(move || project.get(), load_triggers);
    let changed = Callback::new(move |()| page.refetch());
    let range = Memo::new(move |_| {
        query.with(|query| query.get("range").and_then(|name| Range::parse(&name)).unwrap_or_default())
    });
    let figures: Figured = Resource::new(
        move || (project.get(), range.get()),
        |(project, range)| async move {
            Ok((load_overview(project.clone(), range).await?, load_trigger_health(project, range).await?))
        },
    );
    let live = Live::follow(project, Callback::new(move |()| figures.refetch()));
    view! {
        <Title text="Event Triggers"/>
        <Transition fallback=Loading>
            {move || Suspend::new(async move {
                match page.await {
                    Ok(page) => {
                        let shown = StoredValue::new(page.clone());
                        view! {
                            <Content page=page changed=changed figures=figures live=live/>
                            {move || shown.with_value(|page| view! { <OpenDialog open=open.get() page=page.clone() changed=changed/> })}
                        }
                            .into_any()
                    }
                    Err(failure) => view! { <FailurePage failure=failure/> }.into_any(),
                }
            })}
        </Transition>
    }
}

#[component]
fn Content(page: Page, changed: Callback<()>, figures: Figured, live: Live) -> impl IntoView {
    let path = page_path(&page.project.name);
    let add = format!("{path}?add");
    let query = use_query_map();
    let sought = Memo::new(move |_| query.with(|query| query.get("q").unwrap_or_default()));
    let empty = page.triggers.is_empty();
    let search = (!empty).then(|| view! { <LiveSwitch live=live/> <Search path=path.clone() sought=sought/> });
    let heading = view! {
        <PageHeading title="Event Triggers">
            {search}
            <ButtonLink href=add kind=Kind::Primary shortcut="a">"Add"</ButtonLink>
        </PageHeading>
    };
    if empty {
        return view! { {heading} <EmptyState project=page.project.name/> }.into_any();
    }
    let project = page.project.name.clone();
    let page = StoredValue::new(page);
    let table = move || {
        let mut page = page.get_value();
        page.triggers.retain(|trigger| sought.with(|sought| is_sought(trigger, sought)));
        if page.triggers.is_empty() {
            return view! {
                <p class="rounded-lg border border-line bg-surface px-6 py-12 text-center text-sm text-soft">
                    {format!("No trigger has {:?} in its name, type or URL. ", sought.get())}
                    <a href=path.clone() class="text-accent-text hover:underline">"Show all"</a>
                </p>
            }
            .into_any();
        }
        view! { <TriggersTable page=page changed=changed figures=figures/> }.into_any()
    };
    view! {
        {heading}
        <Transition fallback=|| view! { <div class="mb-5 h-56 rounded-lg bg-sunken"></div> }>
            {move || {
                let project = project.clone();
                Suspend::new(async move {
                    match figures.await {
                        Ok((figures, _)) => view! { <Overview project=project figures=figures/> }.into_any(),
                        Err(failure) => view! { <p role="alert" class="mb-5 text-sm text-bad">{failure.message}</p> }.into_any(),
                    }
                })
            }}
        </Transition>
        {table}
    }
    .into_any()
}

fn is_sought(trigger: &Trigger, sought: &str) -> bool {
    let sought = sought.to_lowercase();
    [&trigger.name, &trigger.event_type, &trigger.url].iter().any(|text| text.to_lowercase().contains(&sought))
}

#[component]
fn Search(path: String, sought: Memo<String>) -> impl IntoView {
    view! {
        <leptos_router::components::Form method="GET" action=path attr:role="search">
            <label class="sr-only" for="search">"Search triggers"</label>
            <input id="search" aria-keyshortcuts="/" type="search" name="q" value=sought.get_untracked() placeholder="Search" autocomplete="off" class="input w-40 sm:w-56"/>
        </leptos_router::components::Form>
    }
}

#[component]
fn OpenDialog(open: Open, page: Page, changed: Callback<()>) -> impl IntoView {
    let find = |name: &str| page.triggers.iter().find(|trigger| trigger.name == name).cloned();
    let (project, defaults) = (page.project.name.clone(), page.project.defaults);
    let gone = |name: String| view! { <Gone project=page.project.name.clone() name=name/> }.into_any();
    match open {
        Open::Nothing => ().into_any(),
        Open::Add => view! { <EditDialog project=project existing=None types=page.types defaults=defaults changed=changed/> }.into_any(),
        Open::Edit(name) => match find(&name) {
            Some(trigger) => {
                view! { <EditDialog project=project existing=Some(trigger) types=page.types defaults=defaults changed=changed/> }
                    .into_any()
            }
            None => gone(name),
        },
        Open::Delete(name) => match find(&name) {
            Some(trigger) => view! { <DeleteDialog project=project trigger=trigger changed=changed/> }.into_any(),
            None => gone(name),
        },
        Open::Send(name) => match find(&name) {
            Some(trigger) => view! { <SendDialog project=project trigger=trigger/> }.into_any(),
            None => gone(name),
        },
    }
}

/// The URL names a trigger that does not exist.
#[component]
fn Gone(project: String, name: String) -> impl IntoView {
    let path = page_path(&project);
    view! {
        <crate::components::Dialog title="No such trigger" close=path.clone()>
            <p class="text-sm text-soft">{format!("There is no trigger {name:?} in this project; it may have been renamed or deleted.")}</p>
            <div class="mt-4 flex justify-end"><ButtonLink href=path kind=Kind::Plain>"Close"</ButtonLink></div>
        </crate::components::Dialog>
    }
}
