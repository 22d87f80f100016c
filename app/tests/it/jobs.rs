//! Redelivering and cancelling many events in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Act, Database, Receiver, Server, eventually, settled};

const JOBS: &str = "/v1/api/default/eventing/jobs";

/// A webhook that fails until it is told to work.
async fn broken_webhook() -> (Receiver, Arc<AtomicBool>) {
    let works = Arc::new(AtomicBool::new(false));
    let told = works.clone();
    let receiver =
        Receiver::start(move |_, _| if told.load(Ordering::Relaxed) { Act::ok() } else { Act::status(500) }).await;
    (receiver, works)
}

async fn queue_many(server: &Server, count: usize, event: Value) {
    let batch = vec![event; count];
    server.queue(&json!(batch)).await.expect(202);
}

async fn ended(server: &Server, job: &Value) -> Value {
    eventually("the end of the job", async || {
        let job = server.get(&format!("{JOBS}/{}", job["id"].as_str().expect("an id"))).await.expect(200).json();
        (job["state"] != "running").then_some(job)
    })
    .await
}

#[tokio::test]
async fn what_failed_is_redelivered() {
    let database = Database::fresh().await;
    let (receiver, works) = broken_webhook().await;
    let steady = Receiver::ok().await;
    let server = Server::start(&database).await;
    server.trigger("broken", "t", &receiver.url(), json!({"retries": 0})).await;
    server.trigger("steady", "t", &steady.url(), json!({})).await;
    queue_many(&server, 450, json!({"type": "t"})).await;
    queue_many(&server, 50, json!({"type": "other"})).await;
    settled(&database).await;
    works.store(true, Ordering::Relaxed);

    let wanted = json!({"action": "redeliver", "filter": {"status": "failed"}});
    let mut dry = wanted.clone();
    dry["dryRun"] = true.into();
    assert_eq!(server.post(JOBS, &dry).await.expect(200).json(), json!({"events": 450}));
    assert_eq!(server.get(JOBS).await.expect(200).json(), json!({"jobs": []}));

    let job = server.post(JOBS, &wanted).await.expect(202).json();
    assert_eq!(job["total"], 450);
    let job = ended(&server, &job).await;
    assert_eq!((&job["state"], &job["done"], &job["deliveries"]), (&json!("finished"), &json!(450), &json!(450)));
    assert_eq!(job["filter"], json!({"status": "failed"}));
    settled(&database).await;
    assert_eq!(receiver.received().len(), 900);
    assert_eq!(steady.received().len(), 450, "what was delivered is not sent again");
    assert_eq!(server.get(JOBS).await.expect(200).json()["jobs"], json!([job]));
    assert_eq!(server.post(JOBS, &dry).await.expect(200).json(), json!({"events": 0}));
    let refused = server.post(&format!("{JOBS}/{}/cancel", job["id"].as_str().expect("an id")), &json!({})).await;
    refused.expect(409);
}

#[tokio::test]
async fn what_waits_is_cancelled() {
    let database = Database::fresh().await;
    let receiver = Receiver::ok().await;
    let server = Server::start(&database).await;
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    server.trigger("two", "t", &receiver.url(), json!({})).await;
    queue_many(&server, 300, json!({"type": "t", "delay": 3600, "data": {"n": 1}})).await;
    queue_many(&server, 10, json!({"type": "t", "delay": 3600, "data": {"n": 2}})).await;
    let filter = json!({"status": "scheduled", "trigger": "two", "path": "n", "value": 1});
    let job = server.post(JOBS, &json!({"action": "cancel", "filter": filter})).await.expect(202).json();
    let job = ended(&server, &job).await;
    assert_eq!((&job["done"], &job["deliveries"]), (&json!(300), &json!(300)));
    assert_eq!(database.count("select count(*) from queue").await, 320);
    assert_eq!(database.count("select count(*) from deliveries where status = 'cancelled'").await, 300);
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn a_job_outlives_its_node() {
    let database = Database::fresh().await;
    let (receiver, works) = broken_webhook().await;
    let mut first = Server::start(&database).await;
    first.trigger("broken", "t", &receiver.url(), json!({"retries": 0})).await;
    queue_many(&first, 300, json!({"type": "t"})).await;
    settled(&database).await;
    works.store(true, Ordering::Relaxed);
    let wanted = json!({"action": "redeliver", "filter": {"status": "failed"}, "rate": 40});
    let job = first.post(JOBS, &wanted).await.expect(202).json();
    eventually("a part of the job", async || (database.count("select done from jobs").await >= 20).then_some(())).await;
    first.process.kill().await;
    // Whatever is accepted from now on is not of the job.
    let done = database.count("select done from jobs").await;
    assert!(done < 300, "the rate was kept");
    database.execute("update jobs set rate = null").await;
    let second = Server::start(&database).await;
    let job = ended(&second, &job).await;
    assert_eq!((&job["done"], &job["deliveries"]), (&json!(300), &json!(300)));
    settled(&database).await;
    assert_eq!(database.count("select count(*) from deliveries where run = 1").await, 300);
    assert_eq!(database.count("select count(*) from deliveries where run > 1").await, 0);
}

#[tokio::test]
async fn a_job_whose_batches_fail_is_kept_and_goes_on() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    for sql in [
        "create function fail() returns trigger language plpgsql as $$ begin raise exception 'no batch today'; end $$",
        "create trigger fail before update of cursor on jobs for each row execute function fail()",
    ] {
        database.execute(sql).await;
    }
    let job = server.post(JOBS, &json!({"action": "cancel"})).await.expect(202).json();
    let held =
        async || database.count("select count(*) from jobs where lease_until > now() + interval '10 seconds'").await;
    eventually("the first batch", async || (held().await == 1).then_some(())).await;
    database.execute("update jobs set lease_until = now() + interval '5 seconds'").await;
    assert_eq!(held().await, 0);
    // Before anybody looks for jobs again.
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    assert_eq!(held().await, 1, "whoever works on it holds it for longer");
    database.execute("drop trigger fail on jobs").await;
    assert_eq!(ended(&server, &job).await["state"], "finished");
}

#[tokio::test]
async fn a_job_can_be_stopped() {
    let database = Database::fresh().await;
    let receiver = Receiver::ok().await;
    let server = Server::start(&database).await;
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    queue_many(&server, 100, json!({"type": "t"})).await;
    settled(&database).await;
    let job = server.post(JOBS, &json!({"action": "redeliver", "filter": {}, "rate": 1})).await.expect(202).json();
    let path = format!("{JOBS}/{}/cancel", job["id"].as_str().expect("an id"));
    let job = server.post(&path, &json!({})).await.expect(200).json();
    assert_eq!(job["state"], "cancelled");
    let done = job["done"].as_i64().expect("a count");
    assert!(done < 100);
    settled(&database).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(database.count("select done from jobs").await, done);
    assert_eq!(receiver.received().len() as i64, 100 + done);
}

#[tokio::test]
async fn wrong_jobs_are_refused() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    for (body, field) in [
        (json!({"filter": {}}), "action"),
        (json!({"action": "delete"}), "action"),
        (json!({"action": "redeliver", "filter": {"staus": "failed"}}), "staus"),
        (json!({"action": "redeliver", "filter": {"status": "pending"}}), "status"),
        (json!({"action": "cancel", "filter": {"status": "failed"}}), "status"),
        (json!({"action": "redeliver", "filter": {"type": {}}}), "type"),
        (json!({"action": "redeliver", "filter": []}), "filter"),
        // Values that were not filled in must not mean everything.
        (json!({"action": "cancel", "filter": {"type": ""}}), "type"),
        (json!({"action": "cancel", "filter": {"trigger": null}}), "trigger"),
        (json!({"action": "cancel", "filter": null}), "filter"),
        (json!({"action": "cancel", "dryRun": null}), "dryRun"),
        (json!({"action": null}), "action"),
        (json!({"action": "redeliver", "rate": 0}), "rate"),
        (json!({"action": "redeliver", "dry": true}), "dry"),
    ] {
        assert_eq!(server.post(JOBS, &body).await.expect(422).fields(), [field], "{body}");
    }
    server.post("/v1/api/nowhere/eventing/jobs", &json!({"action": "cancel"})).await.expect(404);
    server.get(&format!("{JOBS}/7")).await.expect(404);
    server.get(&format!("{JOBS}/{}", uuid::Uuid::now_v7())).await.expect(404);
}
