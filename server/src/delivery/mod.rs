//! One attempt: the CloudEvent, the guarded HTTP exchange, and when to try again.

pub mod client;
pub mod cloud_event;
pub mod guard;
pub mod retry;

pub use client::{Client, Exchange};
pub use guard::{NetworkGuard, TargetUrl};
pub use retry::Backoff;
