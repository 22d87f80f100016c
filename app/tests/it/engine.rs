//! The engine's promises that no request shows: leases, fences, partitions.

use serde_json::json;

use crate::support::{Act, Database, Process, Receiver, Server, eventually, settled};

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
    // A failure like any other in the statistics.
    eventually("counted", async || {
        (database.count("select count(*) from tallies where span = 60 and failed = 1 and delivered = 0").await == 1)
            .then_some(())
    })
    .await;
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

/// The usual compression takes most of the time of large events.
#[tokio::test]
async fn large_data_is_compressed_fast_where_postgresql_can() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    server.queue(&json!({"type": "t", "data": "what a long text ".repeat(1_000)})).await.expect(202);
    let possible =
        "select count(*) from pg_settings where name = 'default_toast_compression' and 'lz4' = any(enumvals)";
    let compressed = "select count(*) from events where pg_column_compression(data) = 'lz4'";
    assert_eq!(database.count(compressed).await, database.count(possible).await);
}

#[tokio::test]
async fn a_poisonous_event_fails_only_its_own_caller() {
    let database = Database::fresh().await;
    let (server, receiver) = (Server::start(&database).await, Receiver::ok().await);
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    database
        .execute(
            "create function poison() returns trigger language plpgsql as
             $$ begin if new.data = '\"poison\"' then raise 'poison'; end if; return new; end $$",
        )
        .await;
    database.execute("create trigger poison before insert on events for each row execute function poison()").await;
    let sent = (0..60).map(|number| {
        let data = if number % 20 == 7 { json!("poison") } else { json!(number) };
        let server = &server;
        async move { server.queue(&json!({"type": "t", "data": data})).await.status }
    });
    let mut answers = futures::future::join_all(sent).await;
    answers.sort_unstable();
    assert_eq!(answers, [vec![202; 57], vec![500; 3]].concat());
    settled(&database).await;
    assert_eq!(receiver.received().len(), 57);
    assert_eq!(database.count("select count(*) from events").await, 57);
}

#[tokio::test]
async fn clocks_of_nodes_may_be_wrong() {
    let database = Database::fresh().await;
    let receiver = Receiver::ok().await;
    let skewed = async |offset: &str| {
        let preload = "/usr/$LIB/faketime/libfaketime.so.1";
        let environment = [("DATABASE_URL", &*database.url()), ("LD_PRELOAD", preload), ("FAKETIME", offset)];
        Server::of(Process::start(&["serve", "--listen", "127.0.0.1:0"], &environment).await)
    };
    let (behind, ahead) = (skewed("-1h").await, skewed("+1h").await);
    behind.trigger("one", "t", &receiver.url(), json!({})).await;
    for server in [&behind, &ahead] {
        let queued = server.queue(&json!({"type": "t"})).await.expect(202);
        let scheduled: chrono::DateTime<chrono::Utc> =
            queued.json()["scheduledAt"].as_str().expect("text").parse().expect("a time");
        assert!((chrono::Utc::now() - scheduled).num_seconds().abs() < 60, "times are the database's: {scheduled}");
        let id: uuid::Uuid = queued.json()["eventId"].as_str().expect("text").parse().expect("a UUID");
        let made_at = id.get_timestamp().expect("a UUIDv7").to_unix().0 as i64;
        assert!((chrono::Utc::now().timestamp() - made_at).abs() > 3_000, "the node's clock is wrong in this test");
    }
    receiver.wait_for(2).await;
    for server in [&behind, &ahead] {
        let clock = std::time::Instant::now();
        let count = receiver.received().len();
        server.queue(&json!({"type": "t", "delay": 0.4})).await.expect(202);
        let arrived = receiver.wait_for(count + 1).await[count].at - clock;
        assert!((400..1_400).contains(&arrived.as_millis()), "{arrived:?}");
    }
    settled(&database).await;
    // Neither takes the other for dead, and nothing is delivered twice.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(database.count("select count(*) from nodes").await, 2);
    assert_eq!(receiver.received().len(), 4);
}

#[tokio::test]
async fn an_idle_node_hardly_asks() {
    let database = Database::fresh().await;
    // The only server of this run whose statements are in PostgreSQL's log.
    let logged = format!("{}&options=-c%20log_statement%3Dall", database.url());
    let server = Server::on(&logged, &[]).await;
    server.trigger("one", "t", "http://127.0.0.1:1/", json!({})).await;
    server.queue(&json!({"type": "t", "delay": 3600})).await.expect(202);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let before = database.logged_statements();
    assert!(before > 0, "statements are logged");
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    let asked = database.logged_statements() - before;
    assert!((5..=20).contains(&asked), "{asked} statements in 10 s");
}
