//! The engine's statements, called as nodes call them: claims, fences, partitions, retention.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use serde_json::json;
use server::store::{
    ACCEPT, ACCEPT_NOW, AcceptEvent, Accepted, AttemptRecord, CLAIM, Claimed, ENGINE_SETTINGS, FINISH, Finished, Held,
    Kept, LeaseKey, Measured, Moved, NewJob, RELEASE, RETRY, Retried, Store, parse_database_url,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::support::{Database, Receiver, Server, eventually};

async fn open(database: &Database) -> Store {
    let store = Store::open(parse_database_url(&database.url()).expect("a URL"), 2, Duration::from_secs(60))
        .await
        .expect("a database");
    database.execute("insert into projects (name, title) values ('p', 'P') on conflict do nothing").await;
    database
        .execute(
            "insert into triggers (project_id, name, type, url, retries, timeout_ms, types, first_event)
             select id, 'one', 't', 'http://127.0.0.1:1/', 3, 5000, '{t}', uuid_at(now()) from projects on conflict do nothing",
        )
        .await;
    store
}

fn event(id: Uuid, at: Option<DateTime<Utc>>) -> AcceptEvent {
    let data = "null".into();
    let (project, event_type) = ("p".into(), "t".into());
    AcceptEvent { id, project, event_type, data, at, delay: 0.0, synchronous: false, key: None }
}

/// Accepts without leasing.
async fn accept(store: &Store, events: &[AcceptEvent]) -> Vec<Accepted> {
    let held = Held { node: Uuid::nil(), lease: false, saturated: &[], sync_wait: 10.0 };
    store.accept(events, &held).await.expect("they are accepted")
}

async fn claim(store: &Store, node: Uuid, limit: i32) -> Vec<Claimed> {
    claim_from(store, node, limit, DateTime::UNIX_EPOCH).await
}

/// From what is due at a time on, of whatever triggers.
async fn claim_from(store: &Store, node: Uuid, limit: i32, from: DateTime<Utc>) -> Vec<Claimed> {
    let triggers: Vec<i32> = (1..10).collect();
    store.claim(node, (&triggers, &[from; 9]), (&[], &[]), 1_000, limit).await.expect("a claim")
}

fn lease(claimed: &Claimed) -> LeaseKey {
    let Claimed { event_id, trigger_id, run, fence, .. } = *claimed;
    LeaseKey { event_id, trigger_id, run, fence }
}

fn moved_of(claimed: &Claimed) -> Moved {
    Moved { event_id: claimed.event_id, trigger_id: claimed.trigger_id }
}

fn record() -> AttemptRecord {
    AttemptRecord {
        started_at: Utc::now(),
        duration_us: 1,
        timings: Measured { first_byte_us: Some(1), ..Measured::default() },
        response_status: Some(500),
        response_cut: false,
        response_headers: None,
        response_body: None,
        error: Some("failed".into()),
    }
}

/// An identifier as it was made at the given time; `number` tells several apart.
fn id_at(at: DateTime<Utc>, number: u128) -> Uuid {
    Uuid::from_u128((at.timestamp_millis() as u128) << 80 | 0x7000_8000_0000_0000_0000 | number)
}

/// How PostgreSQL runs a statement with parameters of these types for the engine: once planned, whatever they are.
async fn plan(database: &Database, statement: &str, types: &str, arguments: &str) -> String {
    let settings: String = ENGINE_SETTINGS.iter().map(|(name, value)| format!("set {name} = {value};")).collect();
    let mut connection = database.pool.acquire().await.expect("a connection");
    for sql in [settings, format!("prepare planned ({types}) as {statement}")] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await.expect("a statement");
    }
    let explain = format!("explain (costs off) execute planned ({arguments})");
    let plan: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(explain)).fetch_all(&mut *connection).await.expect("a plan");
    connection.close().await.expect("its settings are gone");
    plan.join("\n")
}

/// While the queue is empty, to read all of it, or to sort it, looks cheaper than to look something up. Plans are kept, and a
/// moment later there may be a million rows.
#[tokio::test]
async fn plans_made_on_an_empty_queue_are_right_for_a_full_one() {
    let database = Database::fresh().await;
    open(&database).await;
    database
        .execute(
            "insert into queue (due_at, event_id, trigger_id, project_id)
             select now() + n * interval '1 us', gen_random_uuid(), t.id, t.project_id
               from triggers t, generate_series(1, 40000) n",
        )
        .await;
    // Both indexes have been large, and the one that has nothing in order is small again.
    for sql in ["delete from queue", "analyze queue", "reindex index queue_pkey"] {
        database.execute(sql).await;
    }
    let statements = [
        ("claim", CLAIM, "uuid, int[], int[], int, int, float8, timestamptz[], int[]", 8),
        ("finish", FINISH, "uuid, outcome[]", 2),
        ("retry", RETRY, "uuid, outcome[]", 2),
        ("release", RELEASE, "uuid[], int[], smallint[], int[]", 4),
    ];
    for (name, statement, types, arguments) in statements {
        let plan = plan(&database, statement, types, &vec!["null"; arguments].join(", ")).await;
        for index in plan.lines().filter(|line| line.contains(" on queue")).filter(|line| line.contains("Scan")) {
            let known = ["Index Scan using queue_pkey", "Index Scan using queue_due"];
            assert!(known.iter().any(|scan| index.contains(scan)), "{name}: {plan}");
        }
        assert_eq!(plan.matches("(event_id = ANY (ARRAY[").count(), 1, "{name}: one by one: {plan}");
        assert!(!plan.contains("Sort Key: queue.due_at"), "{name}: {plan}");
        let in_order = plan.contains("Index Cond: ((trigger_id = s.trigger_id) AND (due_at >= s.from_at)");
        assert_eq!(in_order, name == "claim", "{name}: {plan}");
    }
}

#[tokio::test]
async fn no_event_of_a_batch_is_compared_with_every_other() {
    let database = Database::fresh().await;
    open(&database).await;
    // Here on tables that nobody has analyzed.
    let any =
        "uuid[], int[], text[], timestamptz[], float8[], bool[], text[], text[], bool, int[], float8, float8, uuid";
    let now = "uuid[], int[], text[], text[], text[], bool, int[], float8, uuid";
    for (statement, types, arguments) in [
        (ACCEPT, any, "null, null, null, null, null, null, null, null, true, '{}', 10, 15, null"),
        (ACCEPT_NOW, now, "null, null, null, null, null, true, '{}', 15, null"),
    ] {
        let plan = plan(&database, statement, types, arguments).await;
        // What the loops look up they find in an index by all that is known of it: projects by their name, and triggers.
        assert_eq!(plan.matches("Nested Loop").count(), 2, "{plan}");
        assert!(!plan.contains("Join Filter"), "{plan}");
        for known in ["(name = k.project)", "((project_id = p.id) AND (type = k.type))"] {
            assert!(plan.contains(&format!("Index Cond: {known}")), "{plan}");
        }
    }
}

/// How many triggers an event has and which of them are leased, or why it has none.
type Fate<'a> = Result<(i32, &'a [&'a str]), &'a str>;
/// Project, type, when, whether somebody waits, and what becomes of it.
type Case<'a> = (&'a str, &'a str, Option<DateTime<Utc>>, bool, Fate<'a>);

#[tokio::test]
async fn every_event_of_a_mixed_batch_meets_its_own_triggers() {
    let database = Database::fresh().await;
    let store = open(&database).await;
    database.execute("insert into projects (name, title) values ('q', 'Q')").await;
    database
        .execute(
            "insert into triggers (project_id, name, type, url, retries, timeout_ms, enabled, types, first_event)
             select p.id, i.name, i.type, 'http://127.0.0.1:1/', 3, 5000, i.enabled, array[i.type], uuid_at(now())
               from (values ('p', 'two', 't', true), ('p', 'paused', 'paused', false), ('p', 'busy', 'busy', true),
                            ('q', 'one', 't', true)) as i (project, name, type, enabled)
               join projects p on p.name = i.project",
        )
        .await;
    let names = "select p.name || '/' || t.name, t.id from triggers t join projects p on p.id = t.project_id";
    let rows: Vec<(String, i32)> = sqlx::query_as(names).fetch_all(&database.pool).await.expect("the triggers");
    let id_of: HashMap<_, _> = rows.into_iter().collect();
    let later = Some(Utc::now() + chrono::Duration::hours(1));
    let expected: [Case<'_>; 10] = [
        ("p", "t", None, false, Ok((2, &["p/one", "p/two"]))),
        ("q", "t", None, false, Ok((1, &["q/one"]))),
        ("p", "t", later, false, Ok((2, &[]))),
        ("p", "paused", None, false, Ok((1, &[]))),
        ("p", "busy", None, false, Ok((1, &[]))),
        ("p", "none", None, false, Ok((0, &[]))),
        ("p", "none", None, true, Err("Refused(NoTrigger)")),
        ("p", "t", later, true, Err("Refused(TooLate)")),
        ("nowhere", "t", None, false, Err("UnknownProject")),
        ("p", "t", None, true, Ok((2, &["p/one", "p/two"]))),
    ];
    // Those that are due at once and for which nobody waits have a statement of their own.
    let at_once = expected.iter().filter(|(_, _, at, synchronous, _)| at.is_none() && !synchronous);
    let node = Uuid::now_v7();
    let held = Held { node, lease: true, saturated: &[id_of["p/busy"]], sync_wait: 10.0 };
    for cases in [expected.iter().collect::<Vec<_>>(), at_once.collect()] {
        let events: Vec<_> = cases
            .iter()
            .map(|(project, event_type, at, synchronous, _)| AcceptEvent {
                project: (*project).into(),
                event_type: (*event_type).into(),
                data: format!("{project:?}").into(),
                synchronous: *synchronous,
                ..event(Uuid::now_v7(), *at)
            })
            .collect();
        let accepted = store.accept(&events, &held).await.expect("they are accepted");
        for ((event, outcome), (.., expected)) in events.iter().zip(&accepted).zip(cases) {
            match (outcome, expected) {
                (Accepted::Queued { event_id, triggers, leases, .. }, Ok((count, leased))) => {
                    assert_eq!((*event_id, *triggers), (event.id, *count), "{event:?}");
                    let mut leases = leases.clone();
                    leases.sort_unstable();
                    let leased: Vec<_> = leased.iter().map(|name| (id_of[*name], 1)).collect();
                    assert_eq!(leases, leased, "{event:?}");
                }
                (other, Err(refusal)) => assert_eq!(format!("{other:?}"), *refusal, "{event:?}"),
                (other, expected) => panic!("{event:?}: {other:?} instead of {expected:?}"),
            }
        }
    }
    for (count, sql) in [
        (
            7 + 5,
            "select count(*) from events e join projects p on p.id = e.project_id and e.data = to_json(p.name)::text",
        ),
        (6 + 5, "select count(*) from events where due_at <= now() and due_at = date_trunc('milliseconds', due_at)"),
        (9 + 5, "select count(*) from queue q join triggers t on t.id = q.trigger_id and t.project_id = q.project_id"),
        (
            5 + 3,
            "select count(*) from queue where owner is not null and attempt = 1 and fence = 1 and due_at > now() + interval '15 s'",
        ),
        (4 + 2, "select count(*) from queue where owner is null and attempt = 0 and fence = 0"),
        (2 + 2, "select count(*) from queue where owner is null and due_at <= now() + interval '1 ms'"),
    ] {
        assert_eq!(database.count(sql).await, count, "{sql}");
    }
}

#[tokio::test]
async fn two_claimers_never_hold_the_same_row() {
    let database = Database::fresh().await;
    let (one, two) = (open(&database).await, open(&database).await);
    let events: Vec<_> = (0..500).map(|_| event(Uuid::now_v7(), None)).collect();
    accept(&one, &events).await;
    let all = async |store: &Store| {
        let (node, mut held) = (Uuid::now_v7(), Vec::new());
        loop {
            let claimed = claim(store, node, 7).await;
            if claimed.is_empty() {
                return held;
            }
            held.extend(claimed.iter().map(|row| row.event_id));
        }
    };
    let (of_one, of_two) = tokio::join!(all(&one), all(&two));
    let distinct: HashSet<_> = of_one.iter().chain(&of_two).collect();
    assert_eq!((of_one.len() + of_two.len(), distinct.len()), (500, 500));
    assert!(!of_one.is_empty() && !of_two.is_empty(), "{} and {}", of_one.len(), of_two.len());
    // What is leased is due again only when the lease ends, after the timeout and the slack.
    assert!(claim(&one, Uuid::now_v7(), 1_000).await.is_empty());
    assert_eq!(database.count("select count(*) from queue where due_at < now() + interval '19 s'").await, 0);
}

/// A node whose claim was cut off does not know of its lease, and nobody claims for a deleted trigger.
#[tokio::test]
async fn what_is_leased_for_longer_than_its_lease_is_not_in_flight() {
    let database = Database::fresh().await;
    let store = open(&database).await;
    let [Accepted::Queued { project_id, .. }, _] =
        accept(&store, &[0, 1].map(|_| event(Uuid::now_v7(), None))).await[..]
    else {
        panic!("two events are queued");
    };
    let claimed = claim(&store, Uuid::now_v7(), 2).await;
    assert_eq!(claimed.len(), 2);
    assert_eq!(store.delete_trigger(project_id, "one").await.expect("a deletion"), Some(true));
    assert_eq!(database.count("select count(*) from queue").await, 2, "attempts in flight end as they do");

    database.execute("update queue set due_at = now() - interval '1 s' where event_id = (select min(event_id::text) from queue)::uuid").await;
    assert!(store.cancel_orphans().await.expect("a statement"), "one is still in flight");
    database.execute("update queue set due_at = now() - interval '1 s'").await;
    assert!(!store.cancel_orphans().await.expect("a statement"));
    let cancelled = "select count(*) from deliveries where status = 'cancelled' and error = 'The trigger was deleted.'";
    assert_eq!((database.count("select count(*) from queue").await, database.count(cancelled).await), (0, 2));
    let late = Finished { lease: lease(&claimed[0]), delivered: true, attempt: 1, record: Some(record()), error: None };
    assert!(store.finish(Uuid::now_v7(), &[late]).await.expect("a statement").is_empty(), "too late");
}

#[tokio::test]
async fn jobs_take_turns() {
    let database = Database::fresh().await;
    let store = open(&database).await;
    let project_id = database.count("select id::bigint from projects where name = 'p'").await as i32;
    let ids = [0, 1, 2].map(|_| Uuid::now_v7());
    for id in ids {
        let job = NewJob { id, project_id, action: "redeliver", filter: "{}", rate: Some(1), total: None };
        store.create_job(&job).await.expect("a job");
    }
    let node = Uuid::now_v7();
    let take = async || store.claim_job(node, 15.0).await.expect("a statement");
    let (mut order, mut held) = (Vec::new(), take().await);
    for _ in 0..7 {
        let work = held.take().expect("a job");
        order.push(ids.iter().position(|id| *id == work.id));
        store.release_job(&work, node).await.expect("a statement");
        held = take().await;
    }
    assert_eq!(order, [0, 1, 2, 0, 1, 2, 0].map(Some));
}

/// A commit may wait long for the disk, and a statement for a lock: a look has to know of both, since what they make due is
/// due from when they began.
#[tokio::test]
async fn a_look_says_since_when_nodes_have_been_writing() {
    let database = Database::fresh().await;
    let store = open(&database).await;
    let options = parse_database_url(&database.url()).expect("a URL");
    let node = options.clone().application_name("mission-control");
    let look = async || store.next_due(&[], DateTime::UNIX_EPOCH, 1.0).await.expect("a look");
    let write = "select pg_current_xact_id()";

    // Whoever only reads keeps nothing back, nor do others that write.
    let (_reader, _) = begin(&node).await;
    let (mut other, _) = begin(&options.application_name("other")).await;
    sqlx::query(write).execute(&mut other).await.expect("a transaction's number");
    let (mut writer, began) = begin(&node).await;
    let next = look().await;
    assert_eq!(next.writing_since, next.now);

    sqlx::query("select pg_advisory_xact_lock(1)").execute(&mut other).await.expect("a lock");
    let (mut waiting, began_later) = begin(&node).await;
    let waits = tokio::spawn(async move {
        sqlx::query("select pg_advisory_xact_lock(1)").execute(&mut waiting).await.expect("the lock, later");
    });
    let waiting =
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    eventually("somebody waits", async || (database.count(waiting).await > 0).then_some(())).await;
    assert_eq!(look().await.writing_since, began_later);

    sqlx::query(write).execute(&mut writer).await.expect("a transaction's number");
    assert!(began < began_later);
    assert_eq!(look().await.writing_since, began);
    sqlx::query("commit").execute(&mut writer).await.expect("a commit");
    assert_eq!(look().await.writing_since, began_later);
    sqlx::query("commit").execute(&mut other).await.expect("a commit");
    waits.await.expect("it has had the lock");
    let next = look().await;
    assert_eq!(next.writing_since, next.now);
}

/// Begins a transaction on a connection of its own, and says when.
async fn begin(options: &PgConnectOptions) -> (PgConnection, DateTime<Utc>) {
    let mut connection = PgConnection::connect_with(options).await.expect("a connection");
    sqlx::query("begin").execute(&mut connection).await.expect("a transaction");
    let began = sqlx::query_scalar("select now()").fetch_one(&mut connection).await.expect("when it began");
    (connection, began)
}

#[tokio::test]
async fn a_look_finds_what_is_due_from_a_time_on() {
    let database = Database::fresh().await;
    let store = open(&database).await;
    let minutes_ago = |minutes| Utc::now() - chrono::Duration::minutes(minutes);
    let look = async |from| store.next_due(&[], from, 1.0).await.expect("a look");
    let everything = DateTime::UNIX_EPOCH;
    let next = look(everything).await;
    assert_eq!((next.seconds, next.triggers, next.earliest), (None, vec![], None));
    assert!((Utc::now() - next.now).num_seconds().abs() < 60, "the database's time");

    let now = Utc::now();
    let later = [now + chrono::Duration::hours(1), now + chrono::Duration::days(1)];
    accept(&store, &later.map(|at| event(id_at(now, at.timestamp() as u128), Some(at)))).await;
    assert_eq!(look(everything).await.seconds, None, "not within the horizon");
    assert!(store.next_due(&[], everything, 4_000.0).await.expect("a look").seconds.is_some_and(|due| due > 3_500.0));

    database
        .execute("update queue set due_at = now() - interval '1 hour' where due_at < now() + interval '2 hours'")
        .await;
    let next = look(everything).await;
    let earliest = next.earliest.expect("something is due");
    assert!(minutes_ago(61) < earliest && earliest < minutes_ago(59), "{earliest}");
    assert!(next.seconds.is_some_and(|due| due < -3_500.0));
    let trigger = *next.triggers.first().expect("a trigger");
    // One that has no free slot is passed over, and so is a paused one; but it may be resumed at any time.
    let full = store.next_due(&[trigger], everything, 1.0).await.expect("a look");
    assert_eq!((full.seconds, full.triggers, full.earliest), (None, vec![], Some(earliest)));
    database.execute("update triggers set enabled = false").await;
    let paused = look(everything).await;
    assert_eq!((paused.seconds, paused.triggers, paused.earliest), (None, vec![], Some(earliest)));
    database.execute("update triggers set enabled = true").await;

    let above = earliest + chrono::Duration::milliseconds(1);
    assert_eq!(look(above).await.earliest, None);
    assert!(claim_from(&store, Uuid::now_v7(), 10, above).await.is_empty());
    assert_eq!(look(earliest).await.triggers, [trigger]);
    let of_another = (&[trigger + 1][..], &[earliest][..]);
    let others = store.claim(Uuid::now_v7(), of_another, (&[], &[]), 1_000, 10).await.expect("a claim");
    assert!(others.is_empty());
    let claimed = claim_from(&store, Uuid::now_v7(), 10, earliest).await;
    assert_eq!(claimed.iter().map(|row| row.was_due).collect::<Vec<_>>(), [earliest]);
}

#[tokio::test]
async fn what_waits_for_the_same_time_has_places_of_its_own() {
    let database = Database::fresh().await;
    let store = open(&database).await;
    let at = Utc::now() + chrono::Duration::hours(1);
    accept(&store, &(0..200).map(|_| event(Uuid::now_v7(), Some(at))).collect::<Vec<_>>()).await;
    assert!(database.count("select count(distinct due_at) from queue").await > 100);
    // None is early, and none later than nobody notices.
    let spread = "select count(*) from queue q join events e on e.id = q.event_id
                   where q.due_at between e.due_at and e.due_at + interval '1 millisecond'";
    assert_eq!(database.count(spread).await, 200);
}

#[tokio::test]
async fn what_is_made_due_in_the_past_is_found_all_the_same() {
    let database = Database::fresh().await;
    let (server, receiver) = (Server::start(&database).await, Receiver::ok().await);
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    server.queue(&json!({"type": "t", "delay": 0.1})).await.expect(202);
    receiver.wait_for(1).await;
    server.queue(&json!({"type": "t", "delay": 3600})).await.expect(202);
    database.execute("update queue set due_at = now() - interval '1 hour'").await;
    receiver.wait_for(2).await;
}

#[tokio::test]
async fn a_stale_fence_changes_nothing() {
    let database = Database::fresh().await;
    let store = open(&database).await;
    accept(&store, &[event(Uuid::now_v7(), None)]).await;
    let (slow, quick) = (Uuid::now_v7(), Uuid::now_v7());
    let stale = claim(&store, slow, 10).await.remove(0);
    database.execute("update queue set due_at = now()").await;
    let fresh = claim(&store, quick, 10).await.remove(0);
    assert_eq!((stale.fence, fresh.fence, fresh.attempt), (1, 2, 2));

    let unchanged = "select count(*) from queue where fence = 2 and attempt = 2 and due_at > now() + interval '10 s'";
    let ended = |lease| Finished { lease, delivered: true, attempt: 1, record: Some(record()), error: None };
    assert!(store.finish(slow, &[ended(lease(&stale))]).await.expect("a statement").is_empty());
    let again = Retried { lease: lease(&stale), attempt: 1, wait: 0.0, record: record() };
    store.retry(slow, &[again]).await.expect("a statement");
    store.release(&[lease(&stale)]).await.expect("a statement");
    assert_eq!(database.count(unchanged).await, 1);
    assert_eq!(database.count("select (select count(*) from deliveries) + (select count(*) from attempts)").await, 0);

    // A lease is given back once, however often it is said.
    accept(&store, &[event(Uuid::now_v7(), None)]).await;
    let returned = claim(&store, quick, 10).await.remove(0);
    for _ in 0..2 {
        store.release(&[lease(&returned)]).await.expect("a statement");
        assert_eq!(database.count("select count(*) from queue where attempt = 0 and owner is null").await, 1);
    }
    database.execute("delete from queue where attempt = 0").await;

    // So is a failed attempt written down once: the answer of the first time may have been lost.
    accept(&store, &[event(Uuid::now_v7(), None)]).await;
    let failed = claim(&store, quick, 10).await.remove(0);
    for _ in 0..2 {
        let failed = Retried { lease: lease(&failed), attempt: 1, wait: 60.0, record: record() };
        store.retry(quick, &[failed]).await.expect("a statement");
        assert_eq!(database.count("select count(*) from attempts").await, 1);
    }
    database.execute("delete from queue where attempt = 1").await;

    // In one batch with a good one, too.
    accept(&store, &[event(Uuid::now_v7(), None)]).await;
    let other = claim(&store, quick, 10).await.remove(0);
    let moved = store.finish(quick, &[ended(lease(&stale)), ended(lease(&other))]).await.expect("a statement");
    assert_eq!(moved, [moved_of(&other)]);
    assert_eq!(store.finish(quick, &[ended(lease(&fresh))]).await.expect("a statement"), [moved_of(&fresh)]);
    assert_eq!(database.count("select count(*) from queue").await, 0);
}

#[tokio::test]
async fn days_meet_at_midnight() {
    let database = Database::fresh().await;
    let store = open(&database).await;
    let today = Utc::now().date_naive();
    let midnight = Utc.from_utc_datetime(&(today + chrono::Days::new(1)).and_hms_opt(0, 0, 0).expect("midnight"));
    let (last, first) = (midnight - chrono::Duration::milliseconds(1), midnight);
    // Made before and after midnight, and due on the other side of it.
    let events = [event(id_at(last, 1), Some(first)), event(id_at(first, 2), Some(last))];
    for accepted in accept(&store, &events).await {
        assert!(matches!(accepted, Accepted::Queued { triggers: 1, .. }), "{accepted:?}");
    }
    let days: Vec<(String, DateTime<Utc>)> =
        sqlx::query_as("select tableoid::regclass::text, due_at from events order by id")
            .fetch_all(&database.pool)
            .await
            .expect("rows");
    let partition = |at: DateTime<Utc>| format!("events_{}", at.format("%Y%m%d"));
    assert_eq!(days, [(partition(last), first), (partition(first), last)]);
    assert!(claim(&store, Uuid::now_v7(), 10).await.is_empty(), "neither is due yet");

    database.execute("update queue set due_at = now()").await;
    let node = Uuid::now_v7();
    let claimed = claim(&store, node, 10).await;
    assert_eq!(claimed.iter().filter(|row| row.data.as_deref() == Some("null")).count(), 2);
    let ended: Vec<_> = claimed
        .iter()
        .map(|row| Finished { lease: lease(row), delivered: true, attempt: 1, record: Some(record()), error: None })
        .collect();
    assert_eq!(store.finish(node, &ended).await.expect("a statement").len(), 2);
    let same_day = "select count(*) from events e join deliveries d on d.event_id = e.id
                     where right(e.tableoid::regclass::text, 8) = right(d.tableoid::regclass::text, 8)";
    assert_eq!(database.count(same_day).await, 2, "a delivery lies with its event");
}

#[tokio::test]
async fn retention_drops_old_days_but_none_with_pending_work() {
    let database = Database::fresh().await;
    let store = open(&database).await;
    database.execute("select create_partitions((now() at time zone 'UTC')::date - 40, 3)").await;
    let days_ago = |days| Utc::now() - chrono::Duration::days(days);
    let ids = [
        id_at(days_ago(40), 1),
        id_at(days_ago(39), 2),
        id_at(days_ago(38), 3),
        id_at(days_ago(60), 4),
        Uuid::now_v7(),
    ];
    accept(&store, &ids.map(|id| event(id, None))).await;
    let month = Duration::from_secs(30 * 24 * 3600);
    let partitions = "select count(*) from pg_class where relname ~ '^(events|deliveries|attempts)_[0-9]{8}$'";
    let before = database.count(partitions).await;
    assert_eq!(database.count("select count(*) from events_default").await, 1, "sixty days ago has no partition");

    // The oldest pending delivery keeps everything from its day on.
    assert_eq!(store.drop_expired(month).await.expect("a statement"), 0);
    assert_eq!(database.count("select count(*) from events").await, 5);
    let (oldest, second) = (ids[3], ids[0]);
    for id in [oldest, second] {
        sqlx::query("delete from queue where event_id = $1").bind(id).execute(&database.pool).await.expect("a row");
    }
    assert_eq!(store.drop_expired(month).await.expect("a statement"), 3, "one day of three tables");
    assert_eq!(database.count("select count(*) from events").await, 3);
    assert_eq!(database.count("select count(*) from queue q join events e on e.id = q.event_id").await, 3);

    database.execute("delete from queue").await;
    assert_eq!(store.drop_expired(month).await.expect("a statement"), 6);
    assert_eq!(database.count(partitions).await, before - 9);
    assert_eq!(database.count("select count(*) from events").await, 1, "today's stays");
}

#[tokio::test]
async fn what_a_change_does_not_speak_of_stays_as_somebody_else_leaves_it() {
    let database = Database::fresh().await;
    let store = open(&database).await;
    let row = store.triggers(1, Some("one")).await.expect("a statement").remove(0);
    assert!(row.enabled);
    // Between the look at the trigger and its change.
    database.execute("update triggers set enabled = false, options = '{\"a\":1}'").await;
    let stored = "select count(*) from triggers where not enabled and options = '{\"a\":1}'";
    let kept = Kept { options: true, enabled: true };
    assert_eq!(store.update_trigger(1, "one", &row, kept).await.expect("a statement"), Some(true));
    assert_eq!(database.count(stored).await, 1);
    let kept = Kept { options: false, enabled: false };
    assert_eq!(store.update_trigger(1, "one", &row, kept).await.expect("a statement"), Some(true));
    assert_eq!(database.count("select count(*) from triggers where enabled and options = '{}'").await, 1);
}

#[tokio::test]
async fn a_node_that_is_seen_again_is_not_buried() {
    let database = Database::fresh().await;
    let store = open(&database).await;
    let (dead, back) = (Uuid::now_v7(), Uuid::now_v7());
    for node in [dead, back] {
        store.beat(node, 7.0).await.expect("a statement");
        accept(&store, &[event(Uuid::now_v7(), None)]).await;
        assert_eq!(claim(&store, node, 10).await.len(), 1);
    }
    database.execute("update nodes set seen_at = now() - interval '10 seconds'").await;
    store.beat(back, 7.0).await.expect("a statement");
    assert_eq!(store.bury(&[dead, back], 7.0).await.expect("a statement"), 1);
    assert_eq!(database.count("select count(*) from queue q join nodes n on n.id = q.owner").await, 1);
    assert_eq!(database.count("select count(*) from queue where owner is null").await, 1);
}

#[tokio::test]
async fn old_keys_are_forgotten_while_somebody_reads_the_history() {
    let database = Database::fresh().await;
    let store = open(&database).await;
    database.execute("select create_partitions((now() at time zone 'UTC')::date - 40, 1)").await;
    database
        .execute(
            "insert into idempotency_keys (project_id, event_id, created_at, key)
             values (1, gen_random_uuid(), now() - interval '31 days', 'old'), (1, gen_random_uuid(), now(), 'new')",
        )
        .await;
    let mut reader = database.pool.begin().await.expect("a transaction");
    sqlx::query("select count(*) from events").execute(&mut *reader).await.expect("a statement");
    let month = Duration::from_secs(30 * 24 * 3600);
    store.forget_expired(month).await.expect("a statement");
    assert_eq!(database.count("select count(*) from idempotency_keys where key = 'old'").await, 0);
    assert_eq!(database.count("select count(*) from idempotency_keys where key = 'new'").await, 1);
    assert!(store.drop_expired(month).await.is_err(), "the reader goes first");
    reader.rollback().await.expect("a statement");
    assert_eq!(store.drop_expired(month).await.expect("a statement"), 3);
}

#[tokio::test]
async fn retention_waits_for_who_makes_old_work_pending() {
    let database = Database::fresh().await;
    let store = open(&database).await;
    database.execute("select create_partitions((now() at time zone 'UTC')::date - 40, 1)").await;
    let old = id_at(Utc::now() - chrono::Duration::days(40), 1);
    accept(&store, &[event(old, None)]).await;
    database.execute("delete from queue").await;
    // As a redelivery does it.
    let mut redelivery = database.pool.begin().await.expect("a transaction");
    for sql in [
        "select id from events for no key update",
        "insert into queue (due_at, event_id, trigger_id, project_id) select now(), id, 1, project_id from events",
    ] {
        sqlx::query(sql).execute(&mut *redelivery).await.expect("a statement");
    }
    let dropping = tokio::spawn(async move { store.drop_expired(Duration::from_secs(30 * 24 * 3600)).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    redelivery.commit().await.expect("a commit");
    assert_eq!(dropping.await.expect("no panic").expect("a statement"), 0);
    assert_eq!(database.count("select count(*) from queue q join events e on e.id = q.event_id").await, 1);
}

#[tokio::test]
async fn events_of_a_clock_days_ahead_are_in_nobodys_way() {
    let database = Database::fresh().await;
    let store = open(&database).await;
    let ahead = id_at(Utc::now() + chrono::Duration::days(12), 1);
    accept(&store, &[event(ahead, None)]).await;
    assert_eq!(database.count("select count(*) from events_default").await, 1);
    // The days come, and that one stays where it is.
    database.execute("select create_partitions((now() at time zone 'UTC')::date + 11, 3)").await;
    let days = "select count(*) from pg_class where relkind = 'r' and relispartition
                   and right(relname, 8) > to_char((now() at time zone 'UTC')::date + 10, 'YYYYMMDD') and relname ~ '[0-9]{8}$'";
    assert_eq!(database.count(days).await, 8, "three days of three tables, but for that of one");
    let (server, receiver) = (Server::start(&database).await, Receiver::ok().await);
    server
        .post("/v1/config/projects/p/eventing/triggers/one", &json!({"type": "t", "url": receiver.url()}))
        .await
        .expect(200);
    assert_eq!(receiver.wait_for(1).await[0].json()["id"], ahead.to_string());
}

#[tokio::test]
async fn who_reads_the_history_for_long_stops_nobody_else() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let last_day =
        "do $$ begin execute 'drop table events_' || to_char((now() at time zone 'UTC')::date + 7, 'YYYYMMDD'); end $$";
    database.execute(last_day).await;
    let mut reader = database.pool.begin().await.expect("a transaction");
    sqlx::query("select count(*) from events").execute(&mut *reader).await.expect("a count");
    // It goes on without the partition, and so do those that have been here before.
    let another = Server::start(&database).await;
    for server in [&server, &another] {
        server.queue(&json!({"type": "t"})).await.expect(202);
    }
    drop(reader);
}
