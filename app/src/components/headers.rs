use leptos::prelude::*;

/// The headers of a request or response, names and values in two columns.
#[component]
pub fn HeaderList(headers: Vec<(String, String)>) -> impl IntoView {
    let rows = headers
        .into_iter()
        .map(|(name, value)| {
            view! {
                <dt class="text-soft">{name}</dt>
                <dd class="min-w-0 break-all text-ink">{value}</dd>
            }
        })
        .collect_view();
    view! { <dl class="mt-2 grid grid-cols-[max-content_1fr] gap-x-3 gap-y-1 font-mono">{rows}</dl> }
}
