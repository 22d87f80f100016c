//! How pages load what they show.

use futures::future::BoxFuture;
use leptos::prelude::*;
use leptos::server::codee::{Decoder, Encoder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use server::functions::Failure;

/// What a page loads from a server function: part of the page that the server renders, and called for afterwards.
pub type Loaded<T> = Resource<Result<T, Failure>, JsonBytes>;

/// Loads something, again whenever its key changes.
pub fn load<K, T, F>(
    key: impl Fn() -> K + Send + Sync + 'static,
    fetch: impl Fn(K) -> F + Send + Sync + 'static,
) -> Loaded<T>
where
    K: PartialEq + Clone + Send + Sync + 'static,
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: Future<Output = Result<T, Failure>> + Send + 'static,
{
    // Boxed: all that handles the future is in the browser's code once for each type of what is loaded.
    let fetch = move |key| -> BoxFuture<'static, Result<T, Failure>> { Box::pin(fetch(key)) };
    Resource::new_with_options(key, fetch, false)
}

/// JSON in the page, read from bytes as the answers of server functions are: from text it would need code of its own for
/// every type.
pub struct JsonBytes;

impl<T: Serialize> Encoder<T> for JsonBytes {
    type Error = serde_json::Error;
    type Encoded = String;

    fn encode(value: &T) -> Result<String, serde_json::Error> {
        serde_json::to_string(value)
    }
}

impl<T: DeserializeOwned> Decoder<T> for JsonBytes {
    type Error = serde_json::Error;
    type Encoded = str;

    fn decode(text: &str) -> Result<T, serde_json::Error> {
        serde_json::from_slice(text.as_bytes())
    }
}
