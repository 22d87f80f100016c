//! The event triggers of a project; its dialogs are opened by the URL's query.

mod delete;
mod edit;
mod schedule;
mod send;
mod table;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::{use_params_map, use_query_map};
use leptos_router::params::ParamsMap;
use server::functions::load_triggers;
use server::model::TriggersPage as Page;

use super::{FailurePage, Loading};
use crate::components::{ButtonLink, Kind, PageHeading, Section};
use delete::DeleteDialog;
use edit::EditDialog;
use send::SendDialog;
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

/// The page.
#[component]
pub fn TriggersPage() -> impl IntoView {
    let params = use_params_map();
    let query = use_query_map();
    let project = Memo::new(move |_| params.with(|params| params.get("project").unwrap_or_default()));
    let open = Memo::new(move |_| query.with(Open::of));
    let page = Resource::new(move || project.get(), load_triggers);
    let changed = Callback::new(move |()| page.refetch());
    view! {
        <Title text="Event Triggers"/>
        <Transition fallback=Loading>
            {move || Suspend::new(async move {
                match page.await {
                    Ok(page) => {
                        let shown = StoredValue::new(page.clone());
                        view! {
                            <Content page=page changed=changed/>
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
fn Content(page: Page, changed: Callback<()>) -> impl IntoView {
    let path = page_path(&page.project.name);
    view! {
        <PageHeading title="Event Triggers">
            <ButtonLink href=format!("{path}?add") kind=Kind::Primary shortcut="a">"Add"</ButtonLink>
        </PageHeading>
        {if page.triggers.is_empty() {
            view! { <EmptyState project=page.project.name/> }.into_any()
        } else {
            view! { <TriggersTable page=page changed=changed/> }.into_any()
        }}
    }
}

#[component]
fn OpenDialog(open: Open, page: Page, changed: Callback<()>) -> impl IntoView {
    let find = |name: &str| page.triggers.iter().find(|trigger| trigger.name == name).cloned();
    let project = page.project.name.clone();
    let gone = |name: String| view! { <Gone project=page.project.name.clone() name=name/> }.into_any();
    match open {
        Open::Nothing => ().into_any(),
        Open::Add => view! { <EditDialog project=project existing=None types=page.types changed=changed/> }.into_any(),
        Open::Edit(name) => match find(&name) {
            Some(trigger) => {
                view! { <EditDialog project=project existing=Some(trigger) types=page.types changed=changed/> }
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
