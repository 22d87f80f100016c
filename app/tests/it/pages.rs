//! Mission Control without JavaScript, as plain HTTP shows it; `end2end` has the rest in a real browser.

use serde_json::json;

use crate::support::{Act, Answer, Database, Receiver, Server};

const PAGE: &str = "/projects/default/event-triggers";

async fn submit(server: &Server, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body: String =
        reqwest::Url::parse_with_params("http://x/", fields).expect("a URL").query().unwrap_or_default().to_owned();
    let request = server.http.post(server.url(path)).header("content-type", "application/x-www-form-urlencoded");
    Answer::of(request.body(body)).await
}

#[tokio::test]
async fn pages_lead_to_each_other() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let home = server.get("/").await;
    assert_eq!((home.status, home.header("location")), (303, "/projects"));
    let projects = server.get("/projects").await.expect(200);
    assert!(projects.body.contains("href=\"/projects/default/event-triggers\""), "{}", projects.body);
    assert!(projects.body.contains("Dev mode"));
    let empty = server.get(PAGE).await.expect(200);
    assert!(empty.body.contains("No event triggers yet") && empty.body.contains("/v1/api/default/eventing/queue"));
    server.get("/projects/nowhere/event-triggers").await.expect(404);
    server.get("/nothing").await.expect(404);
}

#[tokio::test]
async fn a_refused_form_comes_back_as_it_was_typed() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let typed = [
        ("intent", "save"),
        ("existing", ""),
        ("name", "wel come"),
        ("source", "custom"),
        ("event_type", "sent \"email\""),
        ("url", "nope"),
        ("retries", "many"),
        ("timeout", "0"),
    ];
    let refused = submit(&server, &format!("{PAGE}?add"), &typed).await.expect(422);
    for value in
        ["value=\"wel come\"", "value=\"sent &quot;email&quot;\"", "value=\"nope\"", "value=\"many\"", "value=\"0\""]
    {
        assert!(refused.body.contains(value), "{value} in {}", refused.body);
    }
    for message in ["A name is made of letters", "starts with http", "A whole number is expected", "from 1 to 600000"] {
        assert!(refused.body.contains(message), "{message} in {}", refused.body);
    }
    assert_eq!(database.count("select count(*) from triggers").await, 0);
}

#[tokio::test]
async fn a_trigger_is_created_changed_sent_paused_and_deleted_by_forms() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let receiver = Receiver::start(|_, _| Act::body("{\"response\": \"hello <b>\"}")).await;
    let url = receiver.url();
    let fields = |existing: &'static str, retries: &'static str| {
        vec![
            ("intent", "save"),
            ("existing", existing),
            ("name", "one"),
            ("source", "custom"),
            ("event_type", "t"),
            ("url", url.as_str()),
            ("retries", retries),
            ("timeout", "5000"),
        ]
    };
    let created = submit(&server, &format!("{PAGE}?add"), &fields("", "3")).await.expect(303);
    assert_eq!(created.header("location"), PAGE);
    let duplicate = submit(&server, &format!("{PAGE}?add"), &fields("", "3")).await.expect(422);
    assert!(duplicate.body.contains("There is a trigger one in this project already"));
    submit(&server, &format!("{PAGE}?edit=one"), &fields("one", "7")).await.expect(303);
    assert_eq!(database.count("select retries::bigint from triggers").await, 7);

    let broken = submit(
        &server,
        &format!("{PAGE}?trigger=one"),
        &[("intent", "send"), ("name", "one"), ("data", "{\"a\": nope}")],
    )
    .await
    .expect(422);
    assert!(
        broken.body.contains("Malformed JSON at line 1, column 8") && broken.body.contains("{\"a\": nope}</textarea>"),
        "{}",
        broken.body
    );
    assert_eq!(receiver.received().len(), 0);

    let sent = submit(
        &server,
        &format!("{PAGE}?trigger=one"),
        &[("intent", "send"), ("name", "one"), ("data", "{\"a\": 1}"), ("synchronous", "on")],
    )
    .await
    .expect(303);
    let location = sent.header("location").to_owned();
    let shown = server.get(&location).await.expect(200);
    for text in ["Webhook response", "HTTP 200", "hello &lt;b&gt;", "delivered"] {
        assert!(shown.body.contains(text), "{text} in {}", shown.body);
    }
    let queued = submit(&server, &format!("{PAGE}?trigger=one"), &[("intent", "send"), ("name", "one"), ("data", "")])
        .await
        .expect(303);
    let shown = server.get(queued.header("location")).await.expect(200);
    assert!(shown.body.contains("Event queued"));
    let received = receiver.wait_for(2).await;
    assert_eq!(
        (received[0].json()["data"].clone(), received[1].json()["data"].clone()),
        (json!({"a": 1}), json!(null))
    );

    submit(&server, PAGE, &[("intent", "pause"), ("name", "one")]).await.expect(303);
    assert!(server.get(PAGE).await.body.contains("Resume"));
    submit(&server, PAGE, &[("intent", "resume"), ("name", "one")]).await.expect(303);
    submit(&server, &format!("{PAGE}?delete=one"), &[("intent", "delete"), ("name", "one")]).await.expect(303);
    assert!(server.get(PAGE).await.body.contains("No event triggers yet"));
}

#[tokio::test]
async fn pages_say_how_much_waits_and_that_they_have_not_counted_it_to_the_end() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    server.trigger("one", "t", "http://127.0.0.1:1/", json!({})).await;
    submit(&server, PAGE, &[("intent", "pause"), ("name", "one")]).await.expect(303);
    let says = async |path: String, text: &str| {
        let page = server.get(&path).await.expect(200);
        // As it reads: without the comments between the parts of a text.
        let body = page.body.replace("<!---->", "").replace("<!>", "");
        let body = body.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(body.contains(text), "{text} in {body}");
    };
    let settings = || "/projects/default/settings?delete".to_owned();
    says(format!("{PAGE}?delete=one"), "gets no more events. The history").await;
    says(settings(), "Nothing waits in its queue.").await;
    server.queue(&json!({"type": "t"})).await.expect(202);
    says(PAGE.to_owned(), "paused, 1 waiting").await;
    says(format!("{PAGE}?delete=one"), "One delivery that waits for it is cancelled.").await;
    let more = "insert into queue (due_at, event_id, trigger_id, project_id)
                select now(), gen_random_uuid(), t.id, t.project_id from triggers t, generate_series(1, 10001)";
    database.execute(more).await;
    says(PAGE.to_owned(), "paused, 10k+ waiting").await;
    says(format!("{PAGE}?delete=one"), "10k+ deliveries that wait for it are cancelled.").await;
    says(settings(), "10,002 deliveries that wait in its queue are cancelled.").await;
}

#[tokio::test]
async fn projects_are_created_by_a_form() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let refused = submit(&server, "/projects?add", &[("name", "default"), ("title", "Typed")]).await.expect(422);
    assert!(refused.body.contains("There is a project default already") && refused.body.contains("value=\"Typed\""));
    let created = submit(&server, "/projects?add", &[("name", "shop"), ("title", "")]).await.expect(303);
    assert_eq!(created.header("location"), "/projects/shop/event-triggers");
}

#[tokio::test]
async fn pages_are_compressed_for_who_takes_it() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let plain = server.get("/projects").await.expect(200);
    let request = server.http.get(server.url("/projects")).header("accept-encoding", "gzip");
    let response = request.send().await.expect("an answer");
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let bytes = response.bytes().await.expect("a page");
    assert!(bytes.starts_with(&[0x1f, 0x8b]) && bytes.len() < plain.body.len() / 2);
}

#[tokio::test]
async fn the_browsers_files_are_cached_for_ever_and_compressed() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let page = server.get("/projects").await.expect(200).body;
    let files: Vec<_> =
        page.match_indices("\"/assets/").filter_map(|(at, _)| page[at + 1..].split('"').next()).collect();
    assert!(!files.is_empty(), "the binary holds no browser's files: run `cargo xtask test`, which builds them first");
    for ending in [".css", "/app.js", "/app_bg.wasm", "/projects.bin"] {
        assert!(files.iter().any(|file| file.ends_with(ending)), "{ending} is not among {files:?}");
    }
    for file in files {
        let request = server.http.get(server.url(file)).header("accept-encoding", "gzip, br");
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-encoding"], "br");
        assert!(response.headers()["cache-control"].to_str().expect("text").contains("immutable"));
    }
    server.get("/assets/nothing.js").await.expect(404);
    server.get("/assets/..%2f..%2fCargo.toml").await.expect(404);
}

#[tokio::test]
async fn settings_are_shown_changed_and_the_project_deleted_by_forms() {
    const SETTINGS: &str = "/projects/default/settings";
    let database = Database::fresh().await;
    let server = Server::with(&database, &["--retention", "7"]).await;
    let shown = server.get(SETTINGS).await.expect(200).body;
    assert!(shown.contains("--retention") && shown.contains("7 days"), "{shown}");
    let long = "x".repeat(129);
    let refused = submit(&server, SETTINGS, &[("intent", "rename"), ("title", &long)]).await.expect(422);
    assert!(refused.body.contains("up to 128") && refused.body.contains(&long));
    submit(&server, SETTINGS, &[("intent", "rename"), ("title", "The Shop")]).await.expect(303);
    assert!(server.get("/projects").await.body.contains("The Shop"));

    let dialog = format!("{SETTINGS}?delete");
    let refused = submit(&server, &dialog, &[("intent", "delete"), ("name", "the shop")]).await.expect(422);
    assert!(refused.body.contains("Type default to delete") && refused.body.contains("value=\"the shop\""));
    let deleted = submit(&server, &dialog, &[("intent", "delete"), ("name", "default")]).await.expect(303);
    assert_eq!(deleted.header("location"), "/projects");
    server.get(SETTINGS).await.expect(404);
}

#[tokio::test]
async fn a_theme_is_remembered_by_a_cookie() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let choose = async |referer: &str| {
        let request = server.http.post(server.url("/theme")).header("referer", referer);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        Answer::of(request.body("theme=dark")).await.expect(303)
    };
    let chosen = choose(&server.url("/projects?add")).await;
    assert_eq!(chosen.header("location"), "/projects?add");
    assert!(chosen.header("set-cookie").starts_with("theme=dark; Path=/"));
    // It never leads to another site.
    assert_eq!(choose("http://evil.example//evil.example/x").await.header("location"), "/evil.example/x");
    assert_eq!(choose("nonsense nowhere").await.header("location"), "/projects");

    let page = |cookie: &'static str| Answer::of(server.http.get(server.url("/projects")).header("cookie", cookie));
    assert!(page("theme=dark").await.body.contains("data-theme=\"dark\""));
    assert!(!page("theme=system").await.body.contains("data-theme"));
}

#[tokio::test]
async fn an_event_is_scheduled_by_the_form() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    server.trigger("one", "t", "http://127.0.0.1:9000/", json!({})).await;
    let send = async |more: &[(&str, &str)]| {
        let fields = [&[("intent", "send"), ("name", "one"), ("data", "{}")], more].concat();
        submit(&server, &format!("{PAGE}?trigger=one"), &fields).await
    };
    let refused = send(&[("schedule", "delay"), ("delay", "soon")]).await.expect(422);
    assert!(refused.body.contains("A number of seconds is expected") && refused.body.contains("value=\"soon\""));
    let too_late = send(&[("schedule", "time"), ("time", "2098-01-02T03:04"), ("synchronous", "on")]).await.expect(422);
    assert!(too_late.body.contains("must be due within the 10 s"), "{}", too_late.body);
    assert_eq!(database.count("select count(*) from events").await, 0);

    send(&[("schedule", "time"), ("time", "2098-01-02T03:04"), ("offset", "+02:00")]).await.expect(303);
    let due = "select count(*) from queue q join events e on e.id = q.event_id
                where e.due_at = '2098-01-02 01:04:00Z' and q.due_at - e.due_at between '0' and '1 millisecond'";
    assert_eq!(database.count(due).await, 1);
    send(&[("schedule", "delay"), ("delay", "3600.5")]).await.expect(303);
    assert_eq!(database.count("select count(*) from queue where due_at < now() + interval '3601 s'").await, 1);
}
