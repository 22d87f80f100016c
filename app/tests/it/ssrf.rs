//! Server-side request forgery: where webhooks may not point, outside dev mode.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rig::FORBIDDEN_ADDRESSES;
use serde_json::json;
use server::delivery::guard::{Found, Lookup};

use crate::support::{Act, Database, InProcess, Receiver};

#[tokio::test]
async fn forbidden_addresses_are_refused_at_save_and_at_delivery() {
    let database = Database::fresh().await;
    let node = InProcess::start(&database.url(), &[]).await;
    let receiver = Receiver::ok().await;
    let port = receiver.port();
    // Allowed at save, for its name cannot be resolved.
    node.server.trigger("one", "t", "http://no-such-host.invalid/", json!({"retries": 0})).await;
    for forbidden in FORBIDDEN_ADDRESSES {
        let (url, reason) = (forbidden.url(port), forbidden.reason);
        let path = "/v1/config/projects/default/eventing/triggers/two";
        let refused = node.server.post(path, &json!({"type": "t", "url": url})).await.expect(422);
        assert_eq!(refused.fields(), ["url"], "{url}");
        let message = refused.json()["errors"][0]["message"].as_str().expect("text").to_owned();
        assert!(message.contains(reason) && message.contains("--allow-networks"), "{url}: {message}");
        // As if it had been saved before it was forbidden.
        sqlx::query("update triggers set url = $1, version = version + 1")
            .bind(&url)
            .execute(&database.pool)
            .await
            .expect("an update");
        let failed = node.server.queue(&json!({"type": "t", "isSynchronous": true})).await.expect(502).json();
        let error = failed["deliveries"][0]["error"].as_str().expect("a reason");
        assert!(error.contains(reason) && error.contains("--allow-networks"), "{url}: {error}");
    }
    // Credentials before the @ are no host, wherever they come from.
    for url in [
        "http://example.com@127.0.0.1:{port}/",
        "http://example.com:80@127.0.0.1:{port}/",
        "http://a\\@127.0.0.1:{port}/",
    ] {
        let url = url.replace("{port}", &port.to_string());
        sqlx::query("update triggers set url = $1, version = version + 1")
            .bind(&url)
            .execute(&database.pool)
            .await
            .expect("an update");
        node.server.queue(&json!({"type": "t", "isSynchronous": true})).await.expect(502);
    }
    assert!(receiver.received().is_empty());
    node.stop().await;
}

#[tokio::test]
async fn an_allowed_network_works_and_no_other() {
    let database = Database::fresh().await;
    let node = InProcess::start(&database.url(), &["127.0.0.1/32"]).await;
    let receiver = Receiver::ok().await;
    node.server.trigger("one", "t", &receiver.url(), json!({"retries": 0})).await;
    node.server.queue(&json!({"type": "t", "isSynchronous": true})).await.expect(200);
    let path = "/v1/config/projects/default/eventing/triggers/two";
    for host in ["127.0.0.2", "[::1]", "10.0.0.1"] {
        node.server.post(path, &json!({"type": "t", "url": format!("http://{host}/")})).await.expect(422);
    }
    node.stop().await;
}

/// A name server that answers with one address first, and with another one from then on.
struct Rebinding {
    asked: Arc<AtomicUsize>,
    first: SocketAddr,
    then: SocketAddr,
}

impl Lookup for Rebinding {
    fn addresses(&self, _: String) -> Found {
        let address = if self.asked.fetch_add(1, Ordering::Relaxed) == 0 { self.first } else { self.then };
        Box::pin(async move { Ok(vec![address]) })
    }
}

#[tokio::test]
async fn a_name_that_is_rebound_reaches_only_what_was_checked() {
    let database = Database::fresh().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let address = |text: &str| SocketAddr::new(text.parse().expect("an address"), 0);
    let lookup = Rebinding { asked: asked.clone(), first: address("127.0.0.1"), then: address("127.0.0.2") };
    // In this world 127.0.0.1 is the public address, and 127.0.0.2 a private one.
    let node = InProcess::with_lookup(&database.url(), &["127.0.0.1/32"], lookup).await;
    let closing =
        Receiver::start(|_, _| Act::Raw(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_vec()))
            .await;
    node.server
        .trigger("one", "t", &format!("http://rebinding.invalid:{}/", closing.port()), json!({"retries": 0}))
        .await;
    node.server.queue(&json!({"type": "t", "isSynchronous": true})).await.expect(200);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "one lookup, checked and used");
    let failed = node.server.queue(&json!({"type": "t", "isSynchronous": true})).await.expect(502).json();
    let error = failed["deliveries"][0]["error"].as_str().expect("a reason");
    assert!(error.contains("127.0.0.2 is refused"), "{error}");
    assert_eq!((asked.load(Ordering::Relaxed), closing.received().len()), (2, 1));
    node.stop().await;
}
