//! How pages load what they show.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use leptos::prelude::*;
use leptos::server::codee::{Decoder, Encoder};
use leptos::task::spawn_local;
use serde::Serialize;
use serde::de::DeserializeOwned;
use server::functions::Failure;

/// What a page loads from a server function: part of the page that the server renders, and called for afterwards.
pub type Loaded<T> = Resource<Result<T, Failure>, JsonBytes>;

/// Looks again at what changes by itself, and is over when what has come of it is shown.
#[derive(Clone, Copy)]
pub struct Renewal(Callback<(), BoxFuture<'static, ()>>);

impl Renewal {
    /// Looks, for whoever does not wait for it.
    pub fn begin(self) {
        spawn_local(self.look());
    }

    /// Looks, for whoever waits for it.
    pub fn look(self) -> BoxFuture<'static, ()> {
        self.0.run(())
    }

    /// As something that is called back when there may be something new.
    pub fn on_change(self) -> Callback<()> {
        Callback::new(move |()| self.begin())
    }
}

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

/// Loads what changes by itself, and gives what looks at it again. What is shown stays untouched then where it is still the
/// same, and where the server cannot be asked.
pub fn load_live<K, T, F>(
    key: impl Fn() -> K + Send + Sync + 'static,
    fetch: impl Fn(K) -> F + Send + Sync + 'static,
) -> (Loaded<T>, Renewal)
where
    K: PartialEq + Clone + Send + Sync + 'static,
    T: Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static,
    F: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let (key, fetch) = (Arc::new(key), Arc::new(fetch));
    let loaded = {
        let (key, fetch) = (Arc::clone(&key), Arc::clone(&fetch));
        load(move || key(), move |key| fetch(key))
    };
    let looks = StoredValue::new(Looks::default());
    let look = move |()| -> BoxFuture<'static, ()> {
        let Some(look) = looks.try_update_value(Looks::begin) else { return Box::pin(async {}) };
        let wanted = untrack(|| key());
        let answer: BoxFuture<'static, Result<T, Failure>> = Box::pin(fetch(wanted.clone()));
        let key = Arc::clone(&key);
        Box::pin(async move {
            let answer = answer.await;
            let is_unknown = matches!(&answer, Err(failure) if !failure.not_found);
            // Meanwhile the page may have been left, gone to another place, or seen a newer answer.
            if !is_unknown
                && looks.try_update_value(|looks| looks.end(look)).unwrap_or(false)
                && untrack(|| key()) == wanted
                && loaded.with_untracked(|shown| shown.as_ref() != Some(&answer))
            {
                loaded.set(Some(answer));
            }
        })
    };
    (loaded, Renewal(Callback::new(look)))
}

/// Calls back for whoever calls it, but once for all calls within a time, and at its end.
pub fn seldom(callback: Callback<()>, within: Duration) -> Callback<()> {
    let due = StoredValue::new(false);
    Callback::new(move |()| {
        if due.try_update_value(|due| std::mem::replace(due, true)) == Some(false) {
            let call = move || {
                // The page may have been left.
                if due.try_set_value(false).is_none() {
                    callback.run(());
                }
            };
            set_timeout(call, within);
        }
    })
}

/// Looks again at what changes by itself, and loads again what could not be loaded beside it.
pub fn renew_with<T>(renew: Renewal, beside: Loaded<T>) -> Callback<()>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    Callback::new(move |()| {
        renew.begin();
        load_where_failed(beside);
    })
}

/// Loads something again that could not be loaded.
fn load_where_failed<T>(loaded: Loaded<T>)
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    if loaded.with_untracked(|loaded| matches!(loaded, Some(Err(failure)) if !failure.not_found)) {
        loaded.refetch();
    }
}

/// Looks at what has become of something, which may be answered in another order.
#[derive(Default)]
struct Looks {
    begun: u32,
    newest_answered: u32,
}

impl Looks {
    fn begin(&mut self) -> u32 {
        self.begun += 1;
        self.begun
    }

    /// Whether none that began later was answered before.
    fn end(&mut self, look: u32) -> bool {
        let is_newest = look > self.newest_answered;
        self.newest_answered = self.newest_answered.max(look);
        is_newest
    }
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

#[cfg(test)]
mod tests {
    use super::Looks;

    #[test]
    fn an_answer_that_was_overtaken_is_not_shown() {
        let mut looks = Looks::default();
        let [first, second, third] = [(); 3].map(|()| looks.begin());
        assert_eq!([second, first, third].map(|look| looks.end(look)), [true, false, true]);
    }
}
