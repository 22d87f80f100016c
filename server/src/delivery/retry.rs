//! When a failed attempt is tried again.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The longest that a webhook's `Retry-After` is obeyed. Past that a receiver's slip of the pen would park a delivery for
/// good.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// How much longer than its nominal length a wait may be, as a share of it: spreads out what failed together.
const JITTER: f64 = 0.25;

/// Exponential backoff.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// Before the first retry.
    pub first: Duration,
    /// From one wait to the next.
    pub factor: f64,
    /// No wait is longer, `Retry-After` apart.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after the given failed attempt (from 1). `luck` from 0 to 1 is the jitter's random part; `retry_after` is
    /// what the webhook asked for, and is a floor (RFC 9110 section 10.2.3).
    pub fn wait(&self, attempt: u16, luck: f64, retry_after: Option<Duration>) -> Duration {
        // Nothing times infinity is no number, and a backoff of nothing stays nothing.
        let growth = self.factor.powi(i32::from(attempt.saturating_sub(1))).min(f64::MAX);
        let nominal = self.first.as_secs_f64() * growth;
        // Below the longest as well: what failed together for long must not come back together.
        let least = nominal.min(self.longest.as_secs_f64() / (1.0 + JITTER));
        let wait = Duration::from_secs_f64(least * (1.0 + JITTER * luck)).min(self.longest);
        wait.max(retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER))
    }
}

/// The header's wait: seconds, or an HTTP date against the given clock. What is neither, or lies in the past, asks for
/// nothing.
pub fn parse_retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds is as good as for ever.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let at = DateTime::parse_from_rfc2822(value).ok()?;
    (at.with_timezone(&Utc) - now).to_std().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEFAULT: Backoff = Backoff { first: Duration::from_secs(1), factor: 4.0, longest: Duration::from_secs(3600) };

    #[test]
    fn waits_grow_fourfold_up_to_an_hour() {
        let waits: Vec<_> = (1..=8).map(|attempt| DEFAULT.wait(attempt, 0.0, None).as_secs()).collect();
        // The longest is kept to with all of its jitter.
        assert_eq!(waits, [1, 4, 16, 64, 256, 1024, 2880, 2880]);
        assert_eq!(DEFAULT.wait(100, 1.0, None).as_secs(), 3600);
        assert_eq!(DEFAULT.wait(u16::MAX, 1.0, None).as_secs(), 3600);
    }

    #[test]
    fn jitter_only_lengthens() {
        assert_eq!(DEFAULT.wait(2, 1.0, None), Duration::from_secs(5));
        assert_eq!(DEFAULT.wait(2, 0.5, None), Duration::from_millis(4500));
    }

    #[test]
    fn retry_after_is_a_floor() {
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(DEFAULT.wait(1, 0.0, seconds(7)), Duration::from_secs(7));
        assert_eq!(DEFAULT.wait(3, 0.0, seconds(7)), Duration::from_secs(16));
        assert_eq!(DEFAULT.wait(1, 0.0, seconds(u64::MAX)), LONGEST_RETRY_AFTER);
    }

    #[test]
    fn retry_after_in_all_its_forms() {
        let now = DateTime::from_timestamp(784_111_777, 0).expect("a valid instant"); // Sun, 06 Nov 1994 08:49:37 GMT
        let cases = [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("99999999999999999999999", Some(u64::MAX)),
        ];
        for (value, seconds) in cases {
            assert_eq!(parse_retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_wait_lies_within_its_bounds(
            attempt: u16,
            luck in 0.0..=1.0,
            first in 0..=31_536_000_000_u64,
            longest in 0..=31_536_000_000_u64,
            factor in 1.0..=100.0,
            retry_after in prop::option::of(any::<u64>()),
        ) {
            let [first, longest] = [first, longest].map(Duration::from_millis);
            let asked = retry_after.map(Duration::from_secs);
            let wait = Backoff { first, factor, longest }.wait(attempt, luck, asked);
            let floor = asked.unwrap_or_default().min(LONGEST_RETRY_AFTER);
            // Seconds in floating point are a few nanoseconds off.
            let near = Duration::from_micros(1);
            prop_assert!(wait >= floor && wait + near >= first.min(longest.div_f64(1.0 + JITTER)));
            prop_assert!(wait <= floor.max(longest) + near);
        }

        #[test]
        fn no_retry_after_makes_the_parser_fail(value in "\\PC{0,40}", seconds in 0..4_000_000_000_i64) {
            let now = DateTime::UNIX_EPOCH;
            let _ = parse_retry_after(&value, now);
            // Whatever date can be written can be read.
            let at = DateTime::from_timestamp(seconds, 0).expect("a valid instant");
            let header = at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            prop_assert_eq!(parse_retry_after(&header, now), Some(Duration::from_secs(seconds.unsigned_abs())));
        }
    }
}
