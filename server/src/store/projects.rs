use sqlx::{Connection, PgConnection};

use super::{LONG, Store, retried};

/// A project as stored.
#[derive(Debug)]
pub struct ProjectRow {
    pub id: i32,
    pub name: String,
    pub title: String,
    pub triggers: i64,
    /// Of new triggers, as in [`DefaultsRow`].
    pub retries: Option<i16>,
    pub timeout_ms: Option<i32>,
    pub backoff_first_ms: Option<i32>,
    pub backoff_max_ms: Option<i32>,
}

/// What new triggers of a project get; `None`: what every trigger gets.
#[derive(Clone, Copy, Debug)]
pub struct DefaultsRow {
    pub retries: Option<i16>,
    pub timeout_ms: Option<i32>,
    pub backoff_first_ms: Option<i32>,
    pub backoff_max_ms: Option<i32>,
}

/// What was left of a project when it was deleted.
#[derive(Clone, Copy, Debug)]
pub struct DeletedProject {
    pub id: i32,
    /// Deliveries that waited and never will be made.
    pub cancelled: u64,
}

impl Store {
    pub async fn projects(&self) -> Result<Vec<ProjectRow>, sqlx::Error> {
        sqlx::query_as!(
            ProjectRow,
            r#"select p.id, p.name, p.title, p.retries, p.timeout_ms, p.backoff_first_ms, p.backoff_max_ms,
                      (select count(*) from triggers t where t.project_id = p.id and t.deleted_at is null) as "triggers!"
                 from projects p
                order by p.name"#
        )
        .fetch_all(&self.pool)
        .await
    }

    pub async fn project(&self, name: &str) -> Result<Option<ProjectRow>, sqlx::Error> {
        sqlx::query_as!(
            ProjectRow,
            r#"select p.id, p.name, p.title, p.retries, p.timeout_ms, p.backoff_first_ms, p.backoff_max_ms,
                      (select count(*) from triggers t where t.project_id = p.id and t.deleted_at is null) as "triggers!"
                 from projects p
                where p.name = $1"#,
            name
        )
        .fetch_optional(&self.pool)
        .await
    }

    /// Creates a project; `false`: the name is taken.
    pub async fn create_project(&self, name: &str, title: &str) -> Result<bool, sqlx::Error> {
        let done = sqlx::query!(
            "insert into projects (name, title) values ($1, $2) on conflict (name) do nothing",
            name,
            title
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives a project another title; `false`: there is none of this name.
    pub async fn rename_project(&self, name: &str, title: &str) -> Result<bool, sqlx::Error> {
        let done =
            sqlx::query!("update projects set title = $2 where name = $1", name, title).execute(&self.pool).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Sets what new triggers of a project get; `false`: there is none of this name.
    pub async fn set_trigger_defaults(&self, name: &str, defaults: &DefaultsRow) -> Result<bool, sqlx::Error> {
        let done = sqlx::query!(
            "update projects set retries = $2, timeout_ms = $3, backoff_first_ms = $4, backoff_max_ms = $5 where name = $1",
            name,
            defaults.retries,
            defaults.timeout_ms,
            defaults.backoff_first_ms,
            defaults.backoff_max_ms
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Deliveries that wait in the queue for a project's triggers, of which so many at most are counted.
    pub async fn pending_of_project(&self, id: i32, most: i64) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar!(
            r#"select count(*) as "count!"
                 from (select from triggers t join queue q on q.trigger_id = t.id where t.project_id = $1 limit $2) few"#,
            id,
            most
        )
        .fetch_one(&self.pool)
        .await
    }

    /// Deletes a project, its triggers and what waits for them, all at once. Its history can be reached no more, and is
    /// removed by [`Store::purge_deleted_projects`]. `None`: there is none of this name.
    pub async fn delete_project(&self, name: &str) -> Result<Option<DeletedProject>, sqlx::Error> {
        let pool = self.pool.within(LONG);
        retried(|| pool.run(async |connection: &mut PgConnection| delete_project(connection, name).await)).await
    }

    /// Creates a project, or gives an existing one another title. Without a title a new one gets its name, and an existing
    /// one keeps its own.
    pub async fn put_project(&self, name: &str, title: Option<&str>) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "insert into projects (name, title) values ($1, coalesce($2, $1))
             on conflict (name) do update set title = coalesce($2, projects.title)",
            name,
            title
        )
        .execute(&self.pool)
        .await
        .map(drop)
    }
}

/// In one transaction.
async fn delete_project(connection: &mut PgConnection, name: &str) -> Result<Option<DeletedProject>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    // Locked before anything else is looked at: nobody can add a trigger to it from here on.
    let id = sqlx::query_scalar!("select id from projects where name = $1 for update", name)
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(id) = id else { return Ok(None) };
    sqlx::query!("insert into deleted_projects (id, name) values ($1, $2)", id, name)
        .execute(&mut *transaction)
        .await?;
    // By trigger, since that is what the queue has an index for. An attempt under way ends without leaving a trace.
    let cancelled =
        sqlx::query!("delete from queue where trigger_id in (select id from triggers where project_id = $1)", id)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
    sqlx::query!("delete from jobs where project_id = $1", id).execute(&mut *transaction).await?;
    sqlx::query!("delete from tallies where project_id = $1", id).execute(&mut *transaction).await?;
    sqlx::query!("delete from last_outcomes where project_id = $1", id).execute(&mut *transaction).await?;
    sqlx::query!("delete from idempotency_keys where project_id = $1", id).execute(&mut *transaction).await?;
    sqlx::query!("delete from triggers where project_id = $1", id).execute(&mut *transaction).await?;
    sqlx::query!("delete from projects where id = $1", id).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(Some(DeletedProject { id, cancelled }))
}
