use super::names::Name;
use super::{Error, Eventing};
use crate::model::{FieldError, Project, ProjectForm};
use crate::store::ProjectRow;

impl From<ProjectRow> for Project {
    fn from(row: ProjectRow) -> Self {
        Self { name: row.name, title: row.title, triggers: row.triggers }
    }
}

impl Eventing {
    pub async fn projects(&self) -> Result<Vec<Project>, Error> {
        Ok(self.store().projects().await?.into_iter().map(Project::from).collect())
    }

    pub async fn project(&self, name: &str) -> Result<Project, Error> {
        self.find_project(name).await.map(Project::from)
    }

    /// Creates a project from a form. The title defaults to the name.
    pub async fn create_project(&self, form: &ProjectForm) -> Result<String, Error> {
        let name = Name::parse(form.name.trim());
        let title = title(&form.title);
        let (name, title) = match (name, title) {
            (Ok(name), Ok(title)) => (name, title),
            (name, title) => {
                let wrong = |field: &str, result: Option<String>| result.map(|message| FieldError::new(field, message));
                return Err(Error::Invalid(
                    [wrong("name", name.err()), wrong("title", title.err())].into_iter().flatten().collect(),
                ));
            }
        };
        let title = title.unwrap_or_else(|| name.to_string());
        if !self.store().create_project(name.as_str(), &title).await? {
            return Err(Error::field("name", format!("There is a project {name} already.")));
        }
        Ok(name.into_string())
    }

    /// Creates a project or renames it for people.
    pub async fn put_project(&self, name: &str, new_title: Option<&str>) -> Result<Project, Error> {
        let name = Name::parse(name).map_err(|message| Error::field("project", message))?;
        let title = title(new_title.unwrap_or_default()).map_err(|message| Error::field("name", message))?;
        self.store().put_project(name.as_str(), title.as_deref().unwrap_or(name.as_str())).await?;
        self.project(name.as_str()).await
    }
}

fn title(text: &str) -> Result<Option<String>, String> {
    let text = text.trim();
    if text.chars().count() > 128 || text.chars().any(char::is_control) {
        return Err("A title is up to 128 printable characters.".into());
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}
