use leptos::prelude::*;
use server::functions::Failure;

use super::FailurePage;

/// The page of all addresses that lead nowhere.
#[component]
pub fn NotFound() -> impl IntoView {
    let failure = Failure { message: "There is no page at this address.".into(), not_found: true };
    view! { <FailurePage failure=failure/> }
}
