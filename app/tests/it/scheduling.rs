//! When deliveries happen, and that they happen although processes end.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Act, Database, Receiver, Server, eventually, settled};

fn lateness(received: &crate::support::Received) -> i64 {
    let due: DateTime<Utc> = received.json()["time"].as_str().expect("a time").parse().expect("a time");
    (received.wall - due).num_milliseconds()
}

/// On an idle machine a schedule is kept to 100 ms; other tests keep this one busy, so that the best of several counts.
#[tokio::test]
async fn schedules_are_kept_to_100_ms() {
    let database = Database::fresh().await;
    let (server, receiver) = (Server::start(&database).await, Receiver::ok().await);
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    for index in 0..8 {
        let delay = 0.4 + f64::from(index) * 0.15;
        let body = if index % 2 == 0 {
            json!({"type": "t", "delay": delay})
        } else {
            json!({"type": "t", "timestamp": Utc::now().timestamp_millis() + (delay * 1000.0) as i64})
        };
        server.queue(&body).await.expect(202);
    }
    let received = receiver.wait_for(8).await;
    let late: Vec<_> = received.iter().map(lateness).collect();
    assert!(late.iter().all(|late| *late >= 0), "before its time: {late:?}");
    assert!(late.iter().filter(|late| **late <= 100).count() >= 4, "{late:?}");
}

#[tokio::test]
async fn schedules_outlive_a_kill() {
    let database = Database::fresh().await;
    let receiver = Receiver::ok().await;
    let mut server = Server::start(&database).await;
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    server.queue(&json!({"type": "t", "data": "past", "delay": 0.6})).await.expect(202);
    server.queue(&json!({"type": "t", "data": "future", "delay": 4})).await.expect(202);
    server.process.kill().await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(receiver.received().len(), 0);
    let _server = Server::start(&database).await;
    let received = receiver.wait_for(2).await;
    assert_eq!(received[0].json()["data"], "past");
    assert_eq!(received[1].json()["data"], "future");
    let late = lateness(&received[1]);
    assert!((0..1_000).contains(&late), "{late} ms");
}

#[tokio::test]
async fn a_kill_in_the_middle_of_an_attempt_loses_nothing() {
    let database = Database::fresh().await;
    let receiver =
        Receiver::start(|number, _| if number < 20 { Act::AfterWaiting(Duration::from_secs(60)) } else { Act::ok() })
            .await;
    let mut server = Server::start(&database).await;
    server.trigger("one", "t", &receiver.url(), json!({"retries": 0, "timeout": 30_000})).await;
    let mut accepted = Vec::new();
    for _ in 0..20 {
        accepted.push(server.queue(&json!({"type": "t"})).await.expect(202).json()["eventId"].clone());
    }
    receiver.wait_for(20).await;
    server.process.kill().await;
    let killed = Instant::now();
    // The node is dead long before its leases would expire.
    let _server = Server::start(&database).await;
    settled(&database).await;
    assert!(killed.elapsed() < Duration::from_secs(15), "{:?}", killed.elapsed());
    let again: Vec<_> = receiver.received()[20..].iter().map(|received| received.json()["id"].clone()).collect();
    assert_eq!(again.len(), 20);
    assert!(accepted.iter().all(|id| again.contains(id)));
    assert_eq!(database.count("select count(*) from deliveries where status = 'delivered' and attempts = 2").await, 20);
}

#[tokio::test]
async fn sigterm_lets_attempts_end() {
    let database = Database::fresh().await;
    let receiver = Receiver::start(|_, _| Act::AfterWaiting(Duration::from_millis(500))).await;
    let mut server = Server::start(&database).await;
    server.trigger("one", "t", &receiver.url(), json!({"concurrency": 2})).await;
    for _ in 0..6 {
        server.queue(&json!({"type": "t"})).await.expect(202);
    }
    receiver.wait_for(2).await;
    server.process.signal(Signal::SIGTERM);
    assert_eq!(server.process.ended().await, Some(0));
    assert_eq!(database.count("select count(*) from deliveries where status = 'delivered'").await, 2);
    assert_eq!(
        database.count("select count(*) from queue where owner is null and attempt = 0 and due_at <= now()").await,
        4
    );
    assert_eq!(database.count("select count(*) from nodes").await, 0);
    let _server = Server::start(&database).await;
    settled(&database).await;
    assert_eq!(receiver.received().len(), 6, "nothing was delivered twice");
}

#[tokio::test]
async fn sigterm_gives_back_what_does_not_end_in_time() {
    let database = Database::fresh().await;
    let receiver =
        Receiver::start(|number, _| if number == 0 { Act::AfterWaiting(Duration::from_secs(60)) } else { Act::ok() })
            .await;
    let mut server = Server::with(&database, &["--grace", "0.3"]).await;
    server.trigger("one", "t", &receiver.url(), json!({"timeout": 60_000})).await;
    server.queue(&json!({"type": "t"})).await.expect(202);
    receiver.wait_for(1).await;
    server.process.signal(Signal::SIGINT);
    assert_eq!(server.process.ended().await, Some(0));
    assert_eq!(database.count("select count(*) from queue where owner is null and due_at <= now()").await, 1);
    let _server = Server::start(&database).await;
    settled(&database).await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn a_stopping_node_counts_as_alive_until_its_attempts_have_ended() {
    let database = Database::fresh().await;
    // Longer than a node that nobody hears of counts as alive.
    let receiver = Receiver::start(|_, _| Act::AfterWaiting(Duration::from_secs(11))).await;
    let (mut stopping, _other) = (Server::with(&database, &["--grace", "20"]).await, Server::start(&database).await);
    stopping.trigger("one", "t", &receiver.url(), json!({"timeout": 20_000})).await;
    stopping.queue(&json!({"type": "t"})).await.expect(202);
    receiver.wait_for(1).await;
    stopping.process.signal(Signal::SIGTERM);
    assert_eq!(stopping.process.ended().await, Some(0));
    settled(&database).await;
    assert_eq!(receiver.received().len(), 1, "nothing was delivered twice");
    assert_eq!(database.count("select count(*) from deliveries where status = 'delivered' and attempts = 1").await, 1);
}

#[tokio::test]
async fn callers_and_deliveries_share_one_grace_period() {
    let database = Database::fresh().await;
    let receiver = Receiver::start(|_, _| Act::AfterWaiting(Duration::from_secs(60))).await;
    let mut server = Server::with(&database, &["--grace", "3"]).await;
    server.trigger("one", "t", &receiver.url(), json!({"timeout": 60_000})).await;
    let url = server.url("/v1/api/default/eventing/queue");
    let event = json!({"type": "t", "isSynchronous": true}).to_string();
    let caller = tokio::spawn(server.http.post(url).header("content-type", "application/json").body(event).send());
    receiver.wait_for(1).await;
    let clock = Instant::now();
    server.process.signal(Signal::SIGTERM);
    assert_eq!(server.process.ended().await, Some(0));
    let took = clock.elapsed();
    assert!((Duration::from_millis(2_900)..Duration::from_millis(5_900)).contains(&took), "{took:?}");
    assert!(caller.await.expect("it ends").is_err(), "the caller's connection is closed");
    assert_eq!(database.count("select count(*) from queue where owner is null").await, 1);
}

#[tokio::test]
async fn two_nodes_share_the_work_without_doing_it_twice() {
    let database = Database::fresh().await;
    let receiver = Receiver::ok().await;
    let (one, two) = (Server::start(&database).await, Server::start(&database).await);
    one.trigger("one", "t", &receiver.url(), json!({"enabled": false})).await;
    for number in 0..200 {
        let server = if number % 2 == 0 { &one } else { &two };
        server.queue(&json!({"type": "t", "data": number})).await.expect(202);
    }
    // Unpaused on one node, taken up by both.
    two.trigger("one", "t", &receiver.url(), json!({"enabled": true})).await;
    settled(&database).await;
    let mut numbers: Vec<_> =
        receiver.received().iter().map(|received| received.json()["data"].as_i64().expect("a number")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn whoever_calls_after_a_busy_moment_is_not_kept_waiting_for_others() {
    let database = Database::fresh().await;
    let receiver = Receiver::ok().await;
    // The second knows of the first from its start.
    let (_one, two) = (Server::start(&database).await, Server::start(&database).await);
    two.trigger("one", "t", &receiver.url(), json!({})).await;
    let many: Vec<_> = (0..100).map(|number| json!({"type": "t", "data": number})).collect();
    for round in 1..=20 {
        two.queue(&json!(many)).await.expect(202);
        let clock = Instant::now();
        two.queue(&json!({"type": "t", "data": "alone"})).await.expect(202);
        let took = clock.elapsed();
        assert!(took < Duration::from_secs(1), "{took:?} in round {round}");
    }
    receiver.wait_for(20 * 101).await;
    settled(&database).await;
    assert_eq!(receiver.received().len(), 20 * 101, "nothing was delivered twice");
}

#[tokio::test]
async fn a_node_hears_of_deliveries_that_another_one_made() {
    let database = Database::fresh().await;
    // The first answers the caller, the second has all the slots.
    let receiver = Receiver::ok().await;
    let (one, two) = (Server::start(&database).await, Server::start(&database).await);
    one.trigger("one", "t", &receiver.url(), json!({"enabled": false})).await;
    let event = json!({"type": "t", "isSynchronous": true});
    let waiting = one.queue(&event);
    let resumed = async {
        eventually("a waiting delivery", async || {
            (database.count("select count(*) from queue").await == 1).then_some(())
        })
        .await;
        two.trigger("one", "t", &receiver.url(), json!({"enabled": true})).await;
    };
    let (answer, ()) = tokio::join!(waiting, resumed);
    answer.expect(200);
}

#[tokio::test]
async fn who_is_cut_off_by_a_stop_hears_that_the_event_may_be_queued() {
    let database = Database::fresh().await;
    let server = Server::with(&database, &["--grace", "0"]).await;
    server.trigger("one", "t", "http://127.0.0.1:1/", json!({})).await;
    // From now on its statement is prepared, and sent as a whole.
    server.queue(&json!({"type": "other"})).await.expect(202);
    let mut busy = database.pool.begin().await.expect("a transaction");
    sqlx::query("lock table queue in exclusive mode").execute(&mut *busy).await.expect("a lock");
    let event = json!({"type": "t"});
    let (answer, ()) = tokio::join!(server.queue(&event), async {
        let waiting = "select count(*) from pg_stat_activity
                        where wait_event_type = 'Lock' and datname = current_database() and query like '-- Accepts a batch%'";
        eventually("its statement waits", async || (database.count(waiting).await > 0).then_some(())).await;
        server.process.signal(Signal::SIGTERM);
    });
    let answer = answer.expect(503);
    assert!(answer.json()["error"].as_str().expect("text").contains("may have changed"), "{}", answer.json());
    assert_eq!(answer.header("retry-after"), "2");
    busy.rollback().await.expect("a rollback");
    let queued = "select count(*) from queue";
    eventually("it is queued all the same", async || (database.count(queued).await == 1).then_some(())).await;
}
