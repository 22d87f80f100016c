//! What webhooks get, and what becomes of deliveries to webhooks of all kinds.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Act, Database, Received, Receiver, Server, a_moment, eventually, free_port, settled};

/// The first delivery of a synchronous event to a trigger.
async fn delivery(server: &Server, event_type: &str) -> Value {
    server.queue(&json!({"type": event_type, "isSynchronous": true})).await.json()["deliveries"][0].clone()
}

fn error(delivery: &Value) -> &str {
    delivery["error"].as_str().unwrap_or_else(|| panic!("no error: {delivery}"))
}

#[tokio::test]
async fn the_request_is_a_cloud_event() {
    let database = Database::fresh().await;
    let (server, receiver) = (
        Server::start(&database).await,
        Receiver::start(|number, _| Act::status(if number == 0 { 500 } else { 200 })).await,
    );
    server.trigger("one", "sent-email", &receiver.url(), json!({"headers": {"Authorization": "Bearer x"}})).await;
    let queued =
        server.queue_text(r#"{"type":"sent-email","data":{"to": "user1@email.com"}}"#).await.expect(202).json();
    let received = receiver.wait_for(2).await;
    let request = &received[0];
    assert_eq!(request.request_line, "POST /hook?a=b HTTP/1.1");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["user-agent"], format!("mission-control/{}", env!("CARGO_PKG_VERSION")));
    assert_eq!(request.headers["authorization"], "Bearer x");
    let source = request.json()["source"].as_str().expect("a source").to_owned();
    let exactly = format!(
        "{{\"specversion\":\"1.0-rc1\",\"id\":{},\"type\":\"sent-email\",\"source\":\"{source}\",\"time\":{},\"data\":{{\"to\": \"user1@email.com\"}}}}",
        queued["eventId"], queued["scheduledAt"]
    );
    assert_eq!(request.text(), exactly);
    // The required attributes of CloudEvents 1.0-rc1: id, source, specversion, type, all non-empty strings.
    for attribute in ["id", "source", "specversion", "type"] {
        assert!(request.json()[attribute].as_str().is_some_and(|value| !value.is_empty()), "{attribute}");
    }
    let id = uuid::Uuid::parse_str(queued["eventId"].as_str().expect("text")).expect("a UUID");
    assert_eq!(id.get_version_num(), 7);
    assert!(uuid::Uuid::parse_str(&source).is_ok());
    assert_eq!(received[1].body, request.body, "a retry sends the same body");
    assert_eq!(
        (request.headers["mission-control-attempt"].as_str(), received[1].headers["mission-control-attempt"].as_str()),
        ("1", "2")
    );

    drop(server);
    let again = Server::start(&database).await;
    again.queue(&json!({"type": "sent-email"})).await.expect(202);
    assert_eq!(receiver.wait_for(3).await[2].json()["source"], source, "the source outlives restarts");
}

#[tokio::test]
async fn data_arrives_byte_for_byte() {
    let database = Database::fresh().await;
    let (server, receiver) = (Server::start(&database).await, Receiver::ok().await);
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    let envelope = r#"{"type":"t","data":}"#.len();
    let mebibyte = format!("\"{}\"", "y".repeat(1024 * 1024 - envelope - 2));
    let samples = [
        "123456789012345678901234567890",
        r#"{"z":1,"a":2,"m":{"y":1,"b":2}}"#,
        r#""\u0000""#,
        "\"🎉 é \\ud83c\\udf89 \\/\"",
        "[1.0, 1e400, -0, 1.10]",
        r#"{"same":1,"same":2}"#,
        "{ \"spaced\" :\t[ 1 ,\n 2 ] }",
        &mebibyte,
    ];
    for (index, data) in samples.into_iter().enumerate() {
        server.queue_text(format!(r#"{{"type":"t","data":{data}}}"#)).await.expect(202);
        let received = receiver.wait_for(index + 1).await[index].text();
        assert!(received.ends_with(&format!(",\"data\":{data}}}")), "{data:.100} became {received:.300}");
    }
}

#[tokio::test]
async fn all_triggers_of_a_type_get_the_event_and_no_others() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let (first, second, other) = (Receiver::ok().await, Receiver::ok().await, Receiver::ok().await);
    server.trigger("first", "t", &first.url(), json!({})).await;
    server.trigger("second", "t", &second.url(), json!({})).await;
    server.trigger("third", "T", &other.url(), json!({})).await;
    let answer = server.queue(&json!({"type": "t"})).await.expect(202).json();
    assert_eq!(answer["triggers"], 2);
    assert_eq!(first.wait_for(1).await[0].body, second.wait_for(1).await[0].body);
    settled(&database).await;
    assert_eq!((first.received().len(), second.received().len(), other.received().len()), (1, 1, 0));
}

#[tokio::test]
async fn retries_come_after_the_first_attempt() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    for (retries, attempts) in [(0, 1), (1, 2), (3, 4)] {
        let receiver = Receiver::start(|_, _| Act::status(500)).await;
        let name = format!("retries-{retries}");
        server.trigger(&name, &name, &receiver.url(), json!({"retries": retries})).await;
        let failed = delivery(&server, &name).await;
        assert_eq!(failed["status"], "failed");
        assert_eq!(failed["attempts"], attempts);
        a_moment().await;
        assert_eq!(receiver.received().len(), attempts);
    }
    assert_eq!(database.count("select count(*) from attempts").await, 4, "all failed attempts but the last of each");
}

#[tokio::test]
async fn a_retry_that_succeeds_ends_the_delivery() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let receiver = Receiver::start(|number, _| if number < 2 { Act::HangUp } else { Act::status(299) }).await;
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    let done = delivery(&server, "t").await;
    assert_eq!((done["status"].as_str(), done["attempts"].as_u64()), (Some("delivered"), Some(3)));
}

#[tokio::test]
async fn waits_grow_and_retry_after_is_a_floor() {
    let database = Database::fresh().await;
    let server = Server::with(&database, &["--backoff-first", "0.2", "--backoff-factor", "2"]).await;
    let receiver = Receiver::start(|_, _| Act::status(500)).await;
    server.trigger("one", "t", &receiver.url(), json!({"retries": 2})).await;
    server.queue(&json!({"type": "t"})).await.expect(202);
    let received = receiver.wait_for(3).await;
    let waits: Vec<_> = received.windows(2).map(|pair| (pair[1].at - pair[0].at).as_millis()).collect();
    assert!(waits[0] >= 200 && waits[1] >= 400, "{waits:?}");

    let receiver = Receiver::start(|number, _| {
        if number == 0 { Act::Answer(429, "retry-after: 1\r\n".into(), String::new()) } else { Act::ok() }
    })
    .await;
    server.trigger("asks", "asks", &receiver.url(), json!({})).await;
    server.queue(&json!({"type": "asks"})).await.expect(202);
    let received = receiver.wait_for(2).await;
    assert!(received[1].at - received[0].at >= Duration::from_secs(1), "{:?}", received[1].at - received[0].at);
}

#[tokio::test]
async fn a_trigger_has_a_backoff_of_its_own() {
    let database = Database::fresh().await;
    let server = Server::with(&database, &["--backoff-first", "60"]).await;
    let receiver = Receiver::start(|_, _| Act::status(500)).await;
    server.trigger("one", "t", &receiver.url(), json!({"retries": 2, "backoffFirst": 10, "backoffMax": 20})).await;
    server.queue(&json!({"type": "t"})).await.expect(202);
    receiver.wait_for(3).await;
}

#[tokio::test]
async fn slow_webhooks_run_into_the_timeout() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let sleeper = Receiver::start(|_, _| Act::AfterWaiting(Duration::from_secs(20))).await;
    let dripper = Receiver::start(|_, _| Act::Drip(Duration::from_millis(50))).await;
    for (name, receiver, why) in [("sleeper", &sleeper, "did not answer"), ("dripper", &dripper, "did not end")] {
        server.trigger(name, name, &receiver.url(), json!({"retries": 0, "timeout": 400})).await;
        let failed = delivery(&server, name).await;
        assert_eq!(failed["status"], "failed");
        assert!(error(&failed).contains(why) && error(&failed).contains("400 ms"), "{failed}");
        let sql = "select duration_us::bigint from deliveries order by event_id desc limit 1";
        let duration = database.count(sql).await;
        assert!((400_000..500_000).contains(&duration), "{name}: {duration} µs");
    }
    // The dripper's status is known all the same.
    assert_eq!(
        database.count("select count(*) from deliveries where response_status = 200 and status = 'failed'").await,
        1
    );
}

#[tokio::test]
async fn an_endless_body_is_cut() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let endless = Receiver::start(|_, _| Act::Endless).await;
    server.trigger("endless", "t", &endless.url(), json!({})).await;
    let done = delivery(&server, "t").await;
    assert_eq!(done["status"], "delivered");
    assert_eq!(done["response"]["body"].as_str().expect("text").len(), 64 * 1024);
    assert_eq!(database.count("select count(*) from deliveries where response_cut").await, 1);
}

#[tokio::test]
async fn whatever_is_no_2xx_fails_in_plain_words() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let target = Receiver::ok().await;
    let location = format!("location: {}\r\n", target.url());
    let redirect = Receiver::start(move |_, _| Act::Answer(307, location.clone(), String::new())).await;
    let broken = Receiver::start(|_, _| Act::BreakOff).await;
    let closing = Receiver::start(|_, _| Act::HangUp).await;
    let refused = format!("http://127.0.0.1:{}/", free_port());
    let cases = [
        ("redirect", redirect.url(), "redirects are not followed"),
        ("broken", broken.url(), "broke off"),
        ("closing", closing.url(), "closed before the webhook answered"),
        ("refused", refused, "was refused: nothing listens there"),
        ("unknown", "http://no-such-host.invalid/".to_owned(), "could not be resolved"),
        ("plain", target.url().replace("http:", "https:"), "No connection to"),
    ];
    for (name, url, why) in cases {
        server.trigger(name, name, &url, json!({"retries": 0})).await;
        let failed = delivery(&server, name).await;
        assert_eq!(failed["status"], "failed", "{name}");
        assert!(error(&failed).contains(why), "{name}: {}", error(&failed));
    }
    assert!(target.received().is_empty(), "the redirect was not followed");
}

#[tokio::test]
async fn forbidden_addresses_are_refused_at_save_and_at_delivery() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let path = "/v1/config/projects/default/eventing/triggers/one";
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://0.0.0.0/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "ftp://127.0.0.1/",
        "http://a:b@127.0.0.1/",
    ] {
        let answer = server.post(path, &json!({"type": "t", "url": url})).await.expect(422);
        assert_eq!(answer.fields(), ["url"], "{url}");
    }
    // One that was saved while it was still allowed.
    server.trigger("one", "t", "http://127.0.0.1:9/", json!({"retries": 0})).await;
    database
        .execute("update triggers set url = 'http://169.254.169.254/latest/meta-data/', version = version + 1")
        .await;
    let failed = delivery(&server, "t").await;
    assert_eq!(failed["status"], "failed");
    assert!(error(&failed).contains("cloud metadata") && error(&failed).contains("--allow-networks"), "{failed}");

    let permissive = Server::with(&database, &["--allow-networks", "169.254.0.0/16,0.0.0.0/32"]).await;
    permissive.post(path, &json!({"type": "t", "url": "http://169.254.169.254/"})).await.expect(200);
}

#[tokio::test]
async fn a_change_holds_from_the_next_attempt_on() {
    let database = Database::fresh().await;
    let server = Server::with(&database, &["--backoff-first", "0.5", "--backoff-factor", "1"]).await;
    let (before, after) = (Receiver::start(|_, _| Act::status(500)).await, Receiver::ok().await);
    server.trigger("one", "t", &before.url(), json!({})).await;
    server.queue(&json!({"type": "t"})).await.expect(202);
    before.wait_for(1).await;
    server.trigger("one", "t", &after.url(), json!({"headers": {"x-new": "yes"}})).await;
    let received = after.wait_for(1).await;
    assert_eq!(received[0].headers["x-new"], "yes");
    assert_eq!(received[0].headers["mission-control-attempt"], "2");
    settled(&database).await;
    assert_eq!(before.received().len(), 1);
}

#[tokio::test]
async fn no_attempt_begins_on_a_lease_for_a_shorter_timeout() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let is_new = |request: &Received| request.headers.contains_key("x-new");
    let receiver = Receiver::start(move |_, request| {
        Act::AfterWaiting(Duration::from_millis(if is_new(request) { 400 } else { 80 }))
    })
    .await;
    server.trigger("one", "t", &receiver.url(), json!({"concurrency": 1})).await;
    // A first one shows that the webhook is fast, so that others wait for it in memory.
    server.queue(&json!({"type": "t"})).await.expect(202);
    settled(&database).await;
    server.queue(&json!(vec![json!({"type": "t"}); 8])).await.expect(202);
    let patient = json!({"concurrency": 1, "timeout": 600_000, "headers": {"x-new": "yes"}});
    server.trigger("one", "t", &receiver.url(), patient).await;
    server.queue(&json!({"type": "t"})).await.expect(202);
    let mut seen = HashSet::new();
    while receiver.received().len() < 10 || database.count("select count(*) from queue").await > 0 {
        for request in receiver.received().iter().filter(|request| is_new(request)) {
            let id: uuid::Uuid = request.json()["id"].as_str().expect("an id").parse().expect("an id");
            let left = "select extract(epoch from due_at - now())::float8 from queue where event_id = $1 and owner is not null";
            let left: Option<f64> =
                sqlx::query_scalar(left).bind(id).fetch_optional(&database.pool).await.expect("rows");
            assert!(left.is_none_or(|left| left > 590.0), "its lease ends in {left:?} s");
            seen.extend(left.map(|_| id));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(seen.len() >= 2, "more than the one that was queued last: {}", seen.len());
    assert_eq!(receiver.received().len(), 10, "each once");
    assert_eq!(database.count("select count(*) from deliveries where attempts = 1").await, 10, "none is counted twice");
}

#[tokio::test]
async fn a_paused_trigger_keeps_its_deliveries_until_it_is_resumed() {
    let database = Database::fresh().await;
    let (server, paused, running) = (Server::start(&database).await, Receiver::ok().await, Receiver::ok().await);
    server.trigger("paused", "t", &paused.url(), json!({"enabled": false})).await;
    server.trigger("running", "t", &running.url(), json!({})).await;
    for _ in 0..5 {
        server.queue(&json!({"type": "t"})).await.expect(202);
    }
    running.wait_for(5).await;
    a_moment().await;
    assert_eq!(paused.received().len(), 0);
    assert_eq!(database.count("select count(*) from queue where owner is null and attempt = 0").await, 5);
    server.trigger("paused", "t", &paused.url(), json!({"enabled": true})).await;
    paused.wait_for(5).await;
    settled(&database).await;
}

#[tokio::test]
async fn deleting_a_trigger_cancels_its_deliveries_and_keeps_its_name() {
    let database = Database::fresh().await;
    let (server, receiver) = (Server::start(&database).await, Receiver::ok().await);
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    server.queue(&json!({"type": "t", "delay": 3600})).await.expect(202);
    server.delete_trigger("one").await.expect(200);
    assert_eq!(database.count("select count(*) from queue").await, 0);
    let name: String = sqlx::query_scalar(
        "select t.name from deliveries d join triggers t on t.id = d.trigger_id where d.status = 'cancelled'",
    )
    .fetch_one(&database.pool)
    .await
    .expect("one cancelled delivery");
    assert_eq!(name, "one");
    assert_eq!(server.queue(&json!({"type": "t"})).await.expect(202).json()["triggers"], 0);
    // The name is free again.
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    server.queue(&json!({"type": "t"})).await.expect(202);
    receiver.wait_for(1).await;
}

#[tokio::test]
async fn one_slow_webhook_starves_nobody() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let slow = Receiver::start(|_, _| Act::AfterWaiting(Duration::from_millis(300))).await;
    let quick = Receiver::ok().await;
    server.trigger("slow", "slow", &slow.url(), json!({"concurrency": 3})).await;
    server.trigger("quick", "quick", &quick.url(), json!({})).await;
    let mut batch: Vec<_> = (0..20).map(|_| json!({"type": "slow"})).collect();
    batch.extend((0..20).map(|_| json!({"type": "quick"})));
    server.queue(&Value::from(batch)).await.expect(202);
    quick.wait_for(20).await;
    assert!(slow.received().len() < 20, "the quick one did not wait for the slow one");
    slow.wait_for(20).await;
    assert_eq!(slow.most_open(), 3);
    settled(&database).await;
}

#[tokio::test]
async fn listen_prints_and_answers_as_told() {
    use crate::support::Process;
    let body = std::env::temp_dir().join(format!("mission-control-it-{}-body.json", std::process::id()));
    std::fs::write(&body, "{\"response\": 42}").expect("a file");
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let listener = Process::start(
        &["listen", "--port", "0", "--status", "201", "--delay-ms", "100", "--body", &body.to_string_lossy()],
        &[],
    )
    .await;
    server.trigger("one", "t", &listener.address, json!({})).await;
    let answer = server.queue(&json!({"type": "t", "isSynchronous": true})).await.expect(200).json();
    assert_eq!(answer["result"], 42);
    assert_eq!(answer["deliveries"][0]["response"]["status"], 201);
    assert!(answer["deliveries"][0]["response"]["durationMs"].as_f64().expect("a number") >= 100.0);
    let failing = Process::start(&["listen", "--port", "0", "--status", "500"], &[]).await;
    server.trigger("one", "t", &failing.address, json!({"retries": 0})).await;
    let failed = eventually("a 502", async || Some(server.queue(&json!({"type": "t", "isSynchronous": true})).await))
        .await
        .expect(502);
    assert_eq!(failed.json()["deliveries"][0]["response"]["body"], "{\"received\": true}");
    std::fs::remove_file(body).expect("the file");
}

#[tokio::test]
async fn an_attempt_in_flight_outlives_its_trigger() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let slow = Receiver::start(|_, _| Act::AfterWaiting(Duration::from_secs(2))).await;
    let broken = Receiver::start(|_, _| Act::Repeat(Vec::new(), Vec::new(), Duration::from_secs(60))).await;
    server.trigger("slow", "t", &slow.url(), json!({})).await;
    server.trigger("broken", "t", &broken.url(), json!({"timeout": 2_000})).await;
    server.trigger("idle", "later", &slow.url(), json!({})).await;
    let queued = server.queue(&json!({"type": "t"})).await.expect(202).json();
    server.queue(&json!({"type": "later", "delay": 3600})).await.expect(202);
    slow.wait_for(1).await;
    broken.wait_for(1).await;
    for name in ["slow", "broken", "idle"] {
        server.delete_trigger(name).await.expect(200);
    }
    assert_eq!(database.count("select count(*) from queue").await, 2, "those in flight go on");
    settled(&database).await;
    let path = format!("/v1/api/default/eventing/events/{}", queued["eventId"].as_str().expect("an id"));
    let event = server.get(&path).await.expect(200).json();
    let told = |place: usize| {
        let delivery = &event["deliveries"][place];
        (delivery["status"].clone(), delivery["runs"][0]["attempts"].as_array().map(Vec::len))
    };
    assert_eq!(told(0), (json!("delivered"), Some(1)));
    assert_eq!(told(1), (json!("cancelled"), Some(1)), "it failed, and nobody waits for its retry");
    assert_eq!((slow.received().len(), broken.received().len()), (1, 1));
}

#[tokio::test]
async fn outcomes_are_kept_while_the_database_lets_nobody_in() {
    let database = Database::fresh().await;
    database.execute("create role shut_out login superuser").await;
    let server = Server::on(&database.url().replace("user=mission_control", "user=shut_out"), &[]).await;
    let slow = Receiver::start(|_, _| Act::AfterWaiting(Duration::from_secs(1))).await;
    server.trigger("one", "t", &slow.url(), json!({"timeout": 30_000})).await;
    server.queue(&json!(vec![json!({"type": "t"}); 20])).await.expect(202);
    slow.wait_for(20).await;
    database.execute("alter role shut_out nologin").await;
    database.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'shut_out'").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let refused = server.queue(&json!({"type": "t"})).await.expect(503);
    assert!(!refused.header("retry-after").is_empty());
    server.get("/health/ready").await.expect(503);
    database.execute("alter role shut_out login").await;
    settled(&database).await;
    assert_eq!(database.count("select count(*) from deliveries where attempts = 1 and status = 'delivered'").await, 20);
    assert_eq!(slow.received().len(), 20, "nothing was sent twice");
    eventually("readiness", async || (server.get("/health/ready").await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn a_node_whose_database_takes_nothing_is_not_ready_and_says_so() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    server.queue(&json!({"type": "t"})).await.expect(202);
    // As after a failover to a node that is no primary.
    let sessions = "select pg_terminate_backend(pid) from pg_stat_activity
                     where datname = current_database() and pid <> pg_backend_pid()";
    database.execute("do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$").await;
    database.execute(sessions).await;
    eventually("a 503", async || (server.queue(&json!({"type": "t"})).await.status == 503).then_some(())).await;
    server.get("/health/ready").await.expect(503);
    server.get("/health/live").await.expect(200);
    // This one has no statement to set it back otherwise.
    let mut writing = database.pool.begin_with("begin read write").await.expect("a transaction");
    sqlx::query("do $$ begin execute format('alter database %I reset default_transaction_read_only', current_database()); end $$")
        .execute(&mut *writing)
        .await
        .expect("a statement");
    writing.commit().await.expect("a commit");
    database.execute(sessions).await;
    eventually("a 202", async || (server.queue(&json!({"type": "t"})).await.status == 202).then_some(())).await;
    eventually("readiness", async || (server.get("/health/ready").await.status == 200).then_some(())).await;
}
