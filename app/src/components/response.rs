use leptos::prelude::*;
use server::model::Response;
use server::model::json::Tree;

use super::{CopyBlock, HeaderList, JsonTree};

/// What a webhook answered: its body as a tree and as it came, and its headers.
#[component]
pub fn ResponseView(response: Response) -> impl IntoView {
    let Response { headers, body, cut, .. } = response;
    let count = headers.len();
    // Other text than JSON is shown as it came already.
    let has_tree = matches!(Tree::parse(&body), Some(Tree::Object(_) | Tree::Array(_)));
    view! {
        {if body.is_empty() {
            view! { <p class="text-xs text-soft">"The response has no body."</p> }.into_any()
        } else {
            view! {
                <div tabindex="0" role="group" aria-label="Response body" data-testid="response-body" class="max-h-80 overflow-auto rounded-sm border border-line bg-sunken p-2.5">
                    <JsonTree text=body.clone()/>
                </div>
                {has_tree
                    .then(|| {
                        view! {
                            <details class="text-xs">
                                <summary class="cursor-pointer text-soft hover:text-ink">"Body as it came"</summary>
                                <div class="mt-2"><CopyBlock text=body label="Response body as it came"/></div>
                            </details>
                        }
                    })}
            }
                .into_any()
        }}
        {cut.then(|| view! { <p class="text-xs text-soft">"The body was longer; its first 64 KiB are kept."</p> })}
        <details class="text-xs">
            <summary class="cursor-pointer text-soft hover:text-ink">{format!("Response headers ({count})")}</summary>
            <HeaderList headers=headers/>
        </details>
    }
}
