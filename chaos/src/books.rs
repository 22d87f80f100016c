//! The books: what was acknowledged against what the webhooks received.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::{Result, ensure};
use rig::Received;
use uuid::Uuid;

use crate::load::Acknowledged;

/// One event to one trigger.
pub type Delivery = (Uuid, i32);

/// A request to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub delivery: Delivery,
    /// From 1, as its header says.
    pub attempt: u16,
    pub at: Instant,
}

impl Arrival {
    /// `None`: not a request of the product.
    pub fn of(request: &Received) -> Option<Self> {
        let mut parts = request.header("mission-control-delivery").split('.');
        let delivery = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { delivery, attempt: request.header("mission-control-attempt").parse().ok()?, at: request.at })
    }
}

/// What should have arrived, and what did.
#[derive(Debug, Default)]
pub struct Books {
    pub acknowledged: usize,
    /// Requests that were not answered in time, or whose connection broke.
    pub unanswered: u64,
    /// Deliveries that arrived, each counted once.
    pub delivered: usize,
    /// Requests beyond the first one of each delivery.
    pub duplicates: usize,
    /// The requests of the first delivery that was made again, in words.
    again: String,
    /// Deliveries of acknowledged events that never arrived.
    pub lost: Vec<Delivery>,
}

impl Books {
    pub fn new(acknowledged: &[Acknowledged], unanswered: u64, triggers: &[i32], arrivals: &[Arrival]) -> Self {
        let mut seen: HashMap<Delivery, usize> = HashMap::with_capacity(arrivals.len());
        for arrival in arrivals {
            *seen.entry(arrival.delivery).or_default() += 1;
        }
        let again = arrivals.iter().find(|arrival| seen[&arrival.delivery] > 1).map(|first| {
            let requests = arrivals.iter().filter(|one| one.delivery == first.delivery);
            let told = requests.map(|one| format!("attempt {} after {:?}", one.attempt, one.at - first.at));
            told.collect::<Vec<_>>().join(", ")
        });
        let expected = acknowledged.iter().flat_map(|event| triggers.iter().map(|trigger| (event.id, *trigger)));
        Self {
            acknowledged: acknowledged.len(),
            unanswered,
            delivered: seen.len(),
            duplicates: arrivals.len() - seen.len(),
            again: again.unwrap_or_default(),
            lost: expected.filter(|delivery| !seen.contains_key(delivery)).collect(),
        }
    }

    /// What holds once [`Self::check`] has passed.
    pub fn summary(&self) -> String {
        let unanswered = match self.unanswered {
            0 => String::new(),
            count => format!(", {count} requests unanswered"),
        };
        format!("{} events acknowledged{unanswered}, {} deliveries made, 0 lost", self.acknowledged, self.delivered)
    }

    /// Nothing lost, and no more duplicates than were allowed.
    pub fn check(&self, allowed_duplicates: usize) -> Result<()> {
        ensure!(self.acknowledged > 0, "nothing was acknowledged, so nothing is shown");
        ensure!(
            self.lost.is_empty(),
            "{} deliveries of {} acknowledged events were lost, first: {:?}",
            self.lost.len(),
            self.acknowledged,
            self.lost.first()
        );
        ensure!(
            self.duplicates <= allowed_duplicates,
            "{} duplicates, and at most {allowed_duplicates} deliveries were in flight; one of them: {}",
            self.duplicates,
            self.again
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(event: Uuid, trigger: i32, attempt: u16) -> Arrival {
        Arrival { delivery: (event, trigger), attempt, at: Instant::now() }
    }

    #[test]
    fn lost_and_repeated_deliveries_are_found() {
        let (one, two, unknown) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let now = Instant::now();
        let acknowledged = [one, two].map(|id| Acknowledged { id, sent_at: now, at: now });
        let arrivals = [arrival(one, 1, 1), arrival(one, 2, 1), arrival(one, 2, 2), arrival(unknown, 1, 1)];
        let books = Books::new(&acknowledged, 0, &[1, 2], &arrivals);
        assert_eq!((books.acknowledged, books.delivered, books.duplicates), (2, 3, 1));
        assert_eq!(books.lost, [(two, 1), (two, 2)]);
        assert!(books.check(1).is_err());
        let all = [arrivals.as_slice(), &[arrival(two, 1, 1), arrival(two, 2, 1)]].concat();
        let books = Books::new(&acknowledged, 0, &[1, 2], &all);
        assert!(books.check(1).is_ok() && books.check(0).is_err());
        assert!(Books::default().check(0).is_err(), "books about nothing show nothing");
    }
}
