use std::collections::BTreeMap;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

use super::bounds::{BACKOFF_FIRST, BACKOFF_MAX, Bounds, CONCURRENCY, RETRIES, TIMEOUT};
use super::names::{EventType, Name};
use super::{Error, Eventing};
use crate::delivery::TargetUrl;
use crate::delivery::client::is_reserved_header;
use crate::model::{
    DEFAULT_RETRIES, DEFAULT_TIMEOUT_MS, FieldError, Trigger, TriggerDefaults, TriggerForm, TriggersPage,
};
use crate::store::{Kept, TriggerRow};

/// Between two looks at the attempts in flight of a deleted trigger.
const ORPHANS: Duration = Duration::from_millis(500);

/// A trigger as asked for, numbers parsed, nothing else checked.
#[derive(Clone, Debug)]
pub struct TriggerInput {
    pub name: String,
    pub source: String,
    pub event_type: String,
    pub url: String,
    /// `None`, like the timeout and the waits: what the project has for new triggers, or else what every trigger gets.
    pub retries: Option<i64>,
    pub timeout_ms: Option<i64>,
    pub headers: BTreeMap<String, String>,
    /// JSON object, as text.
    pub options: String,
    pub concurrency: Option<i64>,
    pub backoff_first_ms: Option<i64>,
    pub backoff_max_ms: Option<i64>,
    /// `None`: as it is, and enabled where it is new.
    pub enabled: Option<bool>,
}

impl Default for TriggerInput {
    fn default() -> Self {
        Self {
            name: String::new(),
            source: "custom".into(),
            event_type: String::new(),
            url: String::new(),
            retries: None,
            timeout_ms: None,
            headers: BTreeMap::new(),
            options: "{}".into(),
            concurrency: None,
            backoff_first_ms: None,
            backoff_max_ms: None,
            enabled: None,
        }
    }
}

impl TriggerInput {
    /// Fills in what was not said.
    fn fill_in(&mut self, defaults: &TriggerDefaults) {
        let number = |said: &mut Option<i64>, default: Option<u32>| *said = said.or(default.map(i64::from));
        number(&mut self.retries, Some(defaults.retries.unwrap_or(DEFAULT_RETRIES).into()));
        number(&mut self.timeout_ms, Some(defaults.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS)));
        number(&mut self.backoff_first_ms, defaults.backoff_first_ms);
        number(&mut self.backoff_max_ms, defaults.backoff_max_ms);
    }
}

impl Eventing {
    /// The page of a project's triggers.
    pub async fn triggers_page(&self, project: &str) -> Result<TriggersPage, Error> {
        let row = self.find_project(project).await?;
        let pending = self.store().pending_by_trigger(row.id, Trigger::MOST_COUNTED as i64).await?;
        let with_pending = |row: TriggerRow| {
            let pending = pending.get(&row.name).map_or(0, |pending| pending.unsigned_abs());
            Trigger { pending, ..trigger(row) }
        };
        let triggers = self.store().triggers(row.id, None).await?.into_iter().map(with_pending).collect();
        let types = self.store().trigger_types(row.id).await?;
        Ok(TriggersPage { project: row.into(), triggers, types })
    }

    /// The triggers of a project, or the one of the given name.
    pub async fn triggers(&self, project: &str, name: Option<&str>) -> Result<Vec<Trigger>, Error> {
        let row = self.find_project(project).await?;
        Ok(self.store().triggers(row.id, name).await?.into_iter().map(trigger).collect())
    }

    /// Creates a trigger from a form, or changes the one called `existing`. Gives its name.
    pub async fn save_trigger(
        &self,
        project: &str,
        existing: Option<&str>,
        form: &TriggerForm,
    ) -> Result<String, Error> {
        let (mut input, form_errors) = from_form(form);
        let project_row = self.find_project(project).await?;
        if let Some(name) = existing
            && self.store().triggers(project_row.id, Some(name)).await?.is_empty()
        {
            return Err(unknown_trigger(project, name));
        }
        // The form of a new trigger starts with all defaults; a wait that is empty there was emptied.
        input.fill_in(&TriggerDefaults { backoff_first_ms: None, backoff_max_ms: None, ..project_row.defaults() });
        let row = self.check(&input, form_errors).await?;
        // What the form does not show stays as it is.
        let kept = Kept { options: true, enabled: true };
        let saved = match existing {
            Some(name) => self
                .store()
                .update_trigger(project_row.id, name, &row, kept)
                .await?
                .ok_or_else(|| unknown_trigger(project, name))?,
            None => self.store().create_trigger(project_row.id, &row).await?,
        };
        if !saved {
            return Err(Error::field("name", format!("There is a trigger {} in this project already.", row.name)));
        }
        self.engine.look_now();
        self.engine.renewed(project_row.id);
        Ok(row.name)
    }

    /// Creates a trigger or replaces the one of that name.
    pub async fn put_trigger(&self, project: &str, input: &TriggerInput) -> Result<Trigger, Error> {
        let project_row = self.find_project(project).await?;
        // Somebody may create or delete it in between; then the other statement is the right one.
        for _ in 0..3 {
            let mut input = input.clone();
            // What no trigger can be called is told of with the other fields.
            let current = match Name::parse(&input.name) {
                Ok(name) => self.store().triggers(project_row.id, Some(name.as_str())).await?.pop(),
                Err(_) => None,
            };
            // One that exists is replaced by what is said, and by nothing that was said of its project since.
            input.fill_in(&if current.is_some() { TriggerDefaults::default() } else { project_row.defaults() });
            let kept = Kept { options: false, enabled: input.enabled.is_none() };
            input.enabled = input.enabled.or(current.as_ref().map(|current| current.enabled));
            let row = self.check(&input, Vec::new()).await?;
            let saved = match current {
                Some(_) => self.store().update_trigger(project_row.id, &row.name, &row, kept).await?.is_some(),
                None => self.store().create_trigger(project_row.id, &row).await?,
            };
            if saved {
                self.engine.look_now();
                self.engine.renewed(project_row.id);
                return Ok(trigger(row));
            }
        }
        Err(Error::field("name", format!("The trigger {} is being changed by others; try again.", input.name)))
    }

    /// Pauses or resumes a trigger.
    pub async fn set_trigger_enabled(&self, project: &str, name: &str, enabled: bool) -> Result<(), Error> {
        let row = self.find_project(project).await?;
        if !self.store().set_trigger_enabled(row.id, name, enabled).await? {
            return Err(unknown_trigger(project, name));
        }
        self.engine.look_now();
        self.engine.renewed(row.id);
        Ok(())
    }

    /// Deletes a trigger and cancels its deliveries, but for attempts in flight. Its history stays.
    pub async fn delete_trigger(&self, project: &str, name: &str) -> Result<(), Error> {
        let row = self.find_project(project).await?;
        let in_flight =
            self.store().delete_trigger(row.id, name).await?.ok_or_else(|| unknown_trigger(project, name))?;
        self.engine.renewed(row.id);
        if in_flight {
            // They end as they do; what one of them leaves to be tried again is cancelled then. Should this node go, another
            // one's housekeeping does it.
            let store = self.store().clone();
            tokio::spawn(async move {
                let mut in_flight = true;
                while in_flight {
                    tokio::time::sleep(ORPHANS).await;
                    in_flight = store.cancel_orphans().await.unwrap_or(false);
                }
            });
        }
        Ok(())
    }

    async fn check(&self, input: &TriggerInput, mut errors: Vec<FieldError>) -> Result<TriggerRow, Error> {
        let mut number = |bounds: &Bounds, value| bounds.check(value, &mut errors);
        let retries = number(&RETRIES, input.retries);
        let timeout_ms = number(&TIMEOUT, input.timeout_ms);
        let concurrency = number(&CONCURRENCY, input.concurrency);
        let backoff_first_ms = number(&BACKOFF_FIRST, input.backoff_first_ms);
        let backoff_max_ms = number(&BACKOFF_MAX, input.backoff_max_ms);
        let mut wrong = |field: &str, message: String| {
            // A form's own complaint about a field says more than a later one about its stand-in.
            if !errors.iter().any(|error| error.field == field) {
                errors.push(FieldError::new(field, message));
            }
        };
        let name = Name::parse(&input.name).map_err(|message| wrong("name", message)).ok();
        if input.source != "custom" {
            wrong("source", format!("The source is \"custom\"; there is no source {:?}.", input.source));
        }
        let event_type = EventType::parse(&input.event_type).map_err(|message| wrong("type", message)).ok();
        let url = TargetUrl::parse(&input.url).map_err(|message| wrong("url", message)).ok();
        if let Some(url) = &url
            && let Err(refused) = self.guard.check_at_save(url).await
        {
            wrong("url", refused.to_string());
        }
        for (name, value) in &input.headers {
            if let Err(message) = check_header(name, value) {
                wrong("headers", message);
            }
        }
        match (name, event_type, url, retries, timeout_ms) {
            (Some(name), Some(event_type), Some(url), Some(retries), Some(timeout_ms)) if errors.is_empty() => {
                Ok(TriggerRow {
                    name: name.into_string(),
                    source: input.source.clone(),
                    event_type: event_type.into_string(),
                    url: url.as_str().to_owned(),
                    retries: retries as i16,
                    timeout_ms,
                    headers: serde_json::to_string(&input.headers)
                        .map_err(|error| Error::Internal(std::sync::Arc::new(error)))?,
                    options: input.options.clone(),
                    concurrency,
                    backoff_first_ms,
                    backoff_max_ms,
                    enabled: input.enabled.unwrap_or(true),
                })
            }
            _ => Err(Error::Invalid(errors)),
        }
    }
}

fn unknown_trigger(project: &str, name: &str) -> Error {
    Error::NotFound(format!("There is no trigger {name:?} in the project {project}."))
}

fn check_header(name: &str, value: &str) -> Result<(), String> {
    let parsed =
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is not the name of a header."))?;
    if is_reserved_header(&parsed) {
        return Err(format!("The header {name} is set by the server itself."));
    }
    HeaderValue::from_str(value)
        .map(drop)
        .map_err(|_| format!("The value of the header {name} holds characters that a header cannot carry."))
}

/// A form's values with their numbers parsed, and what was wrong with those.
fn from_form(form: &TriggerForm) -> (TriggerInput, Vec<FieldError>) {
    let mut errors = Vec::new();
    let mut number = |bounds: &Bounds, text: &str| bounds.parse(text, &mut errors);
    let retries = number(&RETRIES, &form.retries);
    let timeout_ms = number(&TIMEOUT, &form.timeout);
    let concurrency = number(&CONCURRENCY, &form.concurrency);
    let backoff_first_ms = number(&BACKOFF_FIRST, &form.backoff_first);
    let backoff_max_ms = number(&BACKOFF_MAX, &form.backoff_max);
    let mut headers = BTreeMap::new();
    for line in form.headers.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once(':') {
            Some((name, value)) => drop(headers.insert(name.trim().to_owned(), value.trim().to_owned())),
            None => errors.push(FieldError::new(
                "headers",
                format!("A header is written as Name: value; {line:?} has no colon."),
            )),
        }
    }
    let input = TriggerInput {
        name: form.name.trim().to_owned(),
        source: form.source.clone(),
        event_type: form.event_type.trim().to_owned(),
        url: form.url.trim().to_owned(),
        retries,
        timeout_ms,
        headers,
        concurrency,
        backoff_first_ms,
        backoff_max_ms,
        ..TriggerInput::default()
    };
    (input, errors)
}

fn trigger(row: TriggerRow) -> Trigger {
    let headers: BTreeMap<String, String> = serde_json::from_str(&row.headers).unwrap_or_default();
    Trigger {
        name: row.name,
        source: row.source,
        event_type: row.event_type,
        url: row.url,
        retries: row.retries.unsigned_abs(),
        timeout_ms: row.timeout_ms.unsigned_abs(),
        headers: headers.into_iter().collect(),
        options: row.options,
        concurrency: row.concurrency.map(i32::unsigned_abs),
        backoff_first_ms: row.backoff_first_ms.map(i32::unsigned_abs),
        backoff_max_ms: row.backoff_max_ms.map(i32::unsigned_abs),
        enabled: row.enabled,
        pending: 0,
    }
}
