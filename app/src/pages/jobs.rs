use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use server::functions::{cancel_job, load_jobs};
use server::model::{EventFilter, Job, JobAction, JobState};

use super::events::{events_path, url_of};
use super::{FailurePage, Loading};
use crate::PageState;
use crate::components::{Alert, Kind, PageHeading, StatusBadge, SubmitButton, Tone, When, grouped};
use crate::live::{Live, LiveSwitch};
use crate::load::{Renewal, load_live};

/// Where a project's bulk jobs are.
pub fn jobs_path(project: &str) -> String {
    format!("{}/jobs", events_path(project))
}

/// The bulk redeliveries and cancellations of a project.
#[component]
pub fn JobsPage() -> impl IntoView {
    let params = use_params_map();
    let project = Memo::new(move |_| params.with(|params| params.get("project").unwrap_or_default()));
    let (jobs, renewal) = load_live(move || project.get(), load_jobs);
    let live = Live::follow(project, renewal.on_change());
    let stopping = Stopping { failure: RwSignal::new(PageState::take_refused()), renewal };
    view! {
        <Title text="Bulk jobs"/>
        <div class="refused"><Alert message=stopping.failure/></div>
        <Transition fallback=Loading>
            {move || Suspend::new(async move {
                match jobs.await {
                    Ok(jobs) => view! { <Content project=project.get_untracked() jobs=jobs live=live stopping=stopping/> }.into_any(),
                    Err(failure) => view! { <FailurePage failure=failure/> }.into_any(),
                }
            })}
        </Transition>
    }
}

/// What becomes of stopping a job: why it could not be done, and a look at the jobs as they are then.
#[derive(Clone, Copy)]
struct Stopping {
    failure: RwSignal<Option<String>>,
    renewal: Renewal,
}

#[component]
fn Content(project: String, jobs: Vec<Job>, live: Live, stopping: Stopping) -> impl IntoView {
    let above = vec![("Events".into(), events_path(&project))];
    let list = if jobs.is_empty() {
        view! {
            <p class="rounded-lg border border-line bg-surface px-6 py-12 text-center text-sm text-soft">
                "Nothing was redelivered or cancelled in bulk yet. Filter the events, then choose Redeliver or Cancel there."
            </p>
        }
        .into_any()
    } else {
        let item = |job| view! { <JobItem project=project.clone() job=job stopping=stopping/> };
        view! { <ul class="ruled overflow-hidden rounded-lg border border-line bg-surface" data-testid="jobs">{jobs.into_iter().map(item).collect_view()}</ul> }
            .into_any()
    };
    view! {
        <PageHeading title="Bulk jobs" above=above><LiveSwitch live=live/></PageHeading>
        {list}
    }
}

#[component]
fn JobItem(project: String, job: Job, stopping: Stopping) -> impl IntoView {
    let (tone, state) = match job.state {
        JobState::Running => (Tone::Waiting, "running"),
        JobState::Finished => (Tone::Good, "finished"),
        JobState::Cancelled => (Tone::Off, "stopped"),
    };
    let what = match job.action {
        JobAction::Redeliver => "Redeliver",
        JobAction::Cancel => "Cancel",
    };
    let progress = match job.total {
        Some(total) => format!("{} of {} events", grouped(job.done), grouped(total)),
        None => format!("{} events so far", grouped(job.done)),
    };
    let bar = job.total.filter(|total| *total > 0 && job.state == JobState::Running).map(|total| {
        view! { <progress class="w-full" max=total.to_string() value=job.done.min(total).to_string() aria-label="Progress"></progress> }
    });
    let changed_text = match job.deliveries {
        1 => ", 1 delivery changed".to_owned(),
        n => format!(", {} deliveries changed", grouped(n)),
    };
    let rate = job.rate.map(|rate| format!(", at most {rate} a second"));
    let stop = (job.state == JobState::Running)
        .then(|| view! { <Stop project=project.clone() job=job.id.clone() stopping=stopping/> });
    view! {
        <li class="flex flex-col gap-2 px-4 py-3 text-sm">
            <div class="flex flex-wrap items-center gap-x-3 gap-y-1">
                <StatusBadge tone=tone text=state/>
                <span class="font-medium text-ink">{what}</span>
                <a href=url_of(&project, &job.filter, &[]) class="min-w-0 font-mono text-xs break-all text-accent-text hover:underline">{described(&job.filter)}</a>
                <span class="ml-auto text-xs text-soft">"started " <When at=job.created_at/></span>
                {stop}
            </div>
            {bar}
            <p class="text-xs text-soft tabular-nums">{progress} {changed_text} {rate}</p>
        </li>
    }
}

#[component]
fn Stop(project: String, job: String, stopping: Stopping) -> impl IntoView {
    let path = jobs_path(&project);
    let id = job.clone();
    let stop = Action::new(move |(): &()| cancel_job(project.clone(), job.clone()));
    Effect::new(move |_| {
        if let Some(stopped) = stop.value().get() {
            stopping.failure.set(stopped.err().map(|failure| failure.message));
            stopping.renewal.begin();
        }
    });
    view! {
        <form method="post" action=path on:submit=move |event| { event.prevent_default(); drop(stop.dispatch(())); }>
            <input type="hidden" name="intent" value="stop"/>
            <input type="hidden" name="job" value=id/>
            <SubmitButton kind=Kind::Plain text="Stop" pending=stop.pending()/>
        </form>
    }
}

/// A filter in one line.
fn described(filter: &EventFilter) -> String {
    let mut filter = filter.clone();
    let parts: Vec<_> = EventFilter::NAMES
        .into_iter()
        .filter_map(|name| {
            let value = std::mem::take(filter.get_mut(name)?);
            (!value.is_empty()).then(|| format!("{name}={value}"))
        })
        .collect();
    if parts.is_empty() { "all events".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_in_one_line() {
        assert_eq!(described(&EventFilter::default()), "all events");
        let filter = EventFilter { status: "failed".into(), event_type: "a".into(), ..EventFilter::default() };
        assert_eq!(described(&filter), "type=a status=failed");
    }
}
