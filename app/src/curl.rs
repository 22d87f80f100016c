//! Commands that do with curl what the pages do.

use server::model::{EventForm, Schedule, json};

/// The command that queues an event of a type with some data.
pub fn example(origin: &str, project: &str, event_type: &str) -> String {
    let data = "{\"to\": \"user@example.com\"}".to_owned();
    queue(origin, project, event_type, &EventForm { data, ..EventForm::default() })
}

/// The command that queues the very event of a form. What is wrong in the form stays as it was typed, and the API says so.
pub fn queue(origin: &str, project: &str, event_type: &str, form: &EventForm) -> String {
    let data = form.data.trim_matches(json::SPACE);
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut members = vec![
        format!("\"type\": {}", quoted(event_type)),
        format!("\"data\": {}", if data.is_empty() { "null" } else { data }),
    ];
    match form.schedule {
        Schedule::Now => {}
        Schedule::Delay => members.push(format!("\"delay\": {}", form.delay.trim())),
        Schedule::Time => members.push(format!("\"timestamp\": {}", quoted(&form.timestamp()))),
    }
    if form.synchronous.is_some() {
        members.push("\"isSynchronous\": true".to_owned());
    }
    let body = format!("{{{}}}", members.join(", ")).replace('\'', r"'\''");
    format!("curl {origin}/v1/api/{project}/eventing/queue \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_holds_the_whole_event() {
        let form = EventForm {
            data: " {\"it's\": 1.0}\n".into(),
            synchronous: Some("on".into()),
            schedule: Schedule::Delay,
            delay: "0.5".into(),
            ..EventForm::default()
        };
        assert_eq!(
            queue("http://127.0.0.1:4122", "shop", "a \"b\"", &form),
            "curl http://127.0.0.1:4122/v1/api/shop/eventing/queue \\\n  -H 'Content-Type: application/json' \\\n  \
             -d '{\"type\": \"a \\\"b\\\"\", \"data\": {\"it'\\''s\": 1.0}, \"delay\": 0.5, \"isSynchronous\": true}'"
        );
    }

    #[test]
    fn a_time_and_no_data() {
        let form = EventForm {
            schedule: Schedule::Time,
            time: "2019-10-19T12:40".into(),
            offset: "+02:00".into(),
            ..EventForm::default()
        };
        let command = queue("http://x", "p", "t", &form);
        assert!(command.ends_with("'{\"type\": \"t\", \"data\": null, \"timestamp\": \"2019-10-19T12:40:00+02:00\"}'"));
    }
}
