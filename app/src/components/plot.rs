//! Plots over time as SVG, in the page from the start: with axes, units, a value for every step under the pointer, and the same as
//! a table for whoever cannot see them.

use leptos::prelude::*;

use super::fixed;

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

impl Series {
    /// The value of a step, where something was measured.
    fn at(&self, step: usize) -> Option<f64> {
        self.values.get(step).copied().flatten()
    }

    fn text_at(&self, step: usize) -> String {
        self.at(step).map_or_else(|| "–".to_owned(), short)
    }
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

/// A plot over time. All series have a value for every one of the `times`. What is drawn is written as text: it has a hundred
/// elements, and nothing is to happen to them one by one.
#[component]
pub fn Plot(
    title: &'static str,
    /// Of the values.
    unit: &'static str,
    /// Beginnings of the steps, ISO 8601 in UTC, at regular distances.
    times: Vec<String>,
    series: Vec<Series>,
) -> impl IntoView {
    let drawing = Drawing { unit, times, series };
    // When the page is hydrated, what the server drew stands in it already.
    let drawn = Owner::current_shared_context().is_some_and(|page| page.during_hydration());
    let [picture, rows] = if drawn { Default::default() } else { [drawing.picture(), drawing.rows()] };
    let heads = drawing
        .series
        .iter()
        .map(|one| view! { <th scope="col" class="px-2 py-1 text-right font-medium">{one.name}</th> })
        .collect_view();
    let legend = drawing.series.iter().map(|one| one.name).collect::<Vec<_>>().join(", ");
    view! {
        <figure class="min-w-0 rounded-lg border border-line bg-surface p-3" data-testid="plot">
            <figcaption class="mb-1 flex flex-wrap items-baseline justify-between gap-x-3 text-xs">
                <span class="font-medium text-ink">{title}</span>
                <span class="text-soft">{format!("{legend}; {unit}")}</span>
            </figcaption>
            <svg viewBox=format!("0 0 {} {}", place(WIDTH), place(HEIGHT)) role="img" aria-label=format!("{title}, as a table below") class="block w-full" inner_html=picture></svg>
            <details class="text-xs">
                <summary class="w-max cursor-pointer text-soft hover:text-ink">"As a table"</summary>
                <div class="mt-1 max-h-60 overflow-auto" tabindex="0" role="group" aria-label=format!("{title}, values")>
                    <table class="w-full tabular-nums text-ink">
                        <thead><tr><th scope="col" class="px-2 py-1 text-left font-medium">"From (UTC)"</th>{heads}</tr></thead>
                        <tbody inner_html=rows></tbody>
                    </table>
                </div>
            </details>
        </figure>
    }
}

/// What is drawn, as HTML. All text in it is the server's own: times, numbers, and the names of series.
struct Drawing {
    unit: &'static str,
    times: Vec<String>,
    series: Vec<Series>,
}

impl Drawing {
    /// The distance of two steps.
    fn width(&self) -> f64 {
        (WIDTH - LEFT - RIGHT) / self.times.len().max(1) as f64
    }

    fn x(&self, step: usize) -> f64 {
        LEFT + self.width() * step as f64
    }

    /// The axes, the bars and lines, and the values that show under the pointer.
    fn picture(&self) -> String {
        let steps = self.times.len();
        let top = scale_top(highest(&self.series, steps));
        let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - value / top);
        let text = |x: f64, y: f64, anchor: &str, text: &str| {
            let (x, y) = (place(x), place(y));
            format!(r#"<text x="{x}" y="{y}" text-anchor="{anchor}" class="plot-text">{text}</text>"#)
        };
        let mut out = String::new();
        for part in [0.0, 0.5, 1.0] {
            let at = y(top * part);
            let (left, right, height) = (place(LEFT), place(WIDTH - RIGHT), place(at));
            out += &format!(r#"<line x1="{left}" x2="{right}" y1="{height}" y2="{height}" class="plot-grid"/>"#);
            out += &text(LEFT - 5.0, at + 3.0, "end", &short(top * part));
        }
        let mut heights = vec![0.0; steps];
        for one in &self.series {
            if !one.look.is_bar() {
                let class = if one.look == Look::Line { "plot-line" } else { "plot-line plot-dashed" };
                let line = path(&one.values, |step| self.x(step) + self.width() / 2.0, y);
                out += &format!(r#"<path d="{line}" class="{class}"/>"#);
                continue;
            }
            let class = if one.look == Look::Good { "plot-good" } else { "plot-bad" };
            for (step, value) in one.values.iter().enumerate().take(steps) {
                let Some(value) = value.filter(|value| *value > 0.0) else { continue };
                let (low, high) = (y(heights[step]), y(heights[step] + value));
                heights[step] += value;
                // Something that happened is seen, however little it was.
                let height = (low - high).max(1.0);
                out += &rect(self.x(step), low - height, (self.width() - 1.0).max(1.0), height, class, "");
            }
        }
        for (at, x, anchor) in [(self.times.first(), LEFT, "start"), (self.times.last(), WIDTH - RIGHT, "end")] {
            out += &at.map(|at| text(x, HEIGHT - 4.0, anchor, clock(at))).unwrap_or_default();
        }
        out + &(0..steps).map(|step| self.values_of(step)).collect::<String>()
    }

    /// What is said of a step under the pointer.
    fn values_of(&self, step: usize) -> String {
        let values: Vec<_> = self.series.iter().map(|one| format!("{} {}", one.name, one.text_at(step))).collect();
        let said = format!("<title>{} UTC: {} {}</title>", clock(&self.times[step]), values.join(", "), self.unit);
        rect(self.x(step), TOP, self.width(), HEIGHT - TOP - BOTTOM, "plot-hover", &said)
    }

    /// The rows of the table: of the steps in which something happened.
    fn rows(&self) -> String {
        let happened = |step: &usize| self.series.iter().any(|one| one.at(*step).is_some_and(|value| value > 0.0));
        let row = |step: usize| {
            let cells: String = self
                .series
                .iter()
                .map(|one| format!(r#"<td class="px-2 py-1 text-right">{}</td>"#, one.text_at(step)))
                .collect();
            let at = &self.times[step];
            format!(r#"<tr><th scope="row" class="px-2 py-1 text-left font-normal text-soft">{at}</th>{cells}</tr>"#)
        };
        let rows: String = (0..self.times.len()).filter(happened).map(row).collect();
        if rows.is_empty() {
            r#"<tr><td class="px-2 py-1 text-soft">Nothing happened.</td></tr>"#.to_owned()
        } else {
            rows
        }
    }
}

fn rect(x: f64, y: f64, width: f64, height: f64, class: &str, inner: &str) -> String {
    let [x, y, width, height] = [x, y, width, height].map(place);
    format!(r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" class="{class}">{inner}</rect>"#)
}

/// The highest point that the plot has to show.
fn highest(series: &[Series], steps: usize) -> f64 {
    let value = |one: &Series, step: usize| one.at(step).unwrap_or(0.0);
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
                let (at, height) = (place(x(step)), place(y(*value)));
                // A lone value is a dot: a line of no length with round ends.
                out += &if broken { format!("M{at} {height}h0") } else { format!("L{at} {height}") };
                broken = false;
            }
        }
    }
    out
}

/// A coordinate, to a tenth.
fn place(at: f64) -> String {
    let tenths = (at * 10.0).round() as u32;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A number as short as a plot needs it.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        v if v >= 999_950.0 => (v / 1e6, "M"),
        v if v >= 9_999.5 => (v / 1e3, "k"),
        v => (v, ""),
    };
    let tenths = (value * 10.0).round() / 10.0;
    let whole = tenths >= 100.0 || tenths.fract() == 0.0;
    fixed(if whole { value } else { tenths }, if whole { 0 } else { 1 }) + unit
}

/// Hours and minutes of an ISO 8601 time.
fn clock(at: &str) -> &str {
    at.get(11..16).unwrap_or(at)
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
