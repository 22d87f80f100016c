use std::time::Duration;

use leptos::prelude::*;

/// How long a message stays.
const SHOWN: Duration = Duration::from_secs(5);

/// Short messages that something was done. They are read out politely, and go by themselves.
#[derive(Clone, Copy)]
pub struct Toasts {
    shown: RwSignal<Vec<(u32, String)>>,
    next: StoredValue<u32>,
}

impl Toasts {
    /// For the whole application.
    pub(crate) fn provide() {
        provide_context(Self { shown: RwSignal::new(Vec::new()), next: StoredValue::new(0) });
    }

    /// Those of the application.
    pub fn here() -> Self {
        expect_context()
    }

    /// Shows a message.
    pub fn say(self, text: impl Into<String>) {
        let id = self.next.get_value();
        self.next.set_value(id.wrapping_add(1));
        self.shown.update(|shown| shown.push((id, text.into())));
        set_timeout(move || self.shown.update(|shown| shown.retain(|(one, _)| *one != id)), SHOWN);
    }
}

/// Where the messages appear.
#[component]
pub fn ToastRegion() -> impl IntoView {
    let shown = Toasts::here().shown;
    view! {
        <div role="status" aria-live="polite" class="toasts">
            <For each=move || shown.get() key=|(id, _)| *id let((_, text))>
                <p class="rounded-md border border-line bg-surface px-3.5 py-2 text-sm text-ink shadow-lg">{text}</p>
            </For>
        </div>
    }
}
