//! The event log: searching it newest first, in bounded time.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::filter::{Criteria, PageRequest, cursor_of};
use super::{Error, Eventing};
use crate::delivery::cloud_event::iso;
use crate::model::{
    DeliveryCounts, EventCount, EventFilter, EventPage, EventQuery, EventStatus, EventSummary, FilterChoices,
};
use crate::store::{self, Candidate, DataMatch, Span, SummaryRow};

/// After so long a search says how far it came.
const PATIENCE: Duration = Duration::from_millis(400);
/// Counting may take a little longer: it comes before something large.
const COUNTING_PATIENCE: Duration = Duration::from_secs(2);
/// Events looked at in one statement: from the first number on, up to the second while nothing is found.
const CHUNK: (usize, usize) = (256, 4_096);
/// Chunks grow as long as one takes no longer.
const QUICK: Duration = Duration::from_millis(100);
/// So many due deliveries are sorted for a chunk. Where there are more, walking the queue meets some soon.
const SORTED: i64 = 30_000;

/// Where the candidates of a search come from: the index that fits its filter best.
enum Source {
    All,
    Types(Vec<String>),
    WithoutTrigger,
    /// Ended deliveries, those delivered among them.
    Ended,
    Undelivered(EventStatus),
    Retrying,
    /// All pending deliveries.
    Queued(EventStatus),
    /// Pending deliveries that are due or in flight, as long as they are few.
    Due,
    /// No event can match.
    Nothing,
}

impl Source {
    /// Whether an event stands among the candidates once a delivery.
    fn is_by_delivery(&self) -> bool {
        matches!(self, Self::Ended | Self::Undelivered(_) | Self::Retrying | Self::Queued(_))
    }
}

/// A search under way, from newer events to older ones.
pub(super) struct Search {
    project_id: i32,
    criteria: Criteria,
    /// The triggers of the name that the filter has.
    triggers: Option<Vec<i32>>,
    source: Source,
    /// What is left to search.
    left: Span,
    chunk: usize,
    pub ended: bool,
}

impl Eventing {
    /// What the event log of a project can be filtered by, and what is wrong with a filter of it.
    pub async fn filter_choices(&self, project: &str, filter: &EventFilter) -> Result<FilterChoices, Error> {
        let row = self.find_project(project).await?;
        let triggers = self.store().triggers(row.id, None).await?.into_iter().map(|trigger| trigger.name).collect();
        let types = self.store().trigger_types(row.id).await?;
        Ok(FilterChoices { triggers, types, errors: Criteria::errors_of(filter) })
    }

    /// A page of the event log, newest first.
    pub async fn events(&self, project: &str, query: &EventQuery) -> Result<EventPage, Error> {
        let PageRequest { criteria, limit } = PageRequest::parse(query)?;
        let mut search = self.search(self.find_project(project).await?.id, criteria, limit).await?;
        let deadline = Instant::now() + PATIENCE;
        let mut found: Vec<SummaryRow> = Vec::new();
        while found.len() <= limit && !search.ended && Instant::now() < deadline {
            found.extend(search.step(self).await?);
        }
        // One more than asked for tells that there is another page.
        let is_full = found.len() > limit;
        found.truncate(limit);
        let next = match found.last() {
            Some(last) if is_full => Some(last.id),
            _ if search.ended => None,
            _ => Some(search.left.before),
        };
        Ok(EventPage {
            searched_to: next.filter(|_| !is_full).map(time_of),
            next: next.map(cursor_of),
            events: found.into_iter().map(summary).collect(),
        })
    }

    /// Counts events, for a few seconds at most.
    pub(super) async fn count(&self, project_id: i32, criteria: Criteria) -> Result<EventCount, Error> {
        // Comparing data takes as long as the data is large.
        let at_once = if criteria.data.is_any() { CHUNK.1 } else { CHUNK.0 };
        let mut search = self.search(project_id, criteria, at_once).await?;
        let deadline = Instant::now() + COUNTING_PATIENCE;
        let mut events = 0;
        while !search.ended && Instant::now() < deadline {
            events += search.step(self).await?.len() as u64;
        }
        Ok(EventCount { events, searched_to: (!search.ended).then(|| time_of(search.left.before)) })
    }

    /// Begins a search; the first step looks at enough candidates for `limit` events where all of them match.
    pub(super) async fn search(&self, project_id: i32, criteria: Criteria, limit: usize) -> Result<Search, Error> {
        let mut left = criteria.span;
        let (mut triggers, mut types) = (None, criteria.event_type.as_ref().map(|one| vec![one.to_string()]));
        if let Some(name) = &criteria.trigger {
            let history = self.store().trigger_history(project_id, name.as_str()).await?;
            left.from = left.from.max(history.first_event.unwrap_or(Uuid::max()));
            // Of another type it has had nothing.
            let of_type = |one: &String| criteria.event_type.as_ref().is_none_or(|wanted| wanted.as_str() == one);
            types = Some(history.types.into_iter().filter(of_type).collect());
            triggers = Some(history.ids);
        }
        let source = match (criteria.status, types) {
            (_, Some(types)) if types.is_empty() => Source::Nothing,
            (Some(status @ (EventStatus::Failed | EventStatus::Cancelled)), _) => Source::Undelivered(status),
            (Some(EventStatus::Retrying), _) => Source::Retrying,
            (Some(EventStatus::Pending), _) => Source::Due,
            (Some(EventStatus::Scheduled), _) => Source::Queued(EventStatus::Scheduled),
            (Some(EventStatus::NoTrigger), _) => Source::WithoutTrigger,
            (_, Some(types)) => Source::Types(types),
            // Newer events may all be scheduled. Data is compared sooner where events are walked.
            (Some(EventStatus::Delivered), None) if criteria.data.is_any() => Source::Ended,
            (_, None) => Source::All,
        };
        let chunk = (limit + 1).max(if criteria.data.is_any() { 0 } else { CHUNK.0 });
        let ended = matches!(source, Source::Nothing) || left.from >= left.before;
        Ok(Search { project_id, criteria, triggers, source, left, chunk, ended })
    }
}

impl Search {
    /// Everything from this id on has been looked at.
    pub(super) fn cursor(&self) -> Uuid {
        if self.ended { self.left.from } else { self.left.before }
    }

    /// Looks at a chunk of candidates; at fewer where those take PostgreSQL too long. Gives those that match.
    pub(super) async fn step(&mut self, eventing: &Eventing) -> Result<Vec<SummaryRow>, Error> {
        loop {
            match self.try_step(eventing).await {
                Err(error) if store::is_cut_short(&error) && self.chunk > 1 => self.chunk = (self.chunk / 8).max(1),
                ended => return Ok(ended?),
            }
        }
    }

    async fn try_step(&mut self, eventing: &Eventing) -> Result<Vec<SummaryRow>, sqlx::Error> {
        let clock = Instant::now();
        let mut candidates = self.candidates(eventing).await?;
        let last = candidates.last_mut().map(|last| {
            // The chunk may have ended between two deliveries of this event.
            last.matches |= self.source.is_by_delivery();
            last.id
        });
        let mut ids: Vec<_> = candidates.iter().filter(|one| one.matches).map(|one| one.id).collect();
        ids.dedup();
        let event_type = self.criteria.event_type.as_ref().map(|one| one.as_str());
        let any = DataMatch::default();
        let data = match self.source {
            Source::All | Source::Types(_) => &any,
            _ => &self.criteria.data,
        };
        let mut found =
            eventing.store().summaries(self.project_id, &ids, event_type, self.triggers.as_deref(), data).await?;
        if let Some(wanted) = self.criteria.status {
            found.retain(|row| status(row) == wanted);
        }
        self.left.before = last.unwrap_or(self.left.before);
        self.ended = candidates.len() < self.chunk;
        if ids.len() * 4 < self.chunk && clock.elapsed() < QUICK {
            self.chunk = (self.chunk * 4).min(CHUNK.1).max(self.chunk);
        }
        Ok(found)
    }

    async fn candidates(&mut self, eventing: &Eventing) -> Result<Vec<Candidate>, sqlx::Error> {
        let (store, project, span, limit) = (eventing.store(), self.project_id, self.left, self.chunk as i64);
        let (data, triggers) = (&self.criteria.data, self.triggers.as_deref());
        match &self.source {
            Source::All => store.recent_events(project, span, data, limit).await,
            Source::Types(types) => store.recent_events_of_types(project, types, span, data, limit).await,
            Source::WithoutTrigger => store.recent_events_without_trigger(project, span, limit).await,
            Source::Ended => store.recent_ended(project, span, limit).await,
            Source::Undelivered(status) => {
                store.recent_undelivered(project, status.as_str(), triggers, span, limit).await
            }
            Source::Retrying => store.recent_retrying(project, triggers, span, limit).await,
            Source::Queued(status) => store.recent_pending(project, status.as_str(), triggers, span, limit).await,
            Source::Due => match store.recent_due(project, triggers, span, limit, SORTED).await? {
                Some(candidates) => Ok(candidates),
                None => {
                    self.source = Source::Queued(EventStatus::Pending);
                    store.recent_pending(project, EventStatus::Pending.as_str(), triggers, span, limit).await
                }
            },
            Source::Nothing => Ok(Vec::new()),
        }
    }
}

fn status(row: &SummaryRow) -> EventStatus {
    if row.pending > 0 {
        if row.retrying > 0 {
            EventStatus::Retrying
        } else if row.due > 0 {
            EventStatus::Pending
        } else {
            EventStatus::Scheduled
        }
    } else if row.failed > 0 {
        EventStatus::Failed
    } else if row.cancelled > 0 {
        EventStatus::Cancelled
    } else if row.delivered > 0 {
        EventStatus::Delivered
    } else {
        EventStatus::NoTrigger
    }
}

pub(super) fn summary(row: SummaryRow) -> EventSummary {
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    EventSummary {
        id: row.id.to_string(),
        status: status(&row),
        event_type: row.event_type,
        accepted_at: time_of(row.id),
        scheduled_at: iso(row.due_at),
        triggers: row.triggers.unsigned_abs(),
        deliveries: DeliveryCounts {
            pending: count(row.pending),
            delivered: count(row.delivered),
            failed: count(row.failed),
            cancelled: count(row.cancelled),
        },
        attempts: count(row.attempts),
        last_error: row.last_error,
    }
}

/// The time that an id begins with, RFC 9562 section 5.7.
pub(super) fn time_of(id: Uuid) -> String {
    let millis = i64::try_from(id.as_u128() >> 80).unwrap_or(0);
    DateTime::from_timestamp_millis(millis).map(|at: DateTime<Utc>| iso(at)).unwrap_or_default()
}
