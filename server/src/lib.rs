//! The event queue and its HTTP API on the server; in the browser, what Mission Control shares with it.
//!
//! Without the feature `ssr` only [`model`] and the stubs of [`functions`] exist, so that the browser's part holds no
//! database, no HTTP server and no runtime. ARCHITECTURE.md follows an event through these modules.

pub mod functions;
pub mod model;

#[cfg(feature = "ssr")]
pub mod api;
#[cfg(feature = "ssr")]
pub mod config;
#[cfg(feature = "ssr")]
pub mod connections;
#[cfg(feature = "ssr")]
pub mod delivery;
#[cfg(feature = "ssr")]
pub mod eventing;
#[cfg(feature = "ssr")]
mod limits;
#[cfg(feature = "ssr")]
pub mod listen;
#[cfg(feature = "ssr")]
pub mod queue;
#[cfg(feature = "ssr")]
mod serve;
#[cfg(feature = "ssr")]
pub mod store;
#[cfg(feature = "ssr")]
pub mod telemetry;

#[cfg(feature = "ssr")]
pub use serve::{ServeError, serve};
