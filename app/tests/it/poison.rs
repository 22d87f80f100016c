//! Events and moments at which this server's own code fails: the event is set aside after its attempts with the reason,
//! and whatever was behind it goes on.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use server::delivery::guard::{Found, Lookup};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::support::{Act, Cut, Database, InProcess, Receiver, Server, eventually, settled};

/// Fails at the name `poison.invalid`; every other name is this machine.
struct Poisonous;

impl Lookup for Poisonous {
    fn addresses(&self, name: String) -> Found {
        Box::pin(async move {
            assert_ne!(name, "poison.invalid", "as told");
            Ok(vec![([127, 0, 0, 1], 0).into()])
        })
    }
}

#[tokio::test]
async fn an_attempt_that_panics_has_failed_like_any_other() {
    let database = Database::fresh().await;
    let node = InProcess::with_lookup(&database.url(), &["127.0.0.1/32"], Poisonous).await;
    let (server, healthy) = (&node.server, Receiver::ok().await);
    server.trigger("poison", "t", "http://poison.invalid/", json!({"retries": 2, "concurrency": 1})).await;
    server.trigger("healthy", "t", &format!("http://healthy.invalid:{}/", healthy.port()), json!({})).await;
    let answer = server.queue(&json!({"type": "t", "isSynchronous": true})).await.expect(200).json();
    let of = |trigger: &str| {
        let deliveries = answer["deliveries"].as_array().expect("deliveries");
        deliveries.iter().find(|delivery| delivery["trigger"] == trigger).expect("one")
    };
    let (good, bad) = (of("healthy"), of("poison"));
    assert_eq!(good["status"], "delivered");
    assert_eq!((bad["status"].as_str(), bad["attempts"].as_u64()), (Some("failed"), Some(3)));
    assert!(bad["error"].as_str().expect("a reason").contains("The server failed"), "{bad}");
    // Its one slot is free again each time, and nobody else waits.
    server.queue(&Value::from(vec![json!({"type": "t"}); 20])).await.expect(202);
    healthy.wait_for(21).await;
    settled(&database).await;
    let failed = "select count(*) from deliveries where status = 'failed' and attempts = 3";
    assert_eq!(database.count(failed).await, 21);
    assert_eq!(database.count("select count(*) from attempts where error like 'The server failed%'").await, 42);
    node.stop().await;
}

#[tokio::test]
async fn an_outcome_that_cannot_be_written_is_written_without_its_details() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let receiver = Receiver::start(|_, request| {
        let number = request.json()["data"].as_u64().expect("a number");
        let status = if number % 2 == 0 { 200 } else { 500 };
        let body = if number < 4 { "poison" } else { "fine" };
        Act::Answer(status, String::new(), body.into())
    })
    .await;
    server.trigger("one", "t", &receiver.url(), json!({"retries": 1})).await;
    database
        .execute(
            "create function poison() returns trigger language plpgsql as
             $$ begin if new.response_body = 'poison' then raise 'poison'; end if; return new; end $$",
        )
        .await;
    database.execute("create trigger poison before insert on deliveries for each row execute function poison()").await;
    database.execute("create trigger poison before insert on attempts for each row execute function poison()").await;
    let batch: Vec<_> = (0..40).map(|number| json!({"type": "t", "data": number})).collect();
    server.queue(&Value::from(batch)).await.expect(202);
    settled(&database).await;
    // Even numbers are delivered once, odd ones fail twice; nothing is sent again because it could not be written.
    assert_eq!(receiver.received().len(), 60);
    let delivered = "select count(*) from deliveries where status = 'delivered' and attempts = 1 and error is null";
    assert_eq!(database.count(delivered).await, 20);
    let failed = "select count(*) from deliveries where status = 'failed' and attempts = 2 and response_status = 500";
    assert_eq!(database.count(failed).await, 20);
    let bare = "select count(*) from deliveries where response_body is null and duration_us > 0";
    assert_eq!(database.count(bare).await, 4);
    let unstorable = "select count(*) from attempts where error like '%cannot be stored%' and response_body is null";
    assert_eq!(database.count(unstorable).await, 2);
}

#[tokio::test]
async fn a_damaged_event_is_set_aside_alone() {
    let database = Database::fresh().await;
    let (server, receiver) = (Server::start(&database).await, Receiver::ok().await);
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    let batch: Vec<_> = (0..30).map(|number| json!({"type": "t", "delay": 3600, "data": number})).collect();
    server.queue(&Value::from(batch)).await.expect(202);
    database.execute("update events set due_at = 'infinity' where data = '7'").await;
    database.execute("update queue set due_at = now()").await;
    settled(&database).await;
    assert_eq!(receiver.received().len(), 29);
    assert_eq!(
        database.count("select count(*) from deliveries where status = 'failed' and error like '%damaged%'").await,
        1
    );
    server.process.expect_no_fault();
}

#[tokio::test]
async fn a_panic_while_events_are_accepted_fails_only_its_callers() {
    let database = Database::fresh().await;
    let (server, receiver) = (Server::start(&database).await, Receiver::ok().await);
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    let keyed = json!({"type": "t", "idempotencyKey": "k"});
    server.queue(&keyed).await.expect(202);
    // The answer to a key that is known holds the event's time, and reading this one panics.
    database.execute("update events set due_at = 'infinity'").await;
    for number in 2..5 {
        let answer = server.queue(&keyed).await.expect(500);
        assert!(answer.json()["error"].as_str().expect("text").contains("its log says more"));
        // A task that panicked would pause for a second.
        let clock = Instant::now();
        server.queue(&json!({"type": "t"})).await.expect(202);
        assert!(clock.elapsed() < Duration::from_millis(800), "the next caller waited {:?}", clock.elapsed());
        receiver.wait_for(number).await;
    }
    for number in 5..10 {
        server.queue(&json!({"type": "t"})).await.expect(202);
        receiver.wait_for(number).await;
    }
}

/// Panics at the first line that is logged of each kind: inside the task that logs it.
struct Saboteur {
    lines: &'static [&'static str],
    done: Arc<Mutex<HashSet<&'static str>>>,
}

impl<S: tracing::Subscriber> Layer<S> for Saboteur {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let line = self.lines.iter().find(|line| message.0.contains(**line));
        if let Some(line) = line
            && self.done.lock().expect("a lock").insert(line)
        {
            panic!("as told at: {line}");
        }
    }
}

#[tokio::test]
async fn a_background_task_that_panics_starts_again_and_loses_nothing() {
    let lines = &[
        "cannot look for due deliveries",
        "outcomes cannot be written; trying again",
        "cannot say that this node lives",
        "cannot count the backlog",
    ];
    let done = Arc::new(Mutex::new(HashSet::new()));
    let saboteur = Saboteur { lines, done: done.clone() };
    // Every task of this test runs on its one thread.
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(saboteur));

    let database = Database::fresh().await;
    let mut cut = Cut::new(&database).await;
    let node = InProcess::start(&cut.url, &["127.0.0.1/32"]).await;
    let receiver = Receiver::start(|_, _| Act::AfterWaiting(Duration::from_millis(300))).await;
    node.server.trigger("one", "t", &receiver.url(), json!({"timeout": 1_000})).await;
    for _ in 0..5 {
        node.server.queue(&json!({"type": "t"})).await.expect(202);
    }
    node.server.queue(&json!({"type": "t", "delay": 0.5})).await.expect(202);
    receiver.wait_for(5).await;
    // Now the poller, the completer, the heartbeat and the housekeeping all have something to complain of.
    cut.cut().await;
    eventually("a panic in each task", async || (done.lock().expect("a lock").len() == lines.len()).then_some(()))
        .await;
    cut.mend();

    // The outcomes that the completer held are written once their leases have expired and the webhook was asked again;
    // what was scheduled comes; and what is new comes at once.
    let queued = eventually("a 202", async || {
        Some(node.server.queue(&json!({"type": "t", "isSynchronous": true})).await)
            .filter(|answer| answer.status == 200)
    })
    .await;
    assert_eq!(queued.json()["deliveries"][0]["attempts"], 1);
    settled(&database).await;
    let delivered = database.count("select count(*) from deliveries where status = 'delivered'").await;
    assert!(delivered >= 7, "{delivered}");
    assert_eq!(database.count("select count(*) from deliveries where status <> 'delivered'").await, 0);
    let fresh = "select count(*) from nodes where seen_at > now() - interval '4 seconds'";
    eventually("a heartbeat", async || (database.count(fresh).await == 1).then_some(())).await;
    node.stop().await;
}
