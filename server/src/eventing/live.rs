//! Tells a page that something has changed in its project.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::{Error, Eventing};
use crate::queue::{Changed, Listener};

/// The shortest time between two messages. It also gives the outcomes that are noted time to be written.
const APART: Duration = Duration::from_millis(500);
/// Between two looks at what other nodes do.
const LOOK: Duration = Duration::from_secs(1);

/// What a page listens to; dropping it ends that.
pub struct Live {
    eventing: Eventing,
    project_id: i32,
    listener: Listener,
    seen: Option<(Option<Uuid>, i64)>,
}

impl Eventing {
    /// Listens to the events of a project.
    pub async fn live(&self, project: &str) -> Result<Live, Error> {
        let project_id = self.find_project(project).await?.id;
        let seen = Some(self.store().fingerprint(project_id).await?);
        Ok(Live { eventing: self.clone(), project_id, listener: self.engine.listen(project_id), seen })
    }
}

impl Live {
    /// Waits for the next change, at most two a second. Names the events that changed on this node; where another node has
    /// changed something, `more` is set.
    pub async fn next(&mut self) -> Changed {
        let changed_here = loop {
            tokio::select! {
                () = self.listener.changed() => break true,
                () = tokio::time::sleep(LOOK) => {}
            }
            if self.changed_elsewhere().await {
                break false;
            }
        };
        if changed_here {
            tokio::time::sleep_until(Instant::now() + APART).await;
            // What this node has done itself is no news of others.
            self.changed_elsewhere().await;
        }
        let mut changed = self.listener.take();
        changed.more |= !changed_here;
        changed
    }

    async fn changed_elsewhere(&mut self) -> bool {
        // While the database is away there is nothing to tell.
        let Ok(now) = self.eventing.store().fingerprint(self.project_id).await else {
            return false;
        };
        self.seen.replace(now) != Some(now)
    }
}
