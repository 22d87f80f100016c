//! One attempt: the CloudEvent, the guarded HTTP exchange, and when to try again.

pub mod client;
pub mod cloud_event;
pub mod course;
pub mod guard;
pub mod retry;

pub use client::{Client, Exchange};
pub use course::Timings;
pub use guard::{NetworkGuard, TargetUrl};
pub use retry::Backoff;
