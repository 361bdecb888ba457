//! Figures of the results, as SVG.

use std::path::Path;

use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color as _, IntoDrawingArea as _, IntoFont as _, LineSeries,
    Palette as _, Palette99, Rectangle, SVGBackend, SeriesLabelPosition, WHITE,
};

use crate::{
    agreement::EPSILONS,
    detection::{ATTACKS, SCORES},
    earnings::STRATEGIES,
    row::{Agreement, Detection, Earnings, Fairness, Match, Row},
    statistics::{mean, quantile},
    world::{Skew, Task},
};

/// Pixels of a figure: width, and height of a category.
const WIDTH: u32 = 760;
const CATEGORY: u32 = 30;
/// Pixels for names of categories.
const NAMES: u32 = 210;

/// A way of measuring, by name.
type Method = (&'static str, fn(&Agreement) -> Match);

/// Values of one method in each category.
struct Series {
    name: String,
    /// `[categories][values]`.
    values: Vec<Vec<f64>>,
}

/// A figure with categories from top to bottom and values from left to right.
struct Dots<'a> {
    title: &'a str,
    axis: &'a str,
    categories: Vec<String>,
    series: Vec<Series>,
    range: [f64; 2],
    /// A line at this value.
    mark: Option<f64>,
}

/// Draws all that there are results for.
pub(crate) fn draw(rows: &[Row], dir: &Path) -> anyhow::Result<()> {
    agreement(rows, dir)?;
    detection(rows, dir)?;
    earnings(rows, dir)?;
    fairness(rows, dir)
}

fn agreement(rows: &[Row], dir: &Path) -> anyhow::Result<()> {
    let of: Vec<&Agreement> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Agreement(of) => Some(of),
            _ => None,
        })
        .collect();
    if of.is_empty() {
        return Ok(());
    }
    let groups = || Task::ALL.into_iter().flat_map(|t| Skew::ALL.into_iter().map(move |a| (t, a)));
    let take = |value: &dyn Fn(&Agreement) -> Option<f64>| -> Vec<Vec<f64>> {
        let group = |(task, alpha)| {
            let of = of.iter().filter(|row| row.task == task && row.alpha == alpha);
            of.filter_map(|row| value(row)).collect()
        };
        groups().map(group).collect()
    };
    let categories: Vec<String> =
        groups().map(|(task, alpha)| format!("{}, α = {}", task.name(), alpha.name())).collect();
    let methods: [Method; 4] = [
        ("sealed probe", |row| row.sealed),
        ("first order", |row| row.first_order),
        ("Banzhaf", |row| row.banzhaf),
        ("leave one out", |row| row.leave_one_out),
    ];
    let series = |get: fn(Match) -> Option<f64>| -> Vec<Series> {
        let of = |(name, method): &Method| {
            let values = take(&|row| get(method(row)));
            Series { name: (*name).to_owned(), values }
        };
        methods.iter().map(of).collect()
    };
    Dots {
        title: "Distance from the exact Shapley values",
        axis: "log₁₀ of relative L2 error (line: 0.05)",
        categories: categories.clone(),
        series: series(|m| m.relative_l2.map(f64::log10)),
        range: [-4.0, 1.0],
        mark: Some(0.05_f64.log10()),
    }
    .draw(&dir.join("agreement-error.svg"))?;
    let mut by_order = series(|m| m.spearman);
    by_order.truncate(2);
    for (index, epsilon) in EPSILONS.iter().enumerate() {
        let values = take(&|row| row.noisy[index].spearman);
        by_order.push(Series { name: format!("sealed, ε = {epsilon}"), values });
    }
    Dots {
        title: "Agreement with the order of the exact Shapley values",
        axis: "Spearman (line: 0.99)",
        categories,
        series: by_order,
        range: [-0.5, 1.0],
        mark: Some(0.99),
    }
    .draw(&dir.join("agreement-order.svg"))
}

fn detection(rows: &[Row], dir: &Path) -> anyhow::Result<()> {
    let of: Vec<&Detection> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Detection(of) => Some(of),
            _ => None,
        })
        .collect();
    if of.is_empty() {
        return Ok(());
    }
    let series = |(at, name): (usize, &&str)| {
        let attack = |attack: &&str| {
            let areas: Vec<f64> =
                of.iter().filter(|row| row.attack == *attack).map(|row| row.auc[at]).collect();
            if areas.is_empty() { areas } else { vec![mean(&areas)] }
        };
        Series { name: (*name).to_owned(), values: ATTACKS.iter().map(attack).collect() }
    };
    Dots {
        title: "Telling attackers from honest contributors",
        axis: "area under the ROC curve, mean of tasks, α and seeds (line: chance)",
        categories: ATTACKS.iter().map(|name| (*name).to_owned()).collect(),
        series: SCORES.iter().enumerate().map(series).collect(),
        range: [0.0, 1.0],
        mark: Some(0.5),
    }
    .draw(&dir.join("detection.svg"))
}

fn earnings(rows: &[Row], dir: &Path) -> anyhow::Result<()> {
    let of: Vec<&Earnings> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Earnings(of) => Some(of),
            _ => None,
        })
        .collect();
    if of.is_empty() {
        return Ok(());
    }
    let series = |alpha: Skew| {
        let values = |strategy: &crate::earnings::Strategy| {
            let own = of.iter().filter(|row| row.strategy == strategy.name && row.alpha == alpha);
            own.map(|row| row.credits).collect()
        };
        let name = format!("α = {}", alpha.name());
        Series { name, values: STRATEGIES.iter().map(values).collect() }
    };
    let most = of.iter().map(|row| row.credits).fold(2.0, f64::max);
    Dots {
        title: "What a strategy earns, all its identities together",
        axis: "credits over those of the mean honest contributor (line: 1)",
        categories: STRATEGIES.iter().map(|strategy| strategy.name.to_owned()).collect(),
        series: [Skew(Some(0.5)), Skew(None)].map(series).into(),
        range: [0.0, most],
        mark: Some(1.0),
    }
    .draw(&dir.join("earnings.svg"))
}

/// Shares of credits over shares of exact values, of the honest.
fn fairness(rows: &[Row], dir: &Path) -> anyhow::Result<()> {
    let mut points = Vec::new();
    for row in rows {
        let Row::Fairness(Fairness { kinds, exact, credits, .. }) = row else { continue };
        points.extend(shares(kinds, exact, credits));
    }
    if points.is_empty() {
        return Ok(());
    }
    let most = points.iter().flat_map(|(a, b)| [*a, *b]).fold(0.0, f64::max) * 1.05;
    let path = dir.join("fairness.svg");
    let area = SVGBackend::new(&path, (520, 480)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Pay of honest wineries", ("sans-serif", 18).into_font())
        .margin(10)
        .x_label_area_size(44)
        .y_label_area_size(54)
        .build_cartesian_2d(0.0..most, 0.0..most)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_desc("share of the exact Shapley values").y_desc("share of the credits");
    mesh.light_line_style(WHITE).label_style(("sans-serif", 13)).draw()?;
    let diagonal = LineSeries::new([(0.0, 0.0), (most, most)], BLACK.mix(0.4));
    chart.draw_series(diagonal)?;
    let dot = |point: &(f64, f64)| Circle::new(*point, 4, Palette99::pick(0).mix(0.7).filled());
    chart.draw_series(points.iter().map(dot))?;
    area.present()?;
    Ok(())
}

/// Share of the exact values and share of the credits of each honest contributor.
pub(crate) fn shares(kinds: &[String], exact: &[f64], credits: &[f64]) -> Vec<(f64, f64)> {
    let honest = |values: &[f64]| -> Vec<f64> {
        let own = kinds.iter().zip(values).filter(|(kind, _)| *kind == "honest");
        let own: Vec<f64> = own.map(|(_, value)| *value).collect();
        let sum: f64 = own.iter().sum();
        own.into_iter().map(|value| value / sum).collect()
    };
    honest(exact).into_iter().zip(honest(credits)).collect()
}

impl Dots<'_> {
    #[expect(clippy::cast_precision_loss, reason = "counts of categories and series")]
    fn draw(&self, path: &Path) -> anyhow::Result<()> {
        let rows = self.categories.len();
        // Room for the legend below the last category.
        let legend = 0.6 + 0.6 * self.series.len() as f64;
        let height = u32::try_from(rows + self.series.len())? * CATEGORY + 110;
        let area = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        let [low, high] = self.range;
        let room = 0.02 * (high - low);
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, ("sans-serif", 18).into_font())
            .margin(10)
            .x_label_area_size(44)
            .y_label_area_size(NAMES)
            .build_cartesian_2d(low - room..high + room, rows as f64 + legend..0.0)?;
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(self.axis).disable_y_mesh().light_line_style(WHITE);
        mesh.label_style(("sans-serif", 13)).axis_desc_style(("sans-serif", 13));
        mesh.y_labels(0).draw()?;
        if let Some(mark) = self.mark {
            let line = [(mark, 0.0), (mark, rows as f64)];
            chart.draw_series(LineSeries::new(line, BLACK.mix(0.5)))?;
        }
        let step = 0.8 / self.series.len() as f64;
        for (index, series) in self.series.iter().enumerate() {
            let color = move || Palette99::pick(index);
            let offset = 0.1 + (index as f64 + 0.5) * step;
            let mut dots = Vec::new();
            let mut middles = Vec::new();
            for (category, values) in series.values.iter().enumerate() {
                let y = category as f64 + offset;
                let inside = |value: &f64| value.clamp(low - room, high + room);
                dots.extend(values.iter().map(|value| (inside(value), y)));
                if values.len() > 1 {
                    middles.push((inside(&quantile(values, 0.5)), y));
                }
            }
            let drawn = dots.into_iter().map(|dot| Circle::new(dot, 3, color().mix(0.45).filled()));
            let drawn = chart.draw_series(drawn)?;
            drawn
                .label(series.name.clone())
                .legend(move |(x, y)| Circle::new((x + 8, y), 4, color().filled()));
            let bar = |(x, y): (f64, f64)| {
                let half = 0.002 * (high - low);
                Rectangle::new(
                    [(x - half, y - step / 2.0), (x + half, y + step / 2.0)],
                    color().filled(),
                )
            };
            chart.draw_series(middles.into_iter().map(bar))?;
        }
        // Names by hand: the axis has no place for one label in the middle of each category.
        for (index, category) in self.categories.iter().enumerate() {
            let (_, y) = chart.backend_coord(&(low, index as f64 + 0.5));
            let style = ("sans-serif", 13).into_font();
            area.draw_text(category, &style.into(), (12, y - 8))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerMiddle)
            .background_style(WHITE.mix(0.9))
            .label_font(("sans-serif", 13))
            .draw()?;
        area.present()?;
        Ok(())
    }
}
