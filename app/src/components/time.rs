use std::time::Duration;

use leptos::prelude::*;
use web_sys::Element;
use web_sys::wasm_bindgen::JsCast;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Keeps everything up to date that says how long ago something was.
#[derive(Clone, Copy)]
pub struct Clock {
    /// The reader prefers less motion: nothing counts seconds.
    calm: StoredValue<bool>,
}

impl Clock {
    /// Starts it, for the whole application.
    pub(crate) fn provide() {
        let clock = Self { calm: StoredValue::new(false) };
        provide_context(clock);
        // Effects run in the browser alone.
        Effect::new(move |_| {
            let motion = window().match_media("(prefers-reduced-motion: reduce)");
            clock.calm.set_value(motion.ok().flatten().is_some_and(|query| query.matches()));
            clock.tick();
            set_interval(move || clock.tick(), Duration::from_secs(1));
        });
    }

    /// One look at the page for all of them: an effect each would cost a page of many far more when it is hydrated.
    fn tick(self) {
        let Ok(times) = document().query_selector_all("time[datetime]") else { return };
        for place in 0..times.length() {
            let element = times.item(place).and_then(|node| node.dyn_into::<Element>().ok());
            let Some((element, text)) = element.and_then(|element| Some((element.clone(), element.first_child()?)))
            else {
                continue;
            };
            let wording = element.get_attribute("datetime").and_then(|at| self.relative(&at));
            if wording.is_some() && wording != text.node_value() {
                text.set_node_value(wording.as_deref());
            }
        }
    }

    /// The relative wording of an instant, where it is one.
    fn relative(self, iso: &str) -> Option<String> {
        Some(relative(instant(iso)? - now(), self.calm.get_value()))
    }
}

#[cfg(feature = "ssr")]
fn now() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

#[cfg(not(feature = "ssr"))]
fn now() -> i64 {
    web_sys::js_sys::Date::now() as i64
}

/// Unix milliseconds of an ISO 8601 instant.
#[cfg(feature = "ssr")]
fn instant(iso: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(iso).ok().map(|at| at.timestamp_millis())
}

#[cfg(not(feature = "ssr"))]
fn instant(iso: &str) -> Option<i64> {
    Some(web_sys::js_sys::Date::parse(iso)).filter(|at| at.is_finite()).map(|at| at as i64)
}

/// An instant, as it came from the server: how long ago or ahead it is, and exactly when on hover. The server words it as the
/// browser does, so that nothing moves once the page is hydrated; without JavaScript, where it stands still, the style sheet
/// shows the exact time beside it.
#[component]
pub fn When(
    /// ISO 8601 in UTC, such as `2019-10-19T12:40:50.053Z`.
    #[prop(into)]
    at: String,
    /// Exactly when stands beside it.
    #[prop(optional)]
    exactly: bool,
) -> impl IntoView {
    let exact = exact(&at);
    let text = use_context::<Clock>().and_then(|clock| clock.relative(&at)).unwrap_or_else(|| exact.clone());
    let (title, beside) = if exactly { (None, Some(exact)) } else { (Some(exact), None) };
    view! {
        // What ticks is not read out where it stands in something that is.
        <time datetime=at title=title aria-live="off" class="whitespace-nowrap tabular-nums">{text}</time>
        {beside.map(|exact| view! { " " <span class="text-xs text-soft whitespace-nowrap tabular-nums">{exact}</span> })}
    }
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
