//! The admin API, in the original's shape.

use serde_json::{Value, json};

use crate::support::{Answer, Database, Receiver, Server, eventually, settled};

const TRIGGERS: &str = "/v1/config/projects/default/eventing/triggers";

#[tokio::test]
async fn triggers_are_created_replaced_listed_and_deleted() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    assert_eq!(server.get(TRIGGERS).await.expect(200).json(), json!({"result": []}));
    // As the original's Mission Control sends it.
    let body = json!({"id": "welcome", "type": "sent-email", "url": "http://127.0.0.1:9000/hook", "retries": 3, "timeout": 5000, "options": {"db": "x"}});
    server.post(&format!("{TRIGGERS}/welcome"), &body).await.expect(200);
    let listed = server.get(TRIGGERS).await.expect(200).json();
    for key in ["id", "type", "url", "retries", "timeout", "options"] {
        assert_eq!(listed["result"][0][key], body[key], "{key}");
    }
    assert_eq!(listed["result"][0]["enabled"], true);

    let defaults = server
        .post(&format!("{TRIGGERS}/minimal"), &json!({"type": "t", "url": "http://127.0.0.1:9000/"}))
        .await
        .expect(200)
        .json();
    assert_eq!((&defaults["result"]["retries"], &defaults["result"]["timeout"]), (&json!(3), &json!(5000)));

    server
        .post(
            &format!("{TRIGGERS}/welcome"),
            &json!({"type": "other", "url": "http://127.0.0.1:9000/", "retries": 0, "enabled": false, "nonsense": 1}),
        )
        .await
        .expect(200);
    let one = server.get(&format!("{TRIGGERS}?id=welcome")).await.expect(200).json();
    assert_eq!(one["result"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&one["result"][0]["type"], &one["result"][0]["retries"], &one["result"][0]["enabled"]),
        (&json!("other"), &json!(0), &json!(false))
    );

    server.delete_trigger("welcome").await.expect(200);
    server.delete_trigger("welcome").await.expect(404);
    server.get(&format!("{TRIGGERS}?id=welcome")).await.expect(404);
    assert_eq!(server.get(TRIGGERS).await.expect(200).json()["result"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn every_wrong_field_of_a_trigger_is_named() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let wrong = json!({"type": "", "url": "nope", "retries": 101, "timeout": 0, "source": "database", "concurrency": 0, "backoffFirst": -1, "headers": {"Host": "x"}});
    let answer = server.post(&format!("{TRIGGERS}/-bad"), &wrong).await.expect(422);
    let mut answer_fields = answer.fields();
    answer_fields.sort();
    assert_eq!(
        answer_fields,
        ["backoffFirst", "concurrency", "headers", "name", "retries", "source", "timeout", "type", "url"]
    );
    // A name that the database could not even look for is one of them.
    let mut fields = server.post(&format!("{TRIGGERS}/a%00b"), &wrong).await.expect(422).fields();
    fields.sort();
    assert_eq!(fields, answer_fields);
    for (field, value) in
        [("retries", json!(1.5)), ("timeout", json!(600_001)), ("options", json!([])), ("id", json!("other"))]
    {
        let mut body = json!({"type": "t", "url": "http://127.0.0.1/"});
        body[field] = value;
        assert_eq!(server.post(&format!("{TRIGGERS}/one"), &body).await.expect(422).fields(), [field]);
    }
    server.post_text(&format!("{TRIGGERS}/one"), "{").await.expect(400);
    server.post(&format!("{TRIGGERS}/one"), &json!({"type": 1})).await.expect(422);
    server
        .post("/v1/config/projects/nowhere/eventing/triggers/one", &json!({"type": "t", "url": "http://127.0.0.1/"}))
        .await
        .expect(404);
    assert_eq!(database.count("select count(*) from triggers").await, 0);
    let ignored = server
        .post(&format!("{TRIGGERS}/one"), &json!({"type": "t", "url": "http://127.0.0.1/", "retires": 1}))
        .await
        .expect(200);
    assert_eq!(ignored.json()["ignored"], json!(["retires"]));
}

#[tokio::test]
async fn projects_are_created_and_listed() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let names = |answer: Value| answer["result"].as_array().expect("an array").clone();
    assert_eq!(
        names(server.get("/v1/config/projects").await.expect(200).json()),
        [json!({"id": "default", "name": "Default"})]
    );
    server.post("/v1/config/projects/shop", &json!({"name": "The shop"})).await.expect(200);
    server.post("/v1/config/projects/shop", &json!({"name": "Shop"})).await.expect(200);
    let listed = names(server.get("/v1/config/projects").await.expect(200).json());
    assert_eq!(listed[1], json!({"id": "shop", "name": "Shop"}));
    server.post("/v1/config/projects/no%20good", &json!({"name": "x"})).await.expect(422);
    for (body, field) in [
        (json!(["Shop", null]), "body"),
        (json!({"name": 7}), "name"),
        (json!({"id": "other"}), "id"),
        (json!({"triggerDefaults": [1, 2]}), "triggerDefaults"),
        (json!({"triggerDefaults": {"timeout": "5"}}), "timeout"),
    ] {
        assert_eq!(server.post("/v1/config/projects/shop", &body).await.expect(422).fields(), [field], "{body}");
    }
    let both = json!({"name": "x".repeat(129), "triggerDefaults": {"retries": 101}});
    let refused = server.post("/v1/config/projects/shop", &both).await.expect(422);
    assert_eq!(refused.fields(), ["name", "retries"]);
    let misspelt =
        server.post("/v1/config/projects/shop", &json!({"id": "shop", "nmae": "x"})).await.expect(200).json();
    assert_eq!(misspelt, json!({"result": {"id": "shop", "name": "Shop"}, "ignored": ["nmae"]}));
    server.post("/v1/config/projects/default/eventing/nothing", &json!({})).await.expect(404);
}

#[tokio::test]
async fn new_triggers_get_what_their_project_has_for_them() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let defaults = json!({"retries": 7, "timeout": 1_500, "backoffFirst": 250});
    let put = async |body: &Value| server.post("/v1/config/projects/shop", body).await;
    let saved = put(&json!({"name": "Shop", "triggerDefaults": defaults})).await.expect(200).json();
    assert_eq!(saved["result"], json!({"id": "shop", "name": "Shop", "triggerDefaults": defaults}));

    let trigger = async |name: &str, more: Value| {
        let mut body = json!({"type": "t", "url": "http://127.0.0.1:9000/"});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let path = format!("/v1/config/projects/shop/eventing/triggers/{name}");
        server.post(&path, &body).await.expect(200).json()["result"].clone()
    };
    let plain = trigger("plain", json!({})).await;
    let numbers = |of: &Value| ["retries", "timeout", "backoffFirst", "backoffMax"].map(|key| of[key].clone());
    assert_eq!(numbers(&plain), [json!(7), json!(1_500), json!(250), Value::Null]);
    let own = trigger("own", json!({"retries": 0, "timeout": 9, "backoffFirst": 0, "backoffMax": 5})).await;
    assert_eq!(numbers(&own), [json!(0), json!(9), json!(0), json!(5)], "what a trigger says counts");

    // One that exists is replaced by what is said of it, and by nothing that its project has for new ones.
    let replaced = trigger("own", json!({"retries": 1})).await;
    assert_eq!(numbers(&replaced), [json!(1), json!(5_000), Value::Null, Value::Null]);

    // What is wrong changes nothing, not even the name.
    let wrong = json!({"name": "Other", "triggerDefaults": {"retries": 101, "timeout": 0, "backoffMax": -1}});
    let mut fields = put(&wrong).await.expect(422).fields();
    fields.sort();
    assert_eq!(fields, ["backoffMax", "retries", "timeout"]);
    put(&json!({"triggerDefaults": {"retires": 1}})).await.expect(422);
    // They stay until others are set, like the title, and what exists keeps what it has.
    put(&json!({"name": "The shop"})).await.expect(200);
    let kept = put(&json!({"triggerDefaults": defaults})).await.expect(200).json();
    assert_eq!(kept["result"]["name"], "The shop");
    put(&json!({"name": "Shop"})).await.expect(200);
    assert_eq!(numbers(&trigger("another", json!({})).await)[0], json!(7));
    let none = put(&json!({"name": "Shop", "triggerDefaults": {}})).await.expect(200).json();
    assert_eq!(none["result"], json!({"id": "shop", "name": "Shop"}));
    assert_eq!(numbers(&trigger("last", json!({})).await), [json!(3), json!(5_000), Value::Null, Value::Null]);
    let listed = server.get("/v1/config/projects/shop/eventing/triggers?id=plain").await.expect(200).json();
    assert_eq!(numbers(&listed["result"][0]), numbers(&plain));
}

#[tokio::test]
async fn a_deleted_project_takes_everything_with_it() {
    let database = Database::fresh().await;
    let server = Server::start(&database).await;
    let receiver = Receiver::ok().await;
    server.post("/v1/config/projects/shop", &json!({})).await.expect(200);
    for (project, name) in [("shop", "one"), ("shop", "two"), ("default", "kept")] {
        let path = format!("/v1/config/projects/{project}/eventing/triggers/{name}");
        server.post(&path, &json!({"type": "t", "url": receiver.url()})).await.expect(200);
    }
    let queue = async |project: &str, body: Value| {
        server.post(&format!("/v1/api/{project}/eventing/queue"), &body).await.expect(202);
    };
    queue("shop", json!({"type": "t", "idempotencyKey": "k"})).await;
    queue("default", json!({"type": "t"})).await;
    receiver.wait_for(3).await;
    settled(&database).await;
    queue("shop", json!({"type": "t", "delay": 3600})).await;
    queue("default", json!({"type": "t", "delay": 3600})).await;

    let delete = async || Answer::of(server.http.delete(server.url("/v1/config/projects/shop"))).await;
    assert_eq!(delete().await.expect(200).json(), json!({"result": {"cancelled": 2}}));
    delete().await.expect(404);
    server.get("/v1/config/projects/shop/eventing/triggers").await.expect(404);
    server.post("/v1/api/shop/eventing/queue", &json!({"type": "t"})).await.expect(404);
    // The history goes in the background; that of others stays.
    eventually("only the other project's history", async || {
        let left = database.count("select count(*) from events").await;
        (left == 2 && database.count("select count(*) from deliveries").await == 1).then_some(())
    })
    .await;
    for (rows, left) in [
        ("select count(*) from queue", 1),
        ("select count(*) from triggers", 1),
        ("select count(*) from idempotency_keys", 0),
    ] {
        assert_eq!(database.count(rows).await, left, "{rows}");
    }

    // Its name is free, and what comes back under it is another project.
    server.post("/v1/config/projects/shop", &json!({})).await.expect(200);
    let triggers = server.get("/v1/config/projects/shop/eventing/triggers").await.expect(200);
    assert_eq!(triggers.json(), json!({"result": []}));
}
