use leptos::prelude::*;
use server::model::{Attempt, DeliveryDetail, DeliveryStatus, JobAction, Request, Run};

use super::act::{Act, Acts};
use crate::components::words::{course, milliseconds, standing};
use crate::components::{HeaderList, ResponseView, StatusBadge, Tone, WaitView, When};

/// One trigger's delivery: where it stands, what it waits for, and every attempt of every run.
#[component]
pub fn DeliverySection(
    project: String,
    /// The event's page.
    path: String,
    delivery: DeliveryDetail,
    acts: Acts,
) -> impl IntoView {
    let DeliveryDetail { trigger, deleted, status, request, wait, runs } = delivery;
    let told = standing(status, runs.last().is_some_and(|run| !run.attempts.is_empty()));
    let pending = status == DeliveryStatus::Pending;
    let act = |action, text, possible| {
        view! { <Act path=path.clone() trigger=Some(trigger.clone()) action=action text=text possible=possible acts=acts/> }
    };
    let cancel = (pending || !deleted).then(|| act(JobAction::Cancel, "Cancel", pending));
    let redeliver = (!deleted).then(|| act(JobAction::Redeliver, "Redeliver", !pending));
    let name = if deleted {
        view! { <span class="min-w-0 font-medium text-ink anywhere">{trigger.clone()}</span> <span class="text-xs text-soft">"deleted"</span> }.into_any()
    } else {
        let href = format!("/projects/{project}/event-triggers?edit={trigger}");
        view! { <a href=href class="min-w-0 font-medium text-ink anywhere hover:underline">{trigger.clone()}</a> }
            .into_any()
    };
    let several = runs.len() > 1;
    let newest = runs.len().saturating_sub(1);
    let runs = runs
        .into_iter()
        .enumerate()
        .rev()
        .map(|(place, run)| view! { <RunView run=run heading=several newest=place == newest/> })
        .collect_view();
    view! {
        <article aria-label=format!("Delivery to {trigger}") data-testid="delivery" class="rounded-lg border border-line bg-surface">
            <header class="flex flex-wrap items-center gap-x-3 gap-y-2 border-b border-line px-4 py-2.5 text-sm">
                <StatusBadge tone=Tone::from(status) text=told/>
                {name}
                <span class="ml-auto flex gap-1.5">{cancel} {redeliver}</span>
            </header>
            <div class="flex flex-col gap-3 px-4 py-3 text-sm">
                {wait.map(|wait| view! { <WaitView wait=wait/> })}
                <RequestView request=request/>
                {runs}
            </div>
        </article>
    }
}

#[component]
fn RequestView(request: Request) -> impl IntoView {
    let has_headers = !request.headers.is_empty();
    view! {
        <div>
            <p class="font-mono text-xs break-all text-ink"><span class="text-soft">"POST "</span>{request.url}</p>
            {has_headers.then(|| view! {
                <details class="mt-1 text-xs">
                    <summary class="cursor-pointer text-soft hover:text-ink">"Request headers"</summary>
                    <HeaderList headers=request.headers/>
                </details>
            })}
        </div>
    }
}

/// One run, its attempts on a line of time, the newest at the end and open.
#[component]
fn RunView(run: Run, heading: bool, newest: bool) -> impl IntoView {
    let lost = run.attempts_begun as usize > run.attempts.len() && run.status != DeliveryStatus::Pending;
    let last = run.attempts.len().saturating_sub(1);
    let attempts = run
        .attempts
        .into_iter()
        .enumerate()
        .map(|(place, attempt)| view! { <AttemptView attempt=attempt open=newest && place == last/> })
        .collect_view();
    let title = heading.then(|| {
        let text = if run.run == 0 { "First run".to_owned() } else { format!("Redelivery {}", run.run) };
        view! {
            <h3 class="flex items-center gap-2 text-xs font-semibold text-ink">
                {text} <StatusBadge tone=Tone::from(run.status) text=run.status.as_str()/>
            </h3>
        }
    });
    // The last attempt says the same where there is one.
    let error = attempts.is_empty().then_some(run.error).flatten();
    view! {
        <div class="flex flex-col gap-2">
            {title}
            {error.map(|error| view! { <p class="text-sm text-bad">{error}</p> })}
            <ol class="timeline" data-testid="attempts">{attempts}</ol>
            {lost.then(|| view! { <p class="text-xs text-soft">"Of some attempts nothing is known: the server was killed in the middle of them."</p> })}
        </div>
    }
}

#[component]
fn AttemptView(attempt: Attempt, open: bool) -> impl IntoView {
    let good = attempt.error.is_none();
    let status = attempt.response.as_ref().map(|response| format!("HTTP {}", response.status));
    let course = course(&attempt);
    let (tone, text) = if good { (Tone::Good, "delivered") } else { (Tone::Bad, "failed") };
    view! {
        <li>
            <details open=open>
                <summary class="flex flex-wrap cursor-pointer items-center gap-x-3 gap-y-1 text-xs">
                    <span class="font-medium text-ink tabular-nums">{format!("Attempt {}", attempt.number)}</span>
                    <StatusBadge tone=tone text=text/>
                    {status.map(|status| view! { <span class="font-medium text-ink tabular-nums" data-testid="http-status">{status}</span> })}
                    <span class="text-soft tabular-nums">{milliseconds(attempt.duration_us)}</span>
                    <span class="sm:ml-auto text-soft"><When at=attempt.started_at exactly=true/></span>
                </summary>
                <div class="mt-2 flex flex-col gap-2">
                    {attempt.error.map(|error| view! { <p class="text-sm text-bad" data-testid="delivery-error">{error}</p> })}
                    {course.map(|course| view! { <p class="text-xs text-soft tabular-nums" data-testid="course">{course}</p> })}
                    {attempt.response.map(|response| view! { <ResponseView response=response/> })}
                    {attempt.node.map(|node| view! { <p class="font-mono text-xs text-soft">{format!("node {node}")}</p> })}
                </div>
            </details>
        </li>
    }
}
