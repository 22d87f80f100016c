//! Mission Control: the pages, and on the server the shell and the forms that work without JavaScript.

// The types of views nest deeply.
#![recursion_limit = "512"]

#[cfg(not(any(erase_components, doc)))]
compile_error!(
    "server and browser must be built alike: build in this repository, with its .cargo/config.toml and without RUSTFLAGS"
);

#[cfg(feature = "ssr")]
pub mod assets;
pub mod components;
mod curl;
#[cfg(feature = "ssr")]
pub mod forms;
mod live;
mod load;
mod page_state;
pub mod pages;
mod query;
#[cfg(feature = "ssr")]
pub mod shell;
pub mod theme;

use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::components::{Route, Router, Routes};
use leptos_router::path;
use leptos_router::{Lazy, SsrMode};

use components::{Clock, Layout, Toasts};
pub use page_state::{PageState, Posted};
use pages::NotFound;
use pages::on_demand::{EventRoute, EventsRoute, JobsRoute, ProjectsRoute, SettingsRoute, TriggersRoute};

/// The application, the same on the server and in the browser.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    PageState::provide();
    Clock::provide();
    Toasts::provide();

    view! {
        <Title formatter=|title: String| format!("{title} · Mission Control") text="Event triggers"/>
        <Router>
            <Layout>
                // Asynchronous rendering: the whole page is in the HTML, so that it needs no JavaScript.
                <Routes fallback=NotFound>
                    <Route path=path!("/projects") view={Lazy::<ProjectsRoute>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/projects/:project/event-triggers") view={Lazy::<TriggersRoute>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/projects/:project/events") view={Lazy::<EventsRoute>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/projects/:project/events/jobs") view={Lazy::<JobsRoute>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/projects/:project/events/:id") view={Lazy::<EventRoute>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/projects/:project/settings") view={Lazy::<SettingsRoute>::new()} ssr=SsrMode::Async/>
                </Routes>
            </Layout>
        </Router>
    }
}
