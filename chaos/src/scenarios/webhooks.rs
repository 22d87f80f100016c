//! Webhooks that mean harm, and addresses that none may have. The integration tests ask for more of each.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rig::{End, FORBIDDEN_ADDRESSES, HostileWebhook, Receiver, flooding_webhooks, hostile_webhooks};
use serde_json::{Value, json};
use sqlx::Row;

use super::{Findings, Scenario};
use crate::context::Context;
use crate::system::{System, TRIGGERS_PATH};
use crate::watch::watched;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "hostile-webhooks",
        shows: "webhooks that hang, drip, flood, break off, lie or redirect, beside two that work",
        alone: true,
        run: |context| Box::pin(hostile(context)),
    },
    Scenario {
        name: "addresses",
        shows: "triggers are saved with forbidden addresses, and others are changed to them in the database",
        alone: false,
        run: |context| Box::pin(addresses(context)),
    },
];

/// Events a second to the webhooks that work.
const RATE: u32 = 50;
const TIMEOUT: Duration = Duration::from_millis(500);
/// How far beyond its timeout an attempt may go.
const OVERSHOOT: Duration = Duration::from_millis(100);
/// How much a node may grow after the first round, which fills pools and buffers; in MiB.
const GROWTH: u64 = 24;
/// A timeout that is not kept is kept in no round; one that a busy machine has kept late is kept in another.
const ROUNDS: u32 = 3;
/// How long a round may take.
const PATIENCE: Duration = Duration::from_secs(30);

async fn hostile(context: &Context) -> Result<Findings> {
    let mut system = System::start(context, 1).await?;
    let webhooks = hostile_webhooks();
    let acts = webhooks.iter().map(|one| (one.name, one.act.clone())).chain(flooding_webhooks());
    let (mut receivers, settings) = (Vec::new(), json!({"retries": 0, "timeout": TIMEOUT.as_millis() as u64}));
    for (name, act) in acts {
        let receiver = Receiver::start(move |_, _| act.clone()).await?;
        system.create_trigger(name, "hostile", &receiver.url(), settings.clone()).await?;
        receivers.push(receiver);
    }
    let load = system.load(RATE).await?;
    let (mut sizes, mut slowest_answer) = (Vec::new(), Duration::ZERO);
    let rounds = ROUNDS.max(context.rounds().min(10));
    for _ in 0..rounds {
        let (size, seen) = watched(&system, one_round(&system)).await?;
        sizes.push(size);
        slowest_answer = slowest_answer.max(seen.slowest_answer);
    }
    let (first, last) = (sizes[0], sizes[sizes.len() - 1]);
    ensure!(last < first + GROWTH, "{first} MiB grew to {last} MiB");
    let mut worst = Duration::ZERO;
    for webhook in &webhooks {
        worst = worst.max(judge(&system, webhook, rounds).await?);
    }
    system.all_run()?;
    system.no_fault()?;
    let (_, books) = system.close_books(load, 0).await?;
    system.stop().await?;
    let text = format!(
        "{} attempts at {} webhooks, each recorded with its reason in plain words; the timeout of 500 ms kept to {:.0} ms at worst; beside them {}, {} duplicates; health answered within {:.0} ms; {first} MiB after the first round, {last} MiB after the last",
        receivers.len() as u32 * rounds,
        receivers.len(),
        worst.as_secs_f64() * 1_000.0,
        books.summary(),
        books.duplicates,
        slowest_answer.as_secs_f64() * 1_000.0
    );
    Ok(Findings { rounds, text })
}

/// One event to every hostile webhook. Gives the size of the node after it.
async fn one_round(system: &System) -> Result<u64> {
    system.queue(&json!({"type": "hostile"})).await?;
    let sql = "select count(*) from queue q join events e on e.id = q.event_id where e.type = 'hostile'";
    system.database.until_none(sql, PATIENCE).await?;
    system.resident()
}

/// Looks at what the history says of a webhook. Gives by how much its timeout was exceeded at worst.
async fn judge(system: &System, webhook: &HostileWebhook, rounds: u32) -> Result<Duration> {
    let name = webhook.name;
    let attempts = sqlx::query(
        "select d.status::text, d.attempts, d.error, d.duration_us from deliveries d
           join triggers t on t.id = d.trigger_id where t.name = $1",
    );
    let attempts = attempts.bind(name).fetch_all(&system.database.pool).await?;
    ensure!(attempts.len() == rounds as usize, "{name}: {} of {rounds} attempts in the history", attempts.len());
    let mut durations = Vec::new();
    for attempt in attempts {
        let (status, count): (&str, i16) = (attempt.get(0), attempt.get(1));
        let error: &str =
            attempt.get::<Option<&str>, _>(2).with_context(|| format!("{name} failed without a reason"))?;
        let duration: i32 = attempt.get::<Option<i32>, _>(3).with_context(|| format!("{name} took no time"))?;
        ensure!((status, count) == ("failed", 1), "{name}: {status} after {count} attempts");
        ensure!(error.contains(webhook.reason), "{name}: {error}");
        ensure!(error.ends_with('.') && !error.contains("Error"), "{name} in plain words: {error}");
        durations.push(Duration::from_micros(duration.unsigned_abs().into()));
    }
    let (shortest, longest) = durations
        .iter()
        .fold((Duration::MAX, Duration::ZERO), |(shortest, longest), one| (shortest.min(*one), longest.max(*one)));
    ensure!(shortest < TIMEOUT + OVERSHOOT, "{name} took {shortest:?} at best");
    if webhook.end == End::AtTimeout {
        ensure!(shortest >= TIMEOUT, "{name} was given up after {shortest:?}");
    }
    Ok(longest.saturating_sub(TIMEOUT))
}

async fn addresses(context: &Context) -> Result<Findings> {
    let system = System::start(context, 1).await?;
    // These nodes listen on loopback, and are in dev mode.
    let forbidden: Vec<_> = FORBIDDEN_ADDRESSES.iter().filter(|address| address.in_dev_mode).collect();
    // Saved while its name cannot be resolved.
    system.create_trigger("one", "one", "http://no-such-host.invalid/", json!({"retries": 0})).await?;
    for address in &forbidden {
        let url = address.url(system.receiver.port());
        let trigger = json!({"type": "two", "url": url});
        let (status, answer) = system.post(&format!("{TRIGGERS_PATH}/two"), trigger.to_string()).await?;
        ensure!(status == 422 && answer.contains(address.reason), "{url} was answered {status} {answer}");
        // As if it had been saved before it was forbidden.
        let change = sqlx::query("update triggers set url = $1, version = version + 1 where name = 'one'").bind(&url);
        change.execute(&system.database.pool).await?;
        let event = json!({"type": "one", "isSynchronous": true});
        let (status, answer) = system.post(crate::system::QUEUE_PATH, event.to_string()).await?;
        let answer: Value = serde_json::from_str(&answer)?;
        let error = answer["deliveries"][0]["error"].as_str().unwrap_or_default();
        ensure!(status == 502 && error.contains(address.reason), "{url} was answered {status} {answer}");
    }
    let reached = system.receiver.look(<[_]>::len);
    ensure!(reached == 0, "a webhook behind a forbidden address got {reached} requests");
    system.no_fault()?;
    system.stop().await?;
    let text = format!(
        "{} forms of address refused at save and at delivery, each with its reason; 0 requests arrived",
        forbidden.len()
    );
    Ok(Findings { rounds: 1, text })
}
