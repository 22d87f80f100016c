use leptos::prelude::*;

/// How loud a button is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Primary,
    Plain,
    Danger,
}

impl Kind {
    fn classes(self) -> &'static str {
        match self {
            Self::Primary => {
                "inline-flex items-center justify-center gap-1.5 h-9 px-3.5 rounded-md text-sm font-medium whitespace-nowrap cursor-pointer bg-accent text-on-accent hover:bg-accent-strong"
            }
            Self::Plain => {
                "inline-flex items-center justify-center gap-1.5 h-9 px-3 rounded-md text-sm font-medium whitespace-nowrap cursor-pointer border border-line bg-surface text-ink hover:bg-sunken"
            }
            Self::Danger => {
                "inline-flex items-center justify-center gap-1.5 h-9 px-3.5 rounded-md text-sm font-medium whitespace-nowrap cursor-pointer bg-bad text-on-bad hover:opacity-90"
            }
        }
    }
}

/// A link that looks like a button: it opens a dialog or a page, and the URL says so.
#[component]
pub fn ButtonLink(
    #[prop(into)] href: String,
    kind: Kind,
    /// What it is for, where the text alone does not say on which thing it acts.
    #[prop(optional, into)]
    label: Option<String>,
    /// The key that does the same, on every page that has one for it.
    #[prop(optional)]
    shortcut: Option<&'static str>,
    children: Children,
) -> impl IntoView {
    view! { <a href=href class=kind.classes() aria-label=label aria-keyshortcuts=shortcut>{children()}</a> }
}

/// A button that needs JavaScript and stands beside something that it acts on.
#[component]
pub fn SmallButton(
    #[prop(into)] text: Signal<String>,
    on_press: impl Fn(web_sys::MouseEvent) + 'static,
    #[prop(optional, into)] disabled: Signal<bool>,
) -> impl IntoView {
    view! {
        <button type="button" on:click=on_press disabled=disabled class="inline-flex items-center h-7 px-2 rounded-sm border border-line bg-surface text-xs text-soft hover:text-ink disabled:opacity-50 cursor-pointer">
            {text}
        </button>
    }
}

/// The button that sends a form; while it is being sent it says so and does nothing. It keeps the focus meanwhile, which a
/// disabled one would lose.
#[component]
pub fn SubmitButton(
    kind: Kind,
    #[prop(optional, into)] pending: Signal<bool>,
    #[prop(optional, into)] pending_text: Option<String>,
    #[prop(optional, into)] label: Option<String>,
    /// The keys that send the form, where there are any.
    #[prop(optional)]
    shortcut: Option<&'static str>,
    #[prop(into)] text: String,
) -> impl IntoView {
    let waiting = pending_text.unwrap_or_else(|| text.clone());
    view! {
        <button
            type="submit"
            class=kind.classes()
            aria-disabled=move || pending.get().then_some("true")
            on:click=move |event| {
                if pending.get_untracked() {
                    event.prevent_default();
                }
            }
            aria-label=label
            aria-keyshortcuts=shortcut
            title=shortcut.map(|_| "Ctrl+Enter")
        >
            {move || if pending.get() { waiting.clone() } else { text.clone() }}
        </button>
    }
}
