//! The one facade that the HTTP API and Mission Control's server functions both call, so that no logic is written twice.

mod backlog;
mod bounds;
mod detail;
mod error;
mod events;
pub mod fields;
mod filter;
mod jobs;
mod live;
mod log;
pub mod names;
mod projects;
mod redelivery;
pub mod request;
mod send;
mod stats;
mod triggers;

use std::sync::Arc;

use tokio::sync::Notify;
use uuid::Uuid;

use crate::delivery::NetworkGuard;
use crate::model::Limit;
use crate::queue::Engine;
use crate::store::{ProjectRow, Store};

pub use error::Error;
pub use events::{QueuedEvent, Synchronous, result_of};
pub use live::Live;
pub use projects::{DefaultsInput, ProjectInput};
pub use triggers::TriggerInput;

/// All that a user can ask for. Cheap to clone.
#[derive(Clone)]
pub struct Eventing {
    engine: Engine,
    guard: Arc<NetworkGuard>,
    dev_mode: bool,
    /// The server's settings, to be shown.
    limits: Arc<[Limit]>,
    /// A job waits to be taken up.
    new_job: Arc<Notify>,
    backlogs: Arc<backlog::Backlogs>,
}

impl Eventing {
    pub fn new(engine: Engine, guard: Arc<NetworkGuard>, dev_mode: bool) -> Self {
        let (limits, new_job, backlogs) = (Arc::default(), Arc::default(), Arc::default());
        let eventing = Self { engine, guard, dev_mode, limits, new_job, backlogs };
        let worker = eventing.clone();
        eventing.engine.spawn("jobs", move |stop| worker.clone().work_on_jobs(stop));
        eventing
    }

    /// The server's settings that people want to see beside their projects.
    pub fn with_limits(self, limits: Vec<Limit>) -> Self {
        Self { limits: limits.into(), ..self }
    }

    /// No login, loopback webhooks allowed: to be said on every page.
    pub fn dev_mode(&self) -> bool {
        self.dev_mode
    }

    /// Whether this node can do its work: the database answers, and takes what is written.
    pub async fn ready(&self) -> Result<(), Error> {
        self.store().ping().await?;
        if self.engine.is_well() { Ok(()) } else { Err(Error::Unavailable) }
    }

    fn store(&self) -> &Store {
        self.engine.store()
    }

    async fn find_project(&self, name: &str) -> Result<ProjectRow, Error> {
        may_be_project(name)?;
        self.store().project(name).await?.ok_or_else(|| unknown_project(name))
    }
}

/// Spares the database names that nothing can have, such as one with a null character, which PostgreSQL's text cannot hold.
fn may_be_project(name: &str) -> Result<(), Error> {
    names::Name::parse(name).map(drop).map_err(|_| unknown_project(name))
}

/// The id of an event as it stands in a path.
pub fn event_id(text: &str) -> Result<Uuid, Error> {
    text.parse().map_err(|_| Error::NotFound(format!("{text:?} is not the id of an event.")))
}

fn unknown_project(name: &str) -> Error {
    Error::NotFound(format!("There is no project {name:?}."))
}
