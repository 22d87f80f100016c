//! What is broken, one module a group.

mod crash;
mod database;
mod lease;
mod shutdown;

use anyhow::Result;
use futures::future::LocalBoxFuture;

use crate::context::Context;

/// One way to break the system, and the proof that it holds.
pub struct Scenario {
    pub name: &'static str,
    /// What it shows, as a row of the report says it.
    pub shows: &'static str,
    pub run: for<'a> fn(&'a Context) -> LocalBoxFuture<'a, Result<Findings>>,
}

/// What a scenario found, given that all it asserts holds.
#[derive(Clone, Debug)]
pub struct Findings {
    pub rounds: u32,
    /// What was asserted, with figures.
    pub text: String,
}

/// All scenarios, in the order of the report.
pub fn all() -> impl Iterator<Item = &'static Scenario> {
    [crash::SCENARIOS, database::SCENARIOS, lease::SCENARIOS, shutdown::SCENARIOS].into_iter().flatten()
}
