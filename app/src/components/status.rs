use leptos::prelude::*;
use server::model::DeliveryStatus;

/// What a status means for whoever looks, as a colour and a shape: never a colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    Waiting,
    Off,
}

impl From<DeliveryStatus> for Tone {
    fn from(status: DeliveryStatus) -> Self {
        match status {
            DeliveryStatus::Delivered => Self::Good,
            DeliveryStatus::Failed => Self::Bad,
            DeliveryStatus::Pending => Self::Waiting,
            DeliveryStatus::Cancelled => Self::Off,
        }
    }
}

/// A short status.
#[component]
pub fn StatusBadge(tone: Tone, #[prop(into)] text: String) -> impl IntoView {
    let (classes, shape) = match tone {
        Tone::Good => (
            "inline-flex items-center gap-1 rounded-sm px-1.5 py-0.5 text-xs font-medium bg-good-soft text-good",
            "M2.5 6.5l2.5 2.5 4.5-5.5",
        ),
        Tone::Bad => (
            "inline-flex items-center gap-1 rounded-sm px-1.5 py-0.5 text-xs font-medium bg-bad-soft text-bad",
            "M3 3l6 6m0-6l-6 6",
        ),
        Tone::Waiting => (
            "inline-flex items-center gap-1 rounded-sm px-1.5 py-0.5 text-xs font-medium bg-warn-soft text-warn",
            "M6 2.5v4l2.5 1.5",
        ),
        Tone::Off => (
            "inline-flex items-center gap-1 rounded-sm px-1.5 py-0.5 text-xs font-medium bg-sunken text-soft",
            "M4 3v6m4-6v6",
        ),
    };
    view! {
        <span class=classes>
            <svg aria-hidden="true" width="12" height="12" viewBox="0 0 12 12" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round">
                <path d=shape/>
            </svg>
            {text}
        </span>
    }
}
