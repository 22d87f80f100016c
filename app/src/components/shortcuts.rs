use leptos::html;
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use web_sys::wasm_bindgen::JsCast;

use super::{Place, Section};

/// How long after `g` its second key counts, in milliseconds.
const PREFIX_LASTS: f64 = 1_500.0;

/// What the keys do, as the list of them says it.
const LIST: [(&[&str], &str); 7] = [
    (&["g", "t"], "Go to the event triggers"),
    (&["g", "e"], "Go to the events"),
    (&["g", "s"], "Go to the settings"),
    (&["a"], "Add"),
    (&["/"], "Search"),
    (&["?"], "This list"),
    (&["Esc"], "Close a dialog"),
];

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Help,
    Go(Section),
    /// Waits for the second key.
    Prefix,
    /// The element that names the key in `aria-keyshortcuts`: a link or button is pressed, a field gets the focus.
    Use(&'static str),
    Nothing,
}

impl Command {
    fn of(key: &str, after_prefix: bool) -> Self {
        match (after_prefix, key) {
            (true, "t") => Self::Go(Section::EventTriggers),
            (true, "e") => Self::Go(Section::Events),
            (true, "s") => Self::Go(Section::Settings),
            (_, "g") => Self::Prefix,
            (false, "?") => Self::Help,
            (false, "a") => Self::Use("a"),
            (false, "/") => Self::Use("/"),
            _ => Self::Nothing,
        }
    }
}

/// The keys that work on every page, and the list of them. They do nothing while one types or a dialog is open.
#[component]
pub fn Shortcuts() -> impl IntoView {
    let list = NodeRef::<html::Dialog>::new();
    let hydrated = RwSignal::new(false);
    let place = Place::here();
    let prefix_at = StoredValue::new(f64::NEG_INFINITY);
    let navigate = use_navigate();
    let open = move || {
        if let Some(dialog) = list.get_untracked() {
            drop(dialog.show_modal());
        }
    };
    Effect::new(move |_| {
        hydrated.set(true);
        let navigate = navigate.clone();
        let listener = window_event_listener(leptos::ev::keydown, move |event| {
            if event.ctrl_key() || event.meta_key() || event.alt_key() || is_busy(&event) {
                return;
            }
            let after_prefix = event.time_stamp() - prefix_at.get_value() < PREFIX_LASTS;
            prefix_at.set_value(f64::NEG_INFINITY);
            match Command::of(&event.key(), after_prefix) {
                Command::Help => open(),
                Command::Prefix => prefix_at.set_value(event.time_stamp()),
                Command::Go(section) => {
                    if let Some(project) = place.get_untracked().project {
                        navigate(&section.path(&project), Default::default());
                    }
                }
                Command::Use(key) => {
                    if let Some(element) = find(&format!("[aria-keyshortcuts='{key}']")) {
                        // The key itself must not end up in the field.
                        event.prevent_default();
                        if key == "/" { drop(element.focus()) } else { element.click() }
                    }
                }
                Command::Nothing => {}
            }
        });
        on_cleanup(move || listener.remove());
    });
    let rows = LIST
        .into_iter()
        .map(|(keys, what)| {
            let keys = keys.iter().map(|key| view! { <kbd class="key">{*key}</kbd> }).collect_view();
            view! {
                <dt class="text-sm text-ink">{what}</dt>
                <dd class="flex justify-end gap-1">{keys}</dd>
            }
        })
        .collect_view();
    view! {
        <button
            type="button"
            aria-label="Keyboard shortcuts"
            title="Keyboard shortcuts (?)"
            on:click=move |_| open()
            class="hidden sm:inline-flex items-center justify-center w-8 h-8 rounded-md border border-line text-sm text-soft hover:bg-sunken hover:text-ink cursor-pointer"
            class:awaited=move || !hydrated.get()
        >
            "?"
        </button>
        <dialog node_ref=list class="dialog narrow" aria-labelledby="shortcuts-title">
            <form method="dialog" class="flex items-center justify-between gap-4 border-b border-line px-5 py-3">
                <h2 id="shortcuts-title" class="text-base font-semibold text-ink">"Keyboard shortcuts"</h2>
                <button aria-label="Close" class="inline-flex items-center justify-center w-9 h-9 -mr-2 rounded-md text-soft hover:bg-sunken hover:text-ink cursor-pointer">
                    <svg aria-hidden="true" width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round">
                        <path d="M3.5 3.5l9 9m0-9l-9 9"/>
                    </svg>
                </button>
            </form>
            <dl class="grid grid-cols-[1fr_max-content] items-center gap-x-6 gap-y-2.5 px-5 py-4">{rows}</dl>
        </dialog>
    }
}

/// Whether the key belongs to a field or a dialog.
fn is_busy(event: &web_sys::KeyboardEvent) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    let in_field = target.is_some_and(|element| {
        element.closest("input, textarea, select, [contenteditable]").is_ok_and(|field| field.is_some())
    });
    in_field || find("dialog[open]").is_some()
}

fn find(selector: &str) -> Option<web_sys::HtmlElement> {
    document().query_selector(selector).ok().flatten()?.dyn_into().ok()
}

#[cfg(test)]
mod tests {
    use super::{Command, Section};

    #[test]
    fn the_second_key_counts_after_its_prefix_only() {
        assert_eq!(Command::of("g", false), Command::Prefix);
        assert_eq!(Command::of("e", true), Command::Go(Section::Events));
        assert_eq!(Command::of("e", false), Command::Nothing);
        assert_eq!(Command::of("a", true), Command::Nothing);
        assert_eq!(Command::of("a", false), Command::Use("a"));
        // Pressed twice by mistake.
        assert_eq!(Command::of("g", true), Command::Prefix);
    }
}
