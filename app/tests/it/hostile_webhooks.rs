//! Webhooks that mean harm, or are badly broken: the attempt is recorded with its reason, the timeout holds, nobody else
//! notices, and the server's memory does not grow.

use std::time::Duration;

use rig::{End, hostile_webhooks};
use serde_json::{Value, json};

use crate::support::{Act, Authority, Database, Process, Receiver, Server, eventually, settled};

const TIMEOUT: Duration = Duration::from_millis(500);

async fn failed_once(server: &Server, name: &str) -> Value {
    let answer = server.queue(&json!({"type": name, "isSynchronous": true})).await;
    assert_eq!(answer.status, 502, "{name}: {}", answer.body);
    let delivery = answer.json()["deliveries"][0].clone();
    assert_eq!((delivery["status"].as_str(), delivery["attempts"].as_u64()), (Some("failed"), Some(1)), "{name}");
    delivery
}

#[tokio::test]
async fn whatever_a_webhook_does_the_attempt_ends_in_time_with_its_reason() {
    let database = Database::fresh().await;
    let (server, healthy) = (Server::start(&database).await, Receiver::ok().await);
    server.trigger("healthy", "healthy", &healthy.url(), json!({"retries": 0})).await;
    for hostile in hostile_webhooks() {
        let (name, end, reason, act) = (hostile.name, hostile.end, hostile.reason, hostile.act);
        let receiver = Receiver::start(move |_, _| act.clone()).await;
        let timeout = TIMEOUT.as_millis() as u64;
        server.trigger(name, name, &receiver.url(), json!({"retries": 0, "timeout": timeout})).await;
        let in_time = match end {
            End::AtTimeout => TIMEOUT..TIMEOUT + Duration::from_millis(100),
            End::Before => Duration::ZERO..TIMEOUT,
        };
        // A busy machine may keep an attempt waiting for its processor; it does not do so every time.
        let mut took = Vec::new();
        while !took.iter().any(|one| in_time.contains(one)) {
            assert!(took.len() < 5, "{name}: {took:?}");
            let failed = failed_once(&server, name).await;
            let error = failed["error"].as_str().expect("a reason");
            assert!(error.contains(reason), "{name}: {error}");
            assert!(error.ends_with('.') && !error.contains("Error"), "{name} in plain words: {error}");
            assert!(failed["response"].is_null() || failed["response"]["headers"].to_string().len() < 20_000, "{name}");
            let micros: i32 = sqlx::query_scalar("select duration_us from deliveries order by event_id desc limit 1")
                .fetch_one(&database.pool)
                .await
                .expect("a duration");
            took.push(Duration::from_micros(micros.unsigned_abs().into()));
        }
        // The server has hung up: nothing of the exchange lives on.
        if end == End::AtTimeout && name != "never-answers" && name != "drips-a-status" {
            eventually(&format!("the end of {name}"), async || (receiver.open() == 0).then_some(())).await;
        }
    }
    server.queue(&json!({"type": "healthy", "isSynchronous": true})).await.expect(200);
    server.process.expect_no_fault();
}

#[tokio::test]
async fn hostile_webhooks_neither_grow_the_server_nor_hold_others_up() {
    let database = Database::fresh().await;
    let (server, healthy) = (Server::start(&database).await, Receiver::ok().await);
    server.trigger("healthy", "healthy", &healthy.url(), json!({"retries": 0})).await;
    let mut receivers = Vec::new();
    for (name, act) in hostile_webhooks().into_iter().map(|one| (one.name, one.act)).chain(rig::flooding_webhooks()) {
        let receiver = Receiver::start(move |_, _| act.clone()).await;
        // A flood over loopback is as fast as this process can send, and it has to be the healthy webhook as well.
        let concurrency = if name.starts_with("floods") { 1 } else { 4 };
        let more = json!({"retries": 0, "timeout": TIMEOUT.as_millis() as u64, "concurrency": concurrency});
        server.trigger(name, "hostile", &receiver.url(), more).await;
        receivers.push(receiver);
    }
    let batch = Value::from(vec![json!({"type": "hostile"}); 10]);
    let round = async || {
        server.queue(&batch).await.expect(202);
        let mut slowest = Duration::ZERO;
        while database.count("select count(*) from queue").await > 0 {
            let clock = std::time::Instant::now();
            let done = server.queue(&json!({"type": "healthy", "isSynchronous": true})).await.expect(200).json();
            slowest = slowest.max(clock.elapsed());
            assert_eq!(done["deliveries"][0]["attempts"], 1);
        }
        assert!(slowest < Duration::from_secs(5), "a healthy webhook took {slowest:?}");
        server.process.memory()
    };
    // The first round warms up pools and buffers.
    let before = round().await;
    round().await;
    let after = round().await;
    assert!(after < before + 24, "{before} MiB grew to {after} MiB");
    // Nothing was decompressed, and no more kept than is always kept.
    let longest = "select max(octet_length(response_body))::bigint from deliveries";
    assert_eq!(database.count(longest).await, 64 * 1024);
    assert_eq!(database.count("select count(*) from deliveries where status = 'delivered' and response_cut").await, 30);
    server.process.expect_no_fault();
}

#[tokio::test]
async fn certificates_are_checked() {
    let database = Database::fresh().await;
    let (authority, stranger) = (Authority::new("known"), Authority::new("stranger"));
    let environment = [("DATABASE_URL", &*database.url()), ("SSL_CERT_FILE", &*authority.file.to_string_lossy())];
    let server = Server::of(Process::start(&["serve", "--listen", "127.0.0.1:0"], &environment).await);
    let good = authority.webhook("localhost", 2999).await;
    server.trigger("good", "good", &format!("https://localhost:{good}/"), json!({"retries": 0})).await;
    server.queue(&json!({"type": "good", "isSynchronous": true})).await.expect(200);
    // Every part of it was done, one after the other.
    let course = "select count(*) from deliveries
                   where dns_us > 0 and connect_us > 0 and tls_us > 0
                     and dns_us + connect_us + tls_us < first_byte_us and first_byte_us <= duration_us";
    assert_eq!(database.count(course).await, 1);
    for (name, port, reason) in [
        ("expired", authority.webhook("localhost", 2001).await, "expired"),
        ("of-another", authority.webhook("example.org", 2999).await, "another name"),
        ("unknown", stranger.webhook("localhost", 2999).await, "not trusted"),
    ] {
        server.trigger(name, name, &format!("https://localhost:{port}/"), json!({"retries": 0})).await;
        let failed = failed_once(&server, name).await;
        let error = failed["error"].as_str().expect("a reason");
        assert!(error.contains("certificate") && error.contains(reason), "{name}: {error}");
    }
    // Those got as far as the handshake, and not to its end.
    let refused = "select count(*) from deliveries
                    where status = 'failed' and dns_us > 0 and connect_us > 0 and tls_us is null and first_byte_us is null";
    assert_eq!(database.count(refused).await, 3);
    // Nobody listens, and nobody is called that.
    for (name, url) in [("closed", "https://127.0.0.1:1/"), ("unknown-name", "https://nowhere.invalid/")] {
        server.trigger(name, name, url, json!({"retries": 0})).await;
        failed_once(&server, name).await;
    }
    let nowhere = "select count(*) from deliveries
                    where status = 'failed' and connect_us is null and tls_us is null and first_byte_us is null";
    assert_eq!(database.count(nowhere).await, 2);
}

#[tokio::test]
async fn an_absurd_retry_after_parks_nothing_for_good() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let soon = || (chrono::Utc::now() + chrono::Duration::seconds(30)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    // What the webhook asks for, and the seconds that are waited at least and at most.
    let cases = [
        ("31536000", 86_000, 86_400),
        ("99999999999999999999999999", 86_000, 86_400),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_000, 86_400),
        (&soon(), 15, 30),
        ("20", 10, 20),
        ("-5", -9, 1),
        ("1e9", -9, 1),
        ("NaN", -9, 1),
        ("tomorrow", -9, 1),
        ("Thu, 01 Jan 1970 00:00:00 GMT", -9, 1),
        ("", -9, 1),
        ("\u{7f}\u{1}", -9, 1),
    ];
    for (index, (value, least, most)) in cases.into_iter().enumerate() {
        let header = format!("retry-after: {value}\r\n");
        let receiver =
            Receiver::start(
                move |number, _| {
                    if number == 0 { Act::Answer(503, header.clone(), String::new()) } else { Act::ok() }
                },
            )
            .await;
        let name = format!("case-{index}");
        server.trigger(&name, &name, &receiver.url(), json!({})).await;
        server.queue(&json!({"type": name})).await.expect(202);
        if most <= 1 {
            receiver.wait_for(2).await;
            settled(&database).await;
            continue;
        }
        let wait = eventually("a retry", async || {
            let sql =
                "select extract(epoch from due_at - now())::bigint from queue where owner is null and attempt = 1";
            sqlx::query_scalar::<_, i64>(sql).fetch_optional(&database.pool).await.expect("a query")
        })
        .await;
        assert!((least..=most).contains(&wait), "{value}: {wait} s");
        database.execute("delete from queue").await;
    }
}

#[tokio::test]
async fn webhooks_that_hang_leave_room_for_one_that_works() {
    let database = Database::fresh().await;
    let server = Server::with(&database, &["--max-in-flight", "100", "--concurrency", "50"]).await;
    let hanging = Receiver::start(|_, _| Act::AfterWaiting(Duration::from_secs(600))).await;
    let healthy = Receiver::ok().await;
    for number in 0..10 {
        server.trigger(&format!("hanging-{number}"), "hanging", &hanging.url(), json!({"timeout": 600_000})).await;
    }
    server.trigger("healthy", "healthy", &healthy.url(), json!({})).await;
    server.queue(&Value::from(vec![json!({"type": "hanging"}); 50])).await.expect(202);
    // Five hundred deliveries want to hang; a hundred fit, and these many do.
    hanging.wait_for(60).await;
    for number in 0..50 {
        server.queue(&json!({"type": "healthy", "isSynchronous": true})).await.expect(200);
        assert_eq!(healthy.received().len(), number + 1);
    }
    server.queue(&Value::from(vec![json!({"type": "healthy"}); 200])).await.expect(202);
    healthy.wait_for(250).await;
    assert!((60..100).contains(&hanging.open()), "{} hang", hanging.open());
}
