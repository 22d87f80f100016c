//! Pages that renew themselves: the server says when something has changed, and the page asks for its data again.

use std::time::Duration;

use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use leptos::wasm_bindgen::prelude::Closure;
use web_sys::{EventSource, MessageEvent};

use crate::PageState;

/// A page's line to the server. It exists only with JavaScript; the browser mends it by itself when it breaks.
#[derive(Clone, Copy)]
pub struct Live {
    on: RwSignal<bool>,
    connected: RwSignal<bool>,
    /// What is shown may be old.
    broken: RwSignal<bool>,
    hydrated: RwSignal<bool>,
}

/// Until a line is tried again that the browser has given up.
const AGAIN: Duration = Duration::from_secs(5);

impl Live {
    /// Calls back whenever something has changed in the project, unless it is switched off.
    pub fn follow(project: Memo<String>, changed: Callback<()>) -> Self {
        Self::follow_some(project, |_| true, changed)
    }

    /// Calls back whenever something has changed that concerns the page. It is asked with what the server tells, the ids of the
    /// changed events in it; where the server knows of more than it names, that may be anything.
    pub fn follow_some(
        project: Memo<String>,
        concerns: impl Fn(&str) -> bool + Clone + 'static,
        changed: Callback<()>,
    ) -> Self {
        let [connected, broken, hydrated] = [(); 3].map(|()| RwSignal::new(false));
        let live = Self { on: RwSignal::new(true), connected, broken, hydrated };
        let lines = RwSignal::new(0_u32);
        let is_visible = RwSignal::new(false);
        Effect::new(move |_| {
            let look = move || is_visible.set(!document().hidden());
            look();
            hydrated.set(true);
            let listener = window_event_listener_untyped("visibilitychange", move |_| look());
            on_cleanup(move || listener.remove());
        });
        Effect::new(move |_| {
            lines.track();
            // Browsers open six lines to a server, and whatever else a page asks for waits for one of them. So a page that nobody
            // sees has none; it is renewed when it is seen again.
            if !live.on.get() || !is_visible.get() {
                return;
            }
            // With the mark that the page came with, the server tells at once whether something has changed since. Data that
            // was loaded later has none, and is loaded again.
            let mark = PageState::take_mark().unwrap_or_default();
            let url = format!("/v1/api/{}/eventing/events/live?mark={mark}", project.get());
            let Ok(source) = EventSource::new(&url) else { return };
            let open = Closure::<dyn FnMut()>::new(move || {
                _ = live.connected.try_set(true);
                // What happened while the line was broken is not told again.
                if live.broken.try_update(std::mem::take) == Some(true) {
                    changed.run(());
                }
            });
            let line = source.clone();
            let broken = Closure::<dyn FnMut()>::new(move || {
                _ = live.connected.try_set(false);
                _ = live.broken.try_set(true);
                // After an answer that is none, as of a proxy without its server, the browser gives up.
                if line.ready_state() == EventSource::CLOSED {
                    set_timeout(move || _ = lines.try_update(|lines| *lines += 1), AGAIN);
                }
            });
            let concerns = concerns.clone();
            let told = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
                let told = message.data().as_string().unwrap_or_default();
                if told.contains(r#""more":true"#) || concerns(&told) {
                    changed.run(());
                }
            });
            source.set_onopen(Some(open.as_ref().unchecked_ref()));
            source.set_onerror(Some(broken.as_ref().unchecked_ref()));
            let listening = source.add_event_listener_with_callback("change", told.as_ref().unchecked_ref());
            drop(listening);
            let line = StoredValue::new_local((source, open, broken, told));
            on_cleanup(move || {
                _ = line.try_with_value(|(source, ..)| source.close());
                _ = live.connected.try_set(false);
            });
        });
        live
    }
}

/// Shows that the page is live, and lets people hold it still.
#[component]
pub fn LiveSwitch(live: Live) -> impl IntoView {
    let text = move || match (live.on.get(), live.connected.get(), live.broken.get()) {
        (true, true, _) => "Live",
        (true, false, false) => "Connecting…",
        (true, false, true) => "Connection lost",
        (false, ..) => "Held still",
    };
    let lost = move || live.on.get() && live.broken.get();
    view! {
        // Its room is there from the start and the same for each of its texts, so that nothing beside it moves. On a phone it is
        // a line of its own.
        <button
            type="button"
            aria-pressed=move || live.on.get().to_string()
            title="Renew the page whenever something changes"
            on:click=move |_| live.on.update(|on| *on = !*on)
            class="inline-flex items-center sm:justify-end gap-2 w-full sm:w-40 h-9 sm:px-3 rounded-md text-sm whitespace-nowrap cursor-pointer hover:bg-sunken hover:text-ink"
            class:awaited=move || !live.hydrated.get()
            class:text-bad=lost
            class:text-soft=move || !lost()
        >
            <span aria-hidden="true" class=move || if live.on.get() && live.connected.get() { "inline-flex shrink-0 w-2 h-2 rounded-full bg-good" } else { "inline-flex shrink-0 w-2 h-2 rounded-full border border-soft" }></span>
            {text}
        </button>
    }
}
