use std::time::Duration;

use leptos::prelude::*;

/// A command to copy. The button needs JavaScript, so it appears with it; the text can be selected without.
#[component]
pub fn CopyBlock(#[prop(into)] text: Signal<String>, #[prop(into)] label: String) -> impl IntoView {
    let hydrated = RwSignal::new(false);
    let copied = RwSignal::new(false);
    Effect::new(move |_| hydrated.set(true));
    let copy = move |_| {
        drop(window().navigator().clipboard().write_text(&text.get_untracked()));
        copied.set(true);
        set_timeout(move || copied.set(false), Duration::from_secs(2));
    };
    view! {
        <div class="relative flex flex-col">
            <pre tabindex="0" aria-label=label.clone() class="overflow-x-auto rounded-md border border-line bg-sunken p-3 sm:pr-20 text-left font-mono text-xs leading-5 text-ink">{text}</pre>
            // Where it is narrow it stands below, and its room is there from the start.
            <button type="button" on:click=copy class:awaited=move || !hydrated.get() class="self-end mt-1 sm:mt-0 sm:absolute sm:top-2 sm:right-2 h-7 px-2 rounded-sm border border-line bg-surface text-xs text-soft hover:text-ink cursor-pointer">
                <span aria-live="polite">{move || if copied.get() { "Copied" } else { "Copy" }}</span>
            </button>
        </div>
    }
}
