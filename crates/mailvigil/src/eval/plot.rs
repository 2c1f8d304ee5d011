//! ROC curves on logarithmic axes and a reliability diagram, as one SVG without scripts or fonts.

use std::fmt::Write as _;

use super::figures::{Bin, Ranking, Scored, bins};

/// Width and height of one diagram, and the room around it.
const SIDE: f64 = 400.0;
const ROOM: f64 = 60.0;
/// The smallest share drawn: one in a hundred thousand.
const SMALLEST: f64 = 1e-5;
const COLOURS: [&str; 2] = ["#1b6ca8", "#c2571a"];

/// Draws the named filters.
pub fn svg(title: &str, filters: &[(&str, &[Scored])]) -> String {
    let (width, height) = (2.0 * SIDE + 4.0 * ROOM, SIDE + 2.0 * ROOM);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n",
        escaped(title)
    );
    roc(&mut out, filters);
    reliability(&mut out, filters);
    for (at, (name, _)) in filters.iter().enumerate() {
        let (x, y) = (ROOM + 10.0, ROOM + SIDE - 12.0 - 18.0 * at as f64);
        let _ = writeln!(
            out,
            "<text x=\"{x}\" y=\"{y}\" fill=\"{}\">{}</text>",
            COLOURS[at % COLOURS.len()],
            escaped(name)
        );
    }
    out.push_str("</svg>\n");
    out
}

fn roc(out: &mut String, filters: &[(&str, &[Scored])]) {
    let place = |share: f64| (share.max(SMALLEST) / SMALLEST).log10() / 5.0;
    let x = |share: f64| ROOM + SIDE * place(share);
    let y = |share: f64| ROOM + SIDE * (1.0 - place(share));
    frame(out, ROOM, "ham misclassified (%)", "spam misclassified (%)");
    for (decade, label) in ["0.001", "0.01", "0.1", "1", "10", "100"]
        .into_iter()
        .enumerate()
    {
        let share = SMALLEST * 10_f64.powi(decade as i32);
        tick(out, x(share), y(share), ROOM, label);
    }
    for (at, (_, scored)) in filters.iter().enumerate() {
        let curve = Ranking::of(scored).curve();
        let mut points: Vec<(f64, f64)> = curve
            .iter()
            .map(|(ham, spam)| (x(*ham), y(*spam)))
            .collect();
        // Steps smaller than a tenth of a unit cannot be seen.
        points.dedup_by(|next, last| (next.0 - last.0).abs() + (next.1 - last.1).abs() < 0.1);
        line(out, &points, COLOURS[at % COLOURS.len()]);
    }
}

fn reliability(out: &mut String, filters: &[(&str, &[Scored])]) {
    let left = SIDE + 3.0 * ROOM;
    let x = |share: f64| left + SIDE * share;
    let y = |share: f64| ROOM + SIDE * (1.0 - share);
    frame(out, left, "named probability of spam", "share that is spam");
    for tenth in (0..=10).step_by(2) {
        let share = f64::from(tenth) / 10.0;
        tick(out, x(share), y(share), left, &format!("{share:.1}"));
    }
    line(out, &[(x(0.0), y(0.0)), (x(1.0), y(1.0))], "#bbb");
    for (at, (_, scored)) in filters.iter().enumerate() {
        let named: Vec<(f64, bool)> = scored
            .iter()
            .filter_map(|one| Some((one.probability?, one.spam)))
            .collect();
        for Bin {
            count,
            named,
            found,
        } in bins(&named).into_iter().filter(|bin| bin.count > 0)
        {
            let radius = 1.5 + (count as f64).log10();
            let _ = writeln!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\" fill=\"{}\"/>",
                x(named),
                y(found),
                COLOURS[at % COLOURS.len()]
            );
        }
    }
}

fn frame(out: &mut String, left: f64, below: &str, beside: &str) {
    let (middle_x, middle_y) = (left + SIDE / 2.0, ROOM + SIDE / 2.0);
    let _ = writeln!(
        out,
        "<rect x=\"{left}\" y=\"{ROOM}\" width=\"{SIDE}\" height=\"{SIDE}\" fill=\"none\" stroke=\"#444\"/>\n\
         <text x=\"{middle_x}\" y=\"{}\" text-anchor=\"middle\">{below}</text>\n\
         <text x=\"{x}\" y=\"{middle_y}\" text-anchor=\"middle\" transform=\"rotate(-90 {x} {middle_y})\">{beside}</text>",
        ROOM + SIDE + 40.0,
        x = left - 42.0,
    );
}

fn tick(out: &mut String, x: f64, y: f64, left: f64, label: &str) {
    let bottom = ROOM + SIDE;
    let _ = writeln!(
        out,
        "<path d=\"M{x:.1} {ROOM}V{bottom}M{left} {y:.1}H{right}\" stroke=\"#e4e4e4\"/>\n\
         <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>\n\
         <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
        bottom + 16.0,
        left - 6.0,
        y + 4.0,
        right = left + SIDE,
    );
}

fn line(out: &mut String, points: &[(f64, f64)], colour: &str) {
    let mut path = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        let _ = write!(path, "{}{x:.1} {y:.1}", if at == 0 { 'M' } else { 'L' });
    }
    let _ = writeln!(
        out,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_holds_both_diagrams_and_no_markup_from_names() {
        let scored: Vec<Scored> = (0..100)
            .map(|at| Scored {
                score: f64::from(at),
                probability: Some(f64::from(at) / 100.0),
                called_spam: at > 50,
                spam: at % 3 == 0,
            })
            .collect();
        let svg = svg("a & <b>", &[("ours", &scored), ("<script>", &scored)]);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;"));
        // One curve each, one dot for each bin in use.
        assert_eq!(svg.matches("stroke-width").count(), 3);
        assert_eq!(svg.matches("<circle").count(), 40);
    }
}
