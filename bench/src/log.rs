//! How long the event log takes on a long history, each filter's first page, and the pages in the browser, over HTTP.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::past::{DAYS, Past};
use crate::report::{Bar, Report, number};
use crate::scenarios::median;
use crate::setup::{Bench, Setup};

const TABLE: &str = "The event log on a long history";
/// How often a page is asked for; the median counts.
const ROUNDS: usize = 9;

/// How often a page of the browser's is asked for; the median counts.
const VIEWS: usize = 200;

/// What is asked for, and how many milliseconds it may take. Nothing is asked of what finds nothing: that there is none of
/// a status is told at once, and a text that is nowhere is looked for until the search gives up.
const PAGES: [(&str, &str, Option<f64>); 16] = [
    ("first page", "", Some(50.0)),
    ("page after a cursor in the middle", "cursor={middle}", Some(50.0)),
    ("by type", "type=type-7", Some(100.0)),
    ("by a type that one in 100,000 has", "type=rare", Some(100.0)),
    ("by trigger", "trigger=trigger-7", Some(100.0)),
    ("by time, one day", "from={day}&to={next_day}", Some(100.0)),
    ("delivered", "status=delivered", Some(100.0)),
    ("failed (1 in 100)", "status=failed", Some(100.0)),
    ("failed, of one trigger", "status=failed&trigger=trigger-10", Some(100.0)),
    ("cancelled (1 in 10,000)", "status=cancelled", Some(100.0)),
    ("without a trigger (1 in 10,000)", "status=no-trigger", Some(100.0)),
    ("scheduled", "status=scheduled", Some(100.0)),
    ("pending (none)", "status=pending", None),
    ("retrying (none)", "status=retrying", None),
    ("text in every event", "text=customer", Some(1_000.0)),
    ("text in no event (answers with how far it came)", "text=nowhere", None),
];

/// On the whole history, with newer events all of which are scheduled.
pub async fn event_log(bench: &Bench, report: &mut Report, past: &mut Past) -> Result<()> {
    past.fill(bench, DAYS).await?;
    past.schedule(bench.scale.scheduled / 3).await?;
    past.tidy().await?;
    let setup = &past.setup;
    report.remarks.push((
        TABLE,
        format!(
            "{} deliveries in {DAYS} daily partitions and {} newer ones that are scheduled; pages of 50 events, median of {ROUNDS}.",
            number(bench.scale.finished as f64),
            number((bench.scale.scheduled / 3) as f64)
        ),
    ));
    for (what, query, bar) in PAGES {
        let (took, page) = page(bench, setup, &filled(query)).await?;
        let events = page["events"].as_array().map_or(0, Vec::len);
        ensure!(events > 0 || what.contains("none") || what.contains("no event"), "{what}: no events: {page}");
        let note = match page["searchedTo"].as_str() {
            Some(time) => format!("{events} events, searched to {time}"),
            None => format!("{events} events"),
        };
        let (took, bar) = (took.as_secs_f64() * 1e3, bar.map_or(Bar::None, Bar::AtMost));
        report.add(TABLE, what, took, "ms", bar).note = note;
    }
    Ok(())
}

/// The pages of a browser, until their first byte and to their end, as they come from the server.
pub async fn pages(bench: &Bench, report: &mut Report, past: &Past) -> Result<()> {
    const TABLE: &str = "Pages as the server renders them";
    let server = format!("http://{}", past.setup.nodes[0].address);
    for (what, path) in [
        ("projects", "/projects"),
        ("event triggers", "/projects/default/event-triggers"),
        ("events", "/projects/default/events"),
    ] {
        let (mut first, mut whole, mut bytes) = (Vec::new(), Vec::new(), 0);
        for _ in 0..VIEWS {
            let began = Instant::now();
            let mut answer = bench.http.get(format!("{server}{path}")).send().await?.error_for_status()?;
            bytes = answer.chunk().await?.map_or(0, |chunk| chunk.len());
            first.push(began.elapsed().as_secs_f64() * 1e3);
            while let Some(chunk) = answer.chunk().await? {
                bytes += chunk.len();
            }
            whole.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let (first, whole) = (median(first), median(whole));
        report.add(TABLE, format!("{what}, first byte"), first, "ms", Bar::AtMost(20.0)).note =
            format!("{} bytes, the last after {whole:.1} ms", number(bytes as f64));
    }
    Ok(())
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
