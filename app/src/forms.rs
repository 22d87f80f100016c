//! The forms of the pages without JavaScript: posted to the page itself, which answers with a redirect where the form was
//! carried out, and otherwise with the page again, the form as it was typed and the messages beside its fields.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::post;
use axum::{Form, RequestExt, Router};
use http::header::{REFERER, SET_COOKIE};
use http::{Method, StatusCode, Uri};
use leptos::prelude::provide_context;
use serde::de::DeserializeOwned;
use server::eventing::{Error, Eventing};
use server::model::{DefaultsForm, EventFilter, EventForm, JobAction, JobForm, ProjectForm, TriggerForm};

use crate::Posted;
use crate::page_state::Refused;
use crate::pages::{events_path, jobs_path, said, triggers_url};
use crate::shell::shell;
use crate::theme::{self, Theme};

/// The largest form in bytes: event data grows when a browser encodes it.
const LARGEST_FORM: usize = 4 * 1024 * 1024;

pub fn router(eventing: Eventing) -> Router {
    Router::new()
        .route("/theme", post(choose_theme))
        .route("/projects", post(projects))
        .route("/projects/{project}/event-triggers", post(triggers))
        .route("/projects/{project}/events", post(events))
        .route("/projects/{project}/events/{id}", post(event))
        .route("/projects/{project}/events/jobs", post(jobs))
        .route("/projects/{project}/settings", post(settings))
        .layer(axum::extract::DefaultBodyLimit::max(LARGEST_FORM))
        .with_state(eventing)
}

/// The fields of a form.
struct Values(HashMap<String, String>);

impl Values {
    async fn of(request: &mut Request) -> Result<Self, Box<Response>> {
        let taken = std::mem::take(request.body_mut());
        let mut with_body = Request::new(taken);
        with_body.headers_mut().clone_from(request.headers());
        *with_body.method_mut() = Method::POST;
        with_body.extensions_mut().clone_from(request.extensions());
        let form: Result<Form<HashMap<String, String>>, _> = with_body.extract().await;
        form.map(|Form(values)| Self(values)).map_err(|rejection| Box::new(rejection.into_response()))
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The form as its type; fields that are missing have their defaults.
    fn parse<T: DeserializeOwned + Default>(&self) -> T {
        let object =
            self.0.iter().map(|(name, value)| (name.clone(), serde_json::Value::from(value.as_str()))).collect();
        serde_json::from_value(serde_json::Value::Object(object)).unwrap_or_default()
    }
}

/// Remembers light or dark, and leads back to where it was chosen.
async fn choose_theme(mut request: Request) -> Response {
    let values = match Values::of(&mut request).await {
        Ok(values) => values,
        Err(refused) => return *refused,
    };
    let came_from = request.headers().get(REFERER).and_then(|referer| referer.to_str().ok()?.parse::<Uri>().ok());
    // The path alone, so that this leads to no other site; a second slash would start the name of one.
    let back = came_from.as_ref().and_then(Uri::path_and_query).map_or("/projects", |path| path.as_str());
    let back = format!("/{}", back.trim_start_matches('/'));
    let cookie = Theme::parse(values.get(theme::NAME)).cookie();
    (AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to(&back)).into_response()
}

async fn projects(State(eventing): State<Eventing>, mut request: Request) -> Response {
    let values = match Values::of(&mut request).await {
        Ok(values) => values,
        Err(refused) => return *refused,
    };
    let form: ProjectForm = values.parse();
    match eventing.create_project(&form).await {
        Ok(name) => Redirect::to(&format!("/projects/{name}/event-triggers")).into_response(),
        Err(error) => {
            let posted = Posted { intent: "create".into(), project: Some(form), ..Posted::default() };
            show_again(eventing, request, error, posted).await
        }
    }
}

async fn triggers(State(eventing): State<Eventing>, Path(project): Path<String>, mut request: Request) -> Response {
    let values = match Values::of(&mut request).await {
        Ok(values) => values,
        Err(refused) => return *refused,
    };
    let (name, intent) = (values.get("name"), values.get("intent"));
    let mut posted = Posted { intent: intent.to_owned(), ..Posted::default() };
    let query = request.uri().query().unwrap_or_default().to_owned();
    let mut target = triggers_url(&project, &query, &[]);
    let done = match intent {
        "save" => {
            let form: TriggerForm = values.parse();
            let existing = Some(values.get("existing")).filter(|existing| !existing.is_empty());
            let saved = eventing.save_trigger(&project, existing, &form).await;
            posted.trigger = Some(form);
            saved.map(drop)
        }
        "delete" => eventing.delete_trigger(&project, name).await,
        "pause" | "resume" => match eventing.set_trigger_enabled(&project, name, intent == "resume").await {
            Err(error) => return refuse(eventing, request, error).await,
            done => done,
        },
        "send" => {
            let form: EventForm = values.parse();
            let sent = eventing.send_event(&project, name, &form).await;
            if let Ok(queued) = &sent {
                let sync = form.synchronous.is_some().then_some(("sync", ""));
                let shown = [("trigger", name), ("event", &queued.event_id)].into_iter().chain(sync);
                target = triggers_url(&project, &query, &shown.collect::<Vec<_>>());
            }
            posted.event = Some(form);
            sent.map(drop)
        }
        other => return unknown(eventing, request, other).await,
    };
    match done {
        Ok(()) => Redirect::to(&target).into_response(),
        Err(error) => show_again(eventing, request, error, posted).await,
    }
}

async fn settings(State(eventing): State<Eventing>, Path(project): Path<String>, mut request: Request) -> Response {
    let values = match Values::of(&mut request).await {
        Ok(values) => values,
        Err(refused) => return *refused,
    };
    let intent = values.get("intent").to_owned();
    let form: ProjectForm = values.parse();
    let mut defaults = None;
    let here = format!("/projects/{project}/settings");
    let done = match intent.as_str() {
        "rename" => eventing.rename_project(&project, &form).await.map(|_| here),
        "defaults" => {
            let form = defaults.insert(values.parse::<DefaultsForm>());
            eventing.set_trigger_defaults(&project, form).await.map(|()| here)
        }
        "delete" => eventing.delete_project_by_form(&project, &form).await.map(|_| "/projects".to_owned()),
        other => return unknown(eventing, request, other).await,
    };
    match done {
        Ok(target) => Redirect::to(&target).into_response(),
        Err(error) => {
            let posted = Posted { intent, project: Some(form), defaults, ..Posted::default() };
            show_again(eventing, request, error, posted).await
        }
    }
}

/// Starts a job on the events that the page's URL names.
async fn events(
    State(eventing): State<Eventing>,
    Path(project): Path<String>,
    Query(filter): Query<EventFilter>,
    mut request: Request,
) -> Response {
    let values = match Values::of(&mut request).await {
        Ok(values) => values,
        Err(refused) => return *refused,
    };
    let action = match values.get("intent") {
        "redeliver" => JobAction::Redeliver,
        "cancel" => JobAction::Cancel,
        other => return unknown(eventing, request, other).await,
    };
    let form = JobForm { action, filter, rate: values.get("rate").to_owned() };
    match eventing.start_job(&project, &form).await {
        Ok(_) => Redirect::to(&jobs_path(&project)).into_response(),
        Err(error) => {
            let posted = Posted { intent: action.as_str().into(), job: Some(form), ..Posted::default() };
            show_again(eventing, request, error, posted).await
        }
    }
}

/// Redelivers or cancels what is on an event's page.
async fn event(
    State(eventing): State<Eventing>,
    Path((project, id)): Path<(String, String)>,
    mut request: Request,
) -> Response {
    let values = match Values::of(&mut request).await {
        Ok(values) => values,
        Err(refused) => return *refused,
    };
    let trigger = Some(values.get("trigger")).filter(|name| !name.is_empty());
    let (action, done) = match values.get("intent") {
        "redeliver" => (JobAction::Redeliver, eventing.redeliver(&project, &id, trigger).await),
        "cancel" => (JobAction::Cancel, eventing.cancel(&project, &id, trigger).await),
        other => return unknown(eventing, request, other).await,
    };
    match done {
        Ok(changed) if changed.left.is_empty() => {
            Redirect::to(&format!("{}/{id}", events_path(&project))).into_response()
        }
        // Some of it is done, and what is not would be told nowhere else.
        Ok(changed) => show_refused(eventing, request, StatusCode::OK, said(action, &changed)).await,
        Err(error) => refuse(eventing, request, error).await,
    }
}

async fn jobs(State(eventing): State<Eventing>, Path(project): Path<String>, mut request: Request) -> Response {
    let values = match Values::of(&mut request).await {
        Ok(values) => values,
        Err(refused) => return *refused,
    };
    if values.get("intent") != "stop" {
        return unknown(eventing, request, values.get("intent")).await;
    }
    match eventing.cancel_job(&project, values.get("job")).await {
        Ok(_) => Redirect::to(&jobs_path(&project)).into_response(),
        Err(error) => refuse(eventing, request, error).await,
    }
}

async fn unknown(eventing: Eventing, request: Request, intent: &str) -> Response {
    refuse(eventing, request, Error::Malformed(format!("The page has no form {intent:?}."))).await
}

/// The page that a button is on, and why it did nothing.
async fn refuse(eventing: Eventing, request: Request, error: Error) -> Response {
    show_refused(eventing, request, status_of(&error), error.to_string()).await
}

async fn show_refused(eventing: Eventing, request: Request, status: StatusCode, why: String) -> Response {
    let context = move || {
        provide_context(eventing.clone());
        provide_context(Refused(why.clone()));
    };
    show(request, status, context).await
}

/// The page that the form is on, with the form as it was typed.
async fn show_again(eventing: Eventing, request: Request, error: Error, mut posted: Posted) -> Response {
    let status = status_of(&error);
    match error {
        Error::Invalid(errors) => posted.errors = errors,
        other => posted.failure = Some(other.to_string()),
    }
    let context = move || {
        provide_context(eventing.clone());
        provide_context(posted.clone());
    };
    show(request, status, context).await
}

fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Malformed(_) => StatusCode::BAD_REQUEST,
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::BacklogFull => StatusCode::TOO_MANY_REQUESTS,
        Error::Unavailable | Error::Uncertain => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The page of a request, as the answer to what was posted to it.
async fn show(request: Request, status: StatusCode, context: impl Fn() + Clone + Send + Sync + 'static) -> Response {
    let (mut parts, _) = request.into_parts();
    parts.method = Method::GET;
    let render = leptos_axum::render_app_async_with_context(context, shell);
    let mut response = render(Request::from_parts(parts, Body::empty())).await;
    *response.status_mut() = status;
    response
}
