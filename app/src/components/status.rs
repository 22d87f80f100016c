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
    let class = match tone {
        Tone::Good => "badge badge-good",
        Tone::Bad => "badge badge-bad",
        Tone::Waiting => "badge badge-waiting",
        Tone::Off => "badge badge-off",
    };
    view! { <span class=class>{text}</span> }
}
