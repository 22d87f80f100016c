//! What happened, as people say it.

use server::model::{Attempt, Delivery, DeliveryStatus};

use super::{fixed, grouped};

/// Characters of a webhook's answer that are quoted.
const QUOTED: usize = 120;

/// A duration as people read it.
pub fn milliseconds(micros: u32) -> String {
    match micros {
        0..10_000 => fixed(f64::from(micros) / 1_000.0, 1) + " ms",
        10_000..10_000_000 => format!("{} ms", micros / 1_000),
        _ => fixed(f64::from(micros) / 1_000_000.0, 1) + " s",
    }
}

/// How the time of an attempt went by, as far as that is known.
pub fn course(attempt: &Attempt) -> Option<String> {
    let timings = attempt.timings;
    let reused = timings.connect_us.is_none() && timings.first_byte_us.is_some();
    let part = |name: &str, micros: Option<u32>| micros.map(|micros| format!("{name} {}", milliseconds(micros)));
    let parts = [
        reused.then(|| "connection reused".to_owned()),
        part("DNS", timings.dns_us),
        part("connect", timings.connect_us),
        part("TLS", timings.tls_us),
        part("first byte after", timings.first_byte_us),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("{} · total {}", parts.join(" · "), milliseconds(attempt.duration_us)))
}

/// Where a delivery stands; `tried`: an attempt of it has failed.
pub fn standing(status: DeliveryStatus, tried: bool) -> &'static str {
    if tried && status == DeliveryStatus::Pending { "retrying" } else { status.as_str() }
}

/// How many times, in words while they are few.
pub fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        3..=10 => {
            let words = ["three", "four", "five", "six", "seven", "eight", "nine", "ten"];
            format!("{} times", words[count - 3])
        }
        _ => format!("{count} times"),
    }
}

/// A number that was counted up to `most`, which is a round one.
pub fn counted(number: u64, most: u64) -> String {
    if number < most {
        return grouped(number);
    }
    match most {
        1_000_000.. => format!("{}M+", most / 1_000_000),
        1_000.. => format!("{}k+", most / 1_000),
        _ => format!("{most}+"),
    }
}

/// Why a delivery has failed so far, over all of its attempts.
pub fn what_went_wrong(delivery: &Delivery) -> Option<String> {
    let statuses: Vec<_> =
        delivery.history.iter().map(|attempt| attempt.response.as_ref().map(|response| response.status)).collect();
    let answered_alike = match statuses.first() {
        Some(Some(first)) if statuses.len() > 1 && statuses.iter().all(|one| *one == Some(*first)) => Some(*first),
        _ => None,
    };
    let error = delivery.error.as_deref()?;
    let complete_history = statuses.len() == usize::from(delivery.attempts);
    let told = match answered_alike {
        Some(status) if complete_history => format!("The webhook answered {status} {}.", times(statuses.len())),
        _ if statuses.len() > 1 => format!("{} attempts failed. The last one: {error}", delivery.attempts),
        _ => return Some(error.to_owned()),
    };
    let last = delivery.last().and_then(|attempt| attempt.response.as_ref());
    let first_line = last.and_then(|response| response.body.trim().lines().next()).unwrap_or_default();
    match first_line.chars().count() {
        0 => Some(told),
        1..=QUOTED if answered_alike.is_some() => {
            Some(format!("{}; the last answer was “{first_line}”.", told.trim_end_matches('.')))
        }
        _ => Some(told),
    }
}

#[cfg(test)]
mod tests {
    use server::model::{Attempt, Delivery, DeliveryStatus, Response, Timings};

    use super::{counted, course, milliseconds, times, what_went_wrong};

    #[test]
    fn durations_are_short() {
        assert_eq!(milliseconds(340), "0.3 ms");
        assert_eq!(milliseconds(9_940), "9.9 ms");
        assert_eq!(milliseconds(1_234_567), "1234 ms");
        assert_eq!(milliseconds(12_345_678), "12.3 s");
    }

    #[test]
    fn counts_are_words_while_they_are_few() {
        assert_eq!([1, 2, 3, 10, 11].map(times), ["once", "twice", "three times", "ten times", "11 times"]);
    }

    #[test]
    fn what_was_not_counted_to_the_end_says_so() {
        let of = |most| [0, most - 1, most].map(|number| counted(number, most));
        assert_eq!(of(1_000_000), ["0", "999,999", "1M+"]);
        assert_eq!(of(10_000), ["0", "9,999", "10k+"]);
        assert_eq!(of(100), ["0", "99", "100+"]);
    }

    fn failed(statuses: &[Option<u16>], body: &str, error: Option<&str>) -> Delivery {
        let attempt = |(at, status): (usize, &Option<u16>)| Attempt {
            number: at as u16 + 1,
            started_at: String::new(),
            duration_us: 0,
            timings: Timings::default(),
            response: status.map(|status| Response { status, headers: Vec::new(), body: body.to_owned(), cut: false }),
            error: error.map(str::to_owned),
            node: None,
        };
        Delivery {
            trigger: "one".into(),
            status: DeliveryStatus::Failed,
            attempts: statuses.len() as u16,
            error: error.map(str::to_owned),
            history: statuses.iter().enumerate().map(attempt).collect(),
            wait: None,
        }
    }

    #[test]
    fn the_course_of_an_attempt_says_what_was_done() {
        let told = |timings| {
            let delivery = failed(&[Some(200)], "", None);
            course(&Attempt { duration_us: 21_000, timings, ..delivery.history[0].clone() })
        };
        let first_byte_us = Some(20_100);
        let reused = Timings { first_byte_us, ..Timings::default() };
        assert_eq!(told(reused).as_deref(), Some("connection reused · first byte after 20 ms · total 21 ms"));
        let new = Timings { dns_us: Some(1_200), connect_us: Some(300), tls_us: Some(8_000), first_byte_us };
        assert_eq!(
            told(new).as_deref(),
            Some("DNS 1.2 ms · connect 0.3 ms · TLS 8.0 ms · first byte after 20 ms · total 21 ms")
        );
        let unreachable = Timings { dns_us: Some(1_200), ..Timings::default() };
        assert_eq!(told(unreachable).as_deref(), Some("DNS 1.2 ms · total 21 ms"));
        assert_eq!(told(Timings::default()), None);
    }

    #[test]
    fn failures_are_told_over_all_attempts() {
        let error = Some("The webhook answered 503.");
        let three = [Some(503); 3];
        for (delivery, told) in [
            (
                failed(&three, "down for\nmaintenance", error),
                Some("The webhook answered 503 three times; the last answer was “down for”."),
            ),
            (failed(&three, " ", error), Some("The webhook answered 503 three times.")),
            (failed(&three[..1], "down", error), error),
            (
                failed(&[Some(503), None], "down", Some("Timed out after 5 s.")),
                Some("2 attempts failed. The last one: Timed out after 5 s."),
            ),
            (failed(&[], "", Some("The trigger was deleted.")), Some("The trigger was deleted.")),
            (failed(&[Some(200)], "", None), None),
        ] {
            assert_eq!(what_went_wrong(&delivery).as_deref(), told);
        }
    }
}
