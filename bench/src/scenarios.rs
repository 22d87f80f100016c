//! What is measured, one function a table.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;

use crate::ceilings::{Forwarder, posts, sql_accept, sql_cycle, sql_drain, sql_latency};
use crate::load::Load;
use crate::past::{DAYS, Past};
use crate::receiver::{Behaviour, Receiver};
use crate::report::{Bar, Report, millis, number};
use crate::setup::{Bench, PATIENCE, Setup, Throughput};

const HTTP: &str = "HTTP alone";
const SQL: &str = "SQL alone";
const COMBINED: &str = "combined ceiling";
const SQL_ACCEPT: &str = "SQL of accepting alone";

const PER_SECOND: &str = "/s";

/// The two ceilings, what they bound together, and the main figure with what a delivery costs: in turns, since machines
/// drift, and the median of each.
pub async fn main_figure(bench: &Bench, report: &mut Report) -> Result<()> {
    let (mut http, mut sql, mut accept, mut shares) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut measured = Vec::new();
    let (mut idle, mut at_work) = (0.0, 0.0);
    for _ in 0..bench.scale.rounds {
        http.push(http_alone(bench).await?);
        let (cycle, accepting) = sql_alone(bench).await?;
        sql.push(cycle);
        accept.push(accepting);
        let setup = bench.ready(1, 1).await?;
        idle = setup.nodes[0].resident()? as f64 / 1e6;
        let throughput = bench.throughput(&setup, &bench.load(&setup), 64, 1).await?;
        ensure!(throughput.repeated == 0, "{} deliveries were made twice", throughput.repeated);
        at_work = setup.nodes[0].resident()? as f64 / 1e6;
        setup.stop().await?;
        let round = http.len() - 1;
        shares.push(100.0 * throughput.rate / in_series(http[round], sql[round]));
        measured.push(throughput);
    }
    let (http, sql, accept) = (median(http), median(sql), median(accept));
    measured.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    let measured = &measured[measured.len() / 2];

    const TABLE: &str = "Ceilings";
    report.add(TABLE, HTTP, http, PER_SECOND, Bar::None);
    report.add(TABLE, SQL, sql, PER_SECOND, Bar::None);
    report.add(TABLE, COMBINED, in_series(http, sql), PER_SECOND, Bar::None);
    report.add(TABLE, SQL_ACCEPT, accept, PER_SECOND, Bar::None);
    const MAIN: &str = "From accepting to delivery";
    report.add(MAIN, "accept → delivered, 64 clients", measured.rate, PER_SECOND, Bar::AtLeast(16_000.0));
    let each = in_turn(&shares);
    report.add(MAIN, "the same, of the combined ceiling", median(shares), "%", Bar::AtLeast(70.0)).note = each;
    report.add(MAIN, "its latency from sending to arrival, p50", millis(&measured.latency, 50.0), "ms", Bar::None);
    report.add(MAIN, "its latency from sending to arrival, p99", millis(&measured.latency, 99.0), "ms", Bar::None);
    report.add(MAIN, "its latency from sending to 202, p50", millis(&measured.accept_latency, 50.0), "ms", Bar::None);
    // What a delivery costs once more clients gain nothing.
    let setup = bench.ready(1, 1).await?;
    let saturated = bench.throughput(&setup, &bench.load(&setup), 256, 1).await?;
    setup.stop().await?;
    const COST: &str = "Cost of a delivery, 64 clients and at saturation";
    for (clients, rate, cost) in [(64, measured.rate, measured.cost), (256, saturated.rate, saturated.cost)] {
        report.add(COST, format!("{clients} clients"), rate, PER_SECOND, Bar::None);
        report.add(COST, format!("{clients} clients: CPU of the server"), cost.server, "µs", Bar::None);
        report.add(COST, format!("{clients} clients: CPU of PostgreSQL"), cost.postgres, "µs", Bar::None);
        let bar = if clients == 256 { Bar::AtMost(0.05) } else { Bar::None };
        report.add(COST, format!("{clients} clients: commits"), cost.commits, "", bar);
        if let Some(statements) = cost.statements {
            report.add(COST, format!("{clients} clients: statements"), statements, "", Bar::None);
        }
        report.add(COST, format!("{clients} clients: write-ahead log"), cost.wal_bytes, "bytes", Bar::None);
    }
    const MEMORY: &str = "Memory of a node";
    report.add(MEMORY, "idle", idle, "MB", Bar::AtMost(60.0));
    report.add(MEMORY, "after the main figure", at_work, "MB", Bar::None);
    Ok(())
}

async fn http_alone(bench: &Bench) -> Result<f64> {
    let forwarder = Forwarder::start(&bench.receiver.url()).await?;
    let load = Load::to(bench.clock, vec![forwarder.address]);
    load.closed(64, bench.scale.warm_up).await?;
    let rate = load.closed(64, bench.scale.time).await?.rate();
    forwarder.stop().await?;
    Ok(rate)
}

/// The whole cycle, and accepting alone.
async fn sql_alone(bench: &Bench) -> Result<(f64, f64)> {
    let database = bench.bare_database().await?;
    let accept = sql_accept(&database, bench.scale.time).await?;
    database.execute("truncate events, queue, deliveries").await?;
    let cycle = sql_cycle(&database, bench.scale.time).await?;
    bench.cluster.remove(&database.name).await?;
    Ok((cycle, accept))
}

/// What two ways in series on the same cores reach together.
fn in_series(one: f64, other: f64) -> f64 {
    1.0 / (1.0 / one + 1.0 / other)
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Percentages of one round after the other, as a note.
fn in_turn(shares: &[f64]) -> String {
    let each: Vec<_> = shares.iter().map(|share| format!("{share:.0}")).collect();
    format!("rounds: {} %", each.join(", "))
}

/// Accepting alone: the trigger is paused.
pub async fn accept_only(bench: &Bench, report: &mut Report) -> Result<()> {
    let setup = bench.nodes(1).await?;
    bench.trigger(&setup, "paused", "bench", &bench.receiver.url(), false).await?;
    let load = bench.load(&setup);
    load.closed(64, bench.scale.warm_up).await?;
    let rate = load.closed(64, bench.scale.time).await?.rate();
    setup.stop().await?;
    const TABLE: &str = "From accepting to delivery";
    report.add(TABLE, "accept only (202, durable), 64 clients", rate, PER_SECOND, Bar::None);
    if let Some(sql) = report.value(SQL_ACCEPT) {
        let what = "the same, of pgbench with the batched statement";
        report.add(TABLE, what, 100.0 * rate / sql, "%", Bar::AtLeast(70.0));
    }
    Ok(())
}

/// A backlog that is due already, and in turns with it what bounds that: the posts alone, and the SQL of claiming and
/// completing alone.
pub async fn drain(bench: &Bench, report: &mut Report) -> Result<()> {
    const BACKLOG: u64 = 20_000;
    let bare = bench.bare_database().await?;
    let setup = bench.nodes(1).await?;
    bench.trigger(&setup, "drained", "bench", &bench.receiver.url(), false).await?;
    let (mut posting, mut sql, mut rates, mut shares) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..bench.scale.rounds {
        posting.push(posts(&bench.receiver, bench.scale.warm_up, bench.scale.time).await?);
        sql.push(sql_drain(&bare, 5 * BACKLOG as usize).await?);
        bench.load(&setup).count(64, BACKLOG).await?;
        // Whatever PostgreSQL still has to tidy up belongs to accepting.
        setup.database.execute("vacuum analyze queue").await?;
        let before = bench.receiver.received();
        let began = Instant::now();
        bench.trigger(&setup, "drained", "bench", &bench.receiver.url(), true).await?;
        bench.receiver.wait_for(before + BACKLOG).await?;
        let rate = BACKLOG as f64 / began.elapsed().as_secs_f64();
        setup.database.settled(PATIENCE).await?;
        bench.trigger(&setup, "drained", "bench", &bench.receiver.url(), false).await?;
        shares.push(100.0 * rate / in_series(posting[round], sql[round]));
        rates.push(rate);
    }
    setup.stop().await?;
    bench.cluster.remove(&bare.name).await?;
    const TABLE: &str = "Draining";
    report.add(TABLE, "posts alone", median(posting), PER_SECOND, Bar::None);
    report.add(TABLE, "SQL of claiming and completing alone", median(sql), PER_SECOND, Bar::None);
    report.add(TABLE, "draining 20,000 due deliveries", median(rates), PER_SECOND, Bar::AtLeast(20_000.0));
    let each = in_turn(&shares);
    report.add(TABLE, "the same, of both in series", median(shares), "%", Bar::None).note = each;
    Ok(())
}

/// More and fewer clients, more triggers, more data.
pub async fn shapes(bench: &Bench, report: &mut Report) -> Result<()> {
    const TABLE: &str = "By shape of the load";
    let clients: &[usize] = if bench.scale.whole { &[1, 8, 64, 256, 1_000] } else { &[1, 64, 256] };
    for &clients in clients {
        let setup = bench.ready(1, 1).await?;
        let measured = bench.throughput(&setup, &bench.load(&setup), clients, 1).await?;
        setup.stop().await?;
        report.add(TABLE, format!("{clients} clients"), measured.rate, PER_SECOND, Bar::None).note = format!(
            "202 p50 {:.1} ms; arrival p50 {:.1} ms, p99 {:.1} ms",
            millis(&measured.accept_latency, 50.0),
            millis(&measured.latency, 50.0),
            millis(&measured.latency, 99.0)
        );
        report.point("clients", "delivered", clients as f64, measured.rate);
    }
    let fan_outs: &[usize] = if bench.scale.whole { &[1, 5, 50] } else { &[5] };
    for &triggers in fan_outs {
        let setup = bench.ready(1, triggers).await?;
        let measured = bench.throughput(&setup, &bench.load(&setup), 64, triggers as u64).await?;
        setup.stop().await?;
        report.add(TABLE, format!("64 clients, {triggers} triggers"), measured.rate, PER_SECOND, Bar::None).note =
            format!("{:.0} events/s", measured.rate / triggers as f64);
    }
    let sizes: &[usize] = if bench.scale.whole { &[200, 10_000, 500_000] } else { &[10_000] };
    for &size in sizes {
        let setup = bench.ready(1, 1).await?;
        let load = Load { size, ..bench.load(&setup) };
        let measured = bench.throughput(&setup, &load, 64, 1).await?;
        setup.stop().await?;
        report.add(TABLE, format!("64 clients, {size} bytes of data"), measured.rate, PER_SECOND, Bar::None).note = format!(
            "{:.0} MB/s of data, {:.0} bytes of write-ahead log each",
            measured.rate * size as f64 / 1e6,
            measured.cost.wal_bytes
        );
    }
    Ok(())
}

/// Latency at fixed rates. At the one that has a bar in turns with what of it is PostgreSQL's: to accept one event, beside an
/// idle node, without a webhook or anything before or after it.
pub async fn latency(bench: &Bench, report: &mut Report) -> Result<()> {
    const TABLE: &str = "Latency";
    const WITH_BAR: f64 = 500.0;
    let rates: &[f64] =
        if bench.scale.whole { &[100.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0] } else { &[WITH_BAR] };
    let time = bench.scale.time.max(Duration::from_secs(5));
    let setup = bench.ready(1, 1).await?;
    let bare = bench.bare_database().await?;
    let load = bench.load(&setup);
    let mut transactions = Vec::new();
    for &rate in rates {
        let mut arrivals = Vec::new();
        for _ in 0..bench.scale.rounds {
            load.open(rate, 64, bench.scale.warm_up).await?;
            setup.database.settled(PATIENCE).await?;
            let before = bench.receiver.received();
            bench.receiver.forget_latency();
            let outcome = load.open(rate, 64, time).await?;
            bench.receiver.wait_for(before + outcome.accepted).await?;
            arrivals.push(bench.receiver.latency());
            if rate == WITH_BAR {
                transactions.push(sql_latency(&bare, rate, time).await?);
            }
        }
        for (name, percentile, most) in [("p50", 50.0, Some(2.0)), ("p90", 90.0, None), ("p99", 99.0, Some(3.0))] {
            let measured = median(each_millis(&arrivals, percentile));
            report.point("latency", name, rate, measured);
            let Some(most) = most else { continue };
            let what = format!("from sending to arrival at {} events/s, {name}", number(rate));
            let bar = if rate == WITH_BAR { Bar::AtMost(most) } else { Bar::None };
            report.add(TABLE, what, measured, "ms", bar).note = rounds(&arrivals, percentile);
        }
    }
    bench.cluster.remove(&bare.name).await?;
    for (name, percentile) in [("p50", 50.0), ("p99", 99.0)] {
        let what = format!("one durable transaction of PostgreSQL alone, beside an idle node, at {WITH_BAR}/s, {name}");
        let measured = median(each_millis(&transactions, percentile));
        report.add(TABLE, what, measured, "ms", Bar::None).note = rounds(&transactions, percentile);
    }
    // One caller that waits for the webhook's answer, beside one that calls the webhook itself.
    let direct = Load { path: "/hook", expected: 200, ..Load::to(bench.clock, vec![bench.receiver.address()]) };
    let synchronous = Load { synchronous: true, expected: 200, ..load };
    let (mut through, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..bench.scale.rounds {
        beside.push(millis(&direct.closed(1, bench.scale.time / 2).await?.latency, 50.0));
        through.push(millis(&synchronous.closed(1, bench.scale.time / 2).await?.latency, 50.0));
    }
    setup.stop().await?;
    let (through, beside) = (median(through), median(beside));
    report.add(TABLE, "synchronous event, p50", through, "ms", Bar::None);
    report.add(TABLE, "direct POST to the webhook, p50", beside, "ms", Bar::None);
    report.add(TABLE, "synchronous over direct, p50", through - beside, "ms", Bar::AtMost(2.0));
    Ok(())
}

fn each_millis(rounds: &[Histogram<u64>], percentile: f64) -> Vec<f64> {
    rounds.iter().map(|latency| millis(latency, percentile)).collect()
}

/// Of one round after the other, as a note.
fn rounds(rounds: &[Histogram<u64>], percentile: f64) -> String {
    let each: Vec<_> = each_millis(rounds, percentile).iter().map(|millis| format!("{millis:.2}")).collect();
    format!("rounds: {}", each.join(", "))
}

/// One trigger's webhook hangs until its timeout; another is healthy. Every round compares a node with itself, before anything
/// hangs, since machines drift.
pub async fn isolation(bench: &Bench, report: &mut Report) -> Result<()> {
    const TABLE: &str = "Beside a webhook that hangs";
    let hanging = Receiver::start(bench.clock, Behaviour::Hang).await?;
    let (mut alone, mut beside, mut kept, mut slower) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.scale.rounds {
        let setup = bench.ready(1, 1).await?;
        bench.trigger(&setup, "hanging", "hang", &hanging.url(), true).await?;
        let load = bench.load(&setup);
        let before = bench.throughput(&setup, &load, 64, 1).await?;
        // First its slots fill, and then its backlog grows in PostgreSQL.
        let stuck = Load { event_type: "hang", ..load.clone() };
        stuck.count(16, 2_000).await?;
        let time = bench.scale.time;
        let trickle = tokio::spawn(async move { stuck.open(100.0, 8, time).await });
        let then = bench.deliver(&load, 64, time, 1).await?;
        trickle.await??;
        drop(setup);
        kept.push(100.0 * then.rate / before.rate);
        slower.push(millis(&then.latency, 99.0) / millis(&before.latency, 99.0));
        alone.push(before.rate);
        beside.push(then.rate);
    }
    report.add(TABLE, "healthy trigger alone", median(alone), PER_SECOND, Bar::None);
    report.add(TABLE, "healthy trigger beside it", median(beside), PER_SECOND, Bar::None);
    let each = in_turn(&kept);
    report.add(TABLE, "kept", median(kept), "%", Bar::AtLeast(90.0)).note = each;
    report.add(TABLE, "p99 of arrival, times as long", median(slower), "", Bar::AtMost(2.0));
    Ok(())
}

/// Several nodes on one PostgreSQL, with as many clients as saturate it: each measurement against those of one node before
/// and after it, since machines drift.
pub async fn nodes(bench: &Bench, report: &mut Report) -> Result<()> {
    const TABLE: &str = "Several nodes on one PostgreSQL, 256 clients";
    let (most, turns) = if bench.scale.whole { (4, 5) } else { (2, 1) };
    let mut alone = vec![on_nodes(bench, 1).await?];
    let mut together: Vec<_> = (2..=most).map(|count| (count, Vec::new(), Vec::new())).collect();
    for _ in 0..turns {
        for (count, measured, shares) in &mut together {
            let these = on_nodes(bench, *count).await?;
            let before = alone.last().map_or(0.0, |one| one.rate);
            let after = on_nodes(bench, 1).await?;
            shares.push(200.0 * these.rate / (before + after.rate));
            measured.push(these);
            alone.push(after);
        }
    }
    add_nodes(report, TABLE, "1 node", &alone);
    for (count, measured, shares) in together {
        add_nodes(report, TABLE, &format!("{count} nodes"), &measured);
        let twice: u64 = measured.iter().map(|one| one.repeated).sum();
        let each = in_turn(&shares);
        let share = format!("{count} nodes, of one node's");
        report.add(TABLE, share, median(shares), "%", Bar::AtLeast(100.0)).note = each;
        report.add(TABLE, format!("{count} nodes: events delivered twice"), twice as f64, "", Bar::AtMost(0.0));
    }
    Ok(())
}

/// What so many nodes reach.
async fn on_nodes(bench: &Bench, count: usize) -> Result<Throughput> {
    let setup = bench.ready(count, 1).await?;
    let measured = bench.throughput(&setup, &bench.load(&setup), 256, 1).await?;
    setup.stop().await?;
    Ok(measured)
}

fn add_nodes(report: &mut Report, table: &'static str, what: &str, measured: &[Throughput]) {
    let of = |figure: fn(&Throughput) -> f64| median(measured.iter().map(figure).collect());
    report.add(table, what, of(|one| one.rate), PER_SECOND, Bar::None).note = format!(
        "µs of CPU a delivery: {:.0} of the nodes, {:.0} of PostgreSQL; {:.3} commits",
        of(|one| one.cost.server),
        of(|one| one.cost.postgres),
        of(|one| one.cost.commits)
    );
}

/// A long history and many deliveries scheduled for later.
pub async fn history(bench: &Bench, report: &mut Report, past: &mut Past) -> Result<()> {
    const TABLE: &str = "With a history";
    let load = bench.load(&past.setup);
    let first = bench.throughput(&past.setup, &load, 64, 1).await?;
    report.point("history", "delivered", 0.0, first.rate);
    let steps = if bench.scale.whole { 4 } else { 1 };
    let schedule = bench.scale.scheduled;
    past.schedule(schedule).await?;
    for step in 1..=steps {
        past.fill(bench, DAYS * step / steps).await?;
        past.tidy().await?;
        let stored = bench.scale.finished * step / steps;
        report.point("history", "delivered", stored as f64, throughput_with_backlog(bench, &load).await?);
    }
    // In turns with an empty database, since machines drift.
    let (mut empty, mut full, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.scale.rounds {
        let setup = bench.ready_on("empty", 1, 1).await?;
        let of_empty = bench.throughput(&setup, &bench.load(&setup), 64, 1).await?.rate;
        setup.stop().await?;
        let of_full = throughput_with_backlog(bench, &load).await?;
        kept.push(100.0 * of_full / of_empty);
        empty.push(of_empty);
        full.push(of_full);
    }
    bench.cluster.remove("empty").await?;
    let setup = &past.setup;
    let resident = setup.nodes[0].resident()? as f64 / 1e6;
    let plan = claim_plan(setup).await?;
    let (finished, scheduled) = (number(bench.scale.finished as f64), number(schedule as f64));
    report.add(TABLE, "empty database", median(empty), PER_SECOND, Bar::None);
    let full_of = format!("{finished} finished and {scheduled} scheduled deliveries");
    report.add(TABLE, full_of, median(full), PER_SECOND, Bar::None);
    let each = in_turn(&kept);
    report.add(TABLE, "kept", median(kept), "%", Bar::AtLeast(90.0)).note = each;
    report.add("Memory of a node", format!("with {scheduled} pending"), resident, "MB", Bar::AtMost(200.0));
    ensure!(
        !plan.contains("Seq Scan on events") && !plan.contains("Seq Scan on queue"),
        "the claim scans a table:\n{plan}"
    );
    report.plan = format!("The claim with {scheduled} deliveries that wait and 1,000 that are due\n\n{plan}\n");
    Ok(())
}

/// Like [`Bench::throughput`], where the queue never empties.
async fn throughput_with_backlog(bench: &Bench, load: &Load) -> Result<f64> {
    bench.deliver(load, 64, bench.scale.warm_up, 1).await?;
    Ok(bench.deliver(load, 64, bench.scale.time, 1).await?.rate)
}

/// The plan of a claim as the server runs it, with parameters, where some of what waits is due.
async fn claim_plan(setup: &Setup) -> Result<String> {
    let mut transaction = setup.database.pool.begin().await?;
    for (name, value) in server::store::ENGINE_SETTINGS {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("set local {name} = {value}"))).execute(&mut *transaction).await?;
    }
    sqlx::raw_sql(
        "update queue set due_at = now() - interval '1 s'
          where event_id in (select event_id from queue where due_at > now() + interval '1 day' limit 1000)",
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("prepare claim as {}", server::store::CLAIM)))
        .execute(&mut *transaction)
        .await?;
    let (times, triggers): (String, String) =
        sqlx::query_as("select array_agg(now() - interval '1 minute')::text, array_agg(id)::text from triggers")
            .fetch_one(&mut *transaction)
            .await?;
    let lines: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "explain (analyze, buffers, costs off)
         execute claim (gen_random_uuid(), '{{}}', '{{}}', 256, 256, 15, '{times}', '{triggers}')"
    )))
    .persistent(false)
    .fetch_all(&mut *transaction)
    .await?;
    transaction.rollback().await?;
    Ok(lines.join("\n"))
}

/// When what was measured on which machine, as far as figures depend on it.
pub async fn machine(bench: &Bench) -> Result<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown CPU", |(_, name)| name);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<f64>().ok());
    let database = bench.cluster.database("bench").await?;
    let version: String = sqlx::query_scalar("show server_version").fetch_one(&database.pool).await?;
    let cores = std::thread::available_parallelism()?;
    let day: String = sqlx::query_scalar("select current_date::text").fetch_one(&database.pool).await?;
    bench.cluster.remove(&database.name).await?;
    let commit = std::process::Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let commit = commit
        .ok()
        .filter(|output| output.status.success())
        .map_or_else(String::new, |output| format!(" of {}", String::from_utf8_lossy(&output.stdout).trim()));
    Ok(format!(
        "Measured on {day}: mission-control {}{commit}, {cores} cores ({model}), {:.0} GiB of memory, PostgreSQL {version}.",
        env!("CARGO_PKG_VERSION"),
        kilobytes.unwrap_or(0.0) / 1024.0 / 1024.0
    ))
}
