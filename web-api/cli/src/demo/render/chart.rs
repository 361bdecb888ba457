//! Accuracy by round as a chart of characters.

use super::{
    super::report::{CentralRound, RoundRow},
    Style, percent,
};

/// Lines of the plot.
const HEIGHT: usize = 9;
/// Most points of a curve.
const POINTS_MAX: usize = 21;
/// Columns from one point to the next.
const STEP: usize = 4;

/// One cell of the plot.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cell {
    Empty,
    Central,
    Federated,
    Both,
}

impl Cell {
    const fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Empty, other) => other,
            (Self::Central, Self::Federated) | (Self::Federated, Self::Central) => Self::Both,
            (own, _) => own,
        }
    }

    fn drawn(self, style: Style) -> String {
        match self {
            Self::Empty => " ".to_owned(),
            Self::Central => style.paint("33", "○"),
            Self::Federated => style.paint("32", "●"),
            Self::Both => style.paint("32", "◉"),
        }
    }
}

pub(super) fn lines(rounds: &[RoundRow], central: &[CentralRound], style: Style) -> Vec<String> {
    let federated: Vec<f64> = rounds.iter().map(|round| round.test_accuracy).collect();
    let central: Vec<f64> = central.iter().map(|round| round.test_accuracy).collect();
    if federated.is_empty() {
        return vec!["  no round settled".to_owned()];
    }
    let shown = shown(federated.len().max(central.len()));
    let (low, high) = bounds(federated.iter().chain(&central));
    let mut plot = vec![vec![Cell::Empty; shown.len()]; HEIGHT];
    for (values, cell) in [(&central, Cell::Central), (&federated, Cell::Federated)] {
        for (column, round) in shown.iter().enumerate() {
            if let Some(value) = values.get(*round) {
                let row = row(*value, low, high);
                plot[row][column] = plot[row][column].with(cell);
            }
        }
    }
    let mut lines: Vec<String> = plot
        .iter()
        .enumerate()
        .map(|(row, cells)| {
            let label = low + (high - low) * (HEIGHT - 1 - row) as f64 / (HEIGHT - 1) as f64;
            let labelled = row.is_multiple_of(2);
            let axis = if labelled {
                format!("{:>8} ┤", percent(label))
            } else {
                format!("{:>8} │", "")
            };
            let gap = " ".repeat(STEP - 1);
            let cells: Vec<String> = cells.iter().map(|cell| cell.drawn(style)).collect();
            format!("{} {}", style.faint(axis), cells.join(&gap))
        })
        .collect();
    lines.push(style.faint(format!("{:>8} └{}", "", "─".repeat(STEP * shown.len()))));
    let numbers: String = shown.iter().map(|round| format!("{:<STEP$}", round + 1)).collect();
    lines.push(style.faint(format!("{:>8}   {}", "round", numbers.trim_end())));
    lines.push(format!(
        "{:>8}   {} together, sealed   {} in one place, all honest data   {} both",
        "",
        Cell::Federated.drawn(style),
        Cell::Central.drawn(style),
        Cell::Both.drawn(style)
    ));
    lines
}

/// The rounds that are shown: all, or evenly chosen ones with the first and the last.
fn shown(rounds: usize) -> Vec<usize> {
    let points = rounds.min(POINTS_MAX);
    if points < 2 {
        return (0..points).collect();
    }
    (0..points).map(|point| point * (rounds - 1) / (points - 1)).collect()
}

/// Bounds of the axis, at least two points apart.
fn bounds<'a>(values: impl Iterator<Item = &'a f64>) -> (f64, f64) {
    let (low, high) =
        values.fold((1.0_f64, 0.0_f64), |(low, high), value| (low.min(*value), high.max(*value)));
    let middle = f64::midpoint(low, high);
    (low.min(middle - 0.01), high.max(middle + 0.01))
}

/// The line on which a value stands, 0 at the top.
fn row(value: f64, low: f64, high: f64) -> usize {
    let height = (HEIGHT - 1) as f64;
    let above = ((value - low) / (high - low) * height).round();
    (0..HEIGHT).rev().find(|row| above <= (HEIGHT - 1 - row) as f64).unwrap_or(0)
}
