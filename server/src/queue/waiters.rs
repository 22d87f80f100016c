//! Callers that wait for an event's deliveries to end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::store::Finished;

type Watched = Arc<Mutex<HashMap<Uuid, Watching>>>;

#[derive(Default)]
struct Watching {
    watches: usize,
    changed: Arc<Notify>,
    /// The deliveries that this node ended since the event is watched.
    ended: Vec<Finished>,
}

#[derive(Default)]
pub(super) struct Waiters(Watched);

impl Waiters {
    pub fn watch(&self, event_id: Uuid) -> Watch {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let watching = watched.entry(event_id).or_default();
        watching.watches += 1;
        Watch { event_id, changed: watching.changed.clone(), watched: self.0.clone() }
    }

    pub fn is_watched(&self, event_id: Uuid) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&event_id)
    }

    /// Tells whoever watches them that deliveries have ended: `written` of them, all of which are in the database now.
    pub fn tell(&self, written: Vec<Finished>) {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.is_empty() {
            return;
        }
        for one in written {
            if let Some(watching) = watched.get_mut(&one.lease.event_id) {
                watching.ended.push(one);
                watching.changed.notify_waiters();
                // Also for the watcher that is busy right now and waits only afterwards.
                watching.changed.notify_one();
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

    /// The deliveries of the event that ended on this node since it is watched, as they were written down, once there are so
    /// many.
    pub fn ended(&self, count: usize) -> Option<Vec<Finished>> {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched
            .get(&self.event_id)
            .filter(|watching| watching.ended.len() >= count)
            .map(|watching| watching.ended.clone())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watching) = watched.get_mut(&self.event_id) {
            watching.watches -= 1;
            if watching.watches == 0 {
                watched.remove(&self.event_id);
            }
        }
    }
}
