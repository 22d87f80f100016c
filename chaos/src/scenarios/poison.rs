//! Events that cannot be delivered because of what the database holds of them.

use std::time::Duration;

use anyhow::{Result, ensure};
use rig::{Act, Receiver};
use serde_json::{Value, json};

use super::{Findings, Scenario};
use crate::context::Context;
use crate::system::System;

pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "poison",
    shows: "of 30 scheduled events one is damaged in the database and one is gone from it; then all are due",
    alone: false,
    run: |context| Box::pin(damage(context)),
}];

/// Events a second beside them.
const RATE: u32 = 100;
const SCHEDULED: usize = 30;
/// Damaged, or gone.
const POISONED: usize = 2;
/// The deliveries are made due in the end, and are leased by nobody before.
const DAMAGE: &str = "update events set due_at = 'infinity' where type = 'scheduled' and data = '7';
     delete from events where type = 'scheduled' and data = '8';
     update queue set due_at = now() where owner is null and due_at > now() + interval '1 minute'";
/// Within which all of them have ended.
const PATIENCE: Duration = Duration::from_secs(30);

async fn damage(context: &Context) -> Result<Findings> {
    let mut system = System::start(context, 2).await?;
    let receiver = Receiver::start(|_, _| Act::ok()).await?;
    system.create_trigger("scheduled", "scheduled", &receiver.url(), json!({"retries": 0})).await?;
    let load = system.load(RATE).await?;
    for round in context.each_round() {
        let batch: Vec<_> =
            (0..SCHEDULED).map(|number| json!({"type": "scheduled", "delay": 3600, "data": number})).collect();
        system.queue(&Value::from(batch)).await?;
        system.database.execute(DAMAGE).await?;
        let pending = "select count(*) from queue q join triggers t on t.id = q.trigger_id where t.name = 'scheduled'";
        system.database.until_none(pending, PATIENCE).await?;
        let (arrived, rounds) = (receiver.look(<[_]>::len), round as usize + 1);
        let expected = (SCHEDULED - POISONED) * rounds;
        ensure!(arrived == expected, "{arrived} deliveries arrived instead of {expected}");
        let set_aside = "select count(*) from deliveries where status = 'failed' and error like '%gone from the database, or damaged%'";
        let set_aside = system.database.number(set_aside).await?;
        ensure!(set_aside as usize == POISONED * rounds, "{set_aside} deliveries were set aside");
    }
    system.all_run()?;
    system.no_fault()?;
    let (_, books) = system.close_books(load, 0).await?;
    system.stop().await?;
    let text = format!(
        "of {} scheduled deliveries {} arrived and {} were set aside as failed, with their reason; beside them {}, {} duplicates; no panic",
        SCHEDULED * context.rounds() as usize,
        (SCHEDULED - POISONED) * context.rounds() as usize,
        POISONED * context.rounds() as usize,
        books.summary(),
        books.duplicates
    );
    Ok(Findings { rounds: context.rounds(), text })
}
