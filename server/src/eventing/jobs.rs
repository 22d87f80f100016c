//! Jobs: redelivering or cancelling all events of a filter, in the background.
//!
//! A node that works on a job holds it under a lease, and every batch commits together with the cursor behind it. So a job
//! that changes hands, by a crash or a restart, goes on where it was: it repeats nothing and skips nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::filter::Criteria;
use super::log::time_of;
use super::{Error, Eventing};
use crate::delivery::cloud_event::iso;
use crate::model::{EventCount, EventFilter, EventStatus, Job, JobAction, JobForm, JobState};
use crate::store::{Change, JobRow, NewJob, Only, Step, Work};

/// Events in one batch.
const BATCH: usize = 200;
/// Batches a second of a job with a rate.
const BATCHES_A_SECOND: f64 = 4.0;
const MAX_RATE: u32 = 100_000;
/// Seconds until another node takes over the job of one that is gone.
const LEASE: f64 = 15.0;
/// Between two looks for jobs that nobody holds; a new one is taken up at once.
const LOOK: Duration = Duration::from_secs(10);
/// A job waits so long before it looks again whether the backlog has room.
const FULL: Duration = Duration::from_secs(2);
/// Jobs that a node works on at once.
const AT_ONCE: usize = 4;
/// How long it works on one before others get their turn: one may have a low rate, or wait for room in a backlog.
const TURN: Duration = Duration::from_secs(30);

impl Eventing {
    /// Counts what a job would handle, without starting it.
    pub async fn count_for_job(&self, project: &str, form: &JobForm) -> Result<EventCount, Error> {
        let (criteria, _) = parse(form)?;
        self.count(self.find_project(project).await?.id, criteria).await
    }

    /// Starts a job on the events that match its filter and were accepted before now.
    pub async fn start_job(&self, project: &str, form: &JobForm) -> Result<Job, Error> {
        let (criteria, rate) = parse(form)?;
        let project_id = self.find_project(project).await?.id;
        let id = Uuid::now_v7();
        let mut counted = criteria;
        counted.span.before = counted.span.before.min(id);
        let count = self.count(project_id, counted).await?;
        let filter =
            serde_json::to_string(&form.filter).map_err(|error| Error::Internal(std::sync::Arc::new(error)))?;
        let total = count.searched_to.is_none().then_some(count.events as i64);
        let (action, rate) = (form.action.as_str(), rate.map(u32::cast_signed));
        self.store().create_job(&NewJob { id, project_id, action, filter: &filter, rate, total }).await?;
        self.new_job.notify_one();
        self.job(project, &id.to_string()).await
    }

    /// The last hundred jobs of a project, newest first.
    pub async fn jobs(&self, project: &str) -> Result<Vec<Job>, Error> {
        let project_id = self.find_project(project).await?.id;
        Ok(self.store().jobs(project_id, None).await?.into_iter().map(shown).collect())
    }

    pub async fn job(&self, project: &str, id: &str) -> Result<Job, Error> {
        let unknown = || Error::NotFound(format!("There is no job {id:?} in the project {project}."));
        let project_id = self.find_project(project).await?.id;
        let found = self.store().jobs(project_id, Some(id.parse().map_err(|_| unknown())?)).await?;
        found.into_iter().next().map(shown).ok_or_else(unknown)
    }

    /// Stops a job; what it has done is done.
    pub async fn cancel_job(&self, project: &str, id: &str) -> Result<Job, Error> {
        let job = self.job(project, id).await?;
        if job.state == JobState::Finished {
            return Err(Error::Conflict("The job has finished already.".into()));
        }
        let (project_id, id) = (self.find_project(project).await?.id, job.id);
        self.store().cancel_job(project_id, id.parse().unwrap_or_default()).await?;
        self.job(project, &id).await
    }

    /// Takes up jobs that nobody works on, until the engine stops.
    pub(super) async fn work_on_jobs(self, stop: CancellationToken) {
        let mut working = JoinSet::new();
        loop {
            while working.len() < AT_ONCE {
                match self.store().claim_job(self.engine.node(), LEASE).await {
                    Ok(Some(work)) => drop(working.spawn(self.clone().work_on(work, stop.clone()))),
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(%error, "cannot look for jobs; trying again");
                        break;
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(LOOK) => {}
                () = self.new_job.notified() => {}
                Some(_) = working.join_next() => {}
            }
        }
        while working.join_next().await.is_some() {}
    }

    /// Works on a job until it ends or is stopped, its turn is over, or this node stops.
    async fn work_on(self, mut work: Work, stop: CancellationToken) {
        let end = Instant::now() + TURN;
        while !stop.is_cancelled() && Instant::now() < end {
            let began = Instant::now();
            let pause = match self.work_on_batch(&mut work).await {
                Ok(Some(pause)) => pause,
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, job = %work.id, "a batch of a job failed; trying again");
                    // Where the database is away, somebody else may have the job afterwards, and the next batch shows it.
                    if matches!(self.store().keep_job(&work, self.engine.node(), LEASE).await, Ok(false)) {
                        return;
                    }
                    FULL
                }
            };
            tokio::select! {
                () = tokio::time::sleep_until(began + pause) => {}
                () = stop.cancelled() => {}
            }
        }
        if let Err(error) = self.store().release_job(&work, self.engine.node()).await {
            tracing::warn!(%error, job = %work.id, "a job cannot be given back; another node takes it over soon");
        }
    }

    /// Handles the next batch. Gives how long after its beginning the next one may begin; `None`: there is no next one.
    async fn work_on_batch(&self, work: &mut Work) -> Result<Option<Duration>, Error> {
        let full = work.action == JobAction::Redeliver.as_str() && self.engine.backlog_is_full(&work.project);
        let filter: EventFilter =
            serde_json::from_str(&work.filter).map_err(|error| Error::Internal(std::sync::Arc::new(error)))?;
        let mut criteria = Criteria::parse(&filter)?;
        criteria.span.before = criteria.span.before.min(work.cursor);
        let only = match criteria.status {
            Some(EventStatus::Failed) => Only::Failed,
            Some(EventStatus::Cancelled) => Only::Cancelled,
            Some(EventStatus::Delivered) => Only::Delivered,
            _ => Only::Ended,
        };
        let trigger = criteria.trigger.as_ref().map(|name| name.as_str().to_owned());
        let size =
            work.rate.map_or(BATCH, |rate| ((f64::from(rate) / BATCHES_A_SECOND).ceil() as usize).clamp(1, BATCH));
        let (mut events, mut cursor, mut last) = (Vec::new(), work.cursor, false);
        // Without room nothing is handled, but the lease is kept.
        if !full {
            let mut search = self.search(work.project_id, criteria, size).await?;
            if !search.ended {
                events.extend(search.step(self).await?.into_iter().map(|row| row.id));
            }
            (cursor, last) = (search.cursor().min(work.cursor), search.ended);
            if events.len() > size {
                events.truncate(size);
                (cursor, last) = (events.last().copied().unwrap_or(cursor), false);
            }
        }
        let change = Change { project_id: work.project_id, events: &events, trigger: trigger.as_deref(), only };
        let step = Step { node: self.engine.node(), lease: LEASE, cursor, last, change };
        let Some(changed) = self.store().step_job(work, step).await? else {
            return Ok(None);
        };
        work.cursor = cursor;
        let queued = if work.action == JobAction::Redeliver.as_str() { changed.len() } else { 0 };
        self.engine.touched(&work.project, work.project_id, &events, queued);
        if last {
            return Ok(None);
        }
        Ok(Some(match work.rate {
            _ if full => FULL,
            Some(rate) => Duration::from_secs_f64(events.len() as f64 / f64::from(rate.max(1))),
            None => Duration::ZERO,
        }))
    }
}

/// The events and the rate of a job.
fn parse(form: &JobForm) -> Result<(Criteria, Option<u32>), Error> {
    let criteria = Criteria::parse(&form.filter)?;
    let ended = criteria.status.is_none_or(EventStatus::is_ended);
    match form.action {
        JobAction::Redeliver if !ended => {
            return Err(Error::field("status", "What is pending cannot be redelivered; cancel it first."));
        }
        JobAction::Cancel if criteria.status.is_some_and(EventStatus::is_ended) => {
            return Err(Error::field("status", "What has ended cannot be cancelled."));
        }
        _ => {}
    }
    if form.rate.is_empty() {
        return Ok((criteria, None));
    }
    let rate = form.rate.parse().ok().filter(|rate| (1..=MAX_RATE).contains(rate));
    match rate {
        Some(rate) => Ok((criteria, Some(rate))),
        None => Err(Error::field("rate", format!("A rate is 1 to {MAX_RATE} events a second."))),
    }
}

fn shown(row: JobRow) -> Job {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    Job {
        searched_to: (row.cursor != row.id).then(|| time_of(row.cursor)),
        id: row.id.to_string(),
        action: if row.action == "cancel" { JobAction::Cancel } else { JobAction::Redeliver },
        filter: serde_json::from_str(&row.filter).unwrap_or_default(),
        rate: row.rate.map(i32::unsigned_abs),
        state: match row.state.as_str() {
            "finished" => JobState::Finished,
            "cancelled" => JobState::Cancelled,
            _ => JobState::Running,
        },
        total: row.total.map(count),
        done: count(row.done),
        deliveries: count(row.deliveries),
        created_at: iso(row.created_at),
        finished_at: row.finished_at.map(|at: DateTime<Utc>| iso(at)),
    }
}
