//! The triggers as workers see them, cached under their version: a statement that leases a delivery says which version
//! holds, so a change is in force from the next attempt on, on every node.

use std::collections::HashMap;
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

#[derive(Default)]
pub(super) struct Targets(RwLock<HashMap<i32, Arc<Target>>>);

impl Targets {
    /// Loads the triggers that are not known yet in the given version or a later one.
    pub async fn load(&self, store: &Store, versions: &HashMap<i32, i64>) -> Result<(), sqlx::Error> {
        let missing: Vec<i32> = {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let is_known = |id: &i32, version: &i64| known.get(id).is_some_and(|target| target.version >= *version);
            versions.iter().filter(|(id, version)| !is_known(id, version)).map(|(id, _)| *id).collect()
        };
        if missing.is_empty() {
            return Ok(());
        }
        let rows = store.targets(&missing).await?;
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            // Another statement may have brought a newer one meanwhile.
            if known.get(&row.id).is_none_or(|target| target.version < row.version) {
                known.insert(row.id, Arc::new(Target::from(row)));
            }
        }
        Ok(())
    }

    pub fn get(&self, trigger_id: i32) -> Option<Arc<Target>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&trigger_id).cloned()
    }
}
