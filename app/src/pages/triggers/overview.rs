use leptos::prelude::*;
use server::model::{DeliveryStatus, Overview as Figures, Range, Tally, TriggerHealth};

use super::url_from_here;
use crate::components::words::counted;
use crate::components::{Look, Plot, Series, fixed, grouped};

/// How a project does: figures, and plots over time.
#[component]
pub fn Overview(project: String, figures: Figures) -> impl IntoView {
    let chosen = figures.range;
    let ranges = Range::ALL
        .into_iter()
        .map(|range| {
            let current = range == chosen;
            let class = if current {
                "inline-flex px-2.5 py-1 rounded-sm text-xs font-medium bg-sunken text-ink"
            } else {
                "inline-flex px-2.5 py-1 rounded-sm text-xs text-soft hover:text-ink"
            };
            view! { <a href=url_from_here(&project, &[("range", range.as_str())]) aria-current=current.then_some("true") class=class>{range.as_str()}</a> }
        })
        .collect_view();
    let minutes = f64::from(figures.bucket_seconds) / 60.0;
    let ended = |tally: &Tally| tally.delivered + tally.failed;
    let total = minutes * figures.series.len() as f64;
    let pending = counted(figures.pending, Figures::MOST_COUNTED);
    let duration = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), milliseconds);
    let times: Vec<_> = figures.series.iter().map(|bucket| bucket.at.clone()).collect();
    let a_minute = |of: fn(&Tally) -> u64| {
        figures.series.iter().map(|bucket| Some(of(&bucket.tally) as f64 / minutes)).collect::<Vec<_>>()
    };
    let measured =
        |of: fn(&Tally) -> Option<f64>| figures.series.iter().map(|bucket| of(&bucket.tally)).collect::<Vec<_>>();
    let outcomes = vec![
        Series { name: "delivered", values: a_minute(|tally| tally.delivered), look: Look::Good },
        Series { name: "failed", values: a_minute(|tally| tally.failed), look: Look::Bad },
    ];
    let latency = vec![
        Series { name: "p50", values: measured(|tally| tally.p50_ms), look: Look::Line },
        Series { name: "p95 (dashed)", values: measured(|tally| tally.p95_ms), look: Look::DashedLine },
    ];
    view! {
        <section aria-label="Overview" class="mb-5" data-testid="overview">
            <div class="mb-3 flex flex-wrap items-end justify-between gap-3">
                <dl class="grid grid-cols-2 sm:grid-cols-4 gap-x-8 gap-y-2">
                    <Figure name="Waiting now" value=pending/>
                    <Figure name="Deliveries a minute" value=rate(ended(&figures.tally) as f64 / total)/>
                    <Figure name="Success" value=percent(figures.success_rate)/>
                    <Figure name="Latency p50 / p95" value=format!("{} / {}", duration(figures.tally.p50_ms), duration(figures.tally.p95_ms))/>
                </dl>
                <nav aria-label="Time range" class="flex gap-0.5 rounded-md border border-line bg-surface p-0.5">{ranges}</nav>
            </div>
            <div class="grid grid-cols-1 lg:grid-cols-2 gap-3">
                <Plot title="Deliveries" unit="a minute" times=times.clone() series=outcomes/>
                <Plot title="Time that webhooks take" unit="ms" times=times series=latency/>
            </div>
        </section>
    }
}

#[component]
fn Figure(name: &'static str, value: String) -> impl IntoView {
    view! {
        <div>
            <dt class="text-xs text-soft">{name}</dt>
            <dd class="text-lg font-semibold text-ink tabular-nums whitespace-nowrap">{value}</dd>
        </div>
    }
}

/// A trigger's last outcomes as a strip, and how often and how fast it succeeds.
#[component]
pub fn Health(health: Option<TriggerHealth>) -> impl IntoView {
    let Some(health) = health.filter(|health| !health.outcomes.is_empty() || health.tally.retried > 0) else {
        return view! { <span class="text-xs text-soft">"no deliveries yet"</span> }.into_any();
    };
    let retried = match health.tally.retried {
        0 => None,
        1 => Some("1 attempt failed and is tried again".to_owned()),
        n => Some(format!("{} attempts failed and are tried again", grouped(n))),
    };
    if health.outcomes.is_empty() {
        return view! { <span class="block max-w-40 text-xs text-bad">{retried}</span> }.into_any();
    }
    let good = health.outcomes.iter().filter(|status| **status == DeliveryStatus::Delivered).count();
    let count = health.outcomes.len();
    // By height as well as by colour.
    let mark = |status: &DeliveryStatus| {
        if *status == DeliveryStatus::Delivered { r#"<i class="good"></i>"# } else { r#"<i class="bad"></i>"# }
    };
    let marks: String = health.outcomes.iter().map(mark).collect();
    let p95 = health.tally.p95_ms.map(|value| format!(", p95 {}", milliseconds(value)));
    view! {
        <span class="flex flex-col gap-0.5">
            <span role="img" aria-label=format!("{good} of the last {count} deliveries succeeded") class="outcomes" inner_html=marks></span>
            <span class="text-xs text-soft tabular-nums whitespace-nowrap">{percent(health.success_rate)} {p95}</span>
        </span>
    }
    .into_any()
}

fn percent(part: Option<f64>) -> String {
    match part {
        None => "–".to_owned(),
        // Only all of it is 100 %.
        Some(part) if part < 1.0 && part > 0.999 => "99.9 %".to_owned(),
        Some(part) if part.fract() == 0.0 => fixed(part * 100.0, 0) + " %",
        Some(part) => fixed(part * 100.0, 1) + " %",
    }
}

/// A duration that is known to about an eighth.
fn milliseconds(value: f64) -> String {
    if value < 1_000.0 { fixed(value, 0) + " ms" } else { fixed(value / 1_000.0, 1) + " s" }
}

fn rate(a_minute: f64) -> String {
    if a_minute == 0.0 || a_minute >= 100.0 { grouped(a_minute.round() as u64) } else { fixed(a_minute, 2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_not_rounded_to_all() {
        let texts = [None, Some(1.0), Some(0.99999), Some(0.5), Some(0.0)].map(percent);
        assert_eq!(texts, ["–", "100 %", "99.9 %", "50.0 %", "0 %"]);
    }
}
