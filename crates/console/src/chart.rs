//! Charts as SVG, drawn on the server: columns stacked of parts, one per hour or day, or per some of them.

use std::fmt::Write as _;

use engine::Hour;
use judge::standing::DayView;
use mail::standing::Counts;
use mail::{Fate, Timestamp};

use crate::page::Page;

const HEIGHT: usize = 200;
const LEFT: usize = 60;
const BOTTOM: usize = 22;

/// How wide it is drawn. A telephone has one of its own: scaled down, the wide one could not be read.
struct Shape {
    class: &'static str,
    width: usize,
    /// Bars drawn at most; more hours are drawn together.
    bars_max: usize,
    /// Points in time named below.
    labels: usize,
}

const SHAPES: [Shape; 2] = [
    Shape {
        class: "wide",
        width: 960,
        bars_max: 96,
        labels: 6,
    },
    Shape {
        class: "slim",
        width: 360,
        bars_max: 48,
        labels: 3,
    },
];

/// One column.
struct Column {
    /// Below it, where it is named.
    name: String,
    /// Its numbers, told to whoever points at it.
    title: String,
    /// From below: the class that colours it, and how much.
    parts: Vec<(String, u64)>,
}

/// A part of a day's mail: the class that colours it, its words, how much it is.
pub(crate) type DayPart = (&'static str, &'static str, fn(&Counts) -> u64);

/// Messages over time. Each bar has a title that tells its numbers; a table below the chart tells all of them.
pub(crate) fn bars(page: &Page, hours: &[Hour]) -> String {
    let by_day = hours.len() > 48;
    in_all_shapes(page.t("overview.chart"), hours, page, |hours| {
        hour_column(page, &together(hours), by_day)
    })
}

/// A domain's mail by day. Every day is there, also those without mail.
pub(crate) fn days(page: &Page, label: &str, days: &[DayView], parts: &[DayPart]) -> String {
    in_all_shapes(page.t(label), days, page, |days| {
        day_column(page, days, parts)
    })
}

fn in_all_shapes<T>(
    label: &str,
    times: &[T],
    page: &Page,
    column: impl Fn(&[T]) -> Column,
) -> String {
    let drawn = SHAPES.iter().map(|shape| {
        let each = times.len().div_ceil(shape.bars_max).max(1);
        let columns: Vec<Column> = times.chunks(each).map(&column).collect();
        drawn(page, label, &columns, shape)
    });
    drawn.collect()
}

fn drawn(page: &Page, label: &str, columns: &[Column], shape: &Shape) -> String {
    let width = shape.width;
    let sum = |column: &Column| column.parts.iter().map(|(_, count)| count).sum::<u64>();
    let top = round_up(columns.iter().map(sum).max().unwrap_or(0));
    let (plot_w, plot_h) = (width - LEFT, HEIGHT - BOTTOM - 8);
    let step = plot_w as f64 / columns.len().max(1) as f64;
    let mut svg = format!(
        "<svg class=\"chart {}\" viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">",
        shape.class
    );
    for part in 0..=2_u64 {
        let y = 8.0 + plot_h as f64 * (1.0 - part as f64 / 2.0);
        let value = page.number(top * part / 2);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{width}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"axis\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
            LEFT - 6,
            y + 4.0
        );
    }
    for (number, column) in columns.iter().enumerate() {
        let x = LEFT as f64 + number as f64 * step;
        let _ = write!(svg, "<g><title>{}</title>", column.title);
        let mut y = 8.0 + plot_h as f64;
        for (class, count) in column.parts.iter().filter(|(_, count)| *count > 0) {
            let height = plot_h as f64 * *count as f64 / top.max(1) as f64;
            y -= height;
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
                x + step * 0.1,
                step * 0.8
            );
        }
        let _ = write!(
            svg,
            "<rect class=\"hit\" x=\"{x:.1}\" y=\"8\" width=\"{step:.1}\" height=\"{plot_h}\"/></g>"
        );
    }
    for part in 0..shape.labels {
        let number = part * columns.len() / shape.labels;
        let Some(column) = columns.get(number) else {
            continue;
        };
        let x = LEFT as f64 + (number as f64 + 0.5) * step;
        let _ = write!(
            svg,
            "<text class=\"axis\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 6,
            column.name
        );
    }
    svg.push_str("</svg>");
    svg
}

fn together(hours: &[Hour]) -> Hour {
    let mut sum = hours[0].clone();
    for hour in &hours[1..] {
        for (sum, count) in sum.fates.iter_mut().zip(&hour.fates) {
            *sum += count;
        }
    }
    sum
}

fn hour_column(page: &Page, hour: &Hour, by_day: bool) -> Column {
    let mut title = page.short_time(&hour.at);
    for (fate, count) in Fate::ALL.iter().zip(&hour.fates) {
        if *count > 0 {
            let _ = write!(title, " · {} {}", page.fate(fate), page.number(*count));
        }
    }
    let at = hour.at.to_string();
    let name = if by_day {
        at.get(5..10)
    } else {
        at.get(11..16)
    };
    let parts = Fate::ALL.iter().zip(&hour.fates);
    Column {
        name: name.unwrap_or_default().to_owned(),
        title,
        parts: parts
            .map(|(fate, count)| (format!("fate-{}", fate.as_str()), *count))
            .collect(),
    }
}

fn day_column(page: &Page, days: &[DayView], parts: &[DayPart]) -> Column {
    let mut counts = Counts::default();
    for day in days {
        counts.add(&day.counts);
    }
    let mut title = date(days[0].day);
    for (_, words, of) in parts {
        if of(&counts) > 0 {
            let _ = write!(title, " · {} {}", page.t(words), page.number(of(&counts)));
        }
    }
    Column {
        name: date(days[0].day).get(5..).unwrap_or_default().to_owned(),
        title,
        parts: parts
            .iter()
            .map(|(class, _, of)| ((*class).to_owned(), of(&counts)))
            .collect(),
    }
}

/// A day as people write it: `2026-11-23`.
pub(crate) fn date(day: u32) -> String {
    let at = Timestamp::from_secs(i64::from(day) * 86_400).to_string();
    at.get(..10).unwrap_or_default().to_owned()
}

/// The next number of the form 2, 4, 10, 20, 40, 100, …: halves of it are whole.
fn round_up(most: u64) -> u64 {
    let mut unit = 1_u64;
    loop {
        for factor in [2, 4, 10] {
            if factor * unit >= most {
                return factor * unit;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_ends_at_a_round_number() {
        for (most, top) in [
            (0, 2),
            (2, 2),
            (3, 4),
            (5, 10),
            (11, 20),
            (350, 400),
            (401, 1000),
        ] {
            assert_eq!(round_up(most), top, "{most}");
        }
    }
}
