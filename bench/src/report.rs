//! What was measured: printed as tables, written as JSON and as a page with plots.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

/// One measured figure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// The table that it belongs to.
    pub table: &'static str,
    pub what: String,
    pub value: f64,
    pub unit: &'static str,
    /// What it should be, in words; empty where nothing is asked of it.
    pub bar: String,
    /// Whether it is.
    pub met: Option<bool>,
    pub note: String,
}

impl Figure {
    /// Its line of the table.
    fn row(&self) -> String {
        let verdict = match self.met {
            None => "",
            Some(true) => "met",
            Some(false) => "**missed**",
        };
        let bar = if self.bar.is_empty() { String::new() } else { format!("{} {}", self.bar, self.unit) };
        let notes =
            [verdict, &self.note].iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>().join("; ");
        let (what, value, unit) = (&self.what, number(self.value), self.unit);
        format!("| {what} | {value} {unit} | {} | {notes} |", bar.trim())
    }
}

/// One line of a plot.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    pub plot: &'static str,
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// Everything of a run.
#[derive(Default, Serialize)]
pub struct Report {
    pub machine: String,
    pub figures: Vec<Figure>,
    pub series: Vec<Series>,
    /// What the tables do not say of a table: its name and a sentence.
    pub remarks: Vec<(&'static str, String)>,
    /// How PostgreSQL runs the claim, where that was looked at.
    pub plan: String,
}

/// What a figure has to reach.
pub enum Bar {
    None,
    AtLeast(f64),
    AtMost(f64),
}

impl Report {
    pub fn add(
        &mut self,
        table: &'static str,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        bar: Bar,
    ) -> &mut Figure {
        let (words, met) = match bar {
            Bar::None => (String::new(), None),
            Bar::AtLeast(least) => (format!("≥ {}", number(least)), Some(value >= least)),
            Bar::AtMost(most) => (format!("≤ {}", number(most)), Some(value <= most)),
        };
        let what = what.into();
        let verdict = match met {
            None => String::new(),
            Some(met) => format!("  ({words}: {})", if met { "met" } else { "MISSED" }),
        };
        eprintln!("    {what}: {} {unit}{verdict}", number(value));
        self.figures.push(Figure { table, what, value, unit, bar: words, met, note: String::new() });
        let last = self.figures.len() - 1;
        &mut self.figures[last]
    }

    pub fn point(&mut self, plot: &'static str, name: &str, x: f64, y: f64) {
        match self.series.iter_mut().find(|series| series.plot == plot && series.name == name) {
            Some(series) => series.points.push((x, y)),
            None => self.series.push(Series { plot, name: name.to_owned(), points: vec![(x, y)] }),
        }
    }

    pub fn value(&self, what: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.what == what).map(|figure| figure.value)
    }

    /// How many figures have a bar, and the sentence that says which of them missed it.
    pub fn verdict(&self) -> String {
        let bars = self.figures.iter().filter(|figure| figure.met.is_some()).count();
        let missed: Vec<_> = self.figures.iter().filter(|figure| figure.met == Some(false)).collect();
        let mut out = format!("{} of {bars} bars were met.", bars - missed.len());
        for figure in &missed {
            let Figure { table, what, value, unit, bar, .. } = figure;
            let _ = write!(
                out,
                "\n- Missed: {what} ({}): {} {unit}, bar {bar} {unit}",
                table.to_lowercase(),
                number(*value)
            );
        }
        out
    }

    /// The tables as Markdown, each once, in the order in which they began.
    pub fn tables(&self) -> String {
        let mut out = String::new();
        let mut tables: Vec<&str> = Vec::new();
        for Figure { table, .. } in &self.figures {
            if !tables.contains(table) {
                tables.push(table);
            }
        }
        for table in tables {
            let _ = writeln!(out, "\n## {table}\n");
            for (_, remark) in self.remarks.iter().filter(|(of, _)| *of == table) {
                let _ = writeln!(out, "{remark}\n");
            }
            let _ = write!(out, "| what | measured | bar | |\n|---|---:|---:|---|\n");
            for figure in self.figures.iter().filter(|figure| figure.table == table) {
                let _ = writeln!(out, "{}", figure.row());
            }
        }
        out
    }

    /// Writes `benchmarks.md`, `benchmarks.json` and the plots into a folder.
    pub fn write(&self, folder: &Path, command: &str) -> Result<()> {
        std::fs::create_dir_all(folder.join("benchmarks"))?;
        std::fs::write(folder.join("benchmarks.json"), serde_json::to_string_pretty(self)? + "\n")?;
        let mut page = include_str!("page.md")
            .replace("{command}", command)
            .replace("{machine}", &self.machine)
            .replace("{verdict}", &self.verdict());
        page.push_str(&self.tables());
        page.push_str("\n## Plots\n");
        for plot in crate::plot::PLOTS {
            let series: Vec<_> = self.series.iter().filter(|series| series.plot == plot.name).cloned().collect();
            if series.is_empty() {
                continue;
            }
            crate::plot::draw(plot, &series, &folder.join(format!("benchmarks/{}.svg", plot.name)))?;
            let _ = write!(page, "\n![{}](benchmarks/{}.svg)\n", plot.title, plot.name);
        }
        if !self.plan.is_empty() {
            std::fs::write(folder.join("benchmarks/claim-plan.txt"), &self.plan)?;
            page.push_str("\n[How PostgreSQL runs a claim](benchmarks/claim-plan.txt) on that history.\n");
        }
        Ok(std::fs::write(folder.join("benchmarks.md"), page)?)
    }
}

/// A figure as people read it.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        whole if whole.fract() == 0.0 => 0,
        ..0.1 => 3,
        0.1..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text.as_str(), String::new()), |(whole, fraction)| (whole, format!(".{fraction}")));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 && digit.is_ascii_digit() && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + &fraction
}

/// A percentile in milliseconds of a histogram in microseconds.
pub fn millis(histogram: &Histogram<u64>, percentile: f64) -> f64 {
    histogram.value_at_percentile(percentile) as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_short_and_grouped() {
        assert_eq!(number(22_345.6), "22,346");
        assert_eq!(number(1_234_567.0), "1,234,567");
        assert_eq!(number(0.0456), "0.046");
        assert_eq!(number(2.345), "2.35");
        assert_eq!(number(-1234.0), "-1,234");
        assert_eq!((number(1.0), number(0.0)), ("1".to_owned(), "0".to_owned()));
    }
}
