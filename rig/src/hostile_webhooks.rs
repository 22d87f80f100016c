//! Webhooks that mean harm, or are badly broken, and what a server must make of each.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::Act;

/// How an attempt at a hostile webhook ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The webhook uses up the trigger's timeout.
    AtTimeout,
    Before,
}
use End::{AtTimeout, Before};

/// A webhook of which no attempt may succeed.
#[derive(Clone, Debug)]
pub struct HostileWebhook {
    pub name: &'static str,
    pub act: Act,
    pub end: End,
    /// Words of the reason that the attempt is recorded with.
    pub reason: &'static str,
}

/// Every way to fail an attempt that a timeout of half a second can tell from the others.
pub fn hostile_webhooks() -> Vec<HostileWebhook> {
    let row = |name, act, end, reason| HostileWebhook { name, act, end, reason };
    [slow(), oversized(), broken_off(), malformed(), elsewhere()]
        .into_iter()
        .flatten()
        .map(|(name, act, end, reason)| row(name, act, end, reason))
        .collect()
}

/// Webhooks that succeed, and send more than anyone wants to hold: name and act.
pub fn flooding_webhooks() -> [(&'static str, Act); 2] {
    let bomb = ok_with("content-encoding: gzip\r\nconnection: close\r\n", &gzip_bomb());
    [("endless-body", Act::Endless), ("gzip-bomb", Act::Raw(bomb))]
}

type Row = (&'static str, Act, End, &'static str);

/// Silence, and a byte now and then.
fn slow() -> Vec<Row> {
    const NO_ANSWER: &str = "it did not answer";
    const NO_END: &str = "did not end";
    let (rarely, between) = (Duration::from_secs(60), Duration::from_millis(40));
    let chunked = ok_with("transfer-encoding: chunked\r\n", b"");
    vec![
        ("never-answers", Act::AfterWaiting(rarely), AtTimeout, NO_ANSWER),
        ("drips-a-status", Act::Repeat(vec![], b"H".to_vec(), rarely), AtTimeout, NO_ANSWER),
        ("drips-headers", Act::Repeat(HEAD.to_vec(), b"x-a: b\r\n".to_vec(), between), AtTimeout, NO_ANSWER),
        ("drips-one-header", Act::Repeat(HEAD.to_vec(), b"x".to_vec(), between), AtTimeout, NO_ANSWER),
        ("drips-a-body", Act::Drip(between), AtTimeout, NO_END),
        ("drips-chunks", Act::Repeat(chunked, b"1\r\nx\r\n".to_vec(), between), AtTimeout, NO_END),
        ("floods-100", Act::Repeat(vec![], CONTINUE.repeat(400), Duration::ZERO), AtTimeout, NO_ANSWER),
        ("floods-103", Act::Repeat(vec![], EARLY_HINTS.repeat(100), Duration::ZERO), AtTimeout, NO_ANSWER),
    ]
}

/// More than a head may hold.
fn oversized() -> Vec<Row> {
    let many: String = (0..20_000).map(|number| format!("x-header-number-{number}: {number:032}\r\n")).collect();
    let many = ok_with(&format!("{many}content-length: 0\r\n"), b"");
    let long = ok_with(&format!("x-long: {}\r\ncontent-length: 0\r\n", "y".repeat(1024 * 1024)), b"");
    let flood = Act::Repeat(HEAD.to_vec(), b"x-a: b\r\n".repeat(1_000), Duration::ZERO);
    vec![
        ("floods-headers", flood, Before, "failed"),
        ("many-headers", Act::Raw(many), Before, "failed"),
        ("long-header", Act::Raw(long), Before, "failed"),
    ]
}

/// Answers that end too early.
fn broken_off() -> Vec<Row> {
    const NO_ANSWER: &str = "closed before the webhook answered";
    const IN_MID_BODY: &str = "broke off";
    let chunks = |body: &[u8]| Act::Raw(ok_with("transfer-encoding: chunked\r\n", body));
    let in_mid_body = ok_with("content-length: 100\r\n", b"some");
    vec![
        ("resets-at-once", Act::Reset(vec![]), Before, NO_ANSWER),
        ("resets-in-mid-head", Act::Reset(b"HTTP/1.1 200 OK\r\nx: ".to_vec()), Before, NO_ANSWER),
        ("resets-in-mid-body", Act::Reset(in_mid_body), Before, IN_MID_BODY),
        ("ends-in-mid-chunk", chunks(b"ff\r\nsome"), Before, IN_MID_BODY),
        ("wrong-chunk-size", chunks(b"zz\r\nsome\r\n"), Before, IN_MID_BODY),
        ("huge-chunk-size", chunks(b"ffffffffffffffffff\r\nx"), Before, IN_MID_BODY),
    ]
}

/// What is no HTTP.
fn malformed() -> Vec<Row> {
    let two_lengths = ok_with("content-length: 1\r\ncontent-length: 2\r\n", b"xx");
    let huge_length = ok_with("content-length: 18446744073709551615\r\n", b"x");
    let status_999 = b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n".to_vec();
    vec![
        ("huge-length", Act::Raw(huge_length), Before, "failed"),
        ("two-lengths", Act::Raw(two_lengths), Before, "failed"),
        ("no-http", Act::Raw(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()), Before, "failed"),
        ("noise", Act::Raw((0..=255).cycle().take(100_000).collect()), Before, "failed"),
        ("status-of-99", Act::Raw(b"HTTP/1.1 099 Odd\r\n\r\n".to_vec()), Before, "failed"),
        ("status-of-999", Act::Raw(status_999), Before, "answered 999"),
        ("http-2", Act::Raw(b"HTTP/2.0 200 OK\r\n\r\n".to_vec()), Before, "failed"),
    ]
}

/// Answers that point elsewhere.
fn elsewhere() -> Vec<Row> {
    const REDIRECT: &str = "redirects are not followed";
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n".to_vec();
    let redirect = |status, to| Act::Answer(status, format!("location: {to}\r\n"), String::new());
    vec![
        ("switches", Act::Raw(switch), Before, ""),
        ("redirects-to-itself", redirect(307, "/hook"), Before, REDIRECT),
        ("redirects-inside", redirect(302, "http://169.254.169.254/"), Before, REDIRECT),
    ]
}

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const EARLY_HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";

fn ok_with(headers: &str, body: &[u8]) -> Vec<u8> {
    [HEAD, headers.as_bytes(), b"\r\n", body].concat()
}

/// 64 MiB of zeroes in 64 KiB.
fn gzip_bomb() -> Vec<u8> {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    let zeroes = vec![0; 64 * 1024 * 1024];
    // Writing to memory does not fail.
    let _ = bomb.write_all(&zeroes);
    bomb.finish().unwrap_or_default()
}
