//! The server functions that Mission Control calls: one-liners over the `Eventing` facade. In the browser only their
//! stubs exist. They are a public API and get no more trust than the HTTP one.

use leptos::prelude::*;
use leptos::server_fn::codec::{Json, JsonEncoding};
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};

use crate::model::{
    Changed, DefaultsForm, EventCount, EventDetail, EventFilter, EventForm, EventOutcome, EventPage, EventQuery,
    FilterChoices, Job, JobForm, Overview, Project, ProjectForm, ProjectSettings, Queued, Range, Submitted,
    TriggerForm, TriggerHealth, TriggersPage,
};

/// Why a page cannot be shown or a form not carried out, in plain words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub message: String,
    /// What was asked for does not exist.
    pub not_found: bool,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl FromServerFnError for Failure {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        let message = match error {
            ServerFnErrorErr::Request(_) => "The server cannot be reached. Try again in a moment.".to_owned(),
            // Not of this server: a proxy's, or of another version of it.
            ServerFnErrorErr::Deserialization(_) => {
                "The answer did not come from Mission Control: perhaps a proxy before it cannot reach it. Try again in a moment."
                    .to_owned()
            }
            other => format!("The server's answer could not be used ({other})."),
        };
        Self { message, not_found: false }
    }
}

/// Whether this server runs in dev mode.
#[server(endpoint = "dev_mode", input = Json)]
pub async fn dev_mode() -> Result<bool, Failure> {
    Ok(on_server::eventing()?.dev_mode())
}

#[server(endpoint = "projects", input = Json)]
pub async fn projects() -> Result<Vec<Project>, Failure> {
    on_server::plainly(on_server::eventing()?.projects().await)
}

#[server(endpoint = "create_project", input = Json)]
pub async fn create_project(form: ProjectForm) -> Result<Submitted<String>, Failure> {
    on_server::submitted(on_server::eventing()?.create_project(&form).await)
}

/// The settings of a project.
#[server(endpoint = "settings", input = Json)]
pub async fn load_settings(project: String) -> Result<ProjectSettings, Failure> {
    on_server::plainly(on_server::eventing()?.project_settings(&project).await)
}

/// Gives a project another title.
#[server(endpoint = "rename_project", input = Json)]
pub async fn rename_project(project: String, form: ProjectForm) -> Result<Submitted<String>, Failure> {
    on_server::submitted(on_server::eventing()?.rename_project(&project, &form).await)
}

/// Sets what new triggers of a project get.
#[server(endpoint = "set_trigger_defaults", input = Json)]
pub async fn set_trigger_defaults(project: String, form: DefaultsForm) -> Result<Submitted<()>, Failure> {
    on_server::submitted(on_server::eventing()?.set_trigger_defaults(&project, &form).await)
}

/// Deletes a project, where the form holds its name. Gives how many deliveries waited.
#[server(endpoint = "delete_project", input = Json)]
pub async fn delete_project(project: String, form: ProjectForm) -> Result<Submitted<u64>, Failure> {
    on_server::submitted(on_server::eventing()?.delete_project_by_form(&project, &form).await)
}

#[server(endpoint = "triggers", input = Json)]
pub async fn load_triggers(project: String) -> Result<TriggersPage, Failure> {
    on_server::plainly(on_server::eventing()?.triggers_page(&project).await)
}

/// What the event log of a project can be filtered by, and what is wrong with a filter of it.
#[server(endpoint = "filter_choices", input = Json)]
pub async fn load_filter_choices(project: String, filter: EventFilter) -> Result<FilterChoices, Failure> {
    on_server::plainly(on_server::eventing()?.filter_choices(&project, &filter).await)
}

/// Creates a trigger, or changes the one called `existing`. Gives its name.
#[server(endpoint = "save_trigger", input = Json)]
pub async fn save_trigger(
    project: String,
    existing: Option<String>,
    form: TriggerForm,
) -> Result<Submitted<String>, Failure> {
    on_server::submitted(on_server::eventing()?.save_trigger(&project, existing.as_deref(), &form).await)
}

#[server(endpoint = "set_trigger_enabled", input = Json)]
pub async fn set_trigger_enabled(project: String, name: String, enabled: bool) -> Result<(), Failure> {
    on_server::plainly(on_server::eventing()?.set_trigger_enabled(&project, &name, enabled).await)
}

#[server(endpoint = "delete_trigger", input = Json)]
pub async fn delete_trigger(project: String, name: String) -> Result<(), Failure> {
    on_server::plainly(on_server::eventing()?.delete_trigger(&project, &name).await)
}

/// Sends a test event from a trigger's form; a synchronous one returns when its outcome is there.
#[server(endpoint = "send_event", input = Json)]
pub async fn send_event(project: String, trigger: String, form: EventForm) -> Result<Submitted<Queued>, Failure> {
    on_server::submitted(on_server::eventing()?.send_event(&project, &trigger, &form).await)
}

/// Where an event stands.
#[server(endpoint = "outcome", input = Json)]
pub async fn load_outcome(project: String, event_id: String) -> Result<EventOutcome, Failure> {
    on_server::plainly(match crate::eventing::event_id(&event_id) {
        Ok(id) => on_server::eventing()?.event_outcome_with_waits(&project, id).await,
        Err(error) => Err(error),
    })
}

/// A page of the event log.
#[server(endpoint = "events", input = Json)]
pub async fn load_events(project: String, query: EventQuery) -> Result<Submitted<EventPage>, Failure> {
    on_server::submitted(on_server::eventing()?.events(&project, &query).await)
}

/// How many events a job would handle.
#[server(endpoint = "count_for_job", input = Json)]
pub async fn count_for_job(project: String, form: JobForm) -> Result<Submitted<EventCount>, Failure> {
    on_server::submitted(on_server::eventing()?.count_for_job(&project, &form).await)
}

/// All that is known of an event.
#[server(endpoint = "event", input = Json)]
pub async fn load_event(project: String, event_id: String) -> Result<EventDetail, Failure> {
    on_server::plainly(on_server::eventing()?.event(&project, &event_id).await)
}

/// Queues the ended deliveries of an event again, or the one to a trigger.
#[server(endpoint = "redeliver", input = Json)]
pub async fn redeliver(project: String, event_id: String, trigger: Option<String>) -> Result<Changed, Failure> {
    on_server::plainly(on_server::eventing()?.redeliver(&project, &event_id, trigger.as_deref()).await)
}

/// Cancels the pending deliveries of an event that are not in flight, or the one to a trigger.
#[server(endpoint = "cancel", input = Json)]
pub async fn cancel(project: String, event_id: String, trigger: Option<String>) -> Result<Changed, Failure> {
    on_server::plainly(on_server::eventing()?.cancel(&project, &event_id, trigger.as_deref()).await)
}

/// The jobs of a project, newest first.
#[server(endpoint = "jobs", input = Json)]
pub async fn load_jobs(project: String) -> Result<Vec<Job>, Failure> {
    on_server::plainly(on_server::eventing()?.jobs(&project).await)
}

/// Starts a job.
#[server(endpoint = "start_job", input = Json)]
pub async fn start_job(project: String, form: JobForm) -> Result<Submitted<Job>, Failure> {
    on_server::submitted(on_server::eventing()?.start_job(&project, &form).await)
}

/// Stops a job; what it has done is done.
#[server(endpoint = "cancel_job", input = Json)]
pub async fn cancel_job(project: String, job: String) -> Result<Job, Failure> {
    on_server::plainly(on_server::eventing()?.cancel_job(&project, &job).await)
}

/// How a project does, and its triggers.
#[server(endpoint = "figures", input = Json)]
pub async fn load_figures(project: String, range: Range) -> Result<(Overview, Vec<TriggerHealth>), Failure> {
    let eventing = on_server::eventing()?;
    let (overview, health) = tokio::join!(eventing.overview(&project, range), eventing.trigger_health(&project, range));
    Ok((on_server::plainly(overview)?, on_server::plainly(health)?))
}

/// The data last sent with a type, or that of an event.
#[server(endpoint = "earlier_data", input = Json)]
pub async fn earlier_data(
    project: String,
    event_type: String,
    event_id: Option<String>,
) -> Result<Option<String>, Failure> {
    on_server::plainly(on_server::eventing()?.earlier_data(&project, &event_type, event_id.as_deref()).await)
}

#[cfg(feature = "ssr")]
mod on_server {
    use super::*;
    use crate::eventing::{Error, Eventing};

    pub fn eventing() -> Result<Eventing, Failure> {
        use_context().ok_or_else(|| Failure { message: "The server is not ready yet.".into(), not_found: false })
    }

    pub fn plainly<T>(result: Result<T, Error>) -> Result<T, Failure> {
        result.map_err(|error| {
            if let Error::Internal(cause) = &error {
                tracing::error!(%cause, "a page or form failed");
            }
            Failure { message: error.to_string(), not_found: matches!(error, Error::NotFound(_)) }
        })
    }

    pub fn submitted<T>(result: Result<T, Error>) -> Result<Submitted<T>, Failure> {
        match result {
            Ok(done) => Ok(Submitted::Done(done)),
            Err(Error::Invalid(errors)) => Ok(Submitted::Invalid(errors)),
            Err(error) => plainly(Err(error)),
        }
    }
}
