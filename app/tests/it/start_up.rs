//! How the server starts, and when it does not.

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::{Database, Process, Receiver, Server, data_dir, eventually, free_port};

#[tokio::test]
async fn help_and_version() {
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["serve", "--help"],
        &["serve", "--version"],
        &["listen", "--help"],
        &["listen", "--version"],
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_mission-control"))
            .args(arguments)
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{arguments:?}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let expected = if arguments.contains(&"--version") { env!("CARGO_PKG_VERSION") } else { "Usage:" };
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
}

#[tokio::test]
async fn without_credentials_it_listens_on_loopback_only() {
    for (arguments, why) in [
        (&["serve", "--listen", "0.0.0.0:0"][..], "admin credentials"),
        (&["--listen", "0.0.0.0:0", "--dev"], "loopback"),
    ] {
        let refused = Process::try_start(arguments, &[("DATABASE_URL", "postgres://nowhere.invalid/x")])
            .await
            .err()
            .expect("it refuses");
        assert!(refused.contains(why), "{refused}");
    }
}

#[tokio::test]
async fn dev_mode_can_be_left_and_empty_variables_are_not_set() {
    let database = Database::fresh().await;
    let variables = [("DATABASE_URL", database.url()), ("MC_ALLOW_NETWORKS", String::new()), ("MC_DEV", "off".into())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let server = Server::of(Process::start(&["--listen", "127.0.0.1:0"], &variables).await);
    assert_eq!(server.get("/v1/config/projects").await.expect(200).json(), json!({"result": []}));
    server.post("/v1/config/projects/shop", &json!({})).await.expect(200);
    let trigger = json!({"type": "t", "url": "http://127.0.0.1:9000/"});
    let refused = server.post("/v1/config/projects/shop/eventing/triggers/one", &trigger).await.expect(422);
    assert_eq!(refused.fields(), ["url"]);
    assert!(!server.get("/projects").await.expect(200).body.contains("Dev mode"));
}

#[tokio::test]
async fn what_cannot_work_is_said_in_a_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let newer = Database::fresh().await;
    drop(Server::start(&newer).await);
    newer
        .execute(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values (29991231000000, 'of the future', true, '', 0)",
        )
        .await;
    let newer_url = newer.url();
    let stranger = newer.url().replace("user=mission_control", "user=stranger");
    let nowhere = newer.url().replace("///", "///no_such_");
    let cases = [
        (vec!["serve", "--listen", &address], "Cannot listen on"),
        (vec!["serve", "--listen", "127.0.0.1:0", "--database-url", "nonsense"], "cannot be read"),
        (vec!["serve", "--listen", "127.0.0.1:0", "--database-url", "mysql://foo/x"], "begin with postgres://"),
        (vec!["serve", "--listen", "127.0.0.1:0", "--database-url", &stranger], "Check the user and the password"),
        (vec!["serve", "--listen", "127.0.0.1:0", "--database-url", &nowhere], "Create it, or correct the name"),
        (vec!["serve", "--listen", "127.0.0.1:0", "--database-url", &newer_url], "used by a newer Mission Control"),
        (vec!["serve", "--log", "verbose"], "\"verbose\" is no level"),
        (vec!["serve", "--listen", "127.0.0.1:0", "--data-dir", "/proc/nothing"], "/proc/nothing"),
        (vec!["serve", "--sync-wait=-1"], "--sync-wait"),
        (vec!["serve", "--listen", "localhost:0"], "such as 127.0.0.1:4122"),
        (vec!["serve", "--allow-networks", "10.0.0.0/99"], "--allow-networks"),
    ];
    for (arguments, why) in cases {
        let refused = Process::try_start(&arguments, &[]).await.err().expect("it refuses");
        assert!(refused.contains(why), "{arguments:?}: {refused}");
    }
}

#[tokio::test]
async fn several_nodes_start_at_once_on_an_empty_database() {
    let database = Database::fresh().await;
    let (one, two, three) = tokio::join!(Server::start(&database), Server::start(&database), Server::start(&database));
    for server in [&one, &two, &three] {
        server.get("/health/ready").await.expect(200);
    }
    assert_eq!(database.count("select count(*) from instance").await, 1);
    assert_eq!(database.count("select count(*) from projects").await, 1);
    assert_eq!(database.count("select count(*) from nodes").await, 3);
}

#[tokio::test]
async fn the_embedded_database_outlives_kills_and_belongs_to_one_process() {
    let folder = data_dir("embedded");
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let arguments = ["serve", "--listen", &listen, "--data-dir", &folder.to_string_lossy()].map(str::to_owned);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let receiver = Receiver::ok().await;
    let postmaster = || -> i32 {
        let content = std::fs::read_to_string(folder.join("postgres/postmaster.pid")).expect("PostgreSQL runs");
        content.lines().next().expect("a line").trim().parse().expect("a process id")
    };
    let runs = |pid: i32| signal::kill(Pid::from_raw(pid), None).is_ok();

    let mut server = Server::of(Process::start(&arguments, &[]).await);
    server.trigger("one", "t", &receiver.url(), json!({})).await;
    server.queue(&json!({"type": "t", "data": "kept", "delay": 3600})).await.expect(202);
    let second =
        Process::try_start(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &folder.to_string_lossy()], &[]).await;
    assert!(second.err().expect("it refuses").contains("Another mission-control uses the data folder"));

    // The server is killed; its PostgreSQL is found and replaced.
    let orphan = postmaster();
    server.process.kill().await;
    assert!(runs(orphan));
    let mut server = Server::of(Process::start(&arguments, &[]).await);
    assert!(!runs(orphan));

    // PostgreSQL is killed; it is started again and the server recovers.
    let killed = postmaster();
    signal::kill(Pid::from_raw(killed), Signal::SIGKILL).expect("it runs");
    eventually("a new PostgreSQL", async || {
        (server.get("/health/ready").await.status == 200 && postmaster() != killed).then_some(())
    })
    .await;
    server.queue(&json!({"type": "t", "data": "later"})).await.expect(202);
    receiver.wait_for(1).await;

    // Both are killed, and the lock file names a process that is something else by now.
    let postgres = postmaster();
    server.process.kill().await;
    signal::kill(Pid::from_raw(postgres), Signal::SIGKILL).expect("it runs");
    eventually("its end", async || (!runs(postgres)).then_some(())).await;
    let lock = folder.join("postgres/postmaster.pid");
    let content = std::fs::read_to_string(&lock).expect("a lock file");
    let stale = content.replacen(&postgres.to_string(), &std::process::id().to_string(), 1);
    std::fs::write(&lock, stale).expect("a lock file");
    let mut server = Server::of(Process::start(&arguments, &[]).await);
    let listed = server.get("/v1/config/projects/default/eventing/triggers").await.expect(200).json();
    assert_eq!(listed["result"][0]["id"], "one");

    // In good order: nothing is left running.
    let postgres = postmaster();
    server.process.signal(Signal::SIGTERM);
    assert_eq!(server.process.ended().await, Some(0));
    assert!(!runs(postgres));
    std::fs::remove_dir_all(folder).expect("the folder");
}
