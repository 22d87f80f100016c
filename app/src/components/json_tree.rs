use leptos::prelude::*;
use server::model::json::Tree;

/// Levels that are open from the start.
const OPEN: usize = 2;
/// Members or elements of one value that are shown; more would only slow the page down.
const MOST: usize = 200;

/// JSON as a tree that opens and closes, also without JavaScript; every key and number as it was written. What is not
/// JSON, or a single value, is shown as text.
#[component]
pub fn JsonTree(#[prop(into)] text: String) -> impl IntoView {
    match Tree::parse(&text) {
        Some(tree @ (Tree::Object(_) | Tree::Array(_))) => {
            view! { <div class="json">{branch(None, &tree, 0, true)}</div> }.into_any()
        }
        _ => view! { <div class="json whitespace-pre-wrap break-words">{text}</div> }.into_any(),
    }
}

/// A value with its key, and the comma behind it.
fn branch(key: Option<&str>, tree: &Tree<'_>, depth: usize, last: bool) -> AnyView {
    let key = key.map(|key| view! { <span class="json-key">{key.to_owned()}</span>": " });
    let comma = if last { "" } else { "," };
    let (brackets, count) = match tree {
        Tree::Object(members) => ("{}", members.len()),
        Tree::Array(elements) => ("[]", elements.len()),
        Tree::Scalar(text) => {
            let class = match text.as_bytes().first() {
                Some(b'"') => "json-text",
                _ => "json-word",
            };
            return view! { <div>{key}<span class=class>{(*text).to_owned()}</span>{comma}</div> }.into_any();
        }
    };
    if count == 0 {
        return view! { <div>{key}{brackets}{comma}</div> }.into_any();
    }
    let (open, close) = brackets.split_at(1);
    let inside: Vec<_> = match tree {
        Tree::Object(members) => members
            .iter()
            .take(MOST)
            .enumerate()
            .map(|(at, (key, value))| branch(Some(key), value, depth + 1, at + 1 == count))
            .collect(),
        Tree::Array(elements) => elements
            .iter()
            .take(MOST)
            .enumerate()
            .map(|(at, value)| branch(None, value, depth + 1, at + 1 == count))
            .collect(),
        Tree::Scalar(_) => Vec::new(),
    };
    let more = (count > MOST).then(|| view! { <div class="text-soft">{format!("… {} more", count - MOST)}</div> });
    view! {
        <details open=depth < OPEN>
            <summary>
                {key}{open}<span class="json-closed">{format!(" {count} … ")}{close}{comma}</span>
            </summary>
            <div class="json-inside">{inside}{more}</div>
            {close}{comma}
        </details>
    }
    .into_any()
}
