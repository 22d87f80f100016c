//! Background tasks never leave quietly: one that panics is started again, with what it holds, so that a node is never half
//! alive.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::task::TaskTracker;

/// Before a task that panicked is started again: whatever made it panic may still be there.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs a task until it ends by itself. `state` is what must outlive a panic of it, such as the channel that it reads.
pub(super) fn supervise<S, T>(tasks: &TaskTracker, name: &'static str, mut state: S, task: T)
where
    S: Send + 'static,
    T: for<'a> Fn(&'a mut S) -> BoxFuture<'a, ()> + Send + Sync + 'static,
{
    tasks.spawn(async move {
        // The panic itself is logged by the panic hook; see `telemetry`.
        while AssertUnwindSafe(async { task(&mut state).await }).catch_unwind().await.is_err() {
            tracing::error!(task = name, "a background task panicked; it starts again");
            tokio::time::sleep(PAUSE).await;
        }
    });
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_goes_on_with_what_it_holds() {
        let tasks = TaskTracker::new();
        let (numbers, received) = mpsc::channel(8);
        supervise(&tasks, "adder", (received, 0), |(received, sum): &mut (mpsc::Receiver<i32>, i32)| {
            async move {
                while let Some(number) = received.recv().await {
                    assert_ne!(number, 13, "as told");
                    *sum += number;
                }
                assert_eq!(*sum, 111);
            }
            .boxed()
        });
        for number in [1, 13, 10, 100] {
            numbers.send(number).await.expect("somebody listens");
        }
        drop(numbers);
        tasks.close();
        // A wrong sum panics for ever.
        tokio::time::timeout(Duration::from_secs(10), tasks.wait()).await.expect("the task ends");
    }
}
