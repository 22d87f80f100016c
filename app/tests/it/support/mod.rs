//! A fresh database a test, servers that can be killed, receivers that answer as told.

mod certificates;
mod database;
mod in_process;
mod receiver;
mod server;

use std::time::{Duration, Instant};

pub use rig::{Act, Received};

pub use certificates::Authority;
pub use database::data_dir;
pub use database::{Cut, Database};
pub use in_process::InProcess;
pub use receiver::Receiver;
pub use server::{Answer, Process, Server, a_moment, free_port, settled};

/// How long a condition may take to come true. Generous: machines that run tests are busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until a condition holds, looking every few milliseconds.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not in {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
