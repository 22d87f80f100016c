use std::ops::Deref;

use rig::{Act, Received};

use super::eventually;

/// A webhook that panics where a test would have to fail.
pub struct Receiver(rig::Receiver);

impl Receiver {
    /// Answers 200 to everything.
    pub async fn ok() -> Self {
        Self::start(|_, _| Act::ok()).await
    }

    /// `behave` gets the number of the request, from 0, and the request.
    pub async fn start(behave: impl Fn(usize, &Received) -> Act + Send + Sync + 'static) -> Self {
        Self(rig::Receiver::start(behave).await.expect("a port"))
    }

    /// Waits for at least so many requests.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        eventually(&format!("{count} requests"), async || {
            Some(self.received()).filter(|received| received.len() >= count)
        })
        .await
    }
}

impl Deref for Receiver {
    type Target = rig::Receiver;

    fn deref(&self) -> &rig::Receiver {
        &self.0
    }
}
