//! Charts as SVG, drawn on the server: bars stacked by fate, one per hour or per some hours.

use std::fmt::Write as _;

use engine::Hour;
use mail::Fate;

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

/// Messages over time. Each bar has a title that tells its numbers; a table below the chart tells all of them.
pub(crate) fn bars(page: &Page, hours: &[Hour]) -> String {
    SHAPES
        .iter()
        .map(|shape| drawn(page, hours, shape))
        .collect()
}

fn drawn(page: &Page, hours: &[Hour], shape: &Shape) -> String {
    let width = shape.width;
    let each = hours.len().div_ceil(shape.bars_max).max(1);
    let groups: Vec<Hour> = hours.chunks(each).map(together).collect();
    let most = groups
        .iter()
        .map(|group| group.fates.iter().sum::<u64>())
        .max()
        .unwrap_or(0);
    let top = round_up(most);
    let (plot_w, plot_h) = (width - LEFT, HEIGHT - BOTTOM - 8);
    let step = plot_w as f64 / groups.len().max(1) as f64;
    let label = page.t("overview.chart");
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
    for (number, group) in groups.iter().enumerate() {
        let x = LEFT as f64 + number as f64 * step;
        let _ = write!(svg, "<g><title>{}</title>", title(page, group));
        let mut y = 8.0 + plot_h as f64;
        for (fate, count) in Fate::ALL.iter().zip(&group.fates) {
            if *count == 0 {
                continue;
            }
            let height = plot_h as f64 * *count as f64 / top.max(1) as f64;
            y -= height;
            let _ = write!(
                svg,
                "<rect class=\"fate-{}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
                fate.as_str(),
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
        let number = part * groups.len() / shape.labels;
        let Some(group) = groups.get(number) else {
            continue;
        };
        let x = LEFT as f64 + (number as f64 + 0.5) * step;
        let text = group.at.to_string();
        let shown = if hours.len() > 48 {
            text.get(5..10)
        } else {
            text.get(11..16)
        };
        let _ = write!(
            svg,
            "<text class=\"axis\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 6,
            shown.unwrap_or_default()
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

fn title(page: &Page, hour: &Hour) -> String {
    let mut title = page.short_time(&hour.at);
    for (fate, count) in Fate::ALL.iter().zip(&hour.fates) {
        if *count > 0 {
            let _ = write!(title, " · {} {}", page.fate(fate), page.number(*count));
        }
    }
    title
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
