//! Plots over time as SVG, drawn on the server: with axes, units, a value for every step under the pointer, and the same as
//! a table for whoever cannot see them.

use leptos::prelude::*;

const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 120.0;
const LEFT: f64 = 40.0;
const RIGHT: f64 = 6.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 18.0;

/// One line or row of bars.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub name: &'static str,
    /// One a step; `None`: nothing was measured then.
    pub values: Vec<Option<f64>>,
    pub look: Look,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Bars of what went well.
    Good,
    /// Bars of what went wrong, on top of the others.
    Bad,
    Line,
    DashedLine,
}

impl Look {
    fn is_bar(self) -> bool {
        matches!(self, Self::Good | Self::Bad)
    }
}

/// A plot over time. All series have a value for every one of the `times`.
#[component]
pub fn Plot(
    title: &'static str,
    /// Of the values.
    unit: &'static str,
    /// Beginnings of the steps, ISO 8601 in UTC, at regular distances.
    times: Vec<String>,
    series: Vec<Series>,
) -> impl IntoView {
    let steps = times.len().max(1);
    let top = scale_top(highest(&series, steps));
    let width = (WIDTH - LEFT - RIGHT) / steps as f64;
    let x = move |step: usize| LEFT + width * step as f64;
    let y = move |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - value / top);
    let grid = [0.0, 0.5, 1.0].map(|part| {
        let at = y(top * part);
        view! {
            <line x1=LEFT x2=WIDTH - RIGHT y1=at y2=at class="plot-grid"/>
            <text x=LEFT - 5.0 y=at + 3.0 text-anchor="end" class="plot-text">{short(top * part)}</text>
        }
    });
    let (first, last) = (times.first().map(|at| clock(at)), times.last().map(|at| clock(at)));
    let mut heights = vec![0.0; steps];
    let mut marks = Vec::new();
    for one in &series {
        if one.look.is_bar() {
            let class = if one.look == Look::Good { "plot-good" } else { "plot-bad" };
            for (step, value) in one.values.iter().enumerate().take(steps) {
                let Some(value) = value.filter(|value| *value > 0.0) else { continue };
                let (low, high) = (y(heights[step]), y(heights[step] + value));
                heights[step] += value;
                // Something that happened is seen, however little it was.
                let height = (low - high).max(1.0);
                marks.push(
                    view! { <rect x=x(step) y=low - height width=(width - 1.0).max(1.0) height=height class=class/> }
                        .into_any(),
                );
            }
        } else {
            let class = if one.look == Look::Line { "plot-line" } else { "plot-line plot-dashed" };
            marks.push(view! { <path d=path(&one.values, |step| x(step) + width / 2.0, y) class=class/> }.into_any());
        }
    }
    let said = |step: usize| {
        let values: Vec<_> = series
            .iter()
            .map(|one| {
                format!(
                    "{} {}",
                    one.name,
                    one.values.get(step).copied().flatten().map_or_else(|| "–".to_owned(), short)
                )
            })
            .collect();
        format!("{} UTC: {} {unit}", clock(&times[step]), values.join(", "))
    };
    let hover = (0..times.len())
        .map(|step| {
            view! {
                <rect x=x(step) y=TOP width=width height=HEIGHT - TOP - BOTTOM class="plot-hover"><title>{said(step)}</title></rect>
            }
        })
        .collect_view();
    let heads = series
        .iter()
        .map(|one| view! { <th scope="col" class="px-2 py-1 text-right font-medium">{one.name}</th> })
        .collect_view();
    let rows = times
        .iter()
        .enumerate()
        .filter(|(step, _)| series.iter().any(|one| one.values.get(*step).copied().flatten().is_some_and(|value| value > 0.0)))
        .map(|(step, at)| {
            let cells = series
                .iter()
                .map(|one| {
                    let value = one.values.get(step).copied().flatten().map_or_else(|| "–".to_owned(), short);
                    view! { <td class="px-2 py-1 text-right">{value}</td> }
                })
                .collect_view();
            view! { <tr><th scope="row" class="px-2 py-1 text-left font-normal text-soft">{at.clone()}</th>{cells}</tr> }
        })
        .collect_view();
    let legend = series.iter().map(|one| one.name).collect::<Vec<_>>().join(", ");
    view! {
        <figure class="min-w-0 rounded-lg border border-line bg-surface p-3" data-testid="plot">
            <figcaption class="mb-1 flex flex-wrap items-baseline justify-between gap-x-3 text-xs">
                <span class="font-medium text-ink">{title}</span>
                <span class="text-soft">{format!("{legend}; {unit}")}</span>
            </figcaption>
            <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=format!("{title}, as a table below") class="block w-full">
                {grid}
                {marks}
                <text x=LEFT y=HEIGHT - 4.0 class="plot-text">{first}</text>
                <text x=WIDTH - RIGHT y=HEIGHT - 4.0 text-anchor="end" class="plot-text">{last}</text>
                {hover}
            </svg>
            <details class="text-xs">
                <summary class="w-max cursor-pointer text-soft hover:text-ink">"As a table"</summary>
                <div class="mt-1 max-h-60 overflow-auto" tabindex="0" role="group" aria-label=format!("{title}, values")>
                    <table class="w-full tabular-nums text-ink">
                        <thead><tr><th scope="col" class="px-2 py-1 text-left font-medium">"From (UTC)"</th>{heads}</tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
            </details>
        </figure>
    }
}

/// The highest point that the plot has to show.
fn highest(series: &[Series], steps: usize) -> f64 {
    let value = |one: &Series, step: usize| one.values.get(step).copied().flatten().unwrap_or(0.0);
    let stacked = |step| series.iter().filter(|one| one.look.is_bar()).map(|one| value(one, step)).sum::<f64>();
    let lines = |step| series.iter().filter(|one| !one.look.is_bar()).map(|one| value(one, step)).fold(0.0, f64::max);
    (0..steps).map(|step| f64::max(stacked(step), lines(step))).fold(0.0, f64::max)
}

/// The next round number: 1, 2, 4, 5 or 10 times a power of ten, at least 1.
fn scale_top(highest: f64) -> f64 {
    if highest <= 1.0 {
        return 1.0;
    }
    let mut power = 1.0;
    while power * 10.0 <= highest {
        power *= 10.0;
    }
    let round = [1.0, 2.0, 4.0, 5.0, 10.0].into_iter().find(|step| step * power >= highest).unwrap_or(10.0);
    round * power
}

/// A line through the values, broken where there are none.
fn path(values: &[Option<f64>], x: impl Fn(usize) -> f64, y: impl Fn(f64) -> f64) -> String {
    let mut out = String::new();
    let mut broken = true;
    for (step, value) in values.iter().enumerate() {
        match value {
            None => broken = true,
            Some(value) => {
                let (at, height) = (x(step), y(*value));
                // A lone value is a dot: a line of no length with round ends.
                let command = if broken { format!("M{at:.1} {height:.1}h0") } else { format!("L{at:.1} {height:.1}") };
                out += &command;
                broken = false;
            }
        }
    }
    out
}

/// A number as short as a plot needs it.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        v if v >= 999_950.0 => (v / 1e6, "M"),
        v if v >= 9_999.5 => (v / 1e3, "k"),
        v => (v, ""),
    };
    let tenths = (value * 10.0).round() / 10.0;
    let text = if tenths >= 100.0 || tenths.fract() == 0.0 { format!("{value:.0}") } else { format!("{tenths:.1}") };
    text + unit
}

/// Hours and minutes of an ISO 8601 time.
fn clock(at: &str) -> String {
    at.get(11..16).unwrap_or(at).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_numbers() {
        let tops = [0.0, 0.3, 1.5, 2.0, 37.0, 410.0, 9_999.0].map(scale_top);
        assert_eq!(tops, [1.0, 1.0, 2.0, 2.0, 40.0, 500.0, 10_000.0]);
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 0.5, 12.34, 120.0, 9_999.0, 12_300.0, 999_999.0, 2_500_000.0].map(short);
        assert_eq!(texts, ["0", "0.5", "12.3", "120", "9999", "12.3k", "1M", "2.5M"]);
    }

    #[test]
    fn lines_break_where_nothing_was_measured() {
        let values = [Some(1.0), Some(2.0), None, Some(3.0)];
        assert_eq!(path(&values, |step| step as f64, |value| value), "M0.0 1.0h0L1.0 2.0M3.0 3.0h0");
    }

    #[test]
    fn bars_stand_on_each_other() {
        let of = |look, value| Series { name: "n", values: vec![Some(value)], look };
        assert_eq!(highest(&[of(Look::Good, 2.0), of(Look::Bad, 3.0), of(Look::Line, 4.0)], 1), 5.0);
    }
}
