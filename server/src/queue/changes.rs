//! Tells listeners which events of a project change on this node. Without listeners it costs a load.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

/// The most changed events that are named one by one.
const NAMED: usize = 50;

#[derive(Default)]
pub(super) struct Changes {
    count: AtomicUsize,
    listeners: Arc<Mutex<Vec<Arc<Shared>>>>,
}

struct Shared {
    project_id: i32,
    changed: Mutex<Changed>,
    some: Notify,
}

/// The events that have changed since they were last taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    pub ids: Vec<Uuid>,
    /// There were more than are named.
    pub more: bool,
}

impl Changed {
    fn add(&mut self, event_id: Uuid) {
        if self.ids.contains(&event_id) {
            return;
        }
        if self.ids.len() < NAMED { self.ids.push(event_id) } else { self.more = true }
    }
}

impl Changes {
    pub fn note(&self, project_id: i32, event_id: Uuid) {
        self.tell(project_id, |changed| changed.add(event_id));
    }

    /// More of a project has changed than events.
    pub fn note_more(&self, project_id: i32) {
        self.tell(project_id, |changed| changed.more = true);
    }

    fn tell(&self, project_id: i32, change: impl Fn(&mut Changed)) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        for listener in listeners.iter().filter(|listener| listener.project_id == project_id) {
            change(&mut listener.changed.lock().unwrap_or_else(PoisonError::into_inner));
            listener.some.notify_one();
        }
        self.count.store(listeners.len(), Ordering::Relaxed);
    }

    pub fn listen(&self, project_id: i32) -> Listener {
        let shared = Arc::new(Shared { project_id, changed: Mutex::new(Changed::default()), some: Notify::new() });
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.push(shared.clone());
        self.count.store(listeners.len(), Ordering::Relaxed);
        Listener { shared, listeners: self.listeners.clone() }
    }
}

/// Hears of the changes of one project; dropping it ends that.
pub struct Listener {
    shared: Arc<Shared>,
    listeners: Arc<Mutex<Vec<Arc<Shared>>>>,
}

impl Listener {
    /// Waits until something has changed on this node.
    pub async fn changed(&self) {
        self.shared.some.notified().await;
    }

    /// What has changed since the last time.
    pub fn take(&self) -> Changed {
        std::mem::take(&mut *self.shared.changed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|one| !Arc::ptr_eq(one, &self.shared));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_hear_of_their_project_alone() {
        let changes = Changes::default();
        changes.note(1, Uuid::from_u128(1));
        let listener = changes.listen(1);
        assert_eq!(listener.take(), Changed::default());
        for id in [2, 2, 3] {
            changes.note(1, Uuid::from_u128(id));
        }
        changes.note(2, Uuid::from_u128(4));
        assert_eq!(listener.take(), Changed { ids: vec![Uuid::from_u128(2), Uuid::from_u128(3)], more: false });
        for id in 0..100 {
            changes.note(1, Uuid::from_u128(id));
        }
        let many = listener.take();
        assert_eq!((many.ids.len(), many.more), (NAMED, true));
        changes.note_more(2);
        assert_eq!(listener.take(), Changed::default());
        changes.note_more(1);
        assert_eq!(listener.take(), Changed { ids: Vec::new(), more: true });
        drop(listener);
        changes.note(1, Uuid::from_u128(5));
        assert_eq!(changes.count.load(Ordering::Relaxed), 0);
    }
}
