//! The event triggers of a project; its dialogs are opened by the URL's query.

mod delete;
mod dialogs;
mod edit;
mod overview;
mod schedule;
mod send;
mod table;

use std::time::Duration;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::{use_location, use_navigate, use_params_map};
use server::functions::{Failure, load_figures, load_triggers};
use server::model::{Overview as Figures, Range, Trigger, TriggerHealth, TriggersPage as Page};
use web_sys::js_sys::Reflect;

use super::on_demand::{trigger_dialog, when_loaded};
use super::{FailurePage, Loading};
use crate::components::{Alert, ButtonLink, Kind, PageHeading, Section};
use crate::live::{Live, LiveSwitch};
use crate::load::{Loaded, load_live, seldom};
use crate::{PageState, query};
pub use dialogs::{Open, OpenDialog};
use overview::Overview;
pub use table::QueueExample;
use table::{EmptyState, LastFocused, TriggersTable};

/// The least time between two looks at the triggers. Up to ten thousand deliveries are counted for each.
const TRIGGERS_LAST: Duration = Duration::from_secs(2);

/// What of the page is shown, by its names in the address: the search and the range.
const SHOWN: [&str; 2] = ["q", "range"];

/// Where a project's triggers are, with `more` in the address. What the query of the page says of what is shown stays, unless
/// `more` says it anew; what is empty there is left out.
pub fn triggers_url(project: &str, search: &str, more: &[(&str, &str)]) -> String {
    let mut url = Section::EventTriggers.path(project);
    for (name, value) in more.iter().filter(|(name, value)| !(value.is_empty() && SHOWN.contains(name))) {
        query::add(&mut url, name, value);
    }
    for name in SHOWN.into_iter().filter(|shown| more.iter().all(|(name, _)| name != shown)) {
        if let Some(value) = query::value(search, name).filter(|value| !value.is_empty()) {
            query::add(&mut url, name, &value);
        }
    }
    url
}

/// The same from the page as it is now.
fn url_from_here(project: &str, more: &[(&str, &str)]) -> String {
    use_location().search.with_untracked(|search| triggers_url(project, search, more))
}

/// What changes all the time. It is loaded apart from the triggers, which are looked at less often.
type Figured = Loaded<(Figures, Vec<TriggerHealth>)>;

/// The page.
#[component]
pub fn TriggersPage() -> impl IntoView {
    let params = use_params_map();
    let search = use_location().search;
    let project = Memo::new(move |_| params.with(|params| params.get("project").unwrap_or_default()));
    let open = Memo::new(move |_| search.with(|search| Open::of(search)));
    // What every link of the page keeps.
    let here = Memo::new(move |_| search.with(|search| triggers_url(&project.read(), search, &[])));
    let (page, renewal) = load_live(move || project.get(), load_shown);
    let changed = renewal.on_change();
    let last_focused = LastFocused::new(None);
    let failure = RwSignal::new(PageState::take_refused());
    let range = Memo::new(move |_| {
        search.with(|search| query::value(search, "range").and_then(|name| Range::parse(&name)).unwrap_or_default())
    });
    let (figures, renewal_of_figures): (Figured, _) =
        load_live(move || (project.get(), range.get()), |(project, range)| load_figures(project, range));
    let renew_triggers = seldom(changed, TRIGGERS_LAST);
    let renew = Callback::new(move |()| {
        renewal_of_figures.begin();
        renew_triggers.run(());
    });
    let live = Live::follow(project, renew);
    follow_search(search);
    view! {
        <Title text="Event Triggers"/>
        <div class="refused"><Alert message=failure/></div>
        <Transition fallback=Loading>
            {move || {
                drop(here.read());
                Suspend::new(async move {
                    match page.await {
                        Ok(page) => view! { <Head page=page live=live/> }.into_any(),
                        Err(failure) => view! { <FailurePage failure=failure/> }.into_any(),
                    }
                })
            }}
        </Transition>
        <Transition fallback=|| view! { <div class="mb-5 h-56 rounded-lg bg-sunken"></div> }>
            {move || {
                drop(here.read());
                Suspend::new(async move {
                    let project = match page.await {
                        Ok(page) if !page.triggers.is_empty() => page.project.name,
                        _ => return ().into_any(),
                    };
                    match figures.await {
                        Ok((figures, _)) => view! { <Overview project=project figures=figures/> }.into_any(),
                        Err(failure) => view! { <p role="alert" class="mb-5 text-sm text-bad">{failure.message}</p> }.into_any(),
                    }
                })
            }}
            {move || {
                drop(here.read());
                Suspend::new(async move {
                    match page.await {
                        Ok(page) => {
                            view! { <Sought page=page changed=changed failure=failure figures=figures last_focused=last_focused/> }
                                .into_any()
                        }
                        Err(_) => ().into_any(),
                    }
                })
            }}
        </Transition>
        // Apart from what is renewed: what somebody has typed stays.
        {move || {
            open.get().map(|open| {
                let project = project.get();
                when_loaded(trigger_dialog::PART, move || trigger_dialog::view(project.clone(), open.clone(), changed))
            })
        }}
    }
}

/// The triggers without what the page does not show: how much waits for one that is not paused, which changes all the time.
async fn load_shown(project: String) -> Result<Page, Failure> {
    let mut page = load_triggers(project).await?;
    for trigger in page.triggers.iter_mut().filter(|trigger| trigger.enabled) {
        trigger.pending = 0;
    }
    Ok(page)
}

/// What the page's address says is looked for.
fn sought_by(search: &str) -> String {
    query::value(search, "q").unwrap_or_default()
}

/// Lets the field for the search say what the address says whenever that changes. It is not set when the page is hydrated:
/// somebody may have typed before its code was there.
fn follow_search(search: Memo<String>) {
    let sought = Memo::new(move |_| search.with(|search| sought_by(search)));
    Effect::new(move |followed: Option<()>| {
        let sought = sought.get();
        if let (Some(()), Some(field)) = (followed, document().get_element_by_id("search")) {
            drop(Reflect::set(&field, &"value".into(), &sought.into()));
        }
    });
}

#[component]
fn Head(page: Page, live: Live) -> impl IntoView {
    let project = page.project.name;
    let add = url_from_here(&project, &[("add", "")]);
    let search = (!page.triggers.is_empty()).then(|| view! { <LiveSwitch live=live/> <Search project=project/> });
    view! {
        <PageHeading title="Event Triggers">
            {search}
            <ButtonLink href=add kind=Kind::Primary shortcut="a">"Add"</ButtonLink>
        </PageHeading>
    }
}

/// The triggers that are looked for.
#[component]
fn Sought(
    page: Page,
    changed: Callback<()>,
    /// Why a trigger could not be paused or resumed.
    failure: RwSignal<Option<String>>,
    figures: Figured,
    last_focused: LastFocused,
) -> impl IntoView {
    if page.triggers.is_empty() {
        return view! { <EmptyState project=page.project.name/> }.into_any();
    }
    let mut page = page;
    let sought = use_location().search.with_untracked(|search| sought_by(search));
    page.triggers.retain(|trigger| is_sought(trigger, &sought));
    if page.triggers.is_empty() {
        let all = url_from_here(&page.project.name, &[("q", "")]);
        return view! {
            <p class="rounded-lg border border-line bg-surface px-6 py-12 text-center text-sm text-soft">
                {format!("No trigger has {sought:?} in its name, type or URL. ")}
                <a href=all class="text-accent-text hover:underline">"Show all"</a>
            </p>
        }
        .into_any();
    }
    view! { <TriggersTable page=page changed=changed failure=failure figures=figures last_focused=last_focused/> }
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
fn Search(project: String) -> impl IntoView {
    let field = NodeRef::<leptos::html::Input>::new();
    let navigate = use_navigate();
    let search = use_location().search;
    let path = Section::EventTriggers.path(&project);
    let (sought, range) = search.with_untracked(|search| (sought_by(search), query::value(search, "range")));
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let typed = field.get_untracked().map(|field| field.value()).unwrap_or_default();
        let url = search.with_untracked(|search| triggers_url(&project, search, &[("q", &typed)]));
        navigate(&url, Default::default());
    };
    view! {
        <form method="get" action=path role="search" on:submit=submit class="grow sm:grow-0">
            <label class="sr-only" for="search">"Search triggers"</label>
            <input node_ref=field id="search" aria-keyshortcuts="/" type="search" name="q" value=sought placeholder="Search" autocomplete="off" class="input sm:w-56"/>
            {range.map(|range| view! { <input type="hidden" name="range" value=range/> })}
        </form>
    }
}

#[cfg(test)]
mod tests {
    use super::triggers_url;

    #[test]
    fn what_is_shown_stays_in_the_address() {
        let of = |search, more: &[_]| triggers_url("shop", search, more).replace("/projects/shop/event-triggers", "");
        assert_eq!(of("", &[]), "");
        assert_eq!(of("q=a%26b&edit=one&range=24h", &[]), "?q=a%26b&range=24h");
        assert_eq!(of("q=mail", &[("trigger", "one"), ("sync", "")]), "?trigger=one&sync&q=mail");
        assert_eq!(of("q=mail&range=24h", &[("q", "")]), "?range=24h");
        assert_eq!(of("q=mail&range=24h", &[("range", "7d")]), "?range=7d&q=mail");
    }
}
