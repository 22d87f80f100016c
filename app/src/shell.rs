//! The HTML around the application, and its routes.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::middleware::{self, Next};
use axum::response::{Redirect, Response};
use axum::routing::get;
use futures::future::OptionFuture;
use leptos::prelude::*;
use leptos_axum::{LeptosRoutes, generate_route_list};
use leptos_meta::MetaTags;
use server::eventing::Eventing;
use tower_http::compression::CompressionLayer;

use crate::assets::{self, MANIFEST};
use crate::page_state::Mark;
use crate::theme::Theme;
use crate::{App, forms};

/// Mission Control's routes: its pages, their forms and server functions, and the browser's files.
pub fn router(eventing: Eventing) -> Router {
    if MANIFEST.is_none() {
        eprintln!(
            "This binary was built without the browser's part: pages have no style. Build it with `cargo xtask build`."
        );
    }
    let options = LeptosOptions::builder().output_name("app").build();
    let context = {
        let eventing = eventing.clone();
        move || provide_context(eventing.clone())
    };
    Router::new()
        .route("/", get(|| async { Redirect::to("/projects") }))
        .route(
            "/projects/{project}",
            // As it came, escapes and all: not every project that can be asked for can stand in a header.
            get(async |uri: Uri| Redirect::to(&format!("{}/event-triggers", uri.path()))),
        )
        .leptos_routes_with_context(&options, generate_route_list(App), context.clone(), shell)
        .with_state(options)
        .layer(middleware::from_fn_with_state(eventing.clone(), mark))
        .merge(forms::router(eventing))
        // The assets are compressed when they are built; the API answers programs, mostly near by, in few bytes.
        .layer(CompressionLayer::new())
        .merge(assets::router())
        .fallback(leptos_axum::render_app_async_with_context(context, shell))
}

/// Notes how far a page's project is before the page's data is read.
async fn mark(State(eventing): State<Eventing>, mut request: Request, next: Next) -> Response {
    let project = request.uri().path().strip_prefix("/projects/").and_then(|rest| rest.split('/').next());
    // Where it fails, so does the page, which says why.
    if let Some(Ok(mark)) = OptionFuture::from(project.map(|project| eventing.mark(project))).await {
        request.extensions_mut().insert(Mark(mark));
    }
    next.run(request).await
}

/// A whole HTML document.
pub fn shell() -> impl IntoView {
    let styles =
        MANIFEST.as_ref().map(|files| view! { <link rel="stylesheet" href=format!("/assets/{}", files.css)/> });
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=Theme::of_request().attribute()>
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content=Theme::of_request().attribute().unwrap_or("light dark")/>
                <meta name="description" content="Event triggers: queue events, deliver them to webhooks, see what came of them."/>
                <link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 22 22'%3E%3Crect width='22' height='22' rx='6' fill='%234f46e5'/%3E%3Cpath d='M6 11h4l1.5-4 2 8 1.5-4h2' fill='none' stroke='%23fff' stroke-width='1.7'/%3E%3C/svg%3E"/>
                {styles}
                <Hydration/>
                <MetaTags/>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}

/// Loads the browser's part while the page is being read, and hands it the page.
#[component]
fn Hydration() -> impl IntoView {
    MANIFEST.as_ref().map(|files| {
        let [js, loader, wasm] = ["app.js", "parts.js", "app_bg.wasm"].map(|name| files.code(name));
        let url = use_context::<http::request::Parts>().map(|parts| parts.uri).unwrap_or_default();
        let (bundle, more) = files.parts_of(url.path(), url.query().unwrap_or_default()).unzip();
        let load = bundle.as_ref().map(|name| format!("loadBundle('./{name}');")).unwrap_or_default();
        let script = format!(
            "import init,{{hydrate}} from '{js}';import {{loadBundle}} from '{loader}';{load}\
             await init({{module_or_path:'{wasm}'}});hydrate();"
        );
        let bundle = bundle.map(|name| files.code(&name));
        let fetched = [wasm].into_iter().chain(bundle).chain(more.into_iter().flatten()).map(|file| {
            view! { <link rel="preload" r#as="fetch" href=file crossorigin="anonymous"/> }
        });
        view! {
            <link rel="modulepreload" href=js/>
            <link rel="modulepreload" href=loader/>
            {fetched.collect_view()}
            <script type="module">{script}</script>
        }
    })
}
