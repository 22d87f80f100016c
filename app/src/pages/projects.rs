use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::{use_navigate, use_query_map};
use server::functions::{create_project, projects};
use server::model::{Project, ProjectForm};

use super::{FailurePage, Loading};
use crate::components::{
    Alert, ButtonLink, Dialog, Field, Kind, PageHeading, SubmitButton, error_of, on_submitted, submit,
};
use crate::load::load;
use crate::{PageState, Posted};

/// All projects.
#[component]
pub fn ProjectsPage() -> impl IntoView {
    let query = use_query_map();
    let adding = Memo::new(move |_| query.with(|query| query.get("add").is_some()));
    let list = load(|| (), |()| projects());
    view! {
        <Title text="Projects"/>
        <Transition fallback=Loading>
            {move || Suspend::new(async move {
                match list.await {
                    Ok(projects) => view! { <ProjectList projects=projects/> }.into_any(),
                    Err(failure) => view! { <FailurePage failure=failure/> }.into_any(),
                }
            })}
        </Transition>
        <Show when=move || adding.get()>
            <AddProject/>
        </Show>
    }
}

#[component]
fn ProjectList(projects: Vec<Project>) -> impl IntoView {
    let rows = projects
        .into_iter()
        .map(|project| {
            let triggers = match project.triggers {
                1 => "1 trigger".to_owned(),
                n => format!("{n} triggers"),
            };
            let path = format!("/projects/{}/event-triggers", project.name);
            view! {
                <li>
                    <a href=path class="flex items-center gap-3 px-4 py-3 hover:bg-sunken">
                        <span class="min-w-0 grow">
                            <span class="block truncate font-medium text-ink">{project.title}</span>
                            <span class="block truncate font-mono text-xs text-soft">{project.name}</span>
                        </span>
                        <span class="text-sm text-soft tabular-nums">{triggers}</span>
                    </a>
                </li>
            }
        })
        .collect::<Vec<_>>();
    let empty = rows.is_empty();
    view! {
        <PageHeading title="Projects">
            <ButtonLink href="/projects?add" kind=Kind::Primary>"Create project"</ButtonLink>
        </PageHeading>
        {if empty {
            view! {
                <div class="rounded-lg border border-line bg-surface px-6 py-12 text-center">
                    <p class="text-sm text-soft">"There is no project yet. A project holds event triggers; create the first one."</p>
                </div>
            }
                .into_any()
        } else {
            view! { <ul class="ruled overflow-hidden rounded-lg border border-line bg-surface">{rows}</ul> }.into_any()
        }}
    }
}

#[component]
fn AddProject() -> impl IntoView {
    let Posted { project, errors, failure, .. } = PageState::posted_by("create").unwrap_or_default();
    let form = project.unwrap_or_default();
    let errors = RwSignal::new(errors);
    let failure = RwSignal::new(failure);
    let navigate = use_navigate();
    let create = Action::new(|form: &ProjectForm| create_project(form.clone()));
    on_submitted(create, errors, failure, move |name| {
        navigate(&format!("/projects/{name}/event-triggers"), Default::default());
    });
    view! {
        <Dialog title="Create project" close="/projects">
            <form
                method="post"
                action="/projects?add"
                novalidate
                class="flex flex-col gap-4"
                on:submit=submit(create, failure)
            >
                <Alert message=failure/>
                <Field name="name" label="Project name" value=form.name error=error_of(errors, "name") placeholder="shop" hint="As it stands in URLs: letters, digits and . _ -" autofocus=true/>
                <Field name="title" label="Title" value=form.title error=error_of(errors, "title") placeholder="Shop" hint="As people read it; the name if left empty."/>
                <div class="flex justify-end gap-2">
                    <ButtonLink href="/projects" kind=Kind::Plain>"Cancel"</ButtonLink>
                    <SubmitButton kind=Kind::Primary text="Create project" pending=create.pending()/>
                </div>
            </form>
        </Dialog>
    }
}
