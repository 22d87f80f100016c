//! The browser entry: takes over the page that the server rendered.

// The types of views nest deeply.
#![recursion_limit = "512"]

use std::time::Duration;

use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::spawn_local;

/// Called once by the page's script after the wasm module has loaded.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    spawn_local(async {
        let location = leptos::prelude::window().location();
        let (path, query) = (location.pathname().unwrap_or_default(), location.search().unwrap_or_default());
        // A page whose code could not be loaded stays as the server rendered it, and works as without JavaScript.
        if app::pages::on_demand::load(&path, &query).await.is_ok() {
            // Apart from what the loading still has to do: the page answers in between.
            leptos::prelude::set_timeout(|| leptos::mount::hydrate_body(app::App), Duration::ZERO);
        }
    });
}
