use std::time::Duration;

use leptos::prelude::*;
use web_sys::js_sys::Date;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The browser's time, shared by all that shows how long ago something was, so that one timer moves them all.
#[derive(Clone, Copy)]
pub struct Clock {
    /// Unix milliseconds; `None`: on the server, and until the page is hydrated.
    now: RwSignal<Option<i64>>,
    /// The reader prefers less motion: moved once a minute, and nothing counts seconds.
    calm: StoredValue<bool>,
}

impl Clock {
    /// Starts it, for the whole application.
    pub(crate) fn provide() {
        let clock = Self { now: RwSignal::new(None), calm: StoredValue::new(false) };
        provide_context(clock);
        // Effects run in the browser alone.
        Effect::new(move |_| {
            let motion = window().match_media("(prefers-reduced-motion: reduce)");
            let calm = motion.ok().flatten().is_some_and(|query| query.matches());
            clock.calm.set_value(calm);
            let tick = move || clock.now.set(Some(Date::now() as i64));
            tick();
            set_interval(tick, Duration::from_secs(if calm { 60 } else { 1 }));
        });
    }

    /// The relative wording of an instant, where there is a time to compare it with.
    fn relative(self, at: i64) -> Option<String> {
        let calm = self.calm.get_value();
        self.now.get().map(|now| relative(at - now, calm))
    }
}

/// An instant, as it came from the server: how long ago or ahead it is, and exactly when on hover. Without JavaScript, and
/// until the page is hydrated, it says exactly when.
#[component]
pub fn When(
    /// ISO 8601 in UTC, such as `2019-10-19T12:40:50.053Z`.
    #[prop(into)]
    at: String,
) -> impl IntoView {
    let exact = exact(&at);
    let hydrated = RwSignal::new(false);
    Effect::new(move |_| hydrated.set(true));
    let clock = use_context::<Clock>();
    let (instant, fallback) = (StoredValue::new(at.clone()), exact.clone());
    let text = Memo::new(move |_| {
        let at = hydrated.get().then(|| instant.with_value(|at| Date::parse(at))).filter(|at| at.is_finite());
        at.zip(clock).and_then(|(at, clock)| clock.relative(at as i64)).unwrap_or_else(|| fallback.clone())
    });
    view! { <time datetime=at title=exact class="whitespace-nowrap tabular-nums">{text}</time> }
}

/// An ISO 8601 instant in UTC as people read it, to the second: `2019-10-19 12:40:50 UTC`.
pub fn exact(iso: &str) -> String {
    match (iso.get(..10), iso.get(11..19)) {
        (Some(date), Some(time)) if iso.ends_with('Z') => format!("{date} {time} UTC"),
        _ => iso.to_owned(),
    }
}

/// How far off something is, in the largest unit that it fills. `ahead` in milliseconds, negative in the past. `calm`:
/// seconds are not counted.
fn relative(ahead: i64, calm: bool) -> String {
    let distance = ahead.abs();
    let amount = match distance {
        0..SECOND => return "now".to_owned(),
        SECOND..MINUTE if calm => "less than a minute".to_owned(),
        SECOND..MINUTE => format!("{} s", distance / SECOND),
        MINUTE..HOUR => format!("{} min", distance / MINUTE),
        HOUR..DAY => format!("{} h", distance / HOUR),
        _ if distance < 2 * DAY => "1 day".to_owned(),
        _ => format!("{} days", distance / DAY),
    };
    if ahead < 0 { format!("{amount} ago") } else { format!("in {amount}") }
}

#[cfg(test)]
mod tests {
    use super::{DAY, HOUR, MINUTE, SECOND, exact, relative};

    #[test]
    fn distances_are_told_in_their_largest_unit() {
        for (ahead, text) in [
            (0, "now"),
            (-999, "now"),
            (-SECOND, "1 s ago"),
            (-41_900, "41 s ago"),
            (41 * SECOND, "in 41 s"),
            (-59_999, "59 s ago"),
            (-MINUTE, "1 min ago"),
            (5 * MINUTE + 30 * SECOND, "in 5 min"),
            (-3 * HOUR, "3 h ago"),
            (-DAY, "1 day ago"),
            (2 * DAY, "in 2 days"),
            (-400 * DAY, "400 days ago"),
        ] {
            assert_eq!(relative(ahead, false), text, "{ahead}");
        }
    }

    #[test]
    fn who_wants_less_motion_sees_no_seconds_pass() {
        assert_eq!(relative(-41 * SECOND, true), "less than a minute ago");
        assert_eq!(relative(2 * SECOND, true), "in less than a minute");
        assert_eq!(relative(-MINUTE, true), "1 min ago");
    }

    #[test]
    fn exact_times_are_to_the_second() {
        assert_eq!(exact("2019-10-19T12:40:50.053Z"), "2019-10-19 12:40:50 UTC");
        assert_eq!(exact("2019-10-19T12:40:50Z"), "2019-10-19 12:40:50 UTC");
        for other in ["", "soon", "2019-10-19T12:40:50+02:00"] {
            assert_eq!(exact(other), other);
        }
    }
}
