//! Test events from the form of a trigger.

use uuid::Uuid;

use super::names::{Delay, EventType, Timestamp};
use super::request::NewEvent;
use super::{Error, Eventing, unknown_project};
use crate::model::{EventForm, FieldError, Queued, Schedule, json};

impl Eventing {
    /// Sends a test event from the form of a trigger. Synchronously: waits for the outcome first, which
    /// [`Self::event_outcome`] then gives.
    pub async fn send_event(&self, project: &str, trigger: &str, form: &EventForm) -> Result<Queued, Error> {
        let found = self.triggers(project, Some(trigger)).await?;
        let found = found
            .first()
            .ok_or_else(|| Error::NotFound(format!("There is no trigger {trigger:?} in the project {project}.")))?;
        let event = parse(&found.event_type, form).map_err(Error::Invalid)?;
        if event.synchronous {
            return Ok(self.queue_synchronously(project, event).await?.0.queued);
        }
        let mut queued = self.accept(project, vec![(Uuid::now_v7(), event)]).await?;
        queued.pop().map(|event| event.queued).ok_or_else(|| unknown_project(project))
    }
}

/// The event that a form describes, or all that is wrong with it. Fields that its schedule does not use may hold anything.
fn parse(event_type: &str, form: &EventForm) -> Result<NewEvent, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, message: String| errors.push(FieldError::new(field, message));
    let event_type = EventType::parse(event_type).map_err(|message| wrong("type", message)).ok();
    let data = json::check(&form.data).map_err(|mistake| wrong("data", mistake.to_string())).ok();
    let (mut timestamp, mut delay) = (None, Delay::default());
    match form.schedule {
        Schedule::Now => {}
        Schedule::Delay => match parse_delay(&form.delay) {
            Ok(parsed) => delay = parsed,
            Err(message) => wrong("delay", message),
        },
        Schedule::Time => match parse_time(&form.timestamp()) {
            Ok(parsed) => timestamp = Some(parsed),
            Err(message) => wrong("timestamp", message),
        },
    }
    match (event_type, data) {
        (Some(event_type), Some(data)) if errors.is_empty() => Ok(NewEvent {
            event_type,
            data: data.into(),
            timestamp,
            delay,
            synchronous: form.synchronous.is_some(),
            idempotency_key: None,
            ignored: Vec::new(),
        }),
        _ => Err(errors),
    }
}

fn parse_delay(text: &str) -> Result<Delay, String> {
    let text = text.trim();
    let seconds = text.parse().map_err(|_| {
        if text.is_empty() {
            "A number of seconds is needed, such as 90 or 0.5.".to_owned()
        } else {
            format!("A number of seconds is expected, such as 90 or 0.5, not {text:?}.")
        }
    })?;
    Delay::from_seconds(seconds)
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    if text.is_empty() {
        return Err("A date and a time are needed.".to_owned());
    }
    Timestamp::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(schedule: Schedule) -> EventForm {
        EventForm { data: "{\"a\": 1.0}".into(), schedule, ..EventForm::default() }
    }

    fn fields(form: &EventForm) -> Vec<String> {
        parse("t", form).expect_err("it is wrong").into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn what_the_schedule_does_not_use_is_left_alone() {
        let typed = EventForm { delay: "soon".into(), time: "later".into(), ..form(Schedule::Now) };
        let event = parse("t", &typed).expect("it is right");
        assert_eq!((&*event.data, event.timestamp, event.delay.seconds()), ("{\"a\": 1.0}", None, 0.0));
    }

    #[test]
    fn a_delay_is_seconds() {
        let event = parse("t", &EventForm { delay: " 0.5 ".into(), ..form(Schedule::Delay) }).expect("it is right");
        assert_eq!(event.delay.seconds(), 0.5);
        for bad in ["", "soon", "-1", "NaN", "inf"] {
            assert_eq!(fields(&EventForm { delay: bad.into(), ..form(Schedule::Delay) }), ["delay"], "{bad}");
        }
    }

    #[test]
    fn a_time_is_local_where_its_offset_is_known_and_utc_otherwise() {
        let at = |time: &str, offset: &str| {
            let typed = EventForm { time: time.into(), offset: offset.into(), ..form(Schedule::Time) };
            parse("t", &typed).expect("it is right").timestamp
        };
        let expected = Timestamp::parse("2019-10-19T12:40:00Z").ok();
        assert_eq!(at("2019-10-19T12:40", ""), expected);
        assert_eq!(at("2019-10-19T14:40", "+02:00"), expected);
        assert_eq!(at("2019-10-19T12:40:00", ""), expected);
        for bad in ["", "2019-10-19", "tomorrow"] {
            assert_eq!(fields(&EventForm { time: bad.into(), ..form(Schedule::Time) }), ["timestamp"], "{bad}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        assert_eq!(fields(&EventForm { data: "{".into(), ..form(Schedule::Delay) }), ["data", "delay"]);
    }
}
