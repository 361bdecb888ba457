//! Curves of accuracy as an SVG, without a plotting library.

use super::federation::Run;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 45.0;
/// Colours that people tell apart whatever their eyes (Okabe & Ito 2008).
const COLOURS: [&str; 6] = ["#000000", "#0072B2", "#56B4E9", "#7F7F7F", "#D55E00", "#E69F00"];

/// Accuracy in per cent over rounds, one line per run.
pub(crate) fn svg(runs: &[Run]) -> String {
    let rounds = runs.iter().map(|run| run.accuracies.len()).max().unwrap_or(1);
    let x = |round: usize| LEFT + (WIDTH - LEFT - RIGHT) * round as f64 / rounds as f64;
    let y = |accuracy: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * accuracy;
    let mut lines = vec![
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">"
        ),
        "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>".to_owned(),
    ];
    for tenth in (0..=10).step_by(2) {
        let at = y(f64::from(tenth) / 10.0);
        lines.push(format!(
            "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\">{} %</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0,
            10 * tenth
        ));
    }
    for round in (0..=rounds).step_by(rounds.div_ceil(5)) {
        let (at, below) = (x(round), HEIGHT - BOTTOM + 18.0);
        lines.push(format!(
            "<text x=\"{at:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">{round}</text>"
        ));
    }
    let middle = x(rounds) / 2.0 + LEFT / 2.0;
    lines.push(format!(
        "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">round (accuracy on the test \
         set)</text>",
        HEIGHT - 8.0
    ));
    for (index, (run, colour)) in runs.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let points = (1..).zip(&run.accuracies);
        let points: Vec<_> =
            points.map(|(round, a)| format!("{:.1},{:.1}", x(round), y(*a))).collect();
        let (text, at) = (WIDTH - RIGHT + 30.0, TOP + 16.0 + 20.0 * index as f64);
        lines.push(format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <path d=\"M{:.1} {:.1}h16\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{text:.1}\" y=\"{at:.1}\">{}</text>",
            points.join(" "),
            text - 20.0,
            at - 4.0,
            run.name
        ));
    }
    lines.push("</svg>\n".to_owned());
    lines.join("\n")
}
