use super::Store;

/// A project as stored.
#[derive(Debug)]
pub struct ProjectRow {
    pub id: i32,
    pub name: String,
    pub title: String,
    pub triggers: i64,
}

impl Store {
    pub async fn projects(&self) -> Result<Vec<ProjectRow>, sqlx::Error> {
        sqlx::query_as!(
            ProjectRow,
            r#"select p.id, p.name, p.title,
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
            r#"select p.id, p.name, p.title,
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

    /// Creates a project or gives an existing one another title.
    pub async fn put_project(&self, name: &str, title: &str) -> Result<(), sqlx::Error> {
        sqlx::query!("insert into projects (name, title) values ($1, $2) on conflict (name) do update set title = excluded.title", name, title)
            .execute(&self.pool)
            .await
            .map(drop)
    }
}
