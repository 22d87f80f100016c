//! How long the event log takes on a long history: each filter's first page, over HTTP.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::report::{Bar, Report, number};
use crate::setup::{Bench, Setup};

const TABLE: &str = "The event log on a long history";
/// Types of events, each with a trigger of its own.
const TYPES: u64 = 20;
/// Days that the history spans.
const DAYS: u64 = 28;
/// How often a page is asked for; the median counts.
const ROUNDS: usize = 9;

/// What is asked for, and how many milliseconds it may take.
const PAGES: [(&str, &str, f64); 15] = [
    ("first page", "", 50.0),
    ("page after a cursor in the middle", "cursor={middle}", 50.0),
    ("by type", "type=type-7", 100.0),
    ("by a type that one in 100,000 has", "type=rare", 100.0),
    ("by trigger", "trigger=trigger-7", 100.0),
    ("by time, one day", "from={day}&to={next_day}", 100.0),
    ("delivered", "status=delivered", 100.0),
    ("failed (1 in 100)", "status=failed", 100.0),
    ("failed, of one trigger", "status=failed&trigger=trigger-10", 100.0),
    ("cancelled (1 in 10,000)", "status=cancelled", 100.0),
    ("without a trigger (1 in 10,000)", "status=no-trigger", 100.0),
    ("scheduled", "status=scheduled", 100.0),
    ("retrying (none)", "status=retrying", 1_000.0),
    ("text in every event", "text=customer", 1_000.0),
    ("text in no event (answers with how far it came)", "text=nowhere", 1_000.0),
];

pub async fn event_log(bench: &Bench, report: &mut Report) -> Result<()> {
    let setup = bench.nodes(1).await?;
    for number in 0..TYPES {
        let (name, event_type) = (format!("trigger-{number}"), format!("type-{number}"));
        bench.trigger(&setup, &name, &event_type, &bench.receiver.url(), true).await?;
    }
    bench.trigger(&setup, "rare", "rare", &bench.receiver.url(), true).await?;
    for day in (0..DAYS).rev() {
        setup.database.execute(&day_of_history(day, bench.scale.finished / DAYS)).await?;
    }
    setup.database.execute(&scheduled(bench.scale.scheduled)).await?;
    for statement in ["update triggers set first_event = uuid_at('epoch')", "vacuum analyze", "checkpoint"] {
        setup.database.execute(statement).await?;
    }
    report.texts.push((
        TABLE.into(),
        format!(
            "{} deliveries in {DAYS} daily partitions, {} scheduled ones; pages of 50 events, median of {ROUNDS}.",
            number(bench.scale.finished as f64),
            number(bench.scale.scheduled as f64)
        ),
    ));
    for (what, query, bar) in PAGES {
        let (took, page) = page(bench, &setup, &filled(query)).await?;
        let events = page["events"].as_array().map_or(0, Vec::len);
        ensure!(events > 0 || what.contains("none") || what.contains("no event"), "{what}: no events: {page}");
        let note = match page["searchedTo"].as_str() {
            Some(time) => format!("{events} events, searched to {time}"),
            None => format!("{events} events"),
        };
        let (took, bar) = (took.as_secs_f64() * 1e3, Bar::AtMost(bar));
        report.add(TABLE, what, took, "ms", bar).note = note;
    }
    setup.stop().await
}

/// Times of the history are told from now on backward.
fn filled(query: &str) -> String {
    let ago = |days: u64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        now.as_millis() as u64 - days * 86_400_000
    };
    query
        .replace("{middle}", &format!("{:012x}{}", ago(DAYS / 2), "0".repeat(20)))
        .replace("{day}", &ago(10).to_string())
        .replace("{next_day}", &ago(9).to_string())
}

async fn page(bench: &Bench, setup: &Setup, query: &str) -> Result<(Duration, Value)> {
    let url = format!("http://{}/v1/api/default/eventing/events?{query}", setup.nodes[0].address);
    let (mut times, mut page) = (Vec::new(), Value::Null);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let body = bench.http.get(&url).send().await?.error_for_status()?.text().await?;
        times.push(began.elapsed());
        page = serde_json::from_str(&body)?;
    }
    times.sort_unstable();
    Ok((times[ROUNDS / 2], page))
}

/// Events of one day with their deliveries, so many days ago: one in 100 failed, one in 10,000 cancelled, one in 10,000
/// without a trigger.
fn day_of_history(days: u64, count: u64) -> String {
    format!(
        "select create_partitions((now() at time zone 'UTC')::date - {days} - 1, 2);
         with ids as (
           select now() - interval '{days} days' - n * interval '1 day' / {count} as at, n from generate_series(1, {count}) n
         ), keyed as materialized (
           select (substr(uuid_at(at)::text, 1, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid as id, at, n,
                  case when n % 100000 = 7 then 'rare' else 'type-' || n % {TYPES} end as type, n % 10000 = 9999 as alone
             from ids
         ), new_events as (
           insert into events (id, project_id, type, data, due_at, triggers)
           select id, 1, type, '{{\"customer\":' || n || ',\"pad\":\"' || repeat('x', 150) || '\"}}', at, case when alone then 0 else 1 end
             from keyed
         )
         insert into deliveries (event_id, project_id, trigger_id, run, attempts, status, started_at, finished_at, duration_us,
                                 response_status, response_headers, response_body, error)
         select k.id, 1, t.id, 0, 1,
                (case when n % 100 = 50 then 'failed' when n % 10000 = 1 then 'cancelled' else 'delivered' end)::delivery_status,
                at, at, 1000, 200, '{{}}', '', case when n % 100 = 50 then 'The webhook answered 500.' end
           from keyed k
           join triggers t on t.type = k.type
          where not alone"
    )
}

fn scheduled(count: u64) -> String {
    format!(
        "with ids as (
           select (substr(uuid_at(now())::text, 1, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid as id, n
             from generate_series(1, {count}) n
         ), new_events as (
           insert into events (id, project_id, type, data, due_at, triggers)
           select id, 1, 'type-0', '{{\"customer\":null}}', now() + interval '2 days', 1 from ids
         )
         insert into queue (event_id, trigger_id, project_id, due_at)
         select id, (select min(id) from triggers), 1, now() + interval '2 days' from ids"
    )
}
