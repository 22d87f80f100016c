use leptos::prelude::*;

use super::{Place, ProjectNav, Section, Shortcuts, ToastRegion};
use crate::PageState;
use crate::theme::ThemeControl;

/// The frame of every page.
#[component]
pub fn Layout(children: Children) -> impl IntoView {
    let place = Place::here();
    // Apart, so that the tabs stay, and keep the focus, while the section changes.
    let project = Memo::new(move |_| place.with(|place| place.project.clone()));
    let section = Signal::derive(move || place.with(|place| place.section));
    view! {
        // The browser's own way there takes the focus along; the router's does not.
        <a href="#main" rel="external" class="sr-only">"Skip to the content"</a>
        <header class="border-b border-line bg-surface">
            <div class="mx-auto flex h-14 max-w-7xl items-center gap-3 px-4">
                <a href="/projects" aria-label="Mission Control" class="flex shrink-0 items-center gap-2 font-semibold text-ink">
                    <svg aria-hidden="true" width="22" height="22" viewBox="0 0 22 22" class="text-accent">
                        <rect width="22" height="22" rx="6" fill="currentColor"/>
                        <path d="M6 11h4l1.5-4 2 8 1.5-4h2" fill="none" stroke="#fff" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round"/>
                    </svg>
                    // Where it is narrow the project's name needs the room.
                    <span class="whitespace-nowrap" class:wide-only=move || project.get().is_some()>"Mission Control"</span>
                </a>
                {move || project.get().map(|project| view! { <ProjectName project=project/> })}
                <div class="ml-auto flex items-center gap-2">
                    <Shortcuts/>
                    <ThemeControl/>
                </div>
            </div>
            {move || project.get().map(|project| view! { <ProjectNav project=project current=section/> })}
        </header>
        {PageState::dev_mode_here()
            .then(|| {
                view! {
                    <aside aria-label="Dev mode" class="border-b border-line bg-warn-soft text-warn">
                        <p class="mx-auto max-w-7xl px-4 py-1.5 text-xs">
                            <strong class="font-semibold">"Dev mode"</strong>
                            ": no login, and webhooks may point at this machine and private networks. Reachable from this machine only."
                        </p>
                    </aside>
                }
            })}
        <main id="main" tabindex="-1" class="mx-auto max-w-7xl px-4 py-6">{children()}</main>
        <ToastRegion/>
    }
}

/// The project that the page is in, beside the product's name.
#[component]
fn ProjectName(project: String) -> impl IntoView {
    view! {
        <span aria-hidden="true" class="text-line">"/"</span>
        <a href=Section::EventTriggers.path(&project) aria-label=format!("Project {project}") class="min-w-0 truncate text-sm font-medium text-ink hover:underline">{project.clone()}</a>
    }
}

/// A page's heading, what it is in, and what can be done there.
#[component]
pub fn PageHeading(
    #[prop(into)] title: String,
    /// The pages above: text and address.
    #[prop(optional)]
    above: Vec<(String, String)>,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="mb-5 flex flex-wrap items-end justify-between gap-3">
            <div class="min-w-0">
                {(!above.is_empty())
                    .then(|| {
                        let links = above
                            .into_iter()
                            .map(|(text, href)| {
                                view! {
                                    <a href=href class="hover:text-ink hover:underline">{text}</a>
                                    <span aria-hidden="true" class="mx-1.5">"/"</span>
                                }
                            })
                            .collect_view();
                        view! { <nav aria-label="Breadcrumb" class="mb-1 text-sm text-soft">{links}</nav> }
                    })}
                <h1 class="text-xl font-semibold tracking-tight text-ink anywhere">{title}</h1>
            </div>
            // On a phone a line of its own, however little there is in it: its texts change.
            {children.map(|children| view! { <div class="flex w-full sm:w-auto flex-wrap items-center gap-2">{children()}</div> })}
        </div>
    }
}
