//! Plots as SVG, readable on light and dark grounds.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::report::Series;

/// What a plot shows.
pub struct Plot {
    pub name: &'static str,
    pub title: &'static str,
    pub x: &'static str,
    pub y: &'static str,
    /// Whether the horizontal axis is logarithmic.
    pub log: bool,
}

pub const PLOTS: &[Plot] = &[
    Plot {
        name: "clients",
        title: "Throughput by number of clients",
        x: "clients",
        y: "deliveries a second",
        log: true,
    },
    Plot {
        name: "latency",
        title: "Latency from sending to arrival, by rate",
        x: "events a second",
        y: "milliseconds",
        log: false,
    },
    Plot {
        name: "history",
        title: "Throughput by stored history",
        x: "finished deliveries stored",
        y: "deliveries a second",
        log: false,
    },
];

const COLOURS: [RGBColor; 4] =
    [RGBColor(79, 70, 229), RGBColor(18, 135, 90), RGBColor(200, 90, 20), RGBColor(170, 40, 120)];

pub fn draw(plot: &Plot, series: &[Series], file: &Path) -> Result<()> {
    render(plot, series, file).map_err(|error| anyhow!("cannot draw {}: {error}", plot.name))
}

fn render(plot: &Plot, series: &[Series], file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::new(file, (760, 400)).into_drawing_area();
    root.fill(&WHITE)?;
    let xs = || series.iter().flat_map(|one| one.points.iter().map(|point| point.0));
    let (left, right) = (xs().fold(f64::MAX, f64::min), xs().fold(0.0, f64::max));
    let top = series.iter().flat_map(|one| one.points.iter().map(|point| point.1)).fold(0.0, f64::max) * 1.15;
    // A logarithmic axis is drawn over exponents, so that one kind of chart serves both.
    let place = |x: f64| if plot.log { x.max(1.0).log10() } else { x };
    let span = (place(right) - place(left)).max(f64::EPSILON);
    let mut chart = ChartBuilder::on(&root)
        .caption(plot.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(72)
        .build_cartesian_2d((place(left) - span * 0.02)..(place(right) + span * 0.02), 0.0..top)?;
    let label = |x: &f64| crate::report::number(if plot.log { 10_f64.powf(*x).round() } else { x.max(0.0) });
    chart
        .configure_mesh()
        .x_desc(plot.x)
        .y_desc(plot.y)
        .x_labels(7)
        .y_labels(6)
        .x_label_formatter(&label)
        .y_label_formatter(&|y| crate::report::number(*y))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (one, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let colour = *colour;
        let points: Vec<_> = one.points.iter().map(|(x, y)| (place(*x), *y)).collect();
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
            .label(one.name.as_str())
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart.draw_series(points.into_iter().map(|point| Circle::new(point, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(210, 214, 220))
        .draw()?;
    Ok(root.present()?)
}
