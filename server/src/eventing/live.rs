//! Tells a page that something has changed in its project.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::{Error, Eventing};
use crate::queue::{Changed, Listener};

/// How far a project was at some time: its newest event, and a sum over all that was done.
type Mark = (Option<Uuid>, i64);

/// The shortest time between two messages. It also gives the outcomes that are noted time to be written.
const APART: Duration = Duration::from_millis(500);
/// Between two looks at what other nodes do.
const LOOK: Duration = Duration::from_secs(1);

/// What a page listens to; dropping it ends that.
pub struct Live {
    eventing: Eventing,
    project_id: i32,
    listener: Listener,
    seen: Mark,
    /// Something has changed since the mark that the page came with.
    behind: bool,
    /// Since when everything that was seen may have been done by this node, which is busy.
    unclear_since: Option<Instant>,
}

impl Eventing {
    /// A mark to put into a page before its data is read: with it, whoever listens afterwards hears of what changed in between.
    pub async fn mark(&self, project: &str) -> Result<String, Error> {
        let project_id = self.find_project(project).await?.id;
        Ok(written(self.store().fingerprint(project_id, Uuid::nil()).await?))
    }

    /// Listens to the events of a project. With a mark the first message comes at once where the project has changed since.
    pub async fn live(&self, project: &str, mark: Option<&str>) -> Result<Live, Error> {
        let project_id = self.find_project(project).await?.id;
        let listener = self.engine.listen(project_id);
        let seen = self.store().fingerprint(project_id, Uuid::nil()).await?;
        let behind = mark.is_some_and(|mark| mark != written(seen));
        Ok(Live { eventing: self.clone(), project_id, listener, seen, behind, unclear_since: None })
    }
}

fn written((newest, moved): Mark) -> String {
    format!("{}.{moved}", newest.unwrap_or_default().simple())
}

impl Live {
    /// Waits for the next change, at most two a second. Names the events that changed on this node; where another node has
    /// changed something, or may have while this one was busy, `more` is set.
    pub async fn next(&mut self) -> Changed {
        if std::mem::take(&mut self.behind) {
            return Changed { ids: Vec::new(), more: true };
        }
        let changed_here = loop {
            tokio::select! {
                () = self.listener.changed() => break true,
                () = tokio::time::sleep(LOOK) => {
                    // What was taken for this node's own doing may have been another's: better told twice than never.
                    if self.unclear_since.take().is_some() {
                        break false;
                    }
                }
            }
            if self.changed_elsewhere().await {
                break false;
            }
        };
        let mut more = !changed_here;
        if changed_here {
            tokio::time::sleep(APART).await;
            // Once, it is what this node has done itself. Where that goes on, others may hide behind it.
            if self.changed_elsewhere().await {
                more = self.unclear_since.get_or_insert_with(Instant::now).elapsed() >= LOOK;
            }
        }
        if more {
            self.unclear_since = None;
        }
        let mut changed = self.listener.take();
        changed.more |= more;
        changed
    }

    async fn changed_elsewhere(&mut self) -> bool {
        // While the database is away there is nothing to tell.
        let newest = self.seen.0.unwrap_or_default();
        let Ok(now) = self.eventing.store().fingerprint(self.project_id, newest).await else {
            return false;
        };
        std::mem::replace(&mut self.seen, now) != now
    }
}
