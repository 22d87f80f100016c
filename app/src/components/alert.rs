use leptos::prelude::*;

/// Something that went wrong with a whole form or page.
#[component]
pub fn Alert(#[prop(into)] message: Signal<Option<String>>) -> impl IntoView {
    move || {
        message.get().map(|message| {
            view! {
                <div role="alert" class="rounded-md border border-bad bg-bad-soft text-bad px-3 py-2 text-sm">{message}</div>
            }
        })
    }
}
