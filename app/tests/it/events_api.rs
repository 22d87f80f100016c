//! The event log: what it lists, what it tells of one event, redelivery, cancellation, statistics and live changes.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};

use crate::support::{Act, Answer, Database, Receiver, Server, eventually, settled};

const EVENTS: &str = "/v1/api/default/eventing/events";

async fn list(server: &Server, query: &str) -> Value {
    server.get(&format!("{EVENTS}?{query}")).await.expect(200).json()
}

fn ids(page: &Value) -> Vec<String> {
    let events = page["events"].as_array().expect("events");
    events.iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
}

async fn queue(server: &Server, body: Value) -> String {
    server.queue(&body).await.expect(202).json()["eventId"].as_str().expect("an id").to_owned()
}

async fn show(server: &Server, id: &str) -> Value {
    server.get(&format!("{EVENTS}/{id}")).await.expect(200).json()
}

async fn act(server: &Server, id: &str, what: &str, body: Value) -> Answer {
    server.post(&format!("{EVENTS}/{id}/{what}"), &body).await
}

/// A server whose webhook answers 200 to the type `good`, 500 to `bad`.
async fn good_and_bad(database: &Database) -> (Server, Receiver) {
    let receiver =
        Receiver::start(
            |_, request| {
                if request.text().contains("\"type\":\"bad\"") { Act::status(500) } else { Act::ok() }
            },
        )
        .await;
    let server = Server::start(database).await;
    server.trigger("good", "good", &receiver.url(), json!({})).await;
    server.trigger("bad", "bad", &receiver.url(), json!({"retries": 1})).await;
    (server, receiver)
}

/// How often a partition of the history was scanned from end to end, once the server is gone: then all it did is counted.
async fn scans(database: &Database) -> i64 {
    eventually("the end of the server's connections", async || {
        let connected = "select count(*) from pg_stat_activity
                          where datname = current_database() and application_name = 'mission-control'";
        (database.count(connected).await == 0).then_some(())
    })
    .await;
    let scanned = "select coalesce(sum(seq_scan), 0)::bigint from pg_stat_user_tables
                    where relname ~ '^(events|deliveries|attempts)(_|$)'";
    database.count(scanned).await
}

#[tokio::test]
async fn no_search_scans_the_history() {
    let database = Database::fresh().await;
    let (mut server, _receiver) = good_and_bad(&database).await;
    for event_type in ["good", "bad", "nobody"] {
        queue(&server, json!({"type": event_type, "data": {"a": 1}})).await;
    }
    settled(&database).await;
    server.process.kill().await;
    let before = scans(&database).await;
    let mut server = Server::start(&database).await;
    let newest = ids(&list(&server, "").await).remove(0);
    for query in [
        "type=good",
        "trigger=good",
        "status=delivered",
        "status=failed",
        "status=cancelled",
        "status=no-trigger",
        "status=scheduled",
        "status=pending",
        "status=retrying",
        "trigger=bad&status=failed",
        "from=0",
        "text=a",
        "path=a&value=1",
        &format!("id={newest}"),
        &format!("cursor={newest}"),
    ] {
        list(&server, query).await;
    }
    show(&server, &newest).await;
    server.process.kill().await;
    assert_eq!(scans(&database).await, before);
}

#[tokio::test]
async fn every_status_has_its_events() {
    let database = Database::fresh().await;
    let (server, _receiver) = good_and_bad(&database).await;
    server.trigger("slow", "slow", "http://127.0.0.1:1/", json!({"backoffFirst": 3_600_000})).await;
    server.trigger("paused", "paused", "http://127.0.0.1:1/", json!({"enabled": false})).await;
    let delivered = queue(&server, json!({"type": "good"})).await;
    let failed = queue(&server, json!({"type": "bad"})).await;
    let no_trigger = queue(&server, json!({"type": "nobody"})).await;
    let scheduled = queue(&server, json!({"type": "good", "delay": 3600})).await;
    let pending = queue(&server, json!({"type": "paused"})).await;
    let retrying = queue(&server, json!({"type": "slow"})).await;
    let cancelled = queue(&server, json!({"type": "good", "delay": 3600})).await;
    act(&server, &cancelled, "cancel", json!({})).await.expect(200);
    eventually("all attempts", async || {
        (database.count("select count(*) from queue where attempt > 0 and owner is null").await == 1
            && database.count("select count(*) from deliveries").await == 3)
            .then_some(())
    })
    .await;

    let expected = [
        ("delivered", &delivered, [0, 1, 0, 0], 1),
        ("failed", &failed, [0, 0, 1, 0], 2),
        ("no-trigger", &no_trigger, [0, 0, 0, 0], 0),
        ("scheduled", &scheduled, [1, 0, 0, 0], 0),
        ("pending", &pending, [1, 0, 0, 0], 0),
        ("retrying", &retrying, [1, 0, 0, 0], 1),
        ("cancelled", &cancelled, [0, 0, 0, 1], 0),
    ];
    for (status, id, counts, attempts) in expected {
        let page = list(&server, &format!("status={status}")).await;
        assert_eq!(ids(&page), [id.as_str()], "{status}");
        let event = &page["events"][0];
        assert_eq!(event["status"], status);
        let [pending, delivered, failed, cancelled] = counts;
        assert_eq!(
            event["deliveries"],
            json!({"pending": pending, "delivered": delivered, "failed": failed, "cancelled": cancelled}),
            "{status}"
        );
        assert_eq!(event["attempts"], attempts, "{status}");
        assert_eq!(page["next"], Value::Null);
        assert_eq!(show(&server, id).await["status"], status);
    }
    let all = list(&server, "").await;
    assert_eq!(
        ids(&all),
        [&cancelled, &retrying, &pending, &scheduled, &no_trigger, &failed, &delivered].map(Clone::clone)
    );
    let error = |id: &str| {
        let events = all["events"].as_array().expect("events");
        events.iter().find(|event| event["id"] == id).expect("the event")["lastError"].as_str().map(str::to_owned)
    };
    assert!(error(&failed).expect("an error").contains("500"), "{all}");
    assert!(error(&retrying).is_some(), "{all}");
    assert_eq!(error(&delivered), None);
}

#[tokio::test]
async fn filters_narrow_the_log() {
    let database = Database::fresh().await;
    let (server, _receiver) = good_and_bad(&database).await;
    server.trigger("other", "good", "http://127.0.0.1:1/", json!({"retries": 0})).await;
    let before = chrono::Utc::now().timestamp_millis() - 1;
    let one = queue(&server, json!({"type": "good", "data": {"order": {"id": 7, "items": [{"sku": "a b"}]}}})).await;
    let two = queue(&server, json!({"type": "bad", "data": {"order": {"id": "7"}}})).await;
    let odd = r#"{"type": "good", "data": {"zero": "\u0000", "half": "\ud83d", "huge": 1e999999, "order": {"id": 7}}}"#;
    let odd = server.queue_text(odd).await.expect(202).json()["eventId"].as_str().expect("an id").to_owned();
    settled(&database).await;
    let after = chrono::Utc::now().timestamp_millis() + 1;
    // An event of the type that came before its trigger did.
    server.trigger("late", "good", "http://127.0.0.1:1/", json!({})).await;

    let all = vec![&odd, &two, &one];
    let cases: Vec<(String, Vec<&String>)> = vec![
        ("type=good".into(), vec![&odd, &one]),
        ("type=none".into(), vec![]),
        ("trigger=good".into(), vec![&odd, &one]),
        ("trigger=bad".into(), vec![&two]),
        ("trigger=late".into(), vec![]),
        ("trigger=unknown".into(), vec![]),
        ("trigger=bad&type=good".into(), vec![]),
        // Of a trigger the status is that of the delivery to it.
        ("trigger=good&status=delivered".into(), vec![&odd, &one]),
        ("trigger=other&status=delivered".into(), vec![]),
        ("trigger=other&status=failed".into(), vec![&odd, &one]),
        ("trigger=good&status=failed".into(), vec![]),
        ("status=failed".into(), all.clone()),
        ("status=failed&type=bad".into(), vec![&two]),
        (format!("id={one}"), vec![&one]),
        (format!("id={one}&type=bad"), vec![]),
        (format!("from={before}&to={after}"), all.clone()),
        (format!("from={after}"), vec![]),
        (format!("to={before}"), vec![]),
        ("from=2020-01-01T00:00:00Z&to=2021-01-01T00:00:00Z".into(), vec![]),
        ("text=a%20b".into(), vec![&one]),
        ("text=%22order%22".into(), all.clone()),
        ("text=%25".into(), vec![]),
        ("text=%5Cu0000&status=failed".into(), vec![&odd]),
        ("path=order.id&value=7".into(), all.clone()),
        ("path=order.id&value=7.0".into(), vec![&odd, &one]),
        ("path=order.id&value=7&status=failed&type=bad".into(), vec![&two]),
        ("path=order.id&value=70e-1".into(), vec![&odd, &one]),
        ("path=huge&value=1e999999".into(), vec![&odd]),
        ("path=half&value=x".into(), vec![]),
        ("path=order.items.0.sku&value=a%20b".into(), vec![&one]),
        ("path=order.items.1.sku&value=a%20b".into(), vec![]),
        (format!("after={one}"), vec![&odd, &two]),
        (format!("after={odd}"), vec![]),
    ];
    for (query, expected) in cases {
        assert_eq!(ids(&list(&server, &query).await).iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let event = &list(&server, "trigger=other").await["events"][0];
    assert_eq!(event["deliveries"]["failed"], 1);
    assert_eq!(event["deliveries"]["delivered"], 0);
}

#[tokio::test]
async fn pages_hold_still_while_events_come() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let batch: Vec<_> = (0..25).map(|n| json!({"type": format!("t{}", n % 2), "data": n})).collect();
    let receipts = server.queue(&json!(batch)).await.expect(202).json();
    let mut expected: Vec<_> =
        receipts.as_array().expect("receipts").iter().map(|one| one["eventId"].as_str().expect("an id")).collect();
    expected.sort_unstable();
    expected.reverse();
    for filter in ["", "&status=no-trigger"] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = list(&server, &format!("limit=10{filter}{cursor}")).await;
            found.extend(ids(&page));
            queue(&server, json!({"type": "new"})).await;
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        found.retain(|id| expected.contains(&id.as_str()));
        assert_eq!(found, expected);
    }
    let newer = list(&server, &format!("after={}", expected[0])).await;
    assert!(newer["events"].as_array().expect("events").iter().all(|event| event["type"] == "new"), "{newer}");
    assert_eq!(ids(&newer).len(), 6, "one a page");
}

/// The ids of all pages of a search.
async fn all_pages(server: &Server, query: &str) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = list(server, &format!("{query}{cursor}")).await;
        found.extend(ids(&page));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test]
async fn an_event_is_found_by_each_of_its_deliveries() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let names = ["one", "two", "three"];
    for name in names {
        let hour = json!({"backoffFirst": 3_600_000});
        server.trigger(&format!("failing-{name}"), "failing", "http://127.0.0.1:1/", json!({"retries": 0})).await;
        server.trigger(&format!("retrying-{name}"), "retrying", "http://127.0.0.1:1/", hour).await;
        server.trigger(&format!("waiting-{name}"), "waiting", "http://127.0.0.1:1/", json!({"enabled": false})).await;
    }
    let mut expected = std::collections::HashMap::<_, Vec<_>>::new();
    for _ in 0..3 {
        for event_type in ["failing", "retrying", "waiting"] {
            expected.entry(event_type).or_default().insert(0, queue(&server, json!({"type": event_type})).await);
        }
    }
    eventually("all attempts", async || {
        (database.count("select count(*) from deliveries").await == 9
            && database.count("select count(*) from attempts").await == 9)
            .then_some(())
    })
    .await;
    // A chunk of candidates may end between two deliveries of an event.
    for (event_type, status) in [("failing", "failed"), ("retrying", "retrying"), ("waiting", "pending")] {
        for name in names {
            let query = format!("limit=1&status={status}&trigger={event_type}-{name}");
            assert_eq!(all_pages(&server, &query).await, expected[event_type], "{query}");
        }
    }
}

#[tokio::test]
async fn few_and_many_that_are_due_are_found_below_newer_ones() {
    let database = Database::fresh().await;
    let (server, receiver) = good_and_bad(&database).await;
    server.trigger("paused", "paused", "http://127.0.0.1:1/", json!({"enabled": false})).await;
    let delivered = queue(&server, json!({"type": "good"})).await;
    receiver.wait_for(1).await;
    settled(&database).await;
    let mut due = Vec::new();
    for _ in 0..3 {
        due.insert(0, queue(&server, json!({"type": "paused"})).await);
    }
    let scheduled: Vec<_> = (0..300).map(|_| json!({"type": "paused", "delay": 3600})).collect();
    server.queue(&json!(scheduled)).await.expect(202);
    assert_eq!(all_pages(&server, "status=pending&limit=2").await, due);
    assert_eq!(all_pages(&server, "status=pending&limit=2&trigger=paused").await, due);
    assert_eq!(all_pages(&server, "status=delivered&limit=2").await, [delivered]);
    assert_eq!(all_pages(&server, "status=scheduled&limit=200").await.len(), 300);

    // More than are sorted for a page, all of them older.
    database
        .execute(
            "with added as (
                 insert into events (id, project_id, due_at, triggers, type, data)
                 select (left(uuid_at('2020-01-01Z')::text, 24) || lpad(to_hex(n), 12, '0'))::uuid, 1, now(), 1, 'paused', 'null'
                   from generate_series(1, 30100) n
                 returning id
             )
             insert into queue (event_id, trigger_id, project_id, due_at)
             select a.id, t.id, 1, now() from added a join triggers t on t.name = 'paused'",
        )
        .await;
    let page = list(&server, "status=pending&limit=200").await;
    let found = ids(&page);
    assert_eq!((found.len(), &found[..3]), (200, &due[..]));
    assert!(found.is_sorted_by(|newer, older| newer > older));
    let next =
        list(&server, &format!("status=pending&limit=200&cursor={}", page["next"].as_str().expect("more"))).await;
    assert!(ids(&next).len() == 200 && ids(&next)[0] < found[199], "{next}");
}

#[tokio::test]
async fn wrong_filters_are_named() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    for (query, field) in [
        ("status=done", "status"),
        ("staus=failed", "staus"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("from=yesterday", "from"),
        ("id=7", "id"),
        ("cursor=x", "cursor"),
        ("path=a", "value"),
        ("trigger=a%20b", "trigger"),
    ] {
        assert_eq!(server.get(&format!("{EVENTS}?{query}")).await.expect(422).fields(), [field]);
    }
    server.get("/v1/api/nowhere/eventing/events").await.expect(404);
    server.get(&format!("{EVENTS}/7")).await.expect(404);
    server.get(&format!("{EVENTS}/{}", uuid::Uuid::now_v7())).await.expect(404);
    let event = queue(&server, json!({"type": "t"})).await;
    assert_eq!(act(&server, &event, "redeliver", json!({"triger": "x"})).await.expect(422).fields(), ["triger"]);
    act(&server, &event, "redeliver", json!([])).await.expect(422);
}

#[tokio::test]
async fn an_event_tells_everything() {
    let database = Database::fresh().await;
    let receiver = Receiver::start(|number, _| match number {
        0 => Act::Answer(503, "x-why: busy\r\n".into(), "later".into()),
        _ => Act::body("done"),
    })
    .await;
    let server = Server::start(&database).await;
    server.trigger("one", "t", &receiver.url(), json!({"headers": {"X-Key": "k"}})).await;
    let sent = r#"{"type": "t", "data": {"b":1.10, "a":  [1e400, "\u0000"]}}"#;
    let id = server.queue_text(sent).await.expect(202).json()["eventId"].as_str().expect("an id").to_owned();
    let received = receiver.wait_for(2).await;
    settled(&database).await;
    let event = show(&server, &id).await;
    assert_eq!(event["cloudEvent"], received[0].text());
    assert_eq!(event["id"], id);
    assert_eq!(event["type"], "t");
    let delivery = &event["deliveries"][0];
    assert_eq!(delivery["trigger"], "one");
    assert_eq!(delivery["status"], "delivered");
    assert_eq!(delivery["wait"], Value::Null);
    assert_eq!(delivery["request"], json!({"url": receiver.url(), "headers": {"X-Key": "k"}}));
    assert_eq!(delivery["runs"].as_array().expect("runs").len(), 1);
    let run = &delivery["runs"][0];
    assert_eq!(run["attemptsBegun"], 2);
    let attempts = run["attempts"].as_array().expect("attempts");
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[0]["number"], 1);
    assert_eq!(attempts[0]["response"]["status"], 503);
    assert_eq!(attempts[0]["response"]["headers"]["x-why"], "busy");
    assert_eq!(attempts[0]["response"]["body"], "later");
    assert_eq!(attempts[1]["number"], 2);
    assert_eq!(attempts[1]["response"]["body"], "done");
    assert_eq!(attempts[1]["error"], Value::Null);
    assert!(attempts[1]["durationMs"].as_f64().expect("a duration") > 0.0);
    let timings = &attempts[0]["timings"];
    assert_eq!((&timings["dnsMs"], &timings["tlsMs"]), (&Value::Null, &Value::Null), "an address over plain HTTP");
    let millis = |name: &str| timings[name].as_f64().expect("a time");
    assert!(0.0 < millis("connectMs") && millis("connectMs") < millis("firstByteMs"), "{timings}");
    assert!(millis("firstByteMs") <= attempts[0]["durationMs"].as_f64().expect("a duration"), "{timings}");
    for attempt in attempts {
        assert_eq!(attempt["node"].as_str().expect("a node").len(), 36);
    }
}

#[tokio::test]
async fn what_waits_says_why() {
    let database = Database::fresh().await;
    let receiver = Receiver::start(|_, _| Act::AfterWaiting(Duration::from_secs(60))).await;
    let server = Server::with(&database, &["--grace", "0.1"]).await;
    server.trigger("paused", "paused", &receiver.url(), json!({"enabled": false})).await;
    server.trigger("busy", "busy", &receiver.url(), json!({"concurrency": 1, "timeout": 60_000})).await;
    server.trigger("slow", "slow", "http://127.0.0.1:1/", json!({"backoffFirst": 3_600_000, "retries": 2})).await;
    let scheduled = queue(&server, json!({"type": "slow", "delay": 3600})).await;
    let paused = queue(&server, json!({"type": "paused"})).await;
    let in_flight = queue(&server, json!({"type": "busy"})).await;
    receiver.wait_for(1).await;
    let retry = queue(&server, json!({"type": "slow"})).await;
    for (id, reason, text) in [
        (&scheduled, "scheduled", "scheduled for "),
        (&paused, "paused", "the trigger is paused"),
        (&in_flight, "in-flight", "in flight: first attempt"),
        (&retry, "retry", "retry 1 of 2"),
    ] {
        let wait = eventually(reason, async || {
            let wait = show(&server, id).await["deliveries"][0]["wait"].clone();
            (wait["reason"] == reason).then_some(wait)
        })
        .await;
        assert!(wait["text"].as_str().expect("text").starts_with(text), "{wait}");
        assert_eq!(wait["node"].is_null(), reason != "in-flight", "{wait}");
        assert_eq!(wait["nextAttemptAt"].is_null(), matches!(reason, "in-flight" | "paused"), "{wait}");
    }
}

#[tokio::test]
async fn a_redelivery_is_a_new_run_of_the_same_event() {
    let database = Database::fresh().await;
    let (server, receiver) = good_and_bad(&database).await;
    server.trigger("also-bad", "bad", &receiver.url(), json!({"retries": 0})).await;
    let id = queue(&server, json!({"type": "bad", "data": 1})).await;
    settled(&database).await;
    let before = receiver.received().len();
    assert_eq!(before, 3);

    let answer = act(&server, &id, "redeliver", json!({"trigger": "also-bad"})).await.expect(200).json();
    assert_eq!(answer, json!({"eventId": id, "triggers": ["also-bad"], "left": []}));
    settled(&database).await;
    let answer = act(&server, &id, "redeliver", json!({})).await.expect(200).json();
    assert_eq!(answer["triggers"], json!(["bad", "also-bad"]));
    settled(&database).await;
    let received = receiver.received();
    assert_eq!(received.len(), before + 1 + 3);
    assert!(received.iter().all(|request| request.text() == received[0].text()), "the event stays the same");

    let event = show(&server, &id).await;
    let runs = |delivery: usize| {
        let runs = event["deliveries"][delivery]["runs"].as_array().expect("runs").clone();
        runs.iter()
            .map(|run| (run["run"].clone(), run["attempts"].as_array().expect("attempts").len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(runs(0), [(json!(0), 2), (json!(1), 2)]);
    assert_eq!(runs(1), [(json!(0), 1), (json!(1), 1), (json!(2), 1)]);
    assert_eq!(event["counts"]["failed"], 2, "runs before the latest do not count");

    server.delete_trigger("also-bad").await.expect(200);
    let refused = act(&server, &id, "redeliver", json!({"trigger": "also-bad"})).await.expect(409).json();
    assert_eq!(refused["error"], "also-bad: The trigger was deleted.");
    let refused = act(&server, &id, "redeliver", json!({"trigger": "good"})).await.expect(409).json();
    assert!(refused["error"].as_str().expect("text").contains("no trigger \"good\""), "{refused}");
}

#[tokio::test]
async fn what_is_pending_is_not_redelivered_twice() {
    let database = Database::fresh().await;
    let (server, receiver) = good_and_bad(&database).await;
    let id = queue(&server, json!({"type": "good"})).await;
    settled(&database).await;
    server.trigger("good", "good", &receiver.url(), json!({"enabled": false})).await;
    // However many ask at once, one of them gets it.
    let asked = futures::future::join_all((0..12).map(|_| act(&server, &id, "redeliver", json!({})))).await;
    assert_eq!(asked.iter().filter(|answer| answer.status == 200).count(), 1);
    let refused = asked.iter().find(|answer| answer.status != 200).expect("a refusal").clone().expect(409).json();
    assert_eq!(refused["error"], "good: Its delivery is still pending.");
    server.trigger("good", "good", &receiver.url(), json!({"enabled": true})).await;
    settled(&database).await;
    assert_eq!(receiver.received().len(), 2);

    // And while they race with the deliveries themselves, every run ends once.
    for _ in 0..20 {
        futures::future::join_all((0..4).map(|_| act(&server, &id, "redeliver", json!({})))).await;
    }
    settled(&database).await;
    let runs = database.count("select count(*) from deliveries").await;
    assert_eq!(database.count("select max(run)::bigint + 1 from deliveries").await, runs);
    assert_eq!(receiver.received().len() as i64, runs);
}

#[tokio::test]
async fn events_without_a_trigger_can_be_caught_up_with() {
    let database = Database::fresh().await;
    let (server, receiver) = good_and_bad(&database).await;
    let id = queue(&server, json!({"type": "new"})).await;
    let refused = act(&server, &id, "redeliver", json!({})).await.expect(409).json();
    assert_eq!(refused["error"], "No trigger is registered for the type of this event.");
    server.trigger("new", "new", &receiver.url(), json!({})).await;
    // As if the event were much older than its trigger.
    database.execute("update triggers set first_event = uuid_at(now() + interval '1 hour')").await;
    assert!(ids(&list(&server, "trigger=new").await).is_empty());
    act(&server, &id, "redeliver", json!({})).await.expect(200);
    receiver.wait_for(1).await;
    settled(&database).await;
    let event = &list(&server, "trigger=new&status=delivered").await["events"][0];
    assert_eq!(event["id"], id);
    assert_eq!(event["triggers"], 1);
    // A trigger that is named gets an event of its type also where others had it.
    server.trigger("second", "new", &receiver.url(), json!({})).await;
    act(&server, &id, "redeliver", json!({"trigger": "second"})).await.expect(200);
    settled(&database).await;
    assert_eq!(show(&server, &id).await["counts"]["delivered"], 2);
    assert_eq!(ids(&list(&server, "trigger=second").await), [id]);
}

#[tokio::test]
async fn what_is_not_in_flight_can_be_cancelled() {
    let database = Database::fresh().await;
    let receiver = Receiver::start(|_, _| Act::AfterWaiting(Duration::from_secs(2))).await;
    let server = Server::start(&database).await;
    server.trigger("busy", "t", &receiver.url(), json!({})).await;
    server.trigger("paused", "t", &receiver.url(), json!({"enabled": false})).await;
    let id = queue(&server, json!({"type": "t"})).await;
    receiver.wait_for(1).await;
    let answer = act(&server, &id, "cancel", json!({})).await.expect(200).json();
    assert_eq!(answer["triggers"], json!(["paused"]));
    assert_eq!(answer["left"], json!([{"trigger": "busy", "why": "An attempt is in flight."}]));
    let refused = act(&server, &id, "cancel", json!({})).await.expect(409).json();
    assert_eq!(refused["error"], "busy: An attempt is in flight. paused: Its delivery has ended.");
    settled(&database).await;
    let event = show(&server, &id).await;
    assert_eq!(event["counts"], json!({"pending": 0, "delivered": 1, "failed": 0, "cancelled": 1}));
    assert_eq!(event["status"], "cancelled");
    // And a cancelled delivery can be taken up again.
    server.trigger("paused", "t", &receiver.url(), json!({"enabled": true})).await;
    act(&server, &id, "redeliver", json!({"trigger": "paused"})).await.expect(200);
    settled(&database).await;
    assert_eq!(show(&server, &id).await["status"], "delivered");
}

#[tokio::test]
async fn statistics_add_up() {
    let database = Database::fresh().await;
    let (server, _receiver) = good_and_bad(&database).await;
    for _ in 0..25 {
        queue(&server, json!({"type": "good"})).await;
    }
    queue(&server, json!({"type": "bad"})).await;
    queue(&server, json!({"type": "good", "delay": 3600})).await;
    for range in ["1h", "24h", "7d"] {
        let overview = eventually("counted", async || {
            let overview =
                server.get(&format!("/v1/api/default/eventing/overview?range={range}")).await.expect(200).json();
            (overview["delivered"] == 25 && overview["failed"] == 1).then_some(overview)
        })
        .await;
        assert_eq!(overview["retried"], 1);
        assert_eq!(overview["pending"], 1);
        assert!((overview["successRate"].as_f64().expect("a rate") - 25.0 / 26.0).abs() < 1e-9);
        assert!(overview["p95Ms"].as_f64().expect("a duration") > 0.0);
        let series = overview["series"].as_array().expect("a series");
        let delivered: u64 = series.iter().map(|bucket| bucket["delivered"].as_u64().expect("a count")).sum();
        assert_eq!(delivered, 25);
        // Under way now, or ended while this test ran.
        let recent: u64 =
            series.iter().rev().take(2).map(|bucket| bucket["delivered"].as_u64().expect("a count")).sum();
        assert_eq!(recent, 25, "{range}");
    }
    let health = server.get("/v1/api/default/eventing/health").await.expect(200).json();
    let (bad, good) = (&health["triggers"][0], &health["triggers"][1]);
    assert_eq!(bad["trigger"], "bad");
    assert_eq!(bad["outcomes"], json!(["failed"]));
    assert_eq!(bad["successRate"], 0.0);
    assert_eq!(good["outcomes"].as_array().expect("outcomes").len(), 20);
    assert_eq!(good["successRate"], 1.0);
    assert_eq!(server.get("/v1/api/default/eventing/overview?range=1y").await.expect(422).fields(), ["range"]);
}

#[tokio::test]
async fn changes_are_told_as_they_happen() {
    let database = Database::fresh().await;
    let (server, _receiver) = good_and_bad(&database).await;
    let other = Server::start(&database).await;
    let response = server.http.get(server.url(&format!("{EVENTS}/live"))).send().await.expect("an answer");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.bytes_stream();
    let mut heard = String::new();
    let mut hear = async |what: &str| {
        let deadline = tokio::time::Instant::now() + crate::support::PATIENCE;
        while !heard.contains(what) {
            let chunk = tokio::time::timeout_at(deadline, stream.next()).await;
            let chunk = chunk.unwrap_or_else(|_| panic!("not heard of {what}: {heard}"));
            heard.push_str(&String::from_utf8_lossy(&chunk.expect("no end").expect("a chunk")));
        }
        assert!(heard.contains("event: change"));
        heard.clear();
    };
    let here = queue(&server, json!({"type": "good"})).await;
    hear(&here).await;
    queue(&other, json!({"type": "good"})).await;
    hear("\"more\":true").await;
    // Who comes with a mark hears at once what has changed since: everything, where the mark is of no known time.
    let response = server.http.get(server.url(&format!("{EVENTS}/live?mark="))).send().await.expect("an answer");
    let mut late = response.bytes_stream();
    let first = tokio::time::timeout(crate::support::PATIENCE, late.next()).await.expect("a message at once");
    let first = String::from_utf8_lossy(&first.expect("no end").expect("a chunk")).into_owned();
    assert!(first.contains("\"more\":true"), "{first}");
    // A server that stops does not wait for those who listen.
    let mut server = server;
    server.process.signal(nix::sys::signal::Signal::SIGTERM);
    let stopped = std::time::Instant::now();
    assert_eq!(server.process.ended().await, Some(0));
    assert!(stopped.elapsed() < Duration::from_secs(8), "{:?}", stopped.elapsed());
}

#[tokio::test]
async fn who_was_told_an_old_count_of_a_long_backlog_hears_of_a_new_one() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    server.trigger("one", "t", "http://127.0.0.1:1/", json!({"enabled": false})).await;
    let pending = async || {
        let overview = server.get("/v1/api/default/eventing/overview").await.expect(200);
        overview.json()["pending"].as_u64().expect("a count")
    };
    let later = "insert into queue (due_at, event_id, trigger_id, project_id)
                 select now() + interval '1 day', gen_random_uuid(), t.id, t.project_id from triggers t, generate_series(1, 400000)";
    database.execute(later).await;
    let response = server.http.get(server.url(&format!("{EVENTS}/live"))).send().await.expect("an answer");
    let mut stream = response.bytes_stream();
    assert_eq!(pending().await, 400_000);
    database.execute("delete from queue where ctid in (select ctid from queue limit 1)").await;
    // Nothing that anybody could see has happened since, so nobody hears of anything but for the count's sake.
    assert_eq!(pending().await, 400_000, "counted a moment ago");
    let heard = tokio::time::timeout(crate::support::PATIENCE, stream.next()).await.expect("a message");
    let heard = String::from_utf8_lossy(&heard.expect("no end").expect("a chunk")).into_owned();
    assert!(heard.contains("event: change") && heard.contains("\"more\":true"), "{heard}");
    assert_eq!(pending().await, 399_999);
}

#[tokio::test]
async fn what_takes_too_long_to_compare_is_counted_as_far_as_it_goes() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let events = vec![json!({"type": "t", "data": {"n": 1}}); 300];
    server.queue(&json!(events)).await.expect(202);
    // As with data of hundreds of kilobytes: the first chunk takes longer than a statement may.
    database
        .execute(
            "create or replace function has_value(data text, path text[], value text) returns boolean language plpgsql as
             $$ begin perform pg_sleep(0.05); return true; end $$",
        )
        .await;
    let count = json!({"action": "redeliver", "dryRun": true, "filter": {"path": "n", "value": "1"}});
    let counted = server.post("/v1/api/default/eventing/jobs", &count).await.expect(200).json();
    let events = counted["events"].as_u64().expect("a count");
    assert!((1..300).contains(&events), "{counted}");
    assert!(counted["searchedTo"].is_string(), "{counted}");
}
