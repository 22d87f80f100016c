//! The triggers as workers see them, cached under their version: a statement that leases a delivery says which version
//! holds, so a change is in force from the next attempt on, on every node.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::store::{Store, TargetRow};

/// Where and how a trigger's deliveries go.
#[derive(Debug)]
pub(super) struct Target {
    pub name: String,
    pub version: i64,
    /// `None`: what is stored is not a URL.
    pub url: Option<Url>,
    pub retries: u16,
    pub timeout: Duration,
    pub headers: HeaderMap,
    pub concurrency: Option<u32>,
    pub backoff_first: Option<Duration>,
    pub backoff_longest: Option<Duration>,
}

impl From<TargetRow> for Target {
    fn from(row: TargetRow) -> Self {
        let headers: HashMap<String, String> = serde_json::from_str(&row.headers).unwrap_or_default();
        let headers = headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
        });
        let millis = |number: Option<i32>| number.map(|ms| Duration::from_millis(ms.unsigned_abs().into()));
        Self {
            name: row.name,
            version: row.version,
            url: Url::parse(&row.url).ok(),
            retries: row.retries.unsigned_abs(),
            timeout: Duration::from_millis(row.timeout_ms.unsigned_abs().into()),
            headers: headers.collect(),
            concurrency: row.concurrency.map(i32::unsigned_abs),
            backoff_first: millis(row.backoff_first_ms),
            backoff_longest: millis(row.backoff_max_ms),
        }
    }
}

/// A target that is known.
struct Known {
    target: Arc<Target>,
    /// Since the last time that unused ones were forgotten.
    used: AtomicBool,
}

impl Known {
    fn new(target: Target) -> Self {
        Self { target: Arc::new(target), used: AtomicBool::new(true) }
    }

    fn note_use(&self) {
        // Read first: many threads write the same line otherwise.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }
}

#[derive(Default)]
pub(super) struct Targets(RwLock<HashMap<i32, Known>>);

impl Targets {
    /// Loads the triggers that are not known yet in the given version or a later one.
    pub async fn load(&self, store: &Store, versions: &HashMap<i32, i64>) -> Result<(), sqlx::Error> {
        let missing: Vec<i32> = {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let is_known = |id: &i32, version: &i64| {
                known.get(id).is_some_and(|known| {
                    known.note_use();
                    known.target.version >= *version
                })
            };
            versions.iter().filter(|(id, version)| !is_known(id, version)).map(|(id, _)| *id).collect()
        };
        if missing.is_empty() {
            return Ok(());
        }
        let rows = store.targets(&missing).await?;
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            // Another statement may have brought a newer one meanwhile.
            if known.get(&row.id).is_none_or(|known| known.target.version < row.version) {
                known.insert(row.id, Known::new(Target::from(row)));
            }
        }
        Ok(())
    }

    pub fn get(&self, trigger_id: i32) -> Option<Arc<Target>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(&trigger_id)?;
        known.note_use();
        Some(known.target.clone())
    }

    /// Forgets what was not used since the last time. Whoever needs it again loads it again.
    pub fn forget_unused(&self) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, known| std::mem::take(known.used.get_mut()));
        known.shrink_to_fit();
    }
}
