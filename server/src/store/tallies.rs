//! Outcomes counted by time, and the last outcomes of every trigger.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Store, retried};

/// Durations that are told apart.
pub const DURATIONS: usize = 64;

/// What a node has counted of one trigger.
#[derive(Clone, Debug)]
pub struct Counts {
    pub delivered: u32,
    pub failed: u32,
    pub retried: u32,
    /// Attempts by duration.
    pub durations: [u32; DURATIONS],
    /// The last outcomes, newest last: `d` delivered, `f` failed.
    pub outcomes: String,
}

impl Default for Counts {
    fn default() -> Self {
        Self { delivered: 0, failed: 0, retried: 0, durations: [0; DURATIONS], outcomes: String::new() }
    }
}

/// What was counted in one span of one trigger.
#[derive(Debug)]
pub struct TallyRow {
    pub trigger_id: i32,
    /// Spans ago; 0 is the one under way.
    pub age: i32,
    pub delivered: i64,
    pub failed: i64,
    pub retried: i64,
    pub durations: Vec<i64>,
}

/// A trigger and its last outcomes.
#[derive(Debug)]
pub struct OutcomesRow {
    pub trigger_id: i32,
    pub trigger: String,
    /// Newest last: `d` delivered, `f` failed.
    pub outcomes: String,
}

impl Store {
    /// Adds what a node has counted to the spans that are under way.
    pub async fn add_tallies(&self, counts: &[((i32, i32), Counts)]) -> Result<(), sqlx::Error> {
        let projects: Vec<_> = counts.iter().map(|((project, _), _)| *project).collect();
        let triggers: Vec<_> = counts.iter().map(|((_, trigger), _)| *trigger).collect();
        let column = |of: fn(&Counts) -> u32| counts.iter().map(|(_, one)| i64::from(of(one))).collect::<Vec<_>>();
        let durations: Vec<_> = counts.iter().map(|(_, one)| array(&one.durations)).collect();
        let outcomes: Vec<_> = counts.iter().map(|(_, one)| one.outcomes.clone()).collect();
        let (delivered, failed, again) =
            (column(|one| one.delivered), column(|one| one.failed), column(|one| one.retried));
        retried(|| {
            sqlx::query!(
                "with input as (
                     select * from unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[])
                         as i (project_id, trigger_id, delivered, failed, retried, durations, outcomes)
                 ),
                 spans as (
                     insert into tallies as t (at, project_id, trigger_id, span, delivered, failed, retried, durations)
                     select to_timestamp(floor(extract(epoch from now()) / s.span) * s.span), i.project_id, i.trigger_id, s.span,
                            i.delivered, i.failed, i.retried, i.durations::bigint[]
                       from input i
                      cross join unnest(array[60, 900, 7200]) as s (span)
                         on conflict (project_id, span, at, trigger_id) do update
                        set delivered = t.delivered + excluded.delivered,
                            failed    = t.failed + excluded.failed,
                            retried   = t.retried + excluded.retried,
                            durations = array(select coalesce(u.one, 0) + coalesce(u.other, 0)
                                                from unnest(t.durations, excluded.durations) with ordinality as u (one, other, place)
                                               order by u.place)
                 )
                 insert into last_outcomes as l (project_id, trigger_id, outcomes)
                 select project_id, trigger_id, outcomes from input
                     on conflict (project_id, trigger_id) do update set outcomes = right(l.outcomes || excluded.outcomes, 20)",
                &projects,
                &triggers,
                &delivered,
                &failed,
                &again,
                &durations,
                &outcomes
            )
            .execute(&self.relaxed)
        })
        .await
        .map(drop)
    }

    /// What was counted in the last `buckets` spans of `span` seconds before `until`.
    pub async fn tallies(
        &self,
        project_id: i32,
        span: i32,
        buckets: i32,
        until: DateTime<Utc>,
    ) -> Result<Vec<TallyRow>, sqlx::Error> {
        sqlx::query_as!(
            TallyRow,
            r#"select trigger_id,
                      greatest((extract(epoch from date_bin(make_interval(secs => $2::int), $4, to_timestamp(0)) - at) / $2::int)::int, 0) as "age!",
                      delivered, failed, retried, durations
                 from tallies
                where project_id = $1 and span = $2::int
                  and at > $4 - make_interval(secs => $2::int * $3::int)"#,
            project_id,
            span,
            buckets,
            until
        )
        .fetch_all(&self.pool)
        .await
    }

    /// The triggers of a project by name, with their last outcomes.
    pub async fn last_outcomes(&self, project_id: i32) -> Result<Vec<OutcomesRow>, sqlx::Error> {
        sqlx::query_as!(
            OutcomesRow,
            r#"select t.id as trigger_id, t.name as trigger, coalesce(l.outcomes, '') as "outcomes!"
                 from triggers t
                 left join last_outcomes l on l.project_id = t.project_id and l.trigger_id = t.id
                where t.project_id = $1 and t.deleted_at is null
                order by t.name"#,
            project_id
        )
        .fetch_all(&self.pool)
        .await
    }

    /// The database's time.
    pub async fn now(&self) -> Result<DateTime<Utc>, sqlx::Error> {
        sqlx::query_scalar!(r#"select now() as "now!""#).fetch_one(&self.pool).await
    }

    /// Something that differs when events were accepted, outcomes counted or jobs moved, on whatever node: the newest event,
    /// which is looked for from `since` on, so that the days before need not be opened, and a sum.
    pub async fn fingerprint(&self, project_id: i32, since: Uuid) -> Result<(Option<Uuid>, i64), sqlx::Error> {
        let row = sqlx::query!(
            r#"select (select id from events where project_id = $1 and id >= $2 order by id desc limit 1) as newest,
                      ((select coalesce(sum(delivered + failed + retried), 0)
                          from tallies
                         where project_id = $1 and span = 7200 and at > now() - interval '4 hours')
                     + (select coalesce(sum(done), 0) from jobs where project_id = $1))::bigint as "moved!""#,
            project_id,
            since
        )
        .fetch_one(&self.pool)
        .await?;
        Ok((row.newest, row.moved))
    }
}

/// A PostgreSQL array in text.
fn array(numbers: &[u32]) -> String {
    let mut text = String::from("{");
    for (place, number) in numbers.iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        // Writing into a String cannot fail.
        let _ = write!(text, "{comma}{number}");
    }
    text + "}"
}
