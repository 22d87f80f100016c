use std::time::Duration;

use leptos::prelude::*;
use server::functions::load_outcome;
use server::model::{Attempt, Delivery, DeliveryStatus, EventOutcome, WaitReason};
use web_sys::js_sys::Date;

use super::words::{course, milliseconds, standing, what_went_wrong};
use super::{JsonTree, ResponseView, Section, StatusBadge, Tone, WaitView, When};
use crate::load::load_live;

/// Between two looks at an event that is under way, and at one whose time has not come.
const LOOK: Duration = Duration::from_secs(1);
const LOOK_AT_SCHEDULED: Duration = Duration::from_secs(15);

/// Where an event stands, renewed until all of its deliveries have ended.
#[component]
pub fn OutcomePanel(
    project: String,
    #[prop(into)] event: Signal<Option<String>>,
    /// Its sender waited for the response.
    #[prop(into)]
    synchronous: Signal<bool>,
    /// The id of the form that sends the same event again.
    form: &'static str,
) -> impl IntoView {
    let shown_project = StoredValue::new(project.clone());
    let (outcome, renew) = load_live(
        move || event.get(),
        move |event| {
            let project = project.clone();
            async move {
                match event {
                    Some(event) => load_outcome(project, event).await.map(Some),
                    None => Ok(None),
                }
            }
        },
    );
    let looks = RwSignal::new(0_u32);
    Effect::new(move |_| {
        looks.track();
        let pending = outcome.with(|outcome| match outcome {
            Some(Ok(Some(outcome))) if outcome.pending() > 0 => Some(outcome.scheduled_at.clone()),
            _ => None,
        });
        if let Some(due) = pending {
            let ahead = Date::parse(&due) - Date::now();
            let scheduled = ahead > LOOK_AT_SCHEDULED.as_secs_f64() * 1_000.0;
            let look = move || {
                renew.begin();
                looks.update(|looks| *looks += 1);
            };
            if let Ok(timer) = set_timeout_with_handle(look, if scheduled { LOOK_AT_SCHEDULED } else { LOOK }) {
                on_cleanup(move || timer.clear());
            }
        }
    });
    view! {
        <div aria-live="polite" data-testid="outcome">
            <Transition>
                {move || Suspend::new(async move {
                    match outcome.await {
                        Ok(None) => ().into_any(),
                        Ok(Some(outcome)) => view! { <Outcome project=shown_project.get_value() outcome=outcome synchronous=synchronous.get() form=form/> }.into_any(),
                        Err(failure) => {
                            view! {
                                <p role="alert" class="mt-5 border-t border-line pt-4 text-sm text-bad">{failure.message}</p>
                            }
                                .into_any()
                        }
                    }
                })}
            </Transition>
        </div>
    }
}

#[component]
fn Outcome(project: String, outcome: EventOutcome, synchronous: bool, form: &'static str) -> impl IntoView {
    let several = outcome.deliveries.len() > 1;
    let untouched = outcome.deliveries.iter().all(|delivery| delivery.attempts == 0);
    let heading = match (synchronous, outcome.pending()) {
        (true, 0) if several => "Webhook responses",
        (true, 0) => "Webhook response",
        (true, _) => "No response yet; delivery goes on",
        (false, _) => "Event queued",
    };
    let due = (outcome.pending() > 0 && untouched)
        .then(|| view! { <span>"due "<When at=outcome.scheduled_at.clone()/></span> });
    let cut = outcome.deliveries.iter().find(|delivery| delivery.status == DeliveryStatus::Delivered);
    let cut = cut.and_then(|delivery| delivery.last()?.response.as_ref()).is_some_and(|response| response.cut);
    let result_label = if cut {
        "Result, as a synchronous caller gets it: the first 64 KiB of the body, as text"
    } else {
        "Result, as a synchronous caller gets it"
    };
    // Where the only answer is the result, it stands below already.
    let result = outcome.result.clone().filter(|result| {
        let bodies: Vec<_> =
            outcome.deliveries.iter().filter_map(|delivery| delivery.last()?.response.as_ref()).collect();
        synchronous && !matches!(&bodies[..], [only] if only.body.trim() == result)
    });
    let link = format!("{}/{}", Section::Events.path(&project), outcome.event_id);
    let deliveries =
        outcome.deliveries.into_iter().map(|delivery| view! { <DeliveryCard delivery=delivery/> }).collect_view();
    view! {
        <section class="mt-5 border-t border-line pt-4" aria-label=heading>
            <div class="mb-3 flex items-start justify-between gap-3">
                <div class="min-w-0">
                    <h3 class="text-sm font-semibold text-ink">{heading}</h3>
                    <p class="mt-0.5 flex flex-wrap gap-x-3 text-xs text-soft">
                        <span>"Event "<a href=link class="font-mono text-ink hover:underline" data-testid="event-id">{outcome.event_id}</a></span>
                        {due}
                    </p>
                </div>
                <button type="submit" form=form class="inline-flex items-center h-7 px-2.5 rounded-md border border-line bg-surface text-xs text-ink whitespace-nowrap hover:bg-sunken cursor-pointer">"Send again"</button>
            </div>
            {result
                .map(|result| {
                    view! {
                        <div class="mb-3" data-testid="result">
                            <p class="mb-1 text-xs font-medium text-soft">{result_label}</p>
                            <div tabindex="0" role="group" aria-label="Result" class="max-h-60 overflow-auto rounded-md border border-line bg-sunken p-2.5">
                                <JsonTree text=result/>
                            </div>
                        </div>
                    }
                })}
            <div class="flex flex-col gap-3">{deliveries}</div>
        </section>
    }
}

#[component]
fn DeliveryCard(delivery: Delivery) -> impl IntoView {
    let wrong = what_went_wrong(&delivery);
    let last = delivery.last().cloned();
    let attempts = match (delivery.status, delivery.attempts) {
        (DeliveryStatus::Pending, 0) => "waiting for its first attempt".to_owned(),
        (_, 1) => "1 attempt".to_owned(),
        (_, n) => format!("{n} attempts"),
    };
    let duration = last.as_ref().map(|attempt| milliseconds(attempt.duration_us));
    let course = last.as_ref().and_then(course);
    let response = last.and_then(|attempt| attempt.response);
    let status = response.as_ref().map(|response| format!("HTTP {}", response.status));
    let failed = delivery.status == DeliveryStatus::Failed;
    let told = standing(delivery.status, !delivery.history.is_empty());
    let untouched = delivery.history.is_empty();
    // When it is due stands above already, and a first attempt is over in a moment.
    let wait = delivery
        .wait
        .filter(|wait| !(untouched && matches!(wait.reason, WaitReason::Scheduled | WaitReason::InFlight)));
    let nothing_yet = wrong.is_none() && wait.is_none() && untouched;
    view! {
        <article class="rounded-md border border-line bg-surface" data-testid="delivery">
            <div class="flex flex-wrap items-center gap-x-3 gap-y-1 px-3 py-2 text-sm">
                <StatusBadge tone=Tone::from(delivery.status) text=told/>
                <span class="min-w-0 font-medium text-ink">{delivery.trigger}</span>
                <span class="ml-auto flex flex-wrap gap-x-3 text-xs text-soft tabular-nums">
                    {status.map(|status| view! { <span class="font-medium text-ink" data-testid="http-status">{status}</span> })}
                    {duration.map(|duration| view! { <span data-testid="duration">{duration}</span> })}
                    <span>{attempts}</span>
                </span>
            </div>
            <div class="flex flex-col gap-2 border-t border-line p-3" class:hidden=nothing_yet>
                {wait.map(|wait| view! { <WaitView wait=wait/> })}
                {wrong.map(|wrong| view! { <p class="text-sm text-bad" data-testid="delivery-error">{wrong}</p> })}
                {course.map(|course| view! { <p class="text-xs text-soft tabular-nums" data-testid="course">{course}</p> })}
                {response.map(|response| view! { <ResponseView response=response/> })}
                {(delivery.history.len() > 1).then(|| view! { <Attempts history=delivery.history open=failed/> })}
            </div>
        </article>
    }
}

#[component]
fn Attempts(history: Vec<Attempt>, open: bool) -> impl IntoView {
    let rows = history
        .into_iter()
        .map(|attempt| {
            let what = match (&attempt.error, &attempt.response) {
                (Some(error), _) => error.clone(),
                (None, Some(response)) => format!("The webhook answered {}.", response.status),
                (None, None) => String::new(),
            };
            view! {
                <li class="flex gap-2">
                    <span class="text-soft tabular-nums">{format!("{}.", attempt.number)}</span>
                    <span class="min-w-0 grow text-ink">{what}</span>
                    <span class="flex gap-2 text-soft whitespace-nowrap tabular-nums">
                        <When at=attempt.started_at/>
                        {milliseconds(attempt.duration_us)}
                    </span>
                </li>
            }
        })
        .collect_view();
    view! {
        <details class="text-xs" open=open>
            <summary class="cursor-pointer text-soft hover:text-ink">"Attempts"</summary>
            <ol class="mt-2 flex flex-col gap-1" data-testid="attempts">{rows}</ol>
        </details>
    }
}
