use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use web_sys::wasm_bindgen::JsCast;

use crate::PageState;

/// The cookie that keeps the choice, and the field of the form that makes it.
pub const NAME: &str = "theme";

/// Light or dark: as the system says, or as the reader chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// What means nothing is the system's theme.
    pub fn parse(text: &str) -> Self {
        Self::ALL.into_iter().find(|theme| theme.as_str() == text).unwrap_or_default()
    }

    /// The choice among a request's cookies (RFC 6265 section 4.2).
    pub fn of_cookies(header: &str) -> Self {
        let mut pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == NAME).map(|(_, value)| Self::parse(value)).unwrap_or_default()
    }

    /// The cookie that remembers it for a year.
    pub fn cookie(self) -> String {
        format!("{NAME}={}; Path=/; Max-Age=31536000; SameSite=Lax", self.as_str())
    }

    /// The value of `data-theme` on the document; the stylesheet decides where there is none.
    pub fn attribute(self) -> Option<&'static str> {
        (self != Self::System).then_some(self.as_str())
    }

    /// The choice of whoever the page is rendered for.
    #[cfg(feature = "ssr")]
    pub fn of_request() -> Self {
        let cookies = |parts: http::request::Parts| {
            let header = parts.headers.get(http::header::COOKIE)?;
            Some(Self::of_cookies(header.to_str().ok()?))
        };
        use_context().and_then(cookies).unwrap_or_default()
    }

    /// Applies the choice to the page that is shown, and remembers it.
    fn choose(self) {
        let document = document().unchecked_into::<web_sys::HtmlDocument>();
        drop(document.set_cookie(&self.cookie()));
        if let Some(root) = document.document_element() {
            drop(match self.attribute() {
                Some(value) => root.set_attribute("data-theme", value),
                None => root.remove_attribute("data-theme"),
            });
        }
    }
}

/// Chooses between light and dark. Without JavaScript it is a form that comes back to the same page.
#[component]
pub fn ThemeControl() -> impl IntoView {
    let current = RwSignal::new(PageState::theme_here());
    let buttons = Theme::ALL
        .into_iter()
        .map(|theme| {
            let (label, shape) = match theme {
                Theme::System => ("System theme", "M2.5 3.5h11v7h-11zM6 13.5h4M8 10.5v3"),
                Theme::Light => (
                    "Light theme",
                    "M8 5.2a2.8 2.8 0 1 0 0 5.6a2.8 2.8 0 1 0 0-5.6M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.85.85M11.75 11.75l.85.85M3.4 12.6l.85-.85M11.75 4.25l.85-.85",
                ),
                Theme::Dark => ("Dark theme", "M13.4 9.6A5.8 5.8 0 0 1 6.4 2.6a5.8 5.8 0 1 0 7 7z"),
            };
            view! {
                <button
                    type="submit"
                    name=NAME
                    value=theme.as_str()
                    aria-label=label
                    title=label
                    aria-pressed=move || if current.get() == theme { "true" } else { "false" }
                    class="segment"
                    on:click=move |event| {
                        event.prevent_default();
                        theme.choose();
                        current.set(theme);
                    }
                >
                    <svg aria-hidden="true" width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round">
                        <path d=shape/>
                    </svg>
                </button>
            }
        })
        .collect_view();
    view! {
        <form method="post" action="/theme" class="segments">
            {buttons}
        </form>
    }
}

#[cfg(test)]
mod tests {
    use super::Theme;

    #[test]
    fn the_cookie_among_others() {
        for (header, theme) in [
            ("theme=dark", Theme::Dark),
            ("a=b; theme=light; c=d", Theme::Light),
            ("other-theme=dark", Theme::System),
            ("theme=purple", Theme::System),
            ("", Theme::System),
        ] {
            assert_eq!(Theme::of_cookies(header), theme, "{header}");
        }
        assert_eq!(Theme::of_cookies(&Theme::Dark.cookie()), Theme::Dark);
    }
}
