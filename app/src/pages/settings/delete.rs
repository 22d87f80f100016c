use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use server::functions::{delete_project, load_settings};
use server::model::{Overview, ProjectForm, ProjectSettings};

use crate::components::words::counted;
use crate::components::{
    Alert, ButtonLink, Dialog, FailureDialog, Field, Kind, Section, SubmitButton, Toasts, error_of, on_submitted,
    submit,
};
use crate::load::load;
use crate::{PageState, Posted};

/// Asks before a project is deleted: its name has to be typed. It tells what the project holds when it is opened.
#[component]
pub fn DeleteDialog(project: String) -> impl IntoView {
    let path = Section::Settings.path(&project);
    let settings = load(|| (), move |()| load_settings(project.clone()));
    move || {
        let path = path.clone();
        Suspend::new(async move {
            match settings.await {
                Ok(settings) => view! { <LoadedDialog settings=settings/> }.into_any(),
                Err(failure) => view! { <FailureDialog failure=failure close=path/> }.into_any(),
            }
        })
    }
}

#[component]
fn LoadedDialog(settings: ProjectSettings) -> impl IntoView {
    let ProjectSettings { project, pending, .. } = settings;
    let Posted { project: typed, errors, failure, .. } = PageState::posted_by("delete").unwrap_or_default();
    let errors = RwSignal::new(errors);
    let failure = RwSignal::new(failure);
    let toasts = Toasts::here();
    let path = Section::Settings.path(&project.name);
    let action = format!("{path}?delete");
    let navigate = use_navigate();
    let delete = {
        let name = project.name.clone();
        Action::new(move |form: &ProjectForm| delete_project(name.clone(), form.clone()))
    };
    let gone = format!("Project {} deleted", project.title);
    on_submitted(delete, errors, failure, move |_| {
        toasts.say(gone.clone());
        navigate("/projects", Default::default());
    });
    let waiting = match pending {
        0 => "Nothing waits in its queue.".to_owned(),
        1 => "One delivery that waits in its queue is cancelled.".to_owned(),
        n => format!("{} deliveries that wait in its queue are cancelled.", counted(n, Overview::MOST_COUNTED)),
    };
    let triggers = match project.triggers {
        1 => "its trigger".to_owned(),
        n => format!("its {n} triggers"),
    };
    view! {
        <Dialog title="Delete project" close=path.clone()>
            <form
                method="post"
                action=action
                novalidate
                class="flex flex-col gap-4"
                on:submit=submit(delete, failure)
            >
                <Alert message=failure/>
                <input type="hidden" name="intent" value="delete"/>
                <p class="text-sm text-ink">
                    "Delete " <strong class="font-semibold">{project.title}</strong> " with " {triggers} " and the whole history of its events? "
                    <span data-testid="waiting">{waiting}</span> " This cannot be undone."
                </p>
                <Field name="name" label="Project name" value=typed.unwrap_or_default().name error=error_of(errors, "name") hint="Type the project's name as it stands in the address."/>
                <div class="flex justify-end gap-2">
                    <ButtonLink href=path kind=Kind::Plain>"Cancel"</ButtonLink>
                    <SubmitButton kind=Kind::Danger text="Delete project" pending=delete.pending()/>
                </div>
            </form>
        </Dialog>
    }
}
