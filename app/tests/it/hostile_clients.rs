//! Clients of the API that mean harm, or are badly broken: they are told so or hung up on, nothing they send is a fault
//! of the server's, and nobody else notices.

use std::time::{Duration, Instant};

use rig::{nested, refused_bodies};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, Database, Receiver, Server, eventually, settled};

const QUEUE: &str = "/v1/api/default/eventing/queue";

/// The head of a request whose body is as long as the header `length` says.
fn head(path: &str, length: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{length}\r\n")
}

async fn connect(server: &Server) -> TcpStream {
    let address = server.process.address.trim_start_matches("http://");
    TcpStream::connect(address).await.expect("a connection")
}

/// Everything that the server still says until it hangs up, and how long that took.
async fn until_hung_up(stream: &mut TcpStream) -> (String, Duration) {
    let (clock, mut said) = (Instant::now(), Vec::new());
    // A reset is as good as an end.
    let reading = stream.read_to_end(&mut said);
    drop(tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the server hangs up"));
    (String::from_utf8_lossy(&said).into_owned(), clock.elapsed())
}

/// Sends a byte every 50 ms until the server has had enough.
async fn drip(mut stream: TcpStream, bytes: &'static [u8]) -> (String, Duration) {
    let (mut near, mut far) = stream.split();
    let clock = Instant::now();
    let dripping = async {
        for byte in bytes.iter().cycle() {
            if far.write_all(&[*byte]).await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let mut said = Vec::new();
    tokio::select! {
        () = dripping => {}
        ended = tokio::time::timeout(Duration::from_secs(20), near.read_to_end(&mut said)) => drop(ended.expect("an end")),
    }
    (String::from_utf8_lossy(&said).into_owned(), clock.elapsed())
}

#[tokio::test]
async fn who_is_slow_is_hung_up_on() {
    let database = Database::fresh().await;
    let server = Server::with(&database, &["--read-timeout", "1"]).await;
    let in_time = Duration::from_millis(900)..Duration::from_millis(2_500);

    let (said, took) = until_hung_up(&mut connect(&server).await).await;
    assert!(said.is_empty() && in_time.contains(&took), "silent: {said} {took:?}");

    let (said, took) = drip(connect(&server).await, b"GET /health/live HTTP/1.1\r\nx: y").await;
    assert!(!said.contains("200") && in_time.contains(&took), "slow head: {said} {took:?}");

    // Also after a request that was good.
    let mut idle = connect(&server).await;
    idle.write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("it listens");
    let (said, took) = until_hung_up(&mut idle).await;
    assert!(said.contains("200 OK") && in_time.contains(&took), "idle: {said} {took:?}");

    for length in ["content-length: 1000\r\n", "transfer-encoding: chunked\r\n"] {
        let mut silent = connect(&server).await;
        silent.write_all(head(QUEUE, length).as_bytes()).await.expect("it listens");
        let (said, took) = until_hung_up(&mut silent).await;
        assert!(said.contains("408 Request Timeout") && in_time.contains(&took), "silent body: {said} {took:?}");
        assert!(said.contains("--read-timeout"), "{said}");
    }
    let mut slow = connect(&server).await;
    slow.write_all(head(QUEUE, "content-length: 1000000\r\n").as_bytes()).await.expect("it listens");
    let (said, took) = drip(slow, b" ").await;
    assert!(said.contains("408") && in_time.contains(&took), "slow body: {said} {took:?}");
    // Nor does anybody hold an answer for ever that it does not take.
    let options = format!("{{\"a\":\"{}\"}}", "x".repeat(500_000));
    let body = format!(r#"{{"type":"t","url":"http://127.0.0.1:1/","options":{options}}}"#);
    server.post_text("/v1/config/projects/default/eventing/triggers/one", body).await.expect(200);
    let mut greedy = connect(&server).await;
    let request = "GET /v1/config/projects/default/eventing/triggers HTTP/1.1\r\nhost: localhost\r\n\r\n";
    greedy.write_all(request.repeat(40).as_bytes()).await.expect("it listens");
    tokio::time::sleep(Duration::from_secs(6)).await;
    let (said, _) = until_hung_up(&mut greedy).await;
    assert!(said.len() < 20_000_000, "all of it came: {}", said.len());
    // Server functions and forms read their bodies by other means.
    for path in ["/api/create_project", "/projects"] {
        let mut slow = connect(&server).await;
        let head = head(path, "content-length: 1000000\r\n").replace("json", "x-www-form-urlencoded");
        slow.write_all(head.as_bytes()).await.expect("it listens");
        let (said, took) = drip(slow, b"a").await;
        assert!(!said.contains(" 200 ") && in_time.contains(&took), "{path}: {said} {took:?}");
    }
    assert_eq!(database.count("select count(*) from events").await, 0);
    server.process.expect_no_fault();
}

#[tokio::test]
async fn endless_bodies_and_heads_are_cut_short() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let before = server.process.memory();
    for path in [QUEUE, "/v1/config/projects/default/eventing/triggers/one", "/api/create_project", "/projects", "/"] {
        for _ in 0..3 {
            let mut stream = connect(&server).await;
            stream.write_all(head(path, "transfer-encoding: chunked\r\n").as_bytes()).await.expect("it listens");
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(65_536));
            let mut sent = 0;
            while sent < 100 * 1024 * 1024 && stream.write_all(chunk.as_bytes()).await.is_ok() {
                sent += chunk.len();
            }
            assert!(sent < 100 * 1024 * 1024, "{path} takes everything");
        }
    }
    for length in ["1000000000000", "18446744073709551615"] {
        let mut stream = connect(&server).await;
        let head = head(QUEUE, &format!("content-length: {length}\r\n"));
        stream.write_all(format!("{head}{{").as_bytes()).await.expect("it listens");
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.expect("an answer, at once");
        assert!(matches!(&status[9..], b"400" | b"413" | b"431"), "{length}: {}", String::from_utf8_lossy(&status));
    }
    // Past what any route takes it is not even asked which route it is.
    let mut stream = connect(&server).await;
    stream.write_all(head(QUEUE, "content-length: 5000000\r\n").as_bytes()).await.expect("it listens");
    let mut said = vec![0; 2_000];
    let read = stream.read(&mut said).await.expect("an answer, at once");
    let said = String::from_utf8_lossy(&said[..read]);
    assert!(said.contains("413 Payload Too Large") && said.contains("application/problem+json"), "{said}");
    for endless in ["GET /", "GET / HTTP/1.1\r\nhost: localhost\r\nx: ", "GET / HTTP/1.1\r\n"] {
        let mut stream = connect(&server).await;
        stream.write_all(endless.as_bytes()).await.expect("it listens");
        let piece = if endless.ends_with('\n') { "x-a: b\r\n" } else { "abcdefgh" }.repeat(1_000);
        let mut sent = 0;
        while sent < 10 * 1024 * 1024 && stream.write_all(piece.as_bytes()).await.is_ok() {
            sent += piece.len();
        }
        assert!(sent < 10 * 1024 * 1024, "{endless:?} goes on for ever");
    }
    let after = server.process.memory();
    assert!(after < before + 40, "{before} MiB grew to {after} MiB");
    server.get("/health/ready").await.expect(200);
    server.process.expect_no_fault();
}

#[tokio::test]
async fn hostile_json_is_told_so_or_passes_through() {
    let database = Database::fresh().await;
    let (server, receiver) = (Server::start(&database).await, Receiver::ok().await);
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    let with = |member: &str| format!(r#"{{"type":"t",{member}}}"#);
    for (body, status) in refused_bodies() {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let answer = server.queue_text(body).await;
        assert_eq!(answer.status, status, "{shown}: {}", answer.body);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{shown}");
        assert!(answer.body.len() < 2_000, "{shown} is answered at length");
    }
    assert_eq!(database.count("select count(*) from events").await, 0);

    // The past, however far, is now; the last moment of the calendar is not.
    for past in
        ["-1", "-253402300799999", "-0.0", "1e-300", "\"0000-01-01T00:00:00Z\"", "\"0001-01-01T00:00:00+14:00\""]
    {
        server.queue_text(with(&format!("\"timestamp\":{past}"))).await.expect(202);
    }
    assert_eq!(receiver.wait_for(6).await.len(), 6);
    let last = server.queue_text(with("\"timestamp\":253402300799999")).await.expect(202).json();
    assert_eq!(last["scheduledAt"], "9999-12-31T23:59:59.999Z");
    server.queue_text(with("\"delay\":3155760000")).await.expect(202);
    database.execute("delete from queue").await;

    // Data is the caller's, whatever it is.
    for (index, data) in [
        "1e999999",
        &"7".repeat(30),
        &nested("[", "]"),
        &nested("{\"a\":", "}").replace(":}", ":1}"),
        r#"{"a":1,"a":2}"#,
        r#""\ud800""#,
    ]
    .into_iter()
    .enumerate()
    {
        server.queue_text(with(&format!("\"data\":{data}"))).await.expect(202);
        let received = receiver.wait_for(7 + index).await[6 + index].text();
        assert!(received.ends_with(&format!("\"data\":{data}}}")), "{data:.60}");
    }
    settled(&database).await;
    server.process.expect_no_fault();
}

#[tokio::test]
async fn hostile_requests_of_other_kinds_are_no_fault_of_the_servers() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let triggers = "/v1/config/projects/default/eventing/triggers";
    // Options are kept as they are sent, and come back.
    let options = format!("{{\"a\":{deep}}}");
    let body = format!(r#"{{"type":"t","url":"http://127.0.0.1:1/","options":{options}}}"#);
    let saved = server.post_text(&format!("{triggers}/one"), body).await.expect(200);
    assert!(saved.body.contains(&options));
    assert!(server.get(triggers).await.expect(200).body.contains(&options));
    for body in [
        deep.clone(),
        format!(r#"{{"type":"t","url":"http://127.0.0.1:1/","headers":{{"a":{deep}}}}}"#),
        format!(r#"{{"type":"t","url":"http://127.0.0.1:1/","headers":{deep}}}"#),
        r#"{"type":"t","url":"http://127.0.0.1:1/","retries":1e999}"#.into(),
        r#"{"type":"t","url":"http://127.0.0.1:1/","retries":1e300,"timeout":-1e300}"#.into(),
        r#"{"type":"t","url":"http://127.0.0.1:1/","headers":{"x":"\u0000"}}"#.into(),
        r#"{"type":"t\u0000","url":"http://127.0.0.1:1/\u0000"}"#.into(),
    ] {
        let answer = server.post_text(&format!("{triggers}/two"), body.clone()).await;
        assert_eq!(answer.status, 422, "{body:.80}: {:.300}", answer.body);
    }
    server.post_text("/v1/config/projects/p", format!(r#"{{"name":{deep}}}"#)).await.expect(422);
    server.post_text("/v1/config/projects/p", r#"{"name":"\u0000"}"#).await.expect(422);
    for project in ["%0a", "%00", "%ff", "a%20b"] {
        let answer = server.get(&format!("/projects/{project}")).await;
        assert!(answer.status < 500, "{project}: {}", answer.body);
    }
    let zipped = server.http.post(server.url(QUEUE)).header("content-type", "application/json");
    let zipped = Answer::of(zipped.header("content-encoding", "gzip").body(vec![0x1f, 0x8b])).await.expect(415);
    assert!(zipped.body.contains("gzip"), "{}", zipped.body);
    // Names that no path should hold, among them one that PostgreSQL cannot.
    let event = json!({"type": "t"});
    for name in ["%00", "a%00b", "%ff", "%c3%28", "%2e%2e%2f", "%F0%9F%8E%89", "%0d%0aset-cookie:x", &"x".repeat(5_000)]
    {
        for answer in [
            server.post(&format!("/v1/api/{name}/eventing/queue"), &event).await,
            server.post(&format!("/v1/api/{name}/eventing/queue"), &json!([event])).await,
            server.post(&format!("/v1/config/projects/{name}"), &json!({"name": "x"})).await,
            server.post(&format!("{triggers}/{name}"), &json!({"type": "t", "url": "http://127.0.0.1:1/"})).await,
            server.get(&format!("/v1/config/projects/{name}/eventing/triggers")).await,
            server.get(&format!("{triggers}?id={name}")).await,
            server.delete_trigger(name).await,
            server.get(&format!("/projects/{name}/event-triggers")).await,
            server.get(&format!("/projects/default/event-triggers?trigger={name}&event={name}&edit={name}")).await,
        ] {
            assert!(
                matches!(answer.status, 200 | 400 | 404 | 422),
                "{name:.20}: {} {:.300}",
                answer.status,
                answer.body
            );
        }
    }
    let named = |project: &str, name: &str| {
        json!({"project": project, "event_type": name, "event_id": name, "filter": {"type": name, "from": name}})
            .to_string()
    };
    for body in [named("\0", "\0"), named("default", "\0"), named("\u{fffd}", ""), String::new(), "{".into()] {
        for function in ["triggers", "filter_choices", "outcome", "earlier_data", "projects", "nothing"] {
            let request = server.http.post(server.url(&format!("/api/{function}")));
            let request = request.header("content-type", "application/json").body(body.clone());
            let answer = crate::support::Answer::of(request).await;
            assert!(
                !answer.body.contains("panicked") && !answer.body.contains("its log says more"),
                "{function} {body}: {}",
                answer.body
            );
        }
    }
    assert_eq!(database.count("select count(*) from events").await, 0);
    server.get("/health/ready").await.expect(200);
    server.process.expect_no_fault();
}

#[tokio::test]
async fn ten_thousand_idle_connections_leave_room_for_requests() {
    let database = Database::fresh().await;
    let server = Server::with(&database, &["--max-connections", "12000", "--read-timeout", "120"]).await;
    let files = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).expect("a limit");
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, files.1, files.1).expect("a limit");
    let count = 10_000.min(files.1 as usize / 2);
    let before = server.process.memory();
    let mut idle = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = connect(&server).await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost:").await.expect("it listens");
        idle.push(stream);
    }
    // The newest is served only after all of them were accepted.
    server.get("/health/ready").await.expect(200);
    server.queue(&json!({"type": "t"})).await.expect(202);
    let held = server.process.memory().saturating_sub(before);
    assert!(held * 1024 < count * 32, "{count} idle connections hold {held} MiB");
    drop(idle);
    server.get("/health/ready").await.expect(200);
    server.process.expect_no_fault();
}

#[tokio::test]
async fn past_the_most_connections_others_wait_and_are_served() {
    let database = Database::fresh().await;
    let server = Server::with(&database, &["--max-connections", "20", "--read-timeout", "1"]).await;
    let mut idle = Vec::new();
    for _ in 0..60 {
        idle.push(connect(&server).await);
    }
    let clock = Instant::now();
    server.get("/health/live").await.expect(200);
    assert!(clock.elapsed() > Duration::from_millis(500), "it had to wait for a place");
    eventually("the end of the last", async || {
        let mut byte = [0];
        let read = idle.last_mut().expect("one").try_read(&mut byte);
        matches!(read, Ok(0)).then_some(())
    })
    .await;
    let answer: Value = server.queue(&json!({"type": "t"})).await.expect(202).json();
    assert!(answer["eventId"].is_string());
}
