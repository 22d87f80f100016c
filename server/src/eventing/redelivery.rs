//! Queueing the deliveries of an event again, and cancelling them.

use uuid::Uuid;

use super::detail::unknown_event;
use super::{Error, Eventing, event_id};
use crate::model::{Changed, Left};
use crate::store::{Change, Only, StandingRow};

impl Eventing {
    /// Queues the ended deliveries of an event again, or the one to the trigger of a name, as a new run that is due now. An
    /// event that had no trigger goes to those that its type has now. The event keeps its id.
    pub async fn redeliver(&self, project: &str, id: &str, trigger: Option<&str>) -> Result<Changed, Error> {
        if self.engine.backlog_is_full(project) {
            return Err(Error::BacklogFull);
        }
        let (project_id, id) = self.find_event(project, id).await?;
        let change = Change { project_id, events: &[id], trigger, only: Only::Ended };
        let queued = self.store().redeliver(change).await?;
        self.engine.touched(project, project_id, &[id], queued.len());
        let left = self.left(project_id, id, trigger, &queued, |one| {
            if one.pending {
                "Its delivery is still pending."
            } else if one.deleted {
                "The trigger was deleted."
            } else {
                "Its delivery has changed in this moment."
            }
        });
        let left = left.await?;
        let nothing = || match trigger {
            Some(name) => format!("There is no trigger {name:?} that this event went to or could go to."),
            None => "No trigger is registered for the type of this event.".to_owned(),
        };
        changed(id, queued, left, nothing)
    }

    /// Cancels the pending deliveries of an event, or the one to the trigger of a name. Attempts in flight go on.
    pub async fn cancel(&self, project: &str, id: &str, trigger: Option<&str>) -> Result<Changed, Error> {
        let (project_id, id) = self.find_event(project, id).await?;
        let change = Change { project_id, events: &[id], trigger, only: Only::Ended };
        let cancelled = self.store().cancel(change).await?;
        self.engine.touched(project, project_id, &[id], 0);
        let left = self.left(project_id, id, trigger, &cancelled, |one| {
            if one.pending { "An attempt is in flight." } else { "Its delivery has ended." }
        });
        let left = left.await?;
        let nothing = || match trigger {
            Some(name) => format!("This event never went to a trigger {name:?}."),
            None => "This event went to no trigger.".to_owned(),
        };
        changed(id, cancelled, left, nothing)
    }

    async fn find_event(&self, project: &str, id: &str) -> Result<(i32, Uuid), Error> {
        let id = event_id(id)?;
        let event = self.store().event(project, id).await?.ok_or_else(|| unknown_event(project, id))?;
        Ok((event.project_id, id))
    }

    /// The deliveries that were not changed, and why.
    async fn left(
        &self,
        project_id: i32,
        id: Uuid,
        trigger: Option<&str>,
        changed: &[(Uuid, String)],
        why: impl Fn(&StandingRow) -> &'static str,
    ) -> Result<Vec<Left>, Error> {
        let standings = self.store().standings(project_id, id).await?;
        Ok(standings
            .iter()
            .filter(|one| trigger.is_none_or(|name| name == one.trigger))
            .filter(|one| changed.iter().all(|(_, name)| *name != one.trigger))
            .map(|one| Left { trigger: one.trigger.clone(), why: why(one).to_owned() })
            .collect())
    }
}

/// What was done; a conflict where nothing was.
fn changed(
    id: Uuid,
    changed: Vec<(Uuid, String)>,
    left: Vec<Left>,
    nothing: impl Fn() -> String,
) -> Result<Changed, Error> {
    if changed.is_empty() {
        let reasons: Vec<_> = left.iter().map(|one| format!("{}: {}", one.trigger, one.why)).collect();
        return Err(Error::Conflict(if reasons.is_empty() { nothing() } else { reasons.join(" ") }));
    }
    let triggers = changed.into_iter().map(|(_, trigger)| trigger).collect();
    Ok(Changed { event_id: id.to_string(), triggers, left })
}
