//! Nodes that start at the same moment.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rig::MIGRATIONS;
use serde_json::Value;
use uuid::Uuid;

use super::{Findings, Scenario};
use crate::books::Books;
use crate::context::Context;
use crate::system::{Shape, System};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "start-together",
        shows: "five nodes start at once on an empty database, and five more on what they have made of it, held up by another node",
        alone: false,
        run: |context| Box::pin(together(context)),
    },
    Scenario {
        name: "upgrade",
        shows: "five nodes start at once on a database with an older schema, which holds pending and failed deliveries",
        alone: false,
        run: |context| Box::pin(upgrade(context)),
    },
];

/// Events a second.
const RATE: u32 = 200;
const NODES: usize = 5;
/// For how long nodes that start wait for another one: longer than a statement takes that is worth a warning (1 s).
const HELD_UP: Duration = Duration::from_millis(1_500);

async fn together(context: &Context) -> Result<Findings> {
    let (mut acknowledged, mut delivered, mut slowest, mut sets) = (0, 0, Duration::ZERO, 0);
    for _ in context.each_round() {
        let alone = System::of_shape(context, &context.shared.cluster, 1, Shape::default()).await?;
        let expected = partitions(&alone).await?;
        alone.stop().await?;

        let mut system = System::of_shape(context, &context.shared.cluster, 0, Shape::default()).await?;
        let clock = Instant::now();
        system.start_together(NODES).await?;
        slowest = slowest.max(clock.elapsed());

        // As if another node took long over the partitions: who waits for it has nothing to complain of, and those that have
        // started go on without.
        let mut other = system.database.pool.begin().await?;
        sqlx::query("select from instance for update").execute(&mut *other).await?;
        let (started, freed) = tokio::join!(system.start_together(NODES), async {
            tokio::time::sleep(HELD_UP).await;
            other.commit().await
        });
        started?;
        freed?;
        let found = partitions(&system).await?;
        ensure!(found == expected, "together they made {found:?}, and one alone makes {expected:?}");
        sets = found.len();
        let migrations = system.database.number("select count(*) from _sqlx_migrations where success").await?;
        let instances = system.database.number("select count(*) from instance").await?;
        ensure!(migrations >= 1 && instances == 1, "{migrations} migrations and {instances} instances");
        let books = work_quietly(system).await?;
        acknowledged += books.acknowledged;
        delivered += books.delivered;
    }
    let text = format!(
        "all {} listen, {NODES} after {:.1} s at most and {NODES} while another node held them up for {:.1} s, without a warning in their logs; the {sets} partitions that one node alone makes; {acknowledged} events acknowledged, {delivered} deliveries made, 0 lost, 0 duplicates",
        2 * NODES,
        slowest.as_secs_f64(),
        HELD_UP.as_secs_f64()
    );
    Ok(Findings { rounds: context.rounds(), text })
}

/// What an older version left: two triggers (`$1`: their webhook), pending events and as many whose deliveries have failed
/// (`$1`: all their identifiers).
const LEFT: [&str; 4] = [
    "insert into projects (name, title) values ('default', 'Default')",
    "insert into triggers (project_id, name, type, url, retries, timeout_ms, types, first_event)
     select p.id, 'chaos-' || n, 'chaos', $1, 3, 2000, '{chaos}', uuid_at(now()) from projects p, generate_series(0, 1) n",
    "with made as (
         insert into events (id, project_id, due_at, triggers, type, data)
         select e.id, p.id, now(), 2, case when e.place % 2 = 0 then 'chaos' else 'old' end, '{}'
           from projects p, unnest($1::uuid[]) with ordinality as e (id, place)
         returning id, project_id, type
     )
     insert into queue (due_at, event_id, trigger_id, project_id)
     select now(), m.id, t.id, m.project_id from made m cross join triggers t where m.type = 'chaos'",
    "insert into deliveries (event_id, project_id, trigger_id, status, run, attempts, error)
     select e.id, e.project_id, t.id, 'failed', 0, 4, 'failed of old' from events e cross join triggers t where e.type = 'old'",
];
/// Of each kind.
const OLD_EVENTS: usize = 100;

async fn upgrade(context: &Context) -> Result<Findings> {
    let newest = MIGRATIONS.iter().map(|one| one.version).max();
    let older: Vec<_> = MIGRATIONS.iter().map(|one| one.version).filter(|version| Some(*version) < newest).collect();
    ensure!(!older.is_empty(), "there is no older schema");
    let (mut acknowledged, mut delivered, mut slowest) = (0, 0, Duration::ZERO);
    for round in context.each_round() {
        let mut system = System::of_shape(context, &context.shared.cluster, 0, Shape::default()).await?;
        let pool = &system.database.pool;
        MIGRATIONS.run_to(older[round as usize % older.len()], pool).await?;
        sqlx::query("select create_partitions(current_date, 2)").execute(pool).await?;
        let [project, triggers, pending, failed] = LEFT;
        sqlx::query(project).execute(pool).await?;
        sqlx::query(triggers).bind(system.receiver.url()).execute(pool).await?;
        let ids: Vec<_> = (0..2 * OLD_EVENTS).map(|_| Uuid::now_v7()).collect();
        sqlx::query(pending).bind(&ids).execute(pool).await?;
        sqlx::query(failed).execute(pool).await?;

        let clock = Instant::now();
        system.start_together(NODES).await?;
        slowest = slowest.max(clock.elapsed());
        let migrations = system.database.number("select count(*) from _sqlx_migrations where success").await?;
        ensure!(migrations as usize == MIGRATIONS.iter().count(), "{migrations} migrations have run");
        let (status, answer) = system.get("/v1/api/default/eventing/events?status=failed&limit=100").await?;
        let failed = serde_json::from_str::<Value>(&answer)?["events"].as_array().map_or(0, Vec::len);
        ensure!(status == 200 && failed == OLD_EVENTS, "{failed} failed events are found: {answer}");

        let books = work_quietly(system).await?;
        acknowledged += books.acknowledged;
        delivered += books.delivered;
        ensure!(books.delivered >= 2 * (books.acknowledged + OLD_EVENTS), "what was pending was not delivered");
    }
    let text = format!(
        "all {NODES} listen after {:.1} s at most, without a warning in their logs; {OLD_EVENTS} old failed events found and {OLD_EVENTS} pending ones delivered each time; {acknowledged} events acknowledged, {delivered} deliveries made, 0 lost, 0 duplicates",
        slowest.as_secs_f64()
    );
    Ok(Findings { rounds: context.rounds(), text })
}

/// The nodes have started without a warning, deliver for a moment, and stop.
async fn work_quietly(mut system: System) -> Result<Books> {
    let logged = system.logged()?;
    ensure!(logged.is_empty(), "the nodes complained: {logged}");
    let load = system.load(RATE).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    system.all_run()?;
    let (_, books) = system.close_books(load, 0).await?;
    system.stop().await?;
    Ok(books)
}

/// The partitions with their bounds.
async fn partitions(system: &System) -> Result<Vec<String>> {
    let sql = "select c.relname || ' ' || pg_get_expr(c.relpartbound, c.oid) from pg_class c
                where c.relispartition and c.relkind = 'r' order by 1";
    Ok(sqlx::query_scalar(sql).fetch_all(&system.database.pool).await?)
}
