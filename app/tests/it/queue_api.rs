//! The queue API, row by row and answer by answer.

use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::support::{Act, Answer, Cut, Database, Receiver, Server, a_moment, eventually, settled};

fn event_id(answer: &Answer) -> String {
    answer.json()["eventId"].as_str().expect("an event id").to_owned()
}

#[tokio::test]
async fn an_event_needs_only_a_type() {
    let database = Database::fresh().await;
    let (server, receiver) = (Server::start(&database).await, Receiver::ok().await);
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    let answer = server.queue(&json!({"type": "t"})).await.expect(202);
    let body = answer.json();
    let keys: Vec<_> = body.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["eventId", "scheduledAt", "triggers"]);
    assert_eq!(body["triggers"], 1);
    let scheduled: DateTime<Utc> = body["scheduledAt"].as_str().expect("text").parse().expect("a time");
    assert!((Utc::now() - scheduled).num_seconds().abs() < 30);
    let received = receiver.wait_for(1).await;
    assert_eq!(received[0].json()["data"], Value::Null);
    assert_eq!(received[0].json()["id"], body["eventId"]);
    assert_eq!(received[0].json()["time"], body["scheduledAt"]);
}

#[tokio::test]
async fn both_paths_are_the_same() {
    let database = Database::fresh().await;
    let (server, receiver) = (Server::start(&database).await, Receiver::ok().await);
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    for path in ["/v1/api/default/eventing/queue", "/v1/api/default/event-triggers/queue"] {
        server.post(path, &json!({"type": "t", "data": path})).await.expect(202);
    }
    let mut paths: Vec<_> = receiver
        .wait_for(2)
        .await
        .iter()
        .map(|received| received.json()["data"].as_str().expect("text").to_owned())
        .collect();
    paths.sort();
    assert_eq!(paths, ["/v1/api/default/event-triggers/queue", "/v1/api/default/eventing/queue"]);
}

#[tokio::test]
async fn the_clients_of_the_original_work_unchanged() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let receiver = Receiver::start(|_, _| Act::body(r#"{"response": {"sent": true}}"#)).await;
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    let timestamp = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let body = |synchronous: bool| json!({"type": "t", "delay": 0, "timestamp": timestamp, "payload": {"a": 1}, "options": {}, "isSynchronous": synchronous});
    server.queue(&body(false)).await.expect(202);
    assert_eq!(receiver.wait_for(1).await[0].json()["data"], json!({"a": 1}));
    let answer = server.queue(&body(true)).await.expect(200);
    assert_eq!(answer.json()["result"], json!({"sent": true}));
}

#[tokio::test]
async fn null_means_the_default_and_unknown_keys_are_named() {
    let database = Database::fresh().await;
    let (server, receiver) = (Server::start(&database).await, Receiver::ok().await);
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    let nulls = r#"{"type":"t","data":null,"payload":null,"timestamp":null,"delay":null,"isSynchronous":null,"options":null,"idempotencyKey":null}"#;
    let answer = server.queue_text(nulls).await.expect(202);
    assert!(answer.json().get("ignored").is_none());
    let answer = server.queue(&json!({"type": "t", "isSynchronus": true})).await.expect(202);
    assert_eq!(answer.json()["ignored"], json!(["isSynchronus"]));
    assert_eq!(receiver.wait_for(2).await.len(), 2);
}

#[tokio::test]
async fn timestamps_and_delays_say_when() {
    let database = Database::fresh().await;
    let (server, receiver) = (Server::start(&database).await, Receiver::ok().await);
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    let now = Utc::now();
    let at = |answer: &Answer| {
        answer.json()["scheduledAt"].as_str().expect("text").parse::<DateTime<Utc>>().expect("a time")
    };
    let far = now + chrono::Duration::days(400);
    let millis = server.queue(&json!({"type": "t", "timestamp": far.timestamp_millis()})).await.expect(202);
    assert_eq!(at(&millis).timestamp_millis(), far.timestamp_millis());
    let text = server.queue(&json!({"type": "t", "timestamp": far.to_rfc3339()})).await.expect(202);
    assert_eq!(at(&text).timestamp_millis(), far.timestamp_millis());
    let both = server.queue(&json!({"type": "t", "timestamp": far.timestamp_millis(), "delay": 1.5})).await.expect(202);
    assert_eq!(at(&both).timestamp_millis(), far.timestamp_millis() + 1_500);
    let delayed = server.queue(&json!({"type": "t", "delay": 3600})).await.expect(202);
    assert!((at(&delayed) - now - chrono::Duration::hours(1)).num_seconds().abs() < 30, "delays are seconds");
    assert_eq!(receiver.received().len(), 0);
    for past in [json!(0), json!(-5_000), json!("1999-12-31T23:59:59+02:00"), json!(1_587_902_400)] {
        let answer = server.queue(&json!({"type": "t", "timestamp": past})).await.expect(202);
        assert!((at(&answer) - now).num_seconds().abs() < 30, "the past means now");
    }
    receiver.wait_for(4).await;
}

#[tokio::test]
async fn an_idempotency_key_queues_once() {
    let database = Database::fresh().await;
    let (server, receiver) = (Server::start(&database).await, Receiver::ok().await);
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    let in_body = json!({"type": "t", "idempotencyKey": "k1"});
    let first = server.queue(&in_body).await.expect(202);
    assert_eq!(first.header("idempotency-replayed"), "");
    let again = server.queue(&in_body).await.expect(202);
    assert_eq!(again.json(), first.json());
    assert_eq!(again.header("idempotency-replayed"), "true");

    let in_header = |key: &'static str| {
        let request =
            server.http.post(server.url("/v1/api/default/eventing/queue")).header("content-type", "application/json");
        Answer::of(request.header("idempotency-key", key).body(r#"{"type":"t"}"#))
    };
    assert_eq!(event_id(&in_header("k1").await.expect(202)), event_id(&first));
    let other = in_header("k2").await.expect(202);
    assert_ne!(event_id(&other), event_id(&first));
    let two = server.http.post(server.url("/v1/api/default/eventing/queue")).header("content-type", "application/json");
    let two = two.header("idempotency-key", "k3").header("idempotency-key", "k4").body(r#"{"type":"t"}"#);
    assert_eq!(Answer::of(two).await.expect(422).fields(), ["Idempotency-Key"]);

    // Many at once: one event.
    let racing = json!({"type": "t", "idempotencyKey": "race"});
    let answers = futures_join((0..20).map(|_| server.queue(&racing)).collect()).await;
    let mut ids: Vec<_> = answers.iter().map(event_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1);

    // Another project is another world.
    server.post("/v1/config/projects/other", &json!({"name": "Other"})).await.expect(200);
    let elsewhere = server.post("/v1/api/other/eventing/queue", &in_body).await.expect(202);
    assert_ne!(event_id(&elsewhere), event_id(&first));
    assert_eq!(database.count("select count(*) from events").await, 4);
    settled(&database).await;
    assert_eq!(receiver.received().len(), 3);
}

/// Runs requests at the same time.
async fn futures_join<F: Future>(requests: Vec<F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = requests.into_iter().map(|request| (Some(Box::pin(request)), None)).collect();
    std::future::poll_fn(|context| {
        for (request, output) in &mut pending {
            if let Some(running) = request
                && let std::task::Poll::Ready(done) = running.as_mut().poll(context)
            {
                *output = Some(done);
                *request = None;
            }
        }
        if pending.iter().all(|(request, _)| request.is_none()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    pending.into_iter().filter_map(|(_, output)| output).collect()
}

#[tokio::test]
async fn no_trigger_is_no_error_unless_somebody_waits() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let answer = server.queue(&json!({"type": "nobody"})).await.expect(202);
    assert_eq!(answer.json()["triggers"], 0);
    assert_eq!(database.count("select count(*) from events").await, 1);
    let answer =
        server.queue(&json!({"type": "nobody", "isSynchronous": true, "idempotencyKey": "k"})).await.expect(422);
    assert_eq!(answer.fields(), ["type"]);
    assert_eq!(database.count("select count(*) from events").await, 1);
    // The key is still free.
    server.queue(&json!({"type": "nobody", "idempotencyKey": "k"})).await.expect(202);
    assert_eq!(database.count("select count(*) from events").await, 2);
    // And now it is not, but still nobody can answer.
    let answer =
        server.queue(&json!({"type": "nobody", "isSynchronous": true, "idempotencyKey": "k"})).await.expect(422);
    assert_eq!(answer.fields(), ["idempotencyKey"]);
    assert_eq!(database.count("select count(*) from events").await, 2);
}

#[tokio::test]
async fn a_synchronous_event_brings_the_response() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let bodies = [
        (r#"{"z": 123456789012345678901234567890, "a": 1.10}"#, r#"{"z": 123456789012345678901234567890, "a": 1.10}"#),
        (r#"{"response": {"ok": true}, "x": 1}"#, r#"{"ok": true}"#),
        ("plain text", r#""plain text""#),
        ("", r#""""#),
    ];
    for (index, (body, result)) in bodies.into_iter().enumerate() {
        let receiver =
            Receiver::start(move |_, _| Act::Answer(201, "x-one: 1\r\nx-one: 2\r\n".into(), body.into())).await;
        let name = format!("trigger-{index}");
        server.trigger(&name, &name, &receiver.url(), json!({})).await;
        let answer = server.queue(&json!({"type": name, "isSynchronous": true, "unknown": 1})).await.expect(200);
        assert!(answer.body.contains(&format!("\"result\":{result},")), "{}", answer.body);
        let json = answer.json();
        assert_eq!(json["ignored"], json!(["unknown"]));
        let delivery = &json["deliveries"][0];
        assert_eq!(delivery["trigger"], name);
        assert_eq!(delivery["status"], "delivered");
        assert_eq!(delivery["attempts"], 1);
        assert_eq!(delivery["error"], Value::Null);
        assert_eq!(delivery["response"]["status"], 201);
        assert_eq!(delivery["response"]["body"], body);
        assert_eq!(delivery["response"]["headers"]["x-one"], "1, 2");
        assert!(delivery["response"]["durationMs"].as_f64().expect("a number") > 0.0);
    }
}

#[tokio::test]
async fn of_several_webhooks_the_first_success_is_the_result() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let failing = Receiver::start(|_, _| Act::status(500)).await;
    let good = Receiver::start(|_, _| Act::body("\"good\"")).await;
    server.trigger("a-failing", "t", &failing.url(), json!({"retries": 1})).await;
    server.trigger("b-good", "t", &good.url(), json!({})).await;
    let answer = server.queue(&json!({"type": "t", "isSynchronous": true})).await.expect(200).json();
    assert_eq!(answer["result"], "good");
    assert_eq!(answer["deliveries"][0]["status"], "failed");
    assert_eq!(answer["deliveries"][0]["attempts"], 2);
    assert_eq!(answer["deliveries"][1]["status"], "delivered");
}

#[tokio::test]
async fn a_synchronous_event_that_fails_everywhere_is_a_502() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let receiver = Receiver::start(|_, _| Act::Answer(503, String::new(), "down".into())).await;
    server.trigger("one", "t", &receiver.url(), json!({"retries": 2})).await;
    let answer = server.queue(&json!({"type": "t", "isSynchronous": true})).await.expect(502);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let json = answer.json();
    assert!(json.as_object().expect("an object").contains_key("result"));
    assert_eq!(json["result"], Value::Null);
    assert_eq!(json["deliveries"][0]["attempts"], 3);
    assert_eq!(json["deliveries"][0]["response"]["body"], "down");
    let error = json["error"].as_str().expect("text");
    assert!(error.contains("one failed after 3 attempts") && error.contains("answered 503"), "{error}");
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn a_synchronous_event_that_takes_too_long_is_a_504_and_goes_on() {
    let database = Database::fresh().await;
    let server = Server::with(&database, &["--sync-wait", "0.3"]).await;
    let receiver = Receiver::start(|_, _| Act::AfterWaiting(Duration::from_millis(900))).await;
    server.trigger("slow", "t", &receiver.url(), json!({})).await;
    let clock = Instant::now();
    let answer = server.queue(&json!({"type": "t", "isSynchronous": true})).await.expect(504).json();
    assert!(clock.elapsed() < Duration::from_millis(850), "{:?}", clock.elapsed());
    let told = "No outcome yet from slow (in flight: first attempt); the event is queued and delivery goes on.";
    assert_eq!(answer["error"], told);
    assert_eq!(answer["deliveries"][0]["status"], "pending");
    settled(&database).await;
    assert_eq!(receiver.received()[0].json()["id"], answer["eventId"]);
    assert_eq!(database.count("select count(*) from deliveries where status = 'delivered'").await, 1);

    server.trigger("slow", "t", &receiver.url(), json!({"enabled": false})).await;
    let answer = server.queue(&json!({"type": "t", "isSynchronous": true})).await.expect(504).json();
    let told = "No outcome yet from slow (the trigger is paused); the event is queued and delivery goes on when they are resumed.";
    assert_eq!(answer["error"], told);
}

#[tokio::test]
async fn a_synchronous_response_that_is_cut_says_so() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let receiver =
        Receiver::start(|_, _| Act::Answer(200, String::new(), format!("{{\"response\":\"{}\"}}", "x".repeat(70_000))))
            .await;
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    let answer = server.queue(&json!({"type": "t", "isSynchronous": true})).await.expect(200).json();
    assert_eq!(answer["deliveries"][0]["response"]["cut"], true);
    assert_eq!(answer["result"].as_str().expect("text").len(), 64 * 1024);
}

#[tokio::test]
async fn a_synchronous_event_must_be_due_while_its_caller_waits() {
    let database = Database::fresh().await;
    let server = Server::with(&database, &["--sync-wait", "5"]).await;
    let receiver = Receiver::ok().await;
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    let late = server.queue(&json!({"type": "t", "isSynchronous": true, "delay": 60})).await.expect(422);
    assert_eq!(late.fields(), ["delay"]);
    let future = (Utc::now() + chrono::Duration::hours(1)).timestamp_millis();
    let late = server.queue(&json!({"type": "t", "isSynchronous": true, "timestamp": future})).await.expect(422);
    assert_eq!(late.fields(), ["timestamp"]);
    assert_eq!(database.count("select count(*) from events").await, 0);
    let clock = Instant::now();
    server.queue(&json!({"type": "t", "isSynchronous": true, "delay": 0.4})).await.expect(200);
    assert!(clock.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn a_batch_is_accepted_whole_or_not_at_all() {
    let database = Database::fresh().await;
    let (server, receiver) = (Server::start(&database).await, Receiver::ok().await);
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    let events: Vec<_> = (0..1000).map(|n| json!({"type": "t", "data": n})).collect();
    let answer = server.queue(&Value::from(events.clone())).await.expect(202).json();
    assert_eq!(answer.as_array().expect("an array").len(), 1000);
    assert_eq!(answer[999]["triggers"], 1);
    let received = receiver.wait_for(1000).await;
    let mut numbers: Vec<_> =
        received.iter().map(|received| received.json()["data"].as_i64().expect("a number")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());

    let mut bad = events.clone();
    bad[500] = json!({"type": ""});
    bad[501] = json!({"type": "t", "isSynchronous": true});
    let answer = server.queue(&Value::from(bad)).await.expect(422);
    assert_eq!(answer.fields(), ["[500].type", "[501].isSynchronous"]);
    let too_many: Vec<_> = (0..1001).map(|_| json!({"type": "t"})).collect();
    server.queue(&Value::from(too_many)).await.expect(422);
    server.queue(&json!([])).await.expect(422);
    server.post("/v1/api/nowhere/eventing/queue", &json!([{"type": "t"}])).await.expect(404);
    assert_eq!(database.count("select count(*) from events").await, 1000);
}

#[tokio::test]
async fn a_batch_can_be_sent_again_under_its_key() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let send = || {
        let request =
            server.http.post(server.url("/v1/api/default/eventing/queue")).header("content-type", "application/json");
        Answer::of(
            request
                .header("idempotency-key", "batch")
                .body(r#"[{"type":"a"},{"type":"b","idempotencyKey":"own"},{"type":"c","idempotencyKey":"own"}]"#),
        )
    };
    let first = send().await.expect(202);
    assert_eq!(send().await.expect(202).json(), first.json());
    let ids: Vec<_> = (0..3).map(|index| first.json()[index]["eventId"].clone()).collect();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(ids[1], ids[2], "two events of one batch under one key are one event");
    assert_eq!(database.count("select count(*) from events").await, 2);
}

#[tokio::test]
async fn bad_input_is_told_in_plain_words_and_queues_nothing() {
    let database = Database::fresh().await;
    let server = Server::with(&database, &["--body-limit", "1000"]).await;
    let malformed = server.queue_text("{\n  \"type\": \"t\",\n}").await.expect(400);
    assert_eq!(malformed.header("content-type"), "application/problem+json");
    let problem = malformed.json();
    assert_eq!(problem["status"], 400);
    assert_eq!(problem["title"], "Bad Request");
    assert_eq!(problem["error"], problem["detail"]);
    assert!(problem["error"].as_str().expect("text").contains("line 3, column 1"), "{problem}");
    server.queue_text("").await.expect(400);
    server.queue_text(vec![b'"', 0xff, b'"']).await.expect(400);
    server.queue_text("{\"type\": NaN}").await.expect(400);

    let unknown = server.post("/v1/api/nowhere/eventing/queue", &json!({"type": "t"})).await.expect(404);
    assert!(unknown.json()["error"].as_str().expect("text").contains("nowhere"));
    server.post("/v1/api/default/eventing/nothing", &json!({})).await.expect(404);
    server.get("/v1/api/default/eventing/queue").await.expect(405);

    let large = json!({"type": "t", "data": "x".repeat(1000)}).to_string();
    server.queue_text(large.clone()).await.expect(413);
    for path in ["%ff/eventing/queue", "default/eventing/events/%ff/cancel"] {
        let odd = server.post(&format!("/v1/api/{path}"), &json!({"type": "t"})).await.expect(400);
        assert_eq!(odd.header("content-type"), "application/problem+json", "{path}");
    }
    let chunks = [Ok::<_, std::io::Error>(large.clone().into_bytes())];
    server.queue_text(reqwest::Body::wrap_stream(futures_stream(chunks))).await.expect(413);

    for content_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let request =
            server.http.post(server.url("/v1/api/default/eventing/queue")).header("content-type", content_type);
        Answer::of(request.body(r#"{"type":"t"}"#)).await.expect(415);
    }

    let fields = server.queue(&json!({"type": "", "timestamp": "soon", "delay": -1, "isSynchronous": 1, "options": 1, "idempotencyKey": 1})).await.expect(422);
    assert_eq!(fields.fields(), ["type", "timestamp", "delay", "isSynchronous", "options", "idempotencyKey"]);
    for body in [
        json!({}),
        json!(7),
        json!("t"),
        json!({"type": "x".repeat(256)}),
        json!({"type": "a\nb"}),
        json!({"type": "t", "delay": "1"}),
        json!({"type": "t", "timestamp": 1e300}),
    ] {
        server.queue(&body).await.expect(422);
    }
    assert_eq!(database.count("select count(*) from events").await, 0);
    server.get("/health/ready").await.expect(200);
}

fn futures_stream<T>(
    items: impl IntoIterator<Item = T, IntoIter: Send + 'static>,
) -> impl futures::Stream<Item = T> + Send + 'static {
    futures::stream::iter(items)
}

#[tokio::test]
async fn a_full_backlog_is_a_429() {
    let database = Database::fresh().await;
    let server = Server::with(&database, &["--backlog-limit", "3"]).await;
    let receiver = Receiver::ok().await;
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    for _ in 0..3 {
        server.queue(&json!({"type": "t", "delay": 3600})).await.expect(202);
    }
    let full = server.queue(&json!({"type": "t"})).await.expect(429);
    assert!(full.header("retry-after").parse::<u32>().expect("seconds") > 0);
    assert_eq!(database.count("select count(*) from events").await, 3);
    // Other projects have room, and so has this one once it is worked off.
    server.post("/v1/config/projects/other", &json!({"name": "Other"})).await.expect(200);
    server.post("/v1/api/other/eventing/queue", &json!({"type": "t"})).await.expect(202);
    database.execute("update queue set due_at = now()").await;
    eventually("room", async || (server.queue(&json!({"type": "t"})).await.status == 202).then_some(())).await;
}

#[tokio::test]
async fn what_is_queued_already_is_said_also_where_the_backlog_is_full() {
    let database = Database::fresh().await;
    let server = Server::with(&database, &["--backlog-limit", "1", "--sync-wait", "30"]).await;
    server.trigger("one", "t", "http://127.0.0.1:1/", json!({})).await;
    let (known, new) =
        (json!({"type": "t", "delay": 3600, "idempotencyKey": "a"}), json!({"type": "t", "idempotencyKey": "b"}));
    let first = server.queue(&known).await.expect(202);
    let again = server.queue(&known).await.expect(202);
    assert_eq!((again.json(), again.header("idempotency-replayed")), (first.json(), "true"));
    server.queue(&new).await.expect(429);
    server.queue(&json!([known, new])).await.expect(429);
    // Nobody waits for what is due in an hour.
    let clock = std::time::Instant::now();
    let waits = server.queue(&json!({"type": "t", "isSynchronous": true, "idempotencyKey": "a"})).await.expect(504);
    assert!(waits.body.contains("scheduled"), "{}", waits.body);
    assert!(clock.elapsed() < Duration::from_secs(10), "{:?}", clock.elapsed());
}

#[tokio::test]
async fn room_is_seen_while_the_housekeeping_waits() {
    let database = Database::fresh().await;
    let server = Server::with(&database, &["--backlog-limit", "3"]).await;
    // Before the first round.
    let mut busy = database.pool.begin().await.expect("a transaction");
    sqlx::query("lock table idempotency_keys in exclusive mode").execute(&mut *busy).await.expect("a statement");
    let receiver = Receiver::ok().await;
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    eventually("the housekeeping", async || {
        let waits =
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%forget_expired%'";
        (database.count(waits).await > 0).then_some(())
    })
    .await;
    for _ in 0..10 {
        eventually("room", async || (server.queue(&json!({"type": "t"})).await.status == 202).then_some(())).await;
    }
    receiver.wait_for(10).await;
}

/// Waits until an event is accepted, and delivered.
async fn works_again(server: &Server, receiver: &Receiver) {
    let queued = eventually("a 202", async || {
        Some(server.queue(&json!({"type": "t"})).await).filter(|answer| answer.status == 202)
    })
    .await;
    eventually("its delivery", async || {
        receiver.received().iter().any(|one| one.json()["id"] == queued.json()["eventId"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_its_database_a_server_answers_503_and_comes_back() {
    let database = Database::fresh().await;
    let mut cut = Cut::new(&database).await;
    let (server, receiver) = (Server::on(&cut.url, &[]).await, Receiver::ok().await);
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    server.queue(&json!({"type": "t"})).await.expect(202);
    receiver.wait_for(1).await;
    cut.cut().await;
    let away = eventually("a 503", async || {
        Some(server.queue(&json!({"type": "t"})).await).filter(|answer| answer.status != 202)
    })
    .await
    .expect(503);
    assert!(away.header("retry-after").parse::<u32>().expect("seconds") > 0);
    assert!(!away.body.to_lowercase().contains("sql"), "internals are not for clients: {}", away.body);
    server.get("/health/ready").await.expect(503);
    server.get("/health/live").await.expect(200);
    cut.mend();
    works_again(&server, &receiver).await;
    server.get("/health/ready").await.expect(200);
}

#[tokio::test]
async fn a_database_that_says_nothing_more_is_given_up() {
    let database = Database::fresh().await;
    let cut = Cut::new(&database).await;
    let server = Server::on(&cut.url, &["--database-timeout", "1"]).await;
    let receiver = Receiver::ok().await;
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    server.queue(&json!({"type": "t"})).await.expect(202);
    receiver.wait_for(1).await;
    cut.freeze();
    // More requests than there are connections.
    let events = futures_join((0..30).map(|_| server.queue_text(r#"{"type":"t"}"#)).collect());
    let reads = futures_join((0..30).map(|_| server.get("/v1/api/default/eventing/events")).collect());
    let (events, reads) = tokio::join!(events, reads);
    for answer in events.into_iter().chain(reads) {
        assert!(answer.expect(503).header("retry-after").parse::<u32>().expect("seconds") > 0);
    }
    cut.thaw();
    works_again(&server, &receiver).await;
    server.get("/v1/api/default/eventing/events").await.expect(200);
    settled(&database).await;
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let host = server.process.address.trim_start_matches("http://").to_owned();
    let with = |name: &'static str, value: String| {
        let request =
            server.http.post(server.url("/v1/api/default/eventing/queue")).header("content-type", "application/json");
        Answer::of(request.header(name, value).body(r#"{"type":"t"}"#))
    };
    with("origin", "http://evil.example".into()).await.expect(403);
    with("origin", "null".into()).await.expect(403);
    with("sec-fetch-site", "cross-site".into()).await.expect(403);
    a_moment().await;
    // A name that was made to stand for this machine (DNS rebinding): its pages are of one origin with it.
    with("host", "evil.example".into()).await.expect(403);
    let read = server.http.get(server.url("/v1/api/default/eventing/events")).header("host", "evil.example:4122");
    assert!(Answer::of(read).await.expect(403).body.contains("--dev=false"));
    assert_eq!(database.count("select count(*) from events").await, 0);
    with("host", "localhost:1".into()).await.expect(202);
    with("origin", format!("http://{host}")).await.expect(202);
    // Server functions too, which a browser would call with a simple request.
    let function = server.http.post(server.url("/api/create_project")).header("origin", "http://evil.example");
    Answer::of(function.body("form[name]=x")).await.expect(403);
    let form = server.http.post(server.url("/projects")).header("sec-fetch-site", "cross-site");
    Answer::of(form.header("content-type", "application/x-www-form-urlencoded").body("name=x")).await.expect(403);
    assert_eq!(database.count("select count(*) from projects").await, 1);
}
