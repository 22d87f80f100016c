//! The settings of a project, and those of the server that bear on it; its dialog is opened by the URL's query.

mod defaults;
mod delete;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::{use_params_map, use_query_map};
use server::functions::{load_settings, rename_project};
use server::model::{Limit, ProjectForm, ProjectSettings};

use super::{FailurePage, Loading};
use crate::components::{
    Alert, ButtonLink, Field, Kind, PageHeading, Section, SubmitButton, Toasts, error_of, grouped, on_submitted, submit,
};
use crate::load::load;
use crate::{PageState, Posted};
use defaults::TriggerDefaultsForm;
use delete::DeleteDialog;

/// The page.
#[component]
pub fn SettingsPage() -> impl IntoView {
    let params = use_params_map();
    let query = use_query_map();
    let project = Memo::new(move |_| params.with(|params| params.get("project").unwrap_or_default()));
    let deleting = Memo::new(move |_| query.with(|query| query.get("delete").is_some()));
    let settings = load(move || project.get(), load_settings);
    view! {
        <Title text="Settings"/>
        <Transition fallback=Loading>
            {move || Suspend::new(async move {
                match settings.await {
                    Ok(settings) => view! { <Content settings=settings/> }.into_any(),
                    Err(failure) => view! { <FailurePage failure=failure/> }.into_any(),
                }
            })}
        </Transition>
        {move || deleting.get().then(|| view! { <DeleteDialog project=project.get()/> })}
    }
}

#[component]
fn Content(settings: ProjectSettings) -> impl IntoView {
    let ProjectSettings { project, limits, .. } = settings;
    let delete = format!("{}?delete", Section::Settings.path(&project.name));
    view! {
        <PageHeading title="Settings"/>
        <div class="flex flex-col gap-6">
            <section aria-labelledby="project-heading" class="rounded-lg border border-line bg-surface p-5">
                <h2 id="project-heading" class="mb-3 text-base font-semibold text-ink">"Project"</h2>
                <TitleForm name=project.name.clone() title=project.title.clone()/>
            </section>
            <section aria-labelledby="defaults-heading" class="rounded-lg border border-line bg-surface p-5">
                <h2 id="defaults-heading" class="mb-3 text-base font-semibold text-ink">"Defaults of new triggers"</h2>
                <TriggerDefaultsForm project=project/>
            </section>
            <Limits limits=limits/>
            <section aria-labelledby="delete-heading" class="rounded-lg border border-line bg-surface p-5 flex flex-wrap items-center justify-between gap-4">
                <div>
                    <h2 id="delete-heading" class="text-base font-semibold text-ink">"Delete this project"</h2>
                    <p class="mt-1 text-sm text-soft">"Its triggers, what waits for them, and its whole history go with it."</p>
                </div>
                <ButtonLink href=delete kind=Kind::Danger>"Delete project"</ButtonLink>
            </section>
        </div>
    }
}

/// Changes how people read the project's name.
#[component]
fn TitleForm(name: String, title: String) -> impl IntoView {
    // A refused form of the dialog is not this one's.
    let posted = PageState::posted_by("rename");
    let Posted { project: typed, errors, failure, .. } = posted.unwrap_or_default();
    let title = typed.map_or(title, |form| form.title);
    let errors = RwSignal::new(errors);
    let failure = RwSignal::new(failure);
    let toasts = Toasts::here();
    let action = Section::Settings.path(&name);
    let rename = {
        let name = name.clone();
        Action::new(move |form: &ProjectForm| rename_project(name.clone(), form.clone()))
    };
    on_submitted(rename, errors, failure, move |_| toasts.say("Title saved"));
    view! {
        <form
            method="post"
            action=action
            novalidate
            class="flex max-w-xl flex-col gap-4"
            on:submit=submit(rename, failure)
        >
            <Alert message=failure/>
            <input type="hidden" name="intent" value="rename"/>
            <p class="text-sm text-soft">"In addresses and in the API its name is " <code class="font-mono text-ink">{name}</code> ", which stays."</p>
            <Field name="title" label="Title" value=title error=error_of(errors, "title") hint="As people read it; the name if left empty."/>
            <div><SubmitButton kind=Kind::Primary text="Save" pending=rename.pending() pending_text="Saving…"/></div>
        </form>
    }
}

/// The server's settings, which only its operator changes.
#[component]
fn Limits(limits: Vec<Limit>) -> impl IntoView {
    let rows = limits
        .into_iter()
        .map(|limit| {
            view! {
                <tr>
                    <td data-label="Setting" class="px-4 py-2 text-ink">{limit.what}</td>
                    <td data-label="Value" class="px-3 py-2 text-ink whitespace-nowrap tabular-nums">{limit.value.parse().map_or(limit.value, grouped)}</td>
                    <td data-label="Flag" class="px-4 py-2 font-mono text-xs text-soft whitespace-nowrap">{limit.flag}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section aria-labelledby="limits-heading" class="overflow-hidden rounded-lg border border-line bg-surface">
            <div class="px-5 py-4">
                <h2 id="limits-heading" class="text-base font-semibold text-ink">"Limits and defaults of the server"</h2>
                <p class="mt-1 text-sm text-soft">"They hold for all projects. Whoever runs the server sets them when it starts."</p>
            </div>
            <table class="stacking w-full border-t border-line text-left text-sm">
                <thead class="border-b border-line bg-sunken text-xs text-soft">
                    <tr>
                        <th scope="col" class="px-4 py-2 font-medium">"Setting"</th>
                        <th scope="col" class="px-3 py-2 font-medium">"Value"</th>
                        <th scope="col" class="px-4 py-2 font-medium">"Flag"</th>
                    </tr>
                </thead>
                <tbody class="ruled">{rows}</tbody>
            </table>
        </section>
    }
}
