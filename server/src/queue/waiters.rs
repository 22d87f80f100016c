//! Callers that wait for an event's deliveries to end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

type Watched = Arc<Mutex<HashMap<Uuid, (usize, Arc<Notify>)>>>;

#[derive(Default)]
pub(super) struct Waiters(Watched);

impl Waiters {
    pub fn watch(&self, event_id: Uuid) -> Watch {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, changed) = watched.entry(event_id).or_default();
        *count += 1;
        Watch { event_id, changed: changed.clone(), watched: self.0.clone() }
    }

    pub fn is_watched(&self, event_id: Uuid) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&event_id)
    }

    pub fn wake(&self, events: &[Uuid]) {
        let watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.is_empty() {
            return;
        }
        for event_id in events {
            if let Some((_, changed)) = watched.get(event_id) {
                changed.notify_waiters();
                // Also for the watcher that is looking at the database right now and waits only afterwards.
                changed.notify_one();
            }
        }
    }
}

/// A look-out for one event; dropping it ends it.
pub struct Watch {
    event_id: Uuid,
    changed: Arc<Notify>,
    watched: Watched,
}

impl Watch {
    /// Waits until one of the event's deliveries has ended on this node. Those of other nodes do not show here.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((count, _)) = watched.get_mut(&self.event_id) {
            *count -= 1;
            if *count == 0 {
                watched.remove(&self.event_id);
            }
        }
    }
}
