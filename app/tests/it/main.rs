//! The tests that speak HTTP to real `mission-control` processes on a real PostgreSQL, with real receivers.

mod admin_api;
mod claims;
mod delivery;
mod engine;
mod events_api;
mod hostile_clients;
mod hostile_webhooks;
mod jobs;
mod pages;
mod poison;
mod queue_api;
mod scheduling;
mod ssrf;
mod start_up;
mod support;
