//! Curves as SVG that follows the page's colours.
//!
//! ```text
//!   75 ┤        ╭────●  71.0      the last point of a single curve is written out
//!   70 ┤   ╭────╯                 each point tells its numbers on demand (`<title>`)
//!   65 ┤───╯
//!      └─┬────┬────┬────┬─
//! ```
//! Colours come from [`CHART_STYLE`], which the page has to bring: no `style` attribute is written, so that a strict
//! Content-Security-Policy lets the chart be.

use maud::{Markup, html};

/// Width and height of a chart in its own units; the page scales it.
const SIZE: (f64, f64) = (480.0, 250.0);
/// Room for labels: left, right, top, bottom.
const ROOM: (f64, f64, f64, f64) = (52.0, 14.0, 12.0, 30.0);
/// Room on the right where the last value is written out.
const ROOM_VALUE: f64 = 52.0;
/// About how many labels an axis has.
const TICKS: f64 = 4.0;
/// So many curves have a colour of their own; the next ones are dashed.
const COLORS: usize = 8;

/// What charts look like, in both colour schemes.
pub const CHART_STYLE: &str = include_str!("../assets/chart.css");

/// A curve with its name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curve {
    /// What it is of.
    pub name: String,
    /// Its points, ascending in the first coordinate. What is not finite is left out.
    pub points: Vec<(f64, f64)>,
    /// Lower and upper bounds around it, at the first coordinates of their points.
    pub band: Vec<(f64, f64, f64)>,
}

impl Curve {
    /// A curve without a band.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, band: Vec::new() }
    }
}

/// Curves on common axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart<'a> {
    /// What it shows.
    pub title: &'a str,
    /// The unit of the vertical axis.
    pub unit: &'a str,
    /// What the horizontal axis counts.
    pub along: &'a str,
    /// The curves, in the order of their colours.
    pub curves: &'a [Curve],
}

/// From what to what an axis goes.
#[derive(Debug, Clone, Copy)]
struct Axis {
    low: f64,
    high: f64,
    /// Where its ends are drawn.
    from: f64,
    to: f64,
}

impl Axis {
    fn at(self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round numbers along the axis, and how many decimals they need.
    fn ticks(self, whole: bool) -> (Vec<f64>, usize) {
        let rough = (self.high - self.low) / TICKS;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power);
        let mut step = step.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(rough);
        if whole {
            step = step.round().max(1.0);
        }
        let decimals = (0..6).find(|places| {
            let scaled = step * 10_f64.powi(*places);
            (scaled - scaled.round()).abs() < 1e-6 * scaled
        });
        let mut tick = (self.low / step).ceil() * step;
        let mut ticks = Vec::new();
        while tick <= self.high + step * 1e-6 && ticks.len() < 12 {
            ticks.push(if tick.abs() < step * 1e-6 { 0.0 } else { tick });
            tick += step;
        }
        (ticks, usize::try_from(decimals.unwrap_or(6)).unwrap_or(6))
    }
}

impl Chart<'_> {
    /// The chart as a figure with its title and, where there are several curves, a legend; nothing where there is
    /// nothing to draw.
    #[must_use]
    pub fn figure(&self) -> Markup {
        let curves: Vec<&Curve> = self.curves.iter().filter(|c| has_points(c)).collect();
        let Some(svg) = self.svg(&curves) else { return html! {} };
        html! {
            figure class="chart" {
                figcaption {
                    span class="title" { (self.title) }
                    span class="unit" { (self.unit) ", by " (self.along) }
                }
                (svg)
                @if curves.len() > 1 {
                    ul class="legend" {
                        @for (index, curve) in curves.iter().enumerate() {
                            li class=(series(index)) { (curve.name) }
                        }
                    }
                }
            }
        }
    }

    fn svg(&self, curves: &[&Curve]) -> Option<Markup> {
        let single = curves.len() == 1;
        let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
        let bounds = curves.iter().flat_map(|c| c.band.iter()).flat_map(|band| [band.1, band.2]);
        let (left, right) = range(points().map(|point| point.0))?;
        let (low, high) = range(points().map(|point| point.1).chain(bounds))?;
        let right = if right > left { right } else { left + 1.0 };
        // A single value gets room above and below.
        let room = if high > low { 0.08 * (high - low) } else { high.abs().max(1.0) * 0.1 };
        // No axis goes below zero for a value that cannot.
        let floor = if low >= 0.0 { (low - room).max(0.0) } else { low - room };
        let edge = SIZE.0 - if single { ROOM_VALUE } else { ROOM.1 };
        let across = Axis { low: left, high: right, from: ROOM.0, to: edge };
        let upward = Axis { low: floor, high: high + room, from: SIZE.1 - ROOM.3, to: ROOM.2 };
        Some(html! {
            svg viewBox={"0 0 " (SIZE.0) " " (SIZE.1)} role="img" aria-label=(self.summary(curves)) {
                (axes(across, upward, points().all(|point| point.1.fract() == 0.0)))
                @for (index, curve) in curves.iter().enumerate() {
                    (drawn(curve, index, across, upward, self.along))
                }
                @if single { (last_value(curves, across, upward)) }
            }
        })
    }

    /// What the chart shows, for who does not see it.
    fn summary(&self, curves: &[&Curve]) -> String {
        let ends = |curve: &&Curve| {
            let first = curve.points.first().map_or(0.0, |point| point.1);
            let last = curve.points.last().map_or(0.0, |point| point.1);
            format!("{}: from {} to {}", curve.name, number(first), number(last))
        };
        let told: Vec<String> = curves.iter().take(COLORS).map(ends).collect();
        format!("{} by {}, {}. {}", self.title, self.along, self.unit, told.join("; "))
    }
}

/// * `counts` — whether the values are whole numbers.
fn axes(across: Axis, upward: Axis, counts: bool) -> Markup {
    let (columns, places) = across.ticks(true);
    let (rows, decimals) = upward.ticks(counts);
    html! {
        g class="axes" aria-hidden="true" {
            @for row in rows {
                line x1=(fine(across.from)) x2=(fine(across.to)) y1=(fine(upward.at(row))) y2=(fine(upward.at(row))) {}
                text class="row" x=(fine(across.from - 8.0)) y=(fine(upward.at(row) + 4.0)) {
                    (format!("{row:.decimals$}").replace('-', "−"))
                }
            }
            @for column in columns {
                text class="column" x=(fine(across.at(column))) y=(fine(SIZE.1 - 8.0)) {
                    (format!("{column:.places$}"))
                }
            }
        }
    }
}

fn drawn(curve: &Curve, index: usize, across: Axis, upward: Axis, along: &str) -> Markup {
    let place = |x: f64, y: f64| format!("{:.1},{:.1}", across.at(x), upward.at(y));
    let finite = || curve.points.iter().filter(|point| point.1.is_finite());
    let line: Vec<String> = finite().map(|point| place(point.0, point.1)).collect();
    let below = curve.band.iter().map(|(x, low, _)| place(*x, *low));
    let above = curve.band.iter().rev().map(|(x, _, high)| place(*x, *high));
    let band: Vec<String> = below.chain(above).collect();
    html! {
        g class=(series(index)) {
            @if curve.band.len() > 1 { polygon class="band" points=(band.join(" ")) {} }
            polyline points=(line.join(" ")) {}
            @for point in finite() {
                circle cx=(fine(across.at(point.0))) cy=(fine(upward.at(point.1))) r="2.2" {
                    title { (curve.name) ", " (along) " " (number(point.0)) ": " (number(point.1)) }
                }
            }
        }
    }
}

/// The last value of the only curve, where the eye ends.
fn last_value(curves: &[&Curve], across: Axis, upward: Axis) -> Markup {
    let last = curves.iter().find_map(|curve| curve.points.iter().rfind(|p| p.1.is_finite()));
    let Some((x, y)) = last else { return html! {} };
    html! {
        text class="last" aria-hidden="true" x=(fine(across.at(*x) + 8.0)) y=(fine(upward.at(*y) + 4.5)) {
            (number(*y))
        }
    }
}

/// By which the page tells curves apart.
fn series(index: usize) -> String {
    let again = if index < COLORS { "" } else { " again" };
    format!("s{}{again}", index % COLORS)
}

fn has_points(curve: &Curve) -> bool {
    curve.points.iter().any(|point| point.0.is_finite() && point.1.is_finite())
}

/// A coordinate with as many places as can be seen.
fn fine(value: f64) -> String {
    format!("{value:.1}")
}

/// A number with about three digits that count.
fn number(value: f64) -> String {
    let text = match value.abs() {
        size if size >= 100.0 || (value - value.round()).abs() < 1e-9 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    };
    text.replace('-', "−")
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.filter(|value| value.is_finite());
    finite.fold(None, |range: Option<(f64, f64)>, value| {
        Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(curves: &[Curve]) -> String {
        Chart { title: "Loss <b>", unit: "nats", along: "round", curves }.figure().into_string()
    }

    #[test]
    fn nothing_is_drawn_where_nothing_was_measured() {
        assert_eq!(svg(&[]), "");
        assert_eq!(
            svg(&[Curve::new("empty", vec![]), Curve::new("bad", vec![(1.0, f64::NAN)])]),
            ""
        );
    }

    #[test]
    fn every_finite_point_is_drawn_once_within_the_frame() {
        let points = vec![(1.0, 0.5), (2.0, f64::INFINITY), (3.0, 0.25), (4.0, 0.75)];
        let drawn = svg(&[Curve::new("test", points)]);
        assert_eq!(drawn.matches("<circle").count(), 3);
        let coordinates = |name: &str| {
            let starts = drawn.match_indices(name).map(|(at, _)| at + name.len());
            let texts = starts.map(|at| drawn[at..].split('"').next().unwrap());
            texts.map(|text| text.parse::<f64>().unwrap()).collect::<Vec<_>>()
        };
        for (name, most) in [(" cx=\"", SIZE.0), (" cy=\"", SIZE.1)] {
            assert!(coordinates(name).iter().all(|at| (0.0..=most).contains(at)), "{drawn}");
        }
    }

    #[test]
    fn a_single_value_has_an_axis() {
        let drawn = svg(&[Curve::new("test", vec![(1.0, 0.0)])]);
        assert!(drawn.contains("<circle") && !drawn.contains("NaN"), "{drawn}");
    }

    #[test]
    fn names_bring_no_markup_and_no_style() {
        let drawn =
            svg(&[Curve::new("<script>", vec![(1.0, 1.0)]), Curve::new("b", vec![(1.0, 2.0)])]);
        assert!(!drawn.contains("<script>") && !drawn.contains("<b>"), "{drawn}");
        assert!(!drawn.contains("style="), "{drawn}");
    }

    #[test]
    fn ticks_are_round_numbers() {
        let axis = Axis { low: 0.548, high: 0.71, from: 0.0, to: 100.0 };
        let (ticks, decimals) = axis.ticks(false);
        let texts: Vec<String> = ticks.iter().map(|tick| format!("{tick:.decimals$}")).collect();
        assert_eq!(texts, ["0.55", "0.60", "0.65", "0.70"]);
        let rounds = Axis { low: 1.0, high: 3.0, from: 0.0, to: 100.0 }.ticks(true);
        assert_eq!(rounds, (vec![1.0, 2.0, 3.0], 0));
    }
}
