//! Jobs: redelivering or cancelling many events, a batch at a time.

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::redelivery::{Changed, cancel, redeliver};
use super::{Change, Store, retried};

/// A job as stored.
#[derive(Debug)]
pub struct JobRow {
    pub id: Uuid,
    pub action: String,
    /// JSON object.
    pub filter: String,
    pub cursor: Uuid,
    pub rate: Option<i32>,
    pub state: String,
    pub total: Option<i64>,
    pub done: i64,
    pub deliveries: i64,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// A job to be started.
#[derive(Debug)]
pub struct NewJob<'a> {
    pub id: Uuid,
    pub project_id: i32,
    pub action: &'a str,
    pub filter: &'a str,
    pub rate: Option<i32>,
    pub total: Option<i64>,
}

/// A job that this node holds.
#[derive(Clone, Debug)]
pub struct Work {
    pub id: Uuid,
    pub project_id: i32,
    pub project: String,
    pub action: String,
    pub filter: String,
    pub cursor: Uuid,
    pub rate: Option<i32>,
}

/// One batch of a job.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    pub node: Uuid,
    /// Seconds until another node may take the job over.
    pub lease: f64,
    /// Where the batch ends.
    pub cursor: Uuid,
    /// There is no more.
    pub last: bool,
    pub change: Change<'a>,
}

impl Store {
    /// Starts a job. Whoever claims it first works on it.
    pub async fn create_job(&self, job: &NewJob<'_>) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "insert into jobs (id, project_id, cursor, action, filter, rate, total)
             values ($1, $2, $1, $3::text::job_action, $4, $5, $6)",
            job.id,
            job.project_id,
            job.action,
            job.filter,
            job.rate,
            job.total
        )
        .execute(&self.pool)
        .await
        .map(drop)
    }

    /// The jobs of a project, newest first, or the one of the given id.
    pub async fn jobs(&self, project_id: i32, id: Option<Uuid>) -> Result<Vec<JobRow>, sqlx::Error> {
        sqlx::query_as!(
            JobRow,
            r#"select id, action::text as "action!", filter, cursor, rate, state::text as "state!", total, done, deliveries,
                      created_at, finished_at
                 from jobs
                where project_id = $1 and ($2::uuid is null or id = $2)
                order by id desc
                limit 100"#,
            project_id,
            id
        )
        .fetch_all(&self.pool)
        .await
    }

    /// Stops a job that is running; a batch that is under way is waited for, and counts.
    pub async fn cancel_job(&self, project_id: i32, id: Uuid) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "update jobs set state = 'cancelled', owner = null, finished_at = now()
              where project_id = $1 and id = $2 and state = 'running'",
            project_id,
            id
        )
        .execute(&self.pool)
        .await
        .map(drop)
    }

    /// Takes a running job that no living node holds, the one that has waited longest.
    pub async fn claim_job(&self, node: Uuid, lease: f64) -> Result<Option<Work>, sqlx::Error> {
        sqlx::query_as!(
            Work,
            r#"update jobs j
                  set owner = $1, lease_until = now() + make_interval(secs => $2)
                 from (select project_id, id
                         from jobs
                        where state = 'running' and (owner is null or lease_until < now())
                        order by lease_until
                        limit 1
                          for update skip locked) free
                 join projects p on p.id = free.project_id
                where j.project_id = free.project_id and j.id = free.id
               returning j.id, j.project_id, p.name as project, j.action::text as "action!", j.filter, j.cursor, j.rate"#,
            node,
            lease
        )
        .fetch_optional(&self.pool)
        .await
    }

    /// Holds a job for longer; `false`: it was stopped, or another node has it.
    pub async fn keep_job(&self, work: &Work, node: Uuid, lease: f64) -> Result<bool, sqlx::Error> {
        let kept = sqlx::query!(
            "update jobs set lease_until = now() + make_interval(secs => $4)
              where project_id = $1 and id = $2 and owner = $3 and state = 'running'",
            work.project_id,
            work.id,
            node,
            lease
        )
        .execute(&self.pool)
        .await?;
        Ok(kept.rows_affected() == 1)
    }

    /// Gives a job back to whoever claims it next, behind the jobs that wait already.
    pub async fn release_job(&self, work: &Work, node: Uuid) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "update jobs set owner = null, lease_until = now() where project_id = $1 and id = $2 and owner = $3",
            work.project_id,
            work.id,
            node
        )
        .execute(&self.pool)
        .await
        .map(drop)
    }

    /// Carries out one batch and moves the cursor behind it, in one transaction. `None`: the job was stopped, or another
    /// node has it; nothing was changed.
    pub async fn step_job(&self, work: &Work, step: Step<'_>) -> Result<Option<Vec<Changed>>, sqlx::Error> {
        let carry_out = async |connection: &mut PgConnection| {
            let mut transaction = connection.begin().await?;
            let moved = sqlx::query!(
                "update jobs
                    set cursor      = $5,
                        done        = done + $6,
                        lease_until = now() + make_interval(secs => $7),
                        state       = case when $8 then 'finished' else state end,
                        owner       = case when $8 then null else owner end,
                        finished_at = case when $8 then now() end
                  where project_id = $1 and id = $2 and owner = $3 and cursor = $4 and state = 'running'",
                work.project_id,
                work.id,
                step.node,
                work.cursor,
                step.cursor,
                step.change.events.len() as i64,
                step.lease,
                step.last
            )
            .execute(&mut *transaction)
            .await?;
            if moved.rows_affected() == 0 {
                return Ok(None);
            }
            let changed = match work.action.as_str() {
                "cancel" => cancel(&mut transaction, step.change).await?,
                _ => redeliver(&mut transaction, step.change).await?,
            };
            sqlx::query!(
                "update jobs set deliveries = deliveries + $3 where project_id = $1 and id = $2",
                work.project_id,
                work.id,
                changed.len() as i64
            )
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(Some(changed))
        };
        retried(|| self.pool.run(carry_out)).await
    }
}
