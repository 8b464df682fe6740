//! The pictures: how long round trips take, and how the rate rises with what is on its way.

use hdrhistogram::Histogram;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use crate::comparison::{Figures, Key, MANY, Results, USUAL_LENGTH};
use crate::contenders::Name;

const SIZE: (u32, u32) = (760, 420);
type Failed = Box<dyn std::error::Error>;

/// The colors can be told apart by everybody.
fn color(name: Name) -> RGBColor {
    match name {
        Name::Pollux => RGBColor(0, 114, 178),
        Name::Linux => RGBColor(213, 94, 0),
        Name::Dpdk => RGBColor(0, 158, 115),
        Name::Xdp => RGBColor(204, 121, 167),
        Name::Native => RGBColor(130, 130, 130),
    }
}

/// The lines of one picture.
type Lines = Vec<(Name, Vec<(f64, f64)>)>;

/// The share of round trips that take longer, by time; both axes in powers of ten, for it is the tail
/// that matters.
///
/// # Errors
///
/// It cannot be drawn.
pub fn latency(results: &Results, card: &str, protocol: &str) -> Result<String, Failed> {
    let mut lines = Lines::new();
    let mut fewest = 1.0_f64;
    for key in keys(results, card, protocol).filter(|key| key.outstanding == 1) {
        if let Some(histogram) = results.round_trips(key) {
            lines.push((key.contender, slower_than(histogram)));
            fewest = fewest.min(1.0 / histogram.len().max(1) as f64);
        }
    }
    let times = lines
        .iter()
        .flat_map(|(_, points)| points)
        .map(|point| point.0);
    let (least, most) = ends(times);
    let title = format!("{} echo on {card}, one at a time", protocol.to_uppercase());
    draw(
        &title,
        ("round trip, µs", "share of round trips that took longer"),
        (
            (least * 0.9..most * 1.1).log_scale(),
            (fewest * 0.8..1.0).log_scale(),
        ),
        |value| format!("{value}"),
        |share| format!("{} %", share * 100.0),
        &lines,
        SeriesLabelPosition::UpperRight,
    )
}

/// Answers a second, by requests on their way.
///
/// # Errors
///
/// It cannot be drawn.
pub fn rate(results: &Results, card: &str, protocol: &str) -> Result<String, Failed> {
    let mut lines = Lines::new();
    for name in Name::ALL {
        let keys = keys(results, card, protocol).filter(|key| key.contender == name);
        let point = |key: &Key| {
            let Figures { rate, .. } = results.figures(key)?;
            Some((key.outstanding as f64, rate / 1e3))
        };
        let points: Vec<_> = keys.filter_map(point).collect();
        if !points.is_empty() {
            lines.push((name, points));
        }
    }
    let (_, most) = ends(
        lines
            .iter()
            .flat_map(|(_, points)| points)
            .map(|point| point.1),
    );
    let (_, last) = ends(
        lines
            .iter()
            .flat_map(|(_, points)| points)
            .map(|point| point.0),
    );
    let title = format!("{} echo on {card}, many at a time", protocol.to_uppercase());
    draw(
        &title,
        ("requests on their way", "thousand answers a second"),
        (
            (1.0..last.max(MANY as f64)).log_scale().base(2.0),
            0.0..most * 1.05,
        ),
        |value| format!("{value}"),
        |value| format!("{value}"),
        &lines,
        SeriesLabelPosition::UpperLeft,
    )
}

/// What is drawn: frames of the usual length.
fn keys<'a>(
    results: &'a Results,
    card: &'a str,
    protocol: &'a str,
) -> impl Iterator<Item = &'a Key> {
    results.keys().filter(move |key| {
        key.card == card && key.protocol == protocol && key.length == USUAL_LENGTH
    })
}

/// For each time that was seen the share of those that took longer; what took longest is shown as the
/// one that it is.
fn slower_than(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let all = histogram.len() as f64;
    let mut left = histogram.len();
    let mut points = Vec::new();
    for value in histogram.iter_recorded() {
        let us = value.value_iterated_to() as f64 / 1e3;
        points.push((us, left as f64 / all));
        left -= value.count_since_last_iteration();
    }
    points
}

fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, 1.0), |(least, most), value| {
        (least.min(value), most.max(value))
    })
}

fn draw<X, Y>(
    title: &str,
    (x_name, y_name): (&str, &str),
    (x, y): (X, Y),
    x_label: impl Fn(&f64) -> String,
    y_label: impl Fn(&f64) -> String,
    lines: &Lines,
    legend: SeriesLabelPosition,
) -> Result<String, Failed>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let mut picture = String::new();
    {
        let area = SVGBackend::with_string(&mut picture, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(x_name)
            .y_desc(y_name)
            .x_label_formatter(&x_label)
            .y_label_formatter(&y_label)
            .draw()?;
        for (name, points) in lines {
            let style = color(*name).stroke_width(2);
            chart
                .draw_series(LineSeries::new(points.iter().copied(), style))?
                .label(name.to_string())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        chart
            .configure_series_labels()
            .position(legend)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        area.present()?;
    }
    Ok(picture)
}
