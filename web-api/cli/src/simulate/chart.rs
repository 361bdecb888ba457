//! Curves as SVG.

use plotters::prelude::{
    BLACK, ChartBuilder, Color as _, DrawingAreaErrorKind, IntoDrawingArea as _, IntoFont as _,
    LineSeries, Palette as _, Palette99, SVGBackend, WHITE,
};

/// Size of a chart in pixels; the page scales it.
const SIZE: (u32, u32) = (480, 280);
/// Most labels on the horizontal axis.
const LABELS_MAX: usize = 10;

/// A curve with its name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// The colour of the curve at `index`, as CSS writes it.
pub(crate) fn color(index: usize) -> String {
    let (red, green, blue) = Palette99::pick(index).to_backend_color().rgb;
    format!("rgb({red} {green} {blue})")
}

/// Draws curves over rounds; nothing if there are no points.
pub(crate) fn chart(title: &str, unit: &str, curves: &[Curve]) -> Option<String> {
    let mut svg = String::new();
    draw(&mut svg, title, unit, curves)?.ok()?;
    Some(svg)
}

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn draw(svg: &mut String, title: &str, unit: &str, curves: &[Curve]) -> Option<Drawn> {
    let points = || curves.iter().flat_map(|curve| curve.points.iter());
    let [left, right] = range(points().map(|point| point.0))?;
    let rounds = curves.iter().map(|curve| curve.points.len()).max()?;
    let [low, high] = range(points().map(|point| point.1))?;
    // A single value gets room above and below.
    let room = if high > low { 0.05 * (high - low) } else { high.abs().max(1.0) * 0.1 };
    let right = if right > left { right } else { left + 1.0 };
    let vertical = (low - room)..(high + room);
    let plot = || {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18).into_font())
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(62)
            .build_cartesian_2d(left..right, vertical)?;
        let mut mesh = chart.configure_mesh();
        mesh.x_desc("round").y_desc(unit).axis_desc_style(("sans-serif", 14));
        mesh.label_style(("sans-serif", 13)).light_line_style(BLACK.mix(0.03));
        mesh.x_labels(rounds.min(LABELS_MAX)).x_label_formatter(&|round| format!("{round:.0}"));
        mesh.draw()?;
        for (index, curve) in curves.iter().enumerate() {
            let style = Palette99::pick(index).stroke_width(2);
            chart.draw_series(LineSeries::new(curve.points.iter().copied(), style))?;
        }
        area.present()
    };
    Some(plot())
}

fn range(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    let finite = values.filter(|value| value.is_finite());
    finite.fold(None, |range: Option<[f64; 2]>, value| {
        Some(range.map_or([value, value], |[low, high]| [low.min(value), high.max(value)]))
    })
}
