use leptos::prelude::*;
use leptos_router::params::ParamsMap;
use server::model::TriggersPage as Page;

use super::delete::DeleteDialog;
use super::edit::EditDialog;
use super::page_path;
use super::send::SendDialog;
use crate::components::{ButtonLink, Dialog, Kind};

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

    pub fn of(query: &ParamsMap) -> Option<Self> {
        let [add, edit, delete, trigger] = Self::NAMES.map(|name| query.get(name));
        add.map(|_| Self::Add).or(edit.map(Self::Edit)).or(delete.map(Self::Delete)).or(trigger.map(Self::Send))
    }
}

/// The dialog that is open.
#[component]
pub fn OpenDialog(open: Open, page: Page, changed: Callback<()>) -> impl IntoView {
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
    let path = page_path(&project);
    view! {
        <Dialog title="No such trigger" close=path.clone()>
            <p class="text-sm text-soft">{format!("There is no trigger {name:?} in this project; it may have been renamed or deleted.")}</p>
            <div class="mt-4 flex justify-end"><ButtonLink href=path kind=Kind::Plain>"Close"</ButtonLink></div>
        </Dialog>
    }
}
