use super::bounds::{BACKOFF_FIRST, BACKOFF_MAX, Bounds, RETRIES, TIMEOUT};
use super::names::Name;
use super::{Error, Eventing, unknown_project};
use crate::model::{DefaultsForm, FieldError, Project, ProjectForm, ProjectSettings, TriggerDefaults};
use crate::store::{DefaultsRow, ProjectRow};

impl From<ProjectRow> for Project {
    fn from(row: ProjectRow) -> Self {
        let defaults = row.defaults();
        Self { name: row.name, title: row.title, triggers: row.triggers, defaults }
    }
}

impl ProjectRow {
    /// What new triggers get.
    pub(super) fn defaults(&self) -> TriggerDefaults {
        TriggerDefaults {
            retries: self.retries.map(i16::unsigned_abs),
            timeout_ms: self.timeout_ms.map(i32::unsigned_abs),
            backoff_first_ms: self.backoff_first_ms.map(i32::unsigned_abs),
            backoff_max_ms: self.backoff_max_ms.map(i32::unsigned_abs),
        }
    }
}

/// What new triggers of a project are to get, as asked for: whole numbers, and nothing else checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultsInput {
    pub retries: Option<i64>,
    /// Milliseconds, like the rest.
    pub timeout: Option<i64>,
    pub backoff_first: Option<i64>,
    pub backoff_max: Option<i64>,
}

/// A project as asked for: `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct ProjectInput {
    /// Its name for people.
    pub title: Option<String>,
    pub defaults: Option<DefaultsInput>,
}

impl DefaultsInput {
    /// A form's numbers, and what was wrong with them.
    fn from_form(form: &DefaultsForm) -> (Self, Vec<FieldError>) {
        let mut errors = Vec::new();
        let mut number = |bounds: &Bounds, text: &str| bounds.parse(text, &mut errors);
        let input = Self {
            retries: number(&RETRIES, &form.retries),
            timeout: number(&TIMEOUT, &form.timeout),
            backoff_first: number(&BACKOFF_FIRST, &form.backoff_first),
            backoff_max: number(&BACKOFF_MAX, &form.backoff_max),
        };
        (input, errors)
    }

    fn check(self, mut errors: Vec<FieldError>) -> Result<DefaultsRow, Error> {
        let mut number = |bounds: &Bounds, value| bounds.check(value, &mut errors);
        let row = DefaultsRow {
            retries: number(&RETRIES, self.retries).map(|retries| retries as i16),
            timeout_ms: number(&TIMEOUT, self.timeout),
            backoff_first_ms: number(&BACKOFF_FIRST, self.backoff_first),
            backoff_max_ms: number(&BACKOFF_MAX, self.backoff_max),
        };
        if errors.is_empty() { Ok(row) } else { Err(Error::Invalid(errors)) }
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

    /// All that the page of a project's settings shows.
    pub async fn project_settings(&self, name: &str) -> Result<ProjectSettings, Error> {
        let row = self.find_project(name).await?;
        let pending = self.pending(row.id).await?;
        Ok(ProjectSettings { project: row.into(), pending, limits: self.limits.to_vec() })
    }

    /// Gives a project the title of a form; the name where it is empty. Gives the title.
    pub async fn rename_project(&self, name: &str, form: &ProjectForm) -> Result<String, Error> {
        let title = title(&form.title).map_err(|message| Error::field("title", message))?;
        let title = title.unwrap_or_else(|| name.to_owned());
        if !self.store().rename_project(name, &title).await? {
            return Err(unknown_project(name));
        }
        Ok(title)
    }

    /// Sets what new triggers of a project get, from a form; those that exist stay as they are.
    pub async fn set_trigger_defaults(&self, name: &str, form: &DefaultsForm) -> Result<(), Error> {
        let (input, errors) = DefaultsInput::from_form(form);
        let defaults = input.check(errors)?;
        if !self.store().set_trigger_defaults(name, &defaults).await? {
            return Err(unknown_project(name));
        }
        Ok(())
    }

    /// Deletes a project whose name was typed into a form to confirm it.
    pub async fn delete_project_by_form(&self, name: &str, form: &ProjectForm) -> Result<u64, Error> {
        if form.name.trim() != name {
            self.find_project(name).await?;
            return Err(Error::field("name", format!("Type {name} to delete the project; nothing was deleted.")));
        }
        self.delete_project(name).await
    }

    /// Deletes a project with its triggers, what waits for them, and its history, of which the rows go in the background.
    /// Gives how many deliveries waited.
    pub async fn delete_project(&self, name: &str) -> Result<u64, Error> {
        let deleted = self.store().delete_project(name).await?.ok_or_else(|| unknown_project(name))?;
        let store = self.store().clone();
        tokio::spawn(async move {
            if let Err(error) = store.purge_history(deleted.id).await {
                tracing::warn!(%error, "the history of a deleted project could not be removed yet");
            }
        });
        Ok(deleted.cancelled)
    }

    /// Creates a project, or changes what is asked for of the one that there is.
    pub async fn put_project(&self, name: &str, input: ProjectInput) -> Result<Project, Error> {
        let name = Name::parse(name).map_err(|message| Error::field("project", message))?;
        let mut errors = Vec::new();
        let title = title(&input.title.unwrap_or_default()).unwrap_or_else(|message| {
            errors.push(FieldError::new("name", message));
            None
        });
        let defaults = input.defaults.unwrap_or_default().check(errors)?;
        let defaults = input.defaults.is_some().then_some(defaults);
        self.store().put_project(name.as_str(), title.as_deref()).await?;
        if let Some(defaults) = defaults {
            self.store().set_trigger_defaults(name.as_str(), &defaults).await?;
        }
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
