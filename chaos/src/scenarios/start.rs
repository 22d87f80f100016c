//! Nodes that start at the same moment.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Findings, Scenario};
use crate::context::Context;
use crate::system::{Shape, System};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "start-together",
    shows: "five nodes start at once on an empty database, and five more on what they have made of it",
    alone: false,
    run: |context| Box::pin(together(context)),
}];

/// Events a second.
const RATE: u32 = 200;
const NODES: usize = 5;

async fn together(context: &Context) -> Result<Findings> {
    let (mut acknowledged, mut delivered, mut slowest, mut sets) = (0, 0, Duration::ZERO, 0);
    for _ in context.each_round() {
        let alone = System::of_shape(context, &context.shared.cluster, 1, Shape::default()).await?;
        let expected = partitions(&alone).await?;
        alone.stop().await?;

        let mut system = System::of_shape(context, &context.shared.cluster, 0, Shape::default()).await?;
        for _ in 0..2 {
            let clock = Instant::now();
            system.start_together(NODES).await?;
            slowest = slowest.max(clock.elapsed());
        }
        let found = partitions(&system).await?;
        ensure!(found == expected, "together they made {found:?}, and one alone makes {expected:?}");
        sets = found.len();
        let migrations = system.database.number("select count(*) from _sqlx_migrations where success").await?;
        let instances = system.database.number("select count(*) from instance").await?;
        ensure!(migrations >= 1 && instances == 1, "{migrations} migrations and {instances} instances");
        let logged = system.logged()?;
        ensure!(logged.is_empty(), "the nodes complained: {logged}");
        let load = system.load(RATE).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        system.all_run()?;
        let (_, books) = system.close_books(load, 0).await?;
        system.stop().await?;
        acknowledged += books.acknowledged;
        delivered += books.delivered;
    }
    let text = format!(
        "all {} listen after {:.1} s at most, without a warning in their logs; the {sets} partitions that one node alone makes; {acknowledged} events acknowledged, {delivered} deliveries made, 0 lost, 0 duplicates",
        2 * NODES,
        slowest.as_secs_f64()
    );
    Ok(Findings { rounds: context.rounds(), text })
}

/// The partitions with their bounds.
async fn partitions(system: &System) -> Result<Vec<String>> {
    let sql = "select c.relname || ' ' || pg_get_expr(c.relpartbound, c.oid) from pg_class c
                where c.relispartition and c.relkind = 'r' order by 1";
    Ok(sqlx::query_scalar(sql).fetch_all(&system.database.pool).await?)
}
