//! What is broken, one module a group.

mod clients;
mod contention;
mod crash;
mod database;
mod disk;
mod lease;
mod overload;
mod poison;
mod shutdown;
mod start;
mod webhooks;

use anyhow::Result;
use futures::future::LocalBoxFuture;

use crate::context::Context;

/// One way to break the system, and the proof that it holds.
pub struct Scenario {
    pub name: &'static str,
    /// What it shows, as a row of the report says it.
    pub shows: &'static str,
    /// It measures times or throughput, so nothing else runs beside it.
    pub alone: bool,
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
    let groups = [
        crash::SCENARIOS,
        database::SCENARIOS,
        disk::SCENARIOS,
        contention::SCENARIOS,
        lease::SCENARIOS,
        shutdown::SCENARIOS,
        start::SCENARIOS,
        overload::SCENARIOS,
        webhooks::SCENARIOS,
        clients::SCENARIOS,
        poison::SCENARIOS,
    ];
    groups.into_iter().flatten()
}
