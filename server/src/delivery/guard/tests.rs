use std::sync::Mutex;

use proptest::prelude::*;

use super::*;

fn verdict(guard: &NetworkGuard, url: &str) -> Result<(), String> {
    let url = TargetUrl::parse(url)?;
    guard.check_literal(url.as_url()).map_err(|refused| refused.to_string())
}

#[test]
fn every_reserved_range_is_written_correctly() {
    assert_eq!(NetworkGuard::new(&[], false).reserved.len(), RESERVED.len());
    assert_eq!(NetworkGuard::new(&[], true).allowed.len(), DEVELOPMENT.len());
}

/// Hosts of URLs and a word of the reason that each is refused for; empty where the URL itself is wrong.
const REFUSED: [(&str, &str); 63] = [
    ("127.0.0.1", "loopback"),
    ("127.255.255.255", "loopback"),
    ("127.1", "loopback"),
    ("127.0.1", "loopback"),
    ("2130706433", "loopback"),
    ("0x7f000001", "loopback"),
    ("0x7f.1", "loopback"),
    ("0X7F.0x0.0x0.0x1", "loopback"),
    ("017700000001", "loopback"),
    ("0177.0.0.1", "loopback"),
    ("127.0.0.1.", "loopback"),
    ("%31%32%37.0.0.1", "loopback"),
    ("１２７.０.０.１", "loopback"),
    ("127。0。0。1", "loopback"),
    ("①②⑦.0.0.1", "loopback"),
    ("0", "this network"),
    ("0.0.0.0", "this network"),
    ("0.1.2.3", "this network"),
    ("10.0.0.1", "private"),
    ("167772161", "private"),
    ("012.0.0.1", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.1.1", "private"),
    ("0xc0a80101", "private"),
    ("169.254.169.254", "metadata"),
    ("0xa9fea9fe", "metadata"),
    ("2852039166", "metadata"),
    ("0251.0376.0251.0376", "metadata"),
    ("100.64.0.1", "carrier"),
    ("100.100.100.200", "carrier"),
    ("100.127.255.255", "carrier"),
    ("192.0.0.8", "protocols"),
    ("192.0.2.1", "documents"),
    ("198.51.100.1", "documents"),
    ("203.0.113.1", "documents"),
    ("192.88.99.1", "6to4"),
    ("198.18.0.1", "benchmarks"),
    ("198.19.255.255", "benchmarks"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.250", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "reserved"),
    ("[::]", "unspecified"),
    ("[::1]", "loopback"),
    ("[0:0:0:0:0:0:0:1]", "loopback"),
    ("[::127.0.0.1]", "IPv4-compatible"),
    ("[::ffff:127.0.0.1]", "loopback"),
    ("[::ffff:a9fe:a9fe]", "metadata"),
    ("[::ffff:0:127.0.0.1]", "translated"),
    ("[64:ff9b::7f00:1]", "loopback"),
    ("[64:ff9b::169.254.169.254]", "metadata"),
    ("[64:ff9b:1:7f00:1:0:808:808]", "translator"),
    ("[2002:7f00:1::]", "6to4"),
    ("[2001:0:1::1]", "Teredo"),
    ("[fd00:ec2::254]", "private"),
    ("[fe80::1]", "link-local"),
    ("[fec0::1]", "site-local"),
    ("[ff02::1]", "multicast"),
    ("[2001:db8::1]", "documents"),
    ("[3fff::1]", "documents"),
    ("[4000::1]", "not assigned"),
    ("[c000::1]", "not assigned"),
];

#[test]
fn what_is_refused_by_default() {
    let guard = NetworkGuard::new(&[], false);
    for (host, reason) in REFUSED {
        for url in [format!("http://{host}/"), format!("https://{host}:8443/x?y#z")] {
            let refused = verdict(&guard, &url).expect_err(&url);
            assert!(refused.contains(reason), "{url}: {refused}");
        }
    }
    for url in [
        "http://8.8.8.8/",
        "http://134744072/",
        "https://1.1.1.1:8443/x?y",
        "http://[2606:4700::1]/",
        "http://[::ffff:8.8.8.8]/",
        "http://[64:ff9b::808:808]/",
        "http://172.32.0.1/",
        "http://100.128.0.1/",
        "http://11.0.0.1/",
        "https://example.com/",
        "https://example.com./",
    ] {
        assert_eq!(verdict(&guard, url), Ok(()), "{url}");
    }
}

#[test]
fn allowed_networks_pass_and_no_others() {
    let guard = NetworkGuard::new(&["10.1.0.0/16".parse().expect("a network")], false);
    assert_eq!(verdict(&guard, "http://10.1.2.3/"), Ok(()));
    assert_eq!(verdict(&guard, "http://[::ffff:10.1.2.3]/"), Ok(()));
    assert!(verdict(&guard, "http://10.2.0.1/").is_err());
    let development = NetworkGuard::new(&[], true);
    assert_eq!(verdict(&development, "http://127.0.0.1:9000/"), Ok(()));
    assert!(verdict(&development, "http://169.254.169.254/").is_err());
    let translated = NetworkGuard::new(&["64:ff9b:1::/48".parse().expect("a network")], false);
    assert_eq!(verdict(&translated, "http://[64:ff9b:1::a00:1]/"), Ok(()));
}

#[test]
fn what_is_no_webhook_url() {
    for url in [
        "",
        "example.com",
        "/hook",
        "//127.0.0.1/",
        "ftp://example.com/",
        "gopher://127.0.0.1:6379/_x",
        "file:///etc/passwd",
        "unix:///run/docker.sock",
        "data:text/plain,x",
        "http://",
        "http://user@example.com/",
        "http://u:p@example.com/",
        "http://:p@example.com/",
        "javascript:alert(1)",
        "http://exa mple.com/",
        "http://256.0.0.1/",
        "http://1.2.3.4.5/",
        "http://127.0.0.1:99999/",
        // A zone has no place in a URL (WHATWG URL, "host parsing").
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://[::1/",
        "http://127.0.0.1\0.example.com/",
        // What stands before the @ is a user name, however much it looks like a host.
        "http://example.com@127.0.0.1/",
        "http://example.com:80@127.0.0.1/",
        "http://example.com%40127.0.0.1/",
    ] {
        assert!(TargetUrl::parse(url).is_err(), "{url}");
    }
    // In http, \ is as good as /, and what is behind it is a path.
    let parsed = TargetUrl::parse("http://127.0.0.1\\@example.com/").expect("a URL");
    assert_eq!(parsed.as_url().host_str(), Some("127.0.0.1"));
}

/// Answers with one list of addresses after the other.
struct Changing(Arc<Mutex<Vec<Vec<SocketAddr>>>>);

impl Lookup for Changing {
    fn addresses(&self, _: String) -> Found {
        let answer = self.0.lock().expect("a lock").remove(0);
        Box::pin(async move { Ok(answer) })
    }
}

fn addresses(list: &[&str]) -> Vec<SocketAddr> {
    list.iter().map(|address| SocketAddr::new(address.parse().expect("an address"), 0)).collect()
}

#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    let answers = [
        addresses(&["93.184.215.14"]),
        addresses(&["169.254.169.254"]),
        addresses(&["93.184.215.14", "10.0.0.1"]),
        addresses(&["2606:2800:21f::1", "::ffff:127.0.0.1"]),
        addresses(&[]),
    ];
    let resolver =
        GuardedResolver::new(Arc::new(NetworkGuard::new(&[], false)), Changing(Arc::new(Mutex::new(answers.into()))));
    let resolve = || resolver.resolve("rebinding.example".parse().expect("a name"));
    // The connection goes to what was checked, and nowhere else.
    assert_eq!(resolve().await.expect("a public address").collect::<Vec<_>>(), addresses(&["93.184.215.14"]));
    for reason in ["metadata", "private", "loopback", "no address"] {
        let refused = resolve().await.err().expect("it is refused").to_string();
        assert!(refused.contains(reason), "{refused}");
    }
}

proptest! {
    #[test]
    fn no_form_of_a_refused_address_passes(bits: u32) {
        let guard = NetworkGuard::new(&[], false);
        let address = Ipv4Addr::from_bits(bits);
        let [a, b, c, d] = address.octets();
        let plain = guard.check(address.into()).is_ok();
        for host in [
            bits.to_string(),
            format!("{bits:#x}"),
            format!("0{bits:o}"),
            format!("{a:#x}.{b}.0{c:o}.{d}"),
            format!("{a}.{}", bits & 0xff_ffff),
            format!("{address}."),
            format!("[::ffff:{address}]"),
            format!("[64:ff9b::{address}]"),
        ] {
            let url = TargetUrl::parse(&format!("http://{host}/")).expect("a URL");
            prop_assert_eq!(guard.check_literal(url.as_url()).is_ok(), plain, "{}", host);
        }
    }

    #[test]
    fn no_text_makes_the_parser_fail(text in "\\PC{0,60}") {
        for url in [text.clone(), format!("http://{text}/"), format!("https://[{text}]"), format!("http://{text}@127.0.0.1")] {
            if let Ok(url) = TargetUrl::parse(&url) {
                prop_assert!(url.as_url().username().is_empty() && url.as_url().password().is_none());
                prop_assert_eq!(TargetUrl::parse(url.as_str()), Ok(url.clone()));
            }
        }
    }
}
