//! The engine's promises that no request shows: leases, fences, partitions.

use serde_json::json;

use crate::support::{Act, Database, Receiver, Server, eventually, settled};

#[tokio::test]
async fn whoever_lost_the_lease_changes_nothing() {
    let database = Database::fresh().await;
    let receiver = Receiver::start(|_, _| Act::AfterWaiting(std::time::Duration::from_millis(600))).await;
    let server = Server::start(&database).await;
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    server.queue(&json!({"type": "t"})).await.expect(202);
    receiver.wait_for(1).await;
    // As if another node had claimed it meanwhile.
    database
        .execute("update queue set fence = fence + 1, owner = gen_random_uuid(), due_at = now() + interval '1 hour'")
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(1_000)).await;
    assert_eq!(database.count("select count(*) from queue").await, 1);
    assert_eq!(database.count("select count(*) from deliveries").await, 0);
    // And when that one's lease expires, the delivery goes on.
    database.execute("update queue set due_at = now()").await;
    settled(&database).await;
    assert_eq!(database.count("select count(*) from deliveries where status = 'delivered' and attempts = 2").await, 1);
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn an_event_without_data_in_the_database_is_set_aside() {
    let database = Database::fresh().await;
    let receiver = Receiver::ok().await;
    let server = Server::start(&database).await;
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    server.queue(&json!({"type": "t", "delay": 3600})).await.expect(202);
    database.execute("delete from events").await;
    database.execute("update queue set due_at = now()").await;
    settled(&database).await;
    assert_eq!(
        database.count("select count(*) from deliveries where status = 'failed' and error like '%gone%'").await,
        1
    );
    // It blocks nobody.
    server.queue(&json!({"type": "t"})).await.expect(202);
    receiver.wait_for(1).await;
}

#[tokio::test]
async fn attempts_that_crashes_cut_short_count_and_end_some_day() {
    let database = Database::fresh().await;
    let receiver = Receiver::ok().await;
    let server = Server::start(&database).await;
    server.trigger("one", "t", &receiver.url(), json!({"retries": 1})).await;
    server.queue(&json!({"type": "t", "delay": 3600})).await.expect(202);
    // Seven attempts were claimed and none of them came to an end: 1 + 1 retry + 5 lost ones.
    database.execute("update queue set due_at = now(), attempt = 7").await;
    settled(&database).await;
    assert_eq!(receiver.received().len(), 0);
    assert_eq!(
        database.count("select count(*) from deliveries where status = 'failed' and error like '%crash%'").await,
        1
    );
    // With one fewer the webhook gets it, and that attempt decides.
    server.queue(&json!({"type": "t", "delay": 3600})).await.expect(202);
    database.execute("update queue set due_at = now(), attempt = 6").await;
    settled(&database).await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn rows_go_to_the_partition_of_their_day() {
    let database = Database::fresh().await;
    let receiver = Receiver::start(|number, _| Act::status(if number == 0 { 500 } else { 200 })).await;
    let server = Server::start(&database).await;
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    server.queue(&json!({"type": "t"})).await.expect(202);
    eventually("a finished delivery", async || {
        (database.count("select count(*) from deliveries").await == 1).then_some(())
    })
    .await;
    for default in [
        "select count(*) from events_default",
        "select count(*) from deliveries_default",
        "select count(*) from attempts_default",
    ] {
        assert_eq!(database.count(default).await, 0, "{default}");
    }
    assert_eq!(database.count("select count(*) from attempts").await, 1);
    // Yesterday's, for slow clocks, to a week ahead, of three tables.
    let partitions = "select count(*) from pg_class where relname ~ '^(events|deliveries|attempts)_[0-9]{8}$'";
    assert_eq!(database.count(partitions).await, 27);
    // An identifier of another age finds a place too.
    database.execute("insert into events (id, project_id, due_at, triggers, type, data) values (uuid_at('1999-01-01Z'), 1, now(), 0, 't', 'null')").await;
    assert_eq!(database.count("select count(*) from events_default").await, 1);
}
