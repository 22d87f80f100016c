use leptos::prelude::*;
use server::model::{Wait, WaitReason};

use super::When;

/// What a delivery waits for.
#[component]
pub fn WaitView(wait: Wait) -> impl IntoView {
    let at = wait.next_attempt_at.map(|at| view! { " " <When at=at/> });
    let node =
        wait.node.map(|node| view! { <span class="ml-2 font-mono text-xs text-soft">{format!("node {node}")}</span> });
    let tone = match wait.reason {
        WaitReason::InFlight => "inline-flex flex-wrap gap-x-1.5 rounded-md text-sm bg-sunken px-3 py-2 text-ink",
        WaitReason::Paused => "inline-flex flex-wrap gap-x-1.5 rounded-md text-sm bg-sunken px-3 py-2 text-soft",
        WaitReason::Scheduled | WaitReason::Retry | WaitReason::FreeSlot => {
            "inline-flex flex-wrap gap-x-1.5 rounded-md text-sm bg-warn-soft px-3 py-2 text-warn"
        }
    };
    view! { <p class=tone data-testid="wait">{wait.text} {at} {node}</p> }
}
