//! Says now and then what is under way.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use crate::context::Context;

/// Between two lines.
const EVERY: Duration = Duration::from_secs(30);

/// The scenarios under way.
#[derive(Default)]
pub struct Progress(RefCell<Vec<(&'static str, Weak<Context>)>>);

impl Progress {
    pub fn begin(&self, name: &'static str, context: &Rc<Context>) {
        self.0.borrow_mut().push((name, Rc::downgrade(context)));
    }

    pub fn end(&self, name: &'static str) {
        self.0.borrow_mut().retain(|(running, _)| *running != name);
    }

    /// Prints lines until it is dropped.
    pub async fn tell(&self) -> Infallible {
        let began = Instant::now();
        loop {
            tokio::time::sleep(EVERY).await;
            println!("… {} s: {}", began.elapsed().as_secs(), self.line());
        }
    }

    /// The scenarios with the rounds they are in.
    fn line(&self) -> String {
        let running = self.0.borrow();
        let each = running.iter().filter_map(|(name, context)| {
            let context = context.upgrade()?;
            let rounds = format!("{name} (round {} of {})", context.round(), context.rounds());
            Some(if context.round() == 0 { (*name).to_owned() } else { rounds })
        });
        each.collect::<Vec<_>>().join(", ")
    }
}
