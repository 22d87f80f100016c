use leptos::prelude::*;
use server::functions::load_triggers;
use server::model::TriggersPage as Page;

use super::delete::DeleteDialog;
use super::edit::EditDialog;
use super::send::SendDialog;
use super::url_from_here;
use crate::components::{ButtonLink, Dialog, FailureDialog, Kind};
use crate::load::load;
use crate::query;

/// The open dialog. Which event the send dialog shows is no part of it, so that the form stays as it is meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Open {
    Add,
    Edit(String),
    Delete(String),
    Send(String),
}

impl Open {
    /// What in a URL's query opens one.
    pub const NAMES: [&str; 4] = ["add", "edit", "delete", "trigger"];

    pub fn of(search: &str) -> Option<Self> {
        let [add, edit, delete, trigger] = Self::NAMES.map(|name| query::value(search, name));
        add.map(|_| Self::Add).or(edit.map(Self::Edit)).or(delete.map(Self::Delete)).or(trigger.map(Self::Send))
    }
}

/// The dialog that is open, of what the project holds when it is opened: what others have changed since the page was loaded must
/// not be written back.
#[component]
pub fn OpenDialog(project: String, open: Open, changed: Callback<()>) -> impl IntoView {
    let name = project.clone();
    let page = load(|| (), move |()| load_triggers(name.clone()));
    move || {
        let (project, open) = (project.clone(), open.clone());
        Suspend::new(async move {
            match page.await {
                Ok(page) => view! { <LoadedDialog open=open page=page changed=changed/> }.into_any(),
                Err(failure) => {
                    view! { <FailureDialog failure=failure close=url_from_here(&project, &[])/> }.into_any()
                }
            }
        })
    }
}

#[component]
fn LoadedDialog(open: Open, page: Page, changed: Callback<()>) -> impl IntoView {
    let find = |name: &str| page.triggers.iter().find(|trigger| trigger.name == name).cloned();
    let (project, defaults) = (page.project.name.clone(), page.project.defaults);
    let gone = |name: String| view! { <Gone project=page.project.name.clone() name=name/> }.into_any();
    match open {
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
    let path = url_from_here(&project, &[]);
    view! {
        <Dialog title="No such trigger" close=path.clone()>
            <p class="text-sm text-soft">{format!("There is no trigger {name:?} in this project; it may have been renamed or deleted.")}</p>
            <div class="mt-4 flex justify-end"><ButtonLink href=path kind=Kind::Plain>"Close"</ButtonLink></div>
        </Dialog>
    }
}
