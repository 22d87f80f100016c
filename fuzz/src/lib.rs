//! What must hold for any input, a function a target. `fuzz_targets/` gives them to libFuzzer; `tests/corpus.rs` runs the
//! committed corpus through them on stable Rust, so that they are built and true at any time.
//!
//! `cargo install cargo-fuzz`, then `cargo +nightly fuzz run --features libfuzzer TARGET`.

use std::time::Duration;

use chrono::DateTime;
use server::delivery::retry::{LONGEST_RETRY_AFTER, parse_retry_after};
use server::delivery::{Backoff, NetworkGuard, TargetUrl};
use server::eventing::request::{BadRequest, QueueRequest};
use server::model::json;

/// The body of the queue API is taken apart or refused with a reason, and data comes out as it went in.
pub fn request(body: &[u8]) {
    match QueueRequest::parse(body, None) {
        Ok(QueueRequest::One(event)) => expect_piece_of(body, &event.data),
        Ok(QueueRequest::Batch(events)) => {
            assert!(!events.is_empty());
            events.iter().for_each(|event| expect_piece_of(body, &event.data));
        }
        Err(BadRequest::Malformed(message)) => assert!(!message.is_empty()),
        Err(BadRequest::Invalid(errors)) => {
            assert!(!errors.is_empty() && errors.iter().all(|error| !error.message.is_empty()));
        }
    }
    if let Ok(text) = std::str::from_utf8(body) {
        match json::check(text) {
            Ok(data) => assert!(data == "null" || text.contains(data)),
            Err(mistake) => assert!(mistake.line > 0 && mistake.to_string().ends_with('^'), "{mistake}"),
        }
    }
}

fn expect_piece_of(body: &[u8], data: &str) {
    assert!(serde_json::from_str::<&serde_json::value::RawValue>(data).is_ok());
    assert!(data == "null" || body.windows(data.len()).any(|piece| piece == data.as_bytes()));
}

/// A URL that is taken survives being stored and read again with the same verdict, and holds no credentials.
pub fn target_url(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(url) = TargetUrl::parse(text) else { return };
    assert!(matches!(url.as_url().scheme(), "http" | "https"));
    assert!(url.as_url().username().is_empty() && url.as_url().password().is_none());
    if url.as_str().len() <= 2048 {
        assert_eq!(TargetUrl::parse(url.as_str()).as_ref(), Ok(&url));
    }
    let (strict, development) = (NetworkGuard::new(&[], false), NetworkGuard::new(&[], true));
    let allowed = strict.check_literal(url.as_url()).is_ok();
    assert!(!allowed || development.check_literal(url.as_url()).is_ok(), "dev mode only adds");
    if let Some(address) = url.as_url().host_str().and_then(|host| host.trim_matches(['[', ']']).parse().ok()) {
        assert_eq!(strict.check(address).is_ok(), allowed);
    }
}

/// A wait lies within its bounds whatever the webhook asks for: the first eight bytes are the attempt, the luck, the first
/// wait and the longest; the rest is the header.
pub fn retry(bytes: &[u8]) {
    let Some((numbers, header)) = bytes.split_first_chunk::<8>() else { return };
    let number = |at: usize| u16::from_le_bytes([numbers[at], numbers[at + 1]]);
    let luck = f64::from(number(2)) / f64::from(u16::MAX);
    let first = Duration::from_millis(number(4).into());
    let longest = Duration::from_secs(number(6).into());
    let now = DateTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let asked = parse_retry_after(&String::from_utf8_lossy(header), now);
    for factor in [1.0, 4.0, 100.0] {
        let backoff = Backoff { first, factor, longest };
        let wait = backoff.wait(number(0), luck, asked);
        let floor = asked.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        assert!(wait >= floor && wait <= longest.max(floor));
        assert!(wait >= first.min(longest), "{backoff:?} waits {wait:?}");
        assert!(first > Duration::ZERO || wait == floor, "{backoff:?} waits {wait:?}");
    }
}
