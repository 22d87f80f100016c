//! The event triggers of a project; its dialogs are opened by the URL's query.

mod delete;
mod dialogs;
mod edit;
mod overview;
mod schedule;
mod send;
mod table;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::{use_navigate, use_params_map, use_query_map};
use leptos_router::params::ParamsMap;
use server::functions::{load_figures, load_triggers};
use server::model::{Overview as Figures, Range, Trigger, TriggerHealth, TriggersPage as Page};

use super::on_demand::{trigger_dialog, when_loaded};
use super::{FailurePage, Loading};
use crate::PageState;
use crate::components::{Alert, ButtonLink, Kind, PageHeading, Section};
use crate::live::{Live, LiveSwitch};
use crate::load::{Loaded, load, load_live, renew_with};
pub use dialogs::{Open, OpenDialog};
use overview::Overview;
pub use table::QueueExample;
use table::{EmptyState, LastFocused, TriggersTable};

/// Where a project's triggers are.
fn page_path(project: &str) -> String {
    Section::EventTriggers.path(project)
}

/// What changes all the time. It is loaded apart from the triggers, so that forms stay as they are while it is renewed.
type Figured = Loaded<(Figures, Vec<TriggerHealth>)>;

/// The page.
#[component]
pub fn TriggersPage() -> impl IntoView {
    let params = use_params_map();
    let query = use_query_map();
    let project = Memo::new(move |_| params.with(|params| params.get("project").unwrap_or_default()));
    let open = Memo::new(move |_| query.with(Open::of));
    let page = load(move || project.get(), load_triggers);
    let changed = Callback::new(move |()| page.refetch());
    let last_focused = LastFocused::new(None);
    let range = Memo::new(move |_| {
        query.with(|query| query.get("range").and_then(|name| Range::parse(&name)).unwrap_or_default())
    });
    let (figures, renew): (Figured, _) =
        load_live(move || (project.get(), range.get()), |(project, range)| load_figures(project, range));
    let live = Live::follow(project, renew_with(renew, page));
    let failure = RwSignal::new(PageState::take_refused());
    view! {
        <Title text="Event Triggers"/>
        <div class="refused"><Alert message=failure/></div>
        <Transition fallback=Loading>
            {move || Suspend::new(async move {
                match page.await {
                    Ok(page) => {
                        let shown = StoredValue::new(page.clone());
                        view! {
                            <Content page=page changed=changed figures=figures live=live last_focused=last_focused/>
                            {move || {
                                open.get().map(|open| {
                                    when_loaded(
                                        trigger_dialog::PART,
                                        move || trigger_dialog::view(open.clone(), shown.get_value(), changed),
                                    )
                                })
                            }}
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
fn Content(
    page: Page,
    changed: Callback<()>,
    figures: Figured,
    live: Live,
    last_focused: LastFocused,
) -> impl IntoView {
    let path = page_path(&page.project.name);
    let add = format!("{path}?add");
    let query = use_query_map();
    let sought = Memo::new(move |_| query.with(|query| query.get("q").unwrap_or_default()));
    let empty = page.triggers.is_empty();
    let search = (!empty).then(|| view! { <LiveSwitch live=live/> <Search path=path.clone() sought=sought/> });
    let heading = view! {
        <PageHeading title="Event Triggers">
            {search}
            <ButtonLink href=add kind=Kind::Primary shortcut="a">"Add"</ButtonLink>
        </PageHeading>
    };
    if empty {
        return view! { {heading} <EmptyState project=page.project.name/> }.into_any();
    }
    let project = page.project.name.clone();
    let page = StoredValue::new(page);
    let table = move || {
        let mut page = page.get_value();
        page.triggers.retain(|trigger| sought.with(|sought| is_sought(trigger, sought)));
        if page.triggers.is_empty() {
            return view! {
                <p class="rounded-lg border border-line bg-surface px-6 py-12 text-center text-sm text-soft">
                    {format!("No trigger has {:?} in its name, type or URL. ", sought.get())}
                    <a href=path.clone() class="text-accent-text hover:underline">"Show all"</a>
                </p>
            }
            .into_any();
        }
        view! { <TriggersTable page=page changed=changed figures=figures last_focused=last_focused/> }.into_any()
    };
    view! {
        {heading}
        <Transition fallback=|| view! { <div class="mb-5 h-56 rounded-lg bg-sunken"></div> }>
            {move || {
                let project = project.clone();
                Suspend::new(async move {
                    match figures.await {
                        Ok((figures, _)) => view! { <Overview project=project figures=figures/> }.into_any(),
                        Err(failure) => view! { <p role="alert" class="mb-5 text-sm text-bad">{failure.message}</p> }.into_any(),
                    }
                })
            }}
        </Transition>
        {table}
    }
    .into_any()
}

fn is_sought(trigger: &Trigger, sought: &str) -> bool {
    let sought = lowercase(sought);
    [&trigger.name, &trigger.event_type, &trigger.url].iter().any(|text| lowercase(text).contains(&sought))
}

/// In the browser the browser does it, which has Unicode's tables already.
fn lowercase(text: &str) -> String {
    #[cfg(feature = "ssr")]
    {
        text.to_lowercase()
    }
    #[cfg(not(feature = "ssr"))]
    {
        web_sys::js_sys::JsString::from(text).to_lower_case().into()
    }
}

#[component]
fn Search(path: String, sought: Memo<String>) -> impl IntoView {
    let field = NodeRef::<leptos::html::Input>::new();
    let navigate = use_navigate();
    let here = path.clone();
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let typed = field.get_untracked().map(|field| field.value()).unwrap_or_default();
        let query: ParamsMap = [("q", typed)].into_iter().filter(|(_, typed)| !typed.is_empty()).collect();
        navigate(&(here.clone() + &query.to_query_string()), Default::default());
    };
    view! {
        <form method="get" action=path role="search" on:submit=submit class="grow sm:grow-0">
            <label class="sr-only" for="search">"Search triggers"</label>
            <input node_ref=field id="search" aria-keyshortcuts="/" type="search" name="q" value=sought.get_untracked() placeholder="Search" autocomplete="off" class="input sm:w-56"/>
        </form>
    }
}
