//! One event: what was sent, to whom, and what came of it.

mod act;
mod delivery;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use server::functions::load_event;
use server::model::json::indent;
use server::model::{DeliveryStatus, EventDetail, JobAction};

use super::events::{EventBadge, events_path};
use super::{FailurePage, Loading};
use crate::components::{Alert, ButtonLink, CopyBlock, Kind, PageHeading, When};
use crate::live::{Live, LiveSwitch};
use crate::load::load_live;
pub use act::said;
use act::{Act, Acts};
use delivery::DeliverySection;

/// The page.
#[component]
pub fn EventPage() -> impl IntoView {
    let params = use_params_map();
    let of_url =
        move |name: &'static str| Memo::new(move |_| params.with(|params| params.get(name).unwrap_or_default()));
    let (project, id) = (of_url("project"), of_url("id"));
    let (event, renewal) = load_live(move || (project.get(), id.get()), |(project, id)| load_event(project, id));
    let concerns = move |told: &str| {
        event.with_untracked(|event| match event {
            Some(Ok(event)) => told.contains(&event.summary.id),
            _ => true,
        })
    };
    let live = Live::follow_some(project, concerns, renewal.on_change());
    let acts = Acts::new(project, id, renewal);
    view! {
        <Title text=move || format!("Event {}", id.get())/>
        <p role="status" class="said">{acts.said}</p>
        <div class="refused"><Alert message=acts.failure/></div>
        <Transition fallback=Loading>
            {move || Suspend::new(async move {
                match event.await {
                    Ok(event) => view! { <Content project=project.get_untracked() event=event live=live acts=acts/> }.into_any(),
                    Err(failure) => view! { <FailurePage failure=failure/> }.into_any(),
                }
            })}
        </Transition>
    }
}

#[component]
fn Content(project: String, event: EventDetail, live: Live, acts: Acts) -> impl IntoView {
    let EventDetail { summary, cloud_event, deliveries } = event;
    let path = format!("{}/{}", events_path(&project), summary.id);
    let above = vec![("Events".into(), events_path(&project))];
    let status = |status| deliveries.iter().any(|delivery| delivery.status == status);
    let (waits, ended) =
        (status(DeliveryStatus::Pending), deliveries.iter().any(|one| one.status != DeliveryStatus::Pending));
    let several = deliveries.len() > 1;
    let redeliverable = ended || deliveries.is_empty();
    let again = deliveries.iter().find(|delivery| !delivery.deleted).map(|delivery| {
        let href = format!("/projects/{project}/event-triggers?trigger={}&from={}", delivery.trigger, summary.id);
        view! { <ButtonLink href=href kind=Kind::Plain>"Edit and send"</ButtonLink> }
    });
    let button = |action, text, possible| {
        view! { <Act path=path.clone() trigger=None action=action text=text possible=possible acts=acts/> }
    };
    let redeliver = if deliveries.is_empty() {
        "Deliver"
    } else if several {
        "Redeliver all"
    } else {
        "Redeliver"
    };
    let buttons =
        view! { {button(JobAction::Cancel, "Cancel", waits)} {button(JobAction::Redeliver, redeliver, redeliverable)} };
    let sections = if deliveries.is_empty() {
        view! {
            <p class="rounded-lg border border-line bg-surface px-4 py-6 text-sm text-soft">
                "No trigger was registered for the type when this event came. Once there is one, the event can be delivered to it."
            </p>
        }
        .into_any()
    } else {
        let section = |delivery| {
            view! { <DeliverySection project=project.clone() path=path.clone() delivery=delivery acts=acts/> }
        };
        deliveries.into_iter().map(section).collect_view().into_any()
    };
    view! {
        <PageHeading title=summary.event_type.clone() above=above>
            <LiveSwitch live=live/>
            {again}
            {buttons}
        </PageHeading>
        <dl class="mb-5 grid grid-cols-2 lg:grid-cols-4 gap-x-6 gap-y-3 rounded-lg border border-line bg-surface px-4 py-3 text-sm">
            <Fact name="Status"><EventBadge status=summary.status/></Fact>
            <Fact name="Accepted"><When at=summary.accepted_at exactly=true/></Fact>
            <Fact name="Scheduled"><When at=summary.scheduled_at exactly=true/></Fact>
            <Fact name="Event id"><a href=path class="font-mono text-xs break-all text-ink" data-testid="event-id">{summary.id}</a></Fact>
        </dl>
        <div class="grid grid-cols-1 lg:grid-cols-[1fr_26rem] items-start gap-5">
            <section aria-labelledby="deliveries" class="flex min-w-0 flex-col gap-4">
                <h2 id="deliveries" class="text-base font-semibold text-ink">"Deliveries"</h2>
                {sections}
            </section>
            <section aria-labelledby="cloud-event" class="min-w-0">
                <h2 id="cloud-event" class="mb-4 text-base font-semibold text-ink">"CloudEvent as sent"</h2>
                <CopyBlock text=indent(&cloud_event) label="CloudEvent"/>
                <details class="mt-2 text-xs">
                    <summary class="cursor-pointer text-soft hover:text-ink">"Byte for byte"</summary>
                    <div class="mt-2"><CopyBlock text=cloud_event label="CloudEvent, byte for byte"/></div>
                </details>
            </section>
        </div>
    }
}

#[component]
fn Fact(name: &'static str, children: Children) -> impl IntoView {
    view! {
        <div class="min-w-0">
            <dt class="text-xs text-soft">{name}</dt>
            <dd class="mt-0.5 text-ink">{children()}</dd>
        </div>
    }
}
