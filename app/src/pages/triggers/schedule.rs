use leptos::html;
use leptos::prelude::*;
use server::model::{EventForm, FieldError, Schedule};
use web_sys::js_sys::Date;
use web_sys::wasm_bindgen::JsValue;

use crate::components::{Field, Note, When, error_of};

/// When an event is to be triggered: now, so many seconds from now, or at a time. The time is the reader's own and shown in
/// UTC too; without JavaScript nobody knows the zone, so it is in UTC.
#[component]
pub fn ScheduleFields(form: EventForm, errors: RwSignal<Vec<FieldError>>) -> impl IntoView {
    let hydrated = RwSignal::new(false);
    let time = RwSignal::new(form.time.clone());
    let field = NodeRef::<html::Input>::new();
    Effect::new(move |_| {
        if let Some(field) = field.get() {
            // Something may have been filled in, or kept by the browser, before the page was hydrated.
            time.set(field.value());
            hydrated.set(true);
        }
    });
    let offset = Memo::new(move |_| if hydrated.get() { time.with(|time| offset_of(time)) } else { None });
    let in_utc = Memo::new(move |_| {
        offset.get()?;
        let millis = time.with(|time| Date::parse(time));
        millis.is_finite().then(|| String::from(Date::new(&JsValue::from_f64(millis)).to_iso_string()))
    });
    let error = error_of(errors, "timestamp");
    let chosen = |schedule| form.schedule == schedule;
    view! {
        <div class="schedule grid grid-cols-1 sm:grid-cols-[10rem_1fr] gap-4">
            <div class="flex flex-col gap-1">
                <label for="field-schedule" class="text-sm font-medium text-ink">"When"</label>
                <select id="field-schedule" name="schedule" class="input">
                    <option value="now" selected=chosen(Schedule::Now)>"At once"</option>
                    <option value="delay" selected=chosen(Schedule::Delay)>"After a delay"</option>
                    <option value="time" selected=chosen(Schedule::Time)>"At a time"</option>
                </select>
            </div>
            <div class="for-delay">
                <Field name="delay" label="Delay" value=form.delay error=error_of(errors, "delay") inputmode="decimal" placeholder="90" hint="Seconds from now; fractions are allowed."/>
            </div>
            <div class="for-time flex flex-col gap-1">
                <label for="field-time" class="text-sm font-medium text-ink">"Date and time"</label>
                <input
                    node_ref=field
                    id="field-time"
                    name="time"
                    type="datetime-local"
                    step="1"
                    value=form.time
                    aria-describedby="field-time-note"
                    aria-invalid=move || error.get().is_some().then_some("true")
                    class="input"
                    on:input=move |event| time.set(event_target_value(&event))
                />
                <input type="hidden" name="offset" value=move || offset.get().unwrap_or_default()/>
                <Note id="field-time-note" hint="" error=error/>
                <p class="text-xs leading-4 text-soft" data-testid="in-utc">
                    {move || match in_utc.get() {
                        Some(at) => view! { <span>{crate::components::exact(&at)}", "<When at=at/></span> }.into_any(),
                        None if hydrated.get() => "In your own time zone.".into_any(),
                        None => "In UTC.".into_any(),
                    }}
                </p>
            </div>
        </div>
    }
}

/// How far the reader's zone is from UTC at a local time, such as `+02:00`; `None`: it is no time. It leads to the instant that
/// the browser takes the time for, also where a clock that is put forward leaves it out.
fn offset_of(time: &str) -> Option<String> {
    let ahead = (Date::parse(&format!("{time}Z")) - Date::parse(time)) / 60_000.0;
    ahead.is_finite().then(|| written(ahead as i32))
}

/// Minutes ahead of UTC, as RFC 3339 writes them.
fn written(ahead: i32) -> String {
    let sign = if ahead < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", ahead.abs() / 60, ahead.abs() % 60)
}

#[cfg(test)]
mod tests {
    use super::written;

    #[test]
    fn offsets_as_rfc_3339_writes_them() {
        assert_eq!([0, 120, -210, 765].map(written), ["+00:00", "+02:00", "-03:30", "+12:45"]);
    }
}
