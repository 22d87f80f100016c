//! One page a file.

mod event;
mod events;
mod jobs;
mod not_found;
pub mod on_demand;
mod projects;
mod settings;
mod triggers;

use event::EventPage;
pub use event::said;
use events::EventsPage;
pub use events::events_path;
use jobs::JobsPage;
pub use jobs::jobs_path;
pub use not_found::NotFound;
use projects::ProjectsPage;
use settings::SettingsPage;
use triggers::TriggersPage;
pub use triggers::triggers_url;

use leptos::prelude::*;
use leptos_meta::Title;
use server::functions::Failure;

/// A page that could not be loaded.
#[component]
fn FailurePage(failure: Failure) -> impl IntoView {
    #[cfg(feature = "ssr")]
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
        response.set_status(if failure.not_found {
            http::StatusCode::NOT_FOUND
        } else {
            http::StatusCode::SERVICE_UNAVAILABLE
        });
    }
    let title = if failure.not_found { "Not found" } else { "This page cannot be shown" };
    // The same address, loaded anew.
    let again = (!failure.not_found)
        .then(|| view! { <a href="" rel="external" class="mr-4 text-accent-text hover:underline">"Try again"</a> });
    view! {
        <Title text=title/>
        <div class="rounded-lg border border-line bg-surface px-6 py-12 text-center">
            <h1 class="text-lg font-semibold text-ink">{title}</h1>
            <p role="alert" class="mx-auto mt-2 max-w-xl text-sm text-soft">{failure.message}</p>
            <p class="mt-4 text-sm">{again}<a href="/projects" class="text-accent-text hover:underline">"All projects"</a></p>
        </div>
    }
}

/// What stands where a page's data will be.
#[component]
fn Loading() -> impl IntoView {
    view! {
        <div aria-busy="true" aria-label="Loading" class="flex flex-col gap-3">
            <div class="h-8 w-48 rounded-sm bg-sunken"></div>
            <div class="h-40 rounded-lg bg-sunken"></div>
        </div>
    }
}
