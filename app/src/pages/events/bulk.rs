use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use server::functions::{count_for_job, start_job};
use server::model::{EventFilter, JobAction, JobForm, Submitted};

use super::url_of;
use crate::components::{
    Alert, ButtonLink, Dialog, Field, Kind, SubmitButton, When, error_besides, error_of, grouped, on_submitted, submit,
};
use crate::load::load;
use crate::{PageState, Posted};

/// Counts what a filter matches, and starts a job that redelivers or cancels it.
#[component]
pub fn BulkDialog(project: String, action: JobAction, filter: EventFilter) -> impl IntoView {
    let Posted { job, errors, failure, .. } = PageState::posted_by(action.as_str()).unwrap_or_default();
    let errors = RwSignal::new(errors);
    let failure = RwSignal::new(failure);
    let back = url_of(&project, &filter, &[]);
    let here = url_of(&project, &filter, &[("bulk", action.as_str())]);
    let jobs = crate::pages::jobs_path(&project);
    let count = {
        let (project, form) = (project.clone(), JobForm { action, filter: filter.clone(), rate: String::new() });
        load(|| (), move |()| count_for_job(project.clone(), form.clone()))
    };
    let start = {
        let filter = filter.clone();
        Action::new(move |typed: &Rate| {
            start_job(project.clone(), JobForm { action, filter: filter.clone(), rate: typed.rate.clone() })
        })
    };
    let navigate = use_navigate();
    on_submitted(start, errors, failure, move |_| navigate(&jobs, Default::default()));
    // What is wrong with the filter has no field here.
    let besides = error_besides(errors, &["rate"]);
    let general = Signal::derive(move || failure.get().or_else(|| besides.get()));
    let (title, button, effect) = match action {
        JobAction::Redeliver => {
            // What a filter by status finds an event by is what is sent again.
            let which = match filter.status.as_str() {
                ended @ ("failed" | "cancelled" | "delivered") => ended,
                _ => "ended",
            };
            let effect = format!(
                "Every {which} delivery of them is queued again under the same event id, so that a webhook can tell that it knows the event."
            );
            ("Redeliver events", "Redeliver", effect)
        }
        JobAction::Cancel => (
            "Cancel events",
            "Cancel deliveries",
            "Every delivery of them that waits is cancelled; one that is under way is left.".to_owned(),
        ),
    };
    let effect = StoredValue::new(effect);
    let submit_button = move || view! { <SubmitButton kind=Kind::Danger text=button pending=start.pending()/> };
    view! {
        <Dialog title=title close=back.clone()>
            <form
                method="post"
                action=here
                novalidate
                class="flex flex-col gap-4"
                on:submit=submit(start, failure)
            >
                <Alert message=general/>
                <input type="hidden" name="intent" value=action.as_str()/>
                <p class="text-sm text-ink" data-testid="bulk-count">
                    <Suspense fallback=move || format!("Counting… {}", effect.get_value())>
                        {move || Suspend::new(async move {
                            match count.await {
                                Ok(Submitted::Done(count)) => {
                                    let number = grouped(count.events);
                                    let least = if count.searched_to.is_some() { "At least " } else { "" };
                                    let events = if count.events == 1 { "event matches" } else { "events match" };
                                    let since = count.searched_to.map(|at| view! { " (counted back to " <When at=at/> ")" });
                                    view! { <strong class="font-semibold">{format!("{least}{number} {events}")}</strong> {since} ". " {effect.get_value()} }.into_any()
                                }
                                Ok(Submitted::Invalid(wrong)) => {
                                    let message = wrong.into_iter().map(|error| error.message).collect::<Vec<_>>().join(" ");
                                    view! { <span class="text-bad">{message}</span> }.into_any()
                                }
                                Err(error) => view! { <span class="text-bad">{error.message}</span> " " {effect.get_value()} }.into_any(),
                            }
                        })}
                    </Suspense>
                </p>
                <Field
                    name="rate"
                    label="At most, events a second"
                    value=job.unwrap_or_default().rate
                    error=error_of(errors, "rate")
                    inputmode="numeric"
                    placeholder="as fast as it goes"
                    hint="A webhook that has just recovered is glad of a limit."
                />
                <div class="flex justify-end gap-2">
                    <ButtonLink href=back kind=Kind::Plain>"Close"</ButtonLink>
                    // Nothing is on offer that would be refused.
                    <Suspense fallback=submit_button>
                        {move || Suspend::new(async move {
                            (!matches!(count.await, Ok(Submitted::Invalid(_)))).then(submit_button)
                        })}
                    </Suspense>
                </div>
            </form>
        </Dialog>
    }
}

/// What the form holds beside the filter, which the URL says.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Rate {
    rate: String,
}
