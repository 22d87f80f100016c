use std::time::Duration;

use leptos::prelude::*;
use server::functions::load_outcome;
use server::model::json::indent;
use server::model::{Attempt, Delivery, DeliveryStatus, EventOutcome, Response};

use super::{StatusBadge, Tone};

/// Between two looks at an event that is under way.
const LOOK: Duration = Duration::from_secs(1);

/// Where an event stands, renewed until all of its deliveries have ended.
#[component]
pub fn OutcomePanel(
    project: String,
    #[prop(into)] event: Signal<Option<String>>,
    /// Its sender waited for the response.
    #[prop(into)]
    synchronous: Signal<bool>,
) -> impl IntoView {
    let outcome = Resource::new(
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
    Effect::new(move |_| {
        let under_way = outcome.with(|outcome| matches!(outcome, Some(Ok(Some(outcome))) if outcome.pending() > 0));
        if under_way {
            set_timeout(move || outcome.refetch(), LOOK);
        }
    });
    view! {
        <div aria-live="polite" data-testid="outcome">
            <Transition>
                {move || Suspend::new(async move {
                    match outcome.await {
                        Ok(None) => ().into_any(),
                        Ok(Some(outcome)) => view! { <Outcome outcome=outcome synchronous=synchronous.get()/> }.into_any(),
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
fn Outcome(outcome: EventOutcome, synchronous: bool) -> impl IntoView {
    let several = outcome.deliveries.len() > 1;
    let heading = match (synchronous, outcome.pending()) {
        (true, 0) if several => "Webhook responses",
        (true, 0) => "Webhook response",
        (true, _) => "No response yet; delivery goes on",
        (false, _) => "Event queued",
    };
    let deliveries =
        outcome.deliveries.into_iter().map(|delivery| view! { <DeliveryCard delivery=delivery/> }).collect_view();
    view! {
        <section class="mt-5 border-t border-line pt-4" aria-label=heading>
            <h3 class="text-sm font-semibold text-ink">{heading}</h3>
            <p class="mt-0.5 mb-3 text-xs text-soft">
                "Event "
                <code class="font-mono text-ink" data-testid="event-id">{outcome.event_id}</code>
            </p>
            <div class="flex flex-col gap-3">{deliveries}</div>
        </section>
    }
}

#[component]
fn DeliveryCard(delivery: Delivery) -> impl IntoView {
    let last = delivery.last().cloned();
    let attempts = match (delivery.status, delivery.attempts) {
        (DeliveryStatus::Pending, 0) => "waiting for its first attempt".to_owned(),
        (_, 1) => "1 attempt".to_owned(),
        (_, n) => format!("{n} attempts"),
    };
    let duration = last.as_ref().map(|attempt| milliseconds(attempt.duration_us));
    let response = last.and_then(|attempt| attempt.response);
    let status = response.as_ref().map(|response| format!("HTTP {}", response.status));
    let failed = delivery.status == DeliveryStatus::Failed;
    view! {
        <article class="rounded-md border border-line bg-surface" data-testid="delivery">
            <div class="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-3 py-2 text-sm">
                <StatusBadge tone=Tone::from(delivery.status) text=delivery.status.as_str()/>
                <span class="font-medium text-ink">{delivery.trigger}</span>
                <span class="ml-auto flex flex-wrap gap-x-3 text-xs text-soft tabular-nums">
                    {status.map(|status| view! { <span class="font-medium text-ink" data-testid="http-status">{status}</span> })}
                    {duration.map(|duration| view! { <span data-testid="duration">{duration}</span> })}
                    <span>{attempts}</span>
                </span>
            </div>
            <div class="flex flex-col gap-2 p-3">
                {delivery.error.map(|error| view! { <p class="text-sm text-bad" data-testid="delivery-error">{error}</p> })}
                {response.map(|response| view! { <ResponseView response=response/> })}
                {(delivery.history.len() > 1).then(|| view! { <Attempts history=delivery.history open=failed/> })}
            </div>
        </article>
    }
}

#[component]
pub fn ResponseView(response: Response) -> impl IntoView {
    let body = indent(&response.body);
    let count = response.headers.len();
    let headers = response
        .headers
        .into_iter()
        .map(|(name, value)| {
            view! {
                <dt class="text-soft">{name}</dt>
                <dd class="min-w-0 break-all text-ink">{value}</dd>
            }
        })
        .collect_view();
    view! {
        {if body.is_empty() {
            view! { <p class="text-xs text-soft">"The response has no body."</p> }.into_any()
        } else {
            view! {
                <pre tabindex="0" aria-label="Response body" data-testid="response-body" class="max-h-80 overflow-auto rounded-sm border border-line bg-sunken p-2.5 font-mono text-xs leading-5 text-ink">{body}</pre>
            }
                .into_any()
        }}
        {response.cut.then(|| view! { <p class="text-xs text-soft">"The body was longer; its first 64 KiB are kept."</p> })}
        <details class="text-xs">
            <summary class="cursor-pointer text-soft hover:text-ink">{format!("Response headers ({count})")}</summary>
            <dl class="mt-2 grid grid-cols-[max-content_1fr] gap-x-3 gap-y-1 font-mono">{headers}</dl>
        </details>
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
                    <time class="whitespace-nowrap text-soft tabular-nums" datetime=attempt.started_at.clone() title=attempt.started_at>
                        {milliseconds(attempt.duration_us)}
                    </time>
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

/// A duration as people read it.
pub fn milliseconds(micros: u32) -> String {
    match micros {
        0..10_000 => format!("{:.1} ms", f64::from(micros) / 1_000.0),
        10_000..10_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{:.1} s", f64::from(micros) / 1_000_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn durations_are_short() {
        assert_eq!(milliseconds(340), "0.3 ms");
        assert_eq!(milliseconds(9_940), "9.9 ms");
        assert_eq!(milliseconds(1_234_567), "1234 ms");
        assert_eq!(milliseconds(12_345_678), "12.3 s");
    }
}
