//! The parts of the pages' code that browsers load when they need them. `cargo xtask build` splits the wasm into what every page
//! needs, what several parts do, and what is a part's own.

// A call into another part goes through an import, which Rust can only declare as unsafe.
#![allow(unsafe_code)]

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use leptos::prelude::*;
use leptos::wasm_split::{SplitLoaderError, wasm_split};
use leptos_router::LazyRoute;
use leptos_router::hooks::use_location;
use server::model::{EventFilter, JobAction};

use super::events::BulkDialog;
use super::triggers::{Open, OpenDialog};
use super::{EventPage, EventsPage, JobsPage, Loading, ProjectsPage, SettingsPage, TriggersPage};

/// Code that is loaded by itself.
#[derive(Clone, Copy)]
pub struct Part {
    /// As `cargo xtask build` calls it.
    pub name: &'static str,
    load: fn() -> LocalBoxFuture<'static, Result<(), SplitLoaderError>>,
}

/// A view with its code in a part: `view` shows it, `load` only loads the code.
macro_rules! view_of {
    ($part:ident: $name:ident($($argument:ident: $kind:ty),*), $view:expr) => {
        pub mod $name {
            use super::*;

            pub const PART: Part = Part { name: stringify!($part), load: || Box::pin(load()) };

            #[wasm_split($part, wasm_split_path = ::leptos::wasm_split, preload(load), fallible)]
            pub fn view($($argument: $kind),*) -> Result<AnyView, SplitLoaderError> {
                Ok($view.into_any())
            }
        }
    };
}

/// A page that is a part, as a route.
macro_rules! route {
    ($route:ident, $part:ident, $page:ident) => {
        view_of!($part: $part(), view! { <$page/> });

        pub struct $route;

        impl LazyRoute for $route {
            fn data() -> Self {
                Self
            }

            async fn view(_: Self) -> AnyView {
                $part::view().await.unwrap_or_else(|_| load_whole_page())
            }

            async fn preload() {
                // What fails here is tried again by `view`, which can say so.
                $part::load().await.ok();
            }
        }
    };
}

route!(ProjectsRoute, projects, ProjectsPage);
route!(TriggersRoute, triggers, TriggersPage);
route!(EventsRoute, events, EventsPage);
route!(JobsRoute, jobs, JobsPage);
route!(EventRoute, event, EventPage);
route!(SettingsRoute, settings, SettingsPage);
// One part, since they have the most in common.
view_of!(
    dialogs: trigger_dialog(project: String, open: Open, changed: Callback<()>),
    view! { <OpenDialog project=project open=open changed=changed/> }
);
view_of!(
    dialogs: bulk_dialog(project: String, action: JobAction, filter: EventFilter),
    view! { <BulkDialog project=project action=action filter=filter/> }
);

/// The view of a part, as soon as its code is there: at once on the server, and where the page was loaded with it open.
pub fn when_loaded<F>(part: Part, view: impl Fn() -> F + Send + 'static) -> impl IntoView
where
    F: Future<Output = Result<AnyView, SplitLoaderError>>,
{
    let loaded = RwSignal::new(matches!((part.load)().now_or_never(), Some(Ok(()))));
    if !loaded.get_untracked() {
        leptos::task::spawn_local(async move {
            match (part.load)().await {
                // What it was for may be closed again.
                Ok(()) => drop(loaded.try_set(true)),
                // As with a whole page; the address names it already.
                Err(_) => drop(window().location().reload()),
            }
        });
    }
    move || loaded.get().then(|| view().now_or_never().and_then(Result::ok))
}

/// What a page needs from the start, as its URL says.
pub fn parts_of(path: &str, query: &str) -> Vec<Part> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let asks = |names: &[&str]| {
        query.trim_start_matches('?').split('&').any(|one| names.contains(&one.split('=').next().unwrap_or_default()))
    };
    match segments[..] {
        ["projects"] => vec![projects::PART],
        ["projects", _, "event-triggers"] if asks(&Open::NAMES) => vec![triggers::PART, trigger_dialog::PART],
        ["projects", _, "event-triggers"] => vec![triggers::PART],
        ["projects", _, "events"] if asks(&["bulk"]) => vec![events::PART, bulk_dialog::PART],
        ["projects", _, "events"] => vec![events::PART],
        ["projects", _, "events", "jobs"] => vec![jobs::PART],
        ["projects", _, "events", _] => vec![event::PART],
        ["projects", _, "settings"] => vec![settings::PART],
        _ => Vec::new(),
    }
}

/// Loads what a page needs from the start. It must be there before the page can be hydrated.
pub async fn load(path: &str, query: &str) -> Result<(), SplitLoaderError> {
    for part in parts_of(path, query) {
        (part.load)().await?;
    }
    Ok(())
}

/// The server has been upgraded since the browser loaded its code, or is out of reach: what it sends next stands alone.
fn load_whole_page() -> AnyView {
    let location = use_location();
    let address = format!("{}?{}", location.pathname.get_untracked(), location.search.get_untracked());
    window().location().set_href(&address).ok();
    view! { <Loading/> }.into_any()
}

#[cfg(test)]
mod tests {
    use super::parts_of;

    #[test]
    fn urls_name_what_they_need() {
        let of = |path, query| parts_of(path, query).iter().map(|part| part.name).collect::<Vec<_>>();
        assert_eq!(of("/projects", ""), ["projects"]);
        assert_eq!(of("/projects/shop/event-triggers/", "?q=add"), ["triggers"]);
        assert_eq!(of("/projects/shop/event-triggers", "?range=day&edit=one"), ["triggers", "dialogs"]);
        assert_eq!(of("/projects/shop/event-triggers", "add"), ["triggers", "dialogs"]);
        assert_eq!(of("/projects/shop/events", "bulk=redeliver"), ["events", "dialogs"]);
        assert_eq!(of("/projects/shop/events/jobs", "bulk=redeliver"), ["jobs"]);
        assert_eq!(of("/projects/shop/events/0193", ""), ["event"]);
        assert!(of("/projects/shop/nothing", "").is_empty());
    }
}
