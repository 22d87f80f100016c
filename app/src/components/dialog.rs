use leptos::html;
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use server::functions::Failure;

use super::{Alert, ButtonLink, Kind};

/// A dialog that the URL opens and a link closes. Without JavaScript it is a panel over the page; with it, a modal dialog
/// that keeps the focus and closes with Escape.
#[component]
pub fn Dialog(
    #[prop(into)] title: String,
    /// Where closing leads.
    #[prop(into)]
    close: String,
    children: Children,
) -> impl IntoView {
    let element = NodeRef::<html::Dialog>::new();
    let navigate = use_navigate();
    let target = close.clone();
    Effect::new(move |_| {
        if let Some(dialog) = element.get() {
            // The server rendered it open but not modal; only a closed dialog can be made modal.
            dialog.set_open(false);
            drop(dialog.show_modal());
        }
    });
    // Closing gives the focus back to where it was before.
    on_cleanup(move || {
        if let Some(Some(dialog)) = element.try_get_untracked() {
            dialog.close();
        }
    });
    view! {
        <dialog
            node_ref=element
            open
            class="dialog"
            aria-labelledby="dialog-title"
            on:cancel=move |event: leptos::ev::Event| {
                event.prevent_default();
                navigate(&target, Default::default());
            }
        >
            <div class="sticky top-0 z-10 flex items-center justify-between gap-4 border-b border-line bg-surface px-5 py-3">
                <h2 id="dialog-title" class="text-base font-semibold text-ink">{title}</h2>
                <a href=close aria-label="Close" class="inline-flex shrink-0 items-center justify-center w-9 h-9 -mr-2 rounded-md text-soft hover:bg-sunken hover:text-ink">
                    <svg aria-hidden="true" width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round">
                        <path d="M3.5 3.5l9 9m0-9l-9 9"/>
                    </svg>
                </a>
            </div>
            <div class="px-5 py-4">{children()}</div>
        </dialog>
    }
}

/// A dialog whose content could not be loaded.
#[component]
pub fn FailureDialog(
    failure: Failure,
    /// Where closing leads.
    close: String,
) -> impl IntoView {
    view! {
        <Dialog title="This cannot be shown" close=close.clone()>
            <Alert message=Some(failure.message)/>
            <div class="mt-4 flex justify-end"><ButtonLink href=close kind=Kind::Plain>"Close"</ButtonLink></div>
        </Dialog>
    }
}
