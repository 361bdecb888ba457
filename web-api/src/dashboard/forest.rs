//! Values with their intervals on one scale: a forest plot, a line of it in each row of a table.

use maud::{Markup, html};

/// Width and height of one line in its own units.
const SIZE: (f64, f64) = (240.0, 22.0);
/// Room for the dots at both ends.
const ROOM: f64 = 8.0;

/// The common scale of a table's lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    low: f64,
    high: f64,
}

/// A value between its bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Estimate {
    pub(super) value: f64,
    /// None after less than two rounds.
    pub(super) bounds: Option<(f64, f64)>,
}

impl Scale {
    /// The scale on which all estimates, and zero, have a place.
    pub(super) fn of(estimates: impl Iterator<Item = Estimate>) -> Self {
        let ends = estimates.flat_map(|estimate| {
            let (low, high) = estimate.bounds.unwrap_or((estimate.value, estimate.value));
            [low, high, estimate.value]
        });
        let (low, high) =
            ends.fold((0.0_f64, 0.0_f64), |(low, high), end| (low.min(end), high.max(end)));
        Self { low, high: if high > low { high } else { low + 1.0 } }
    }

    fn at(self, value: f64) -> f64 {
        ROOM + (value - self.low) / (self.high - self.low) * (SIZE.0 - 2.0 * ROOM)
    }

    /// The line of one estimate; its numbers stand beside it, so that it says nothing to who does not see it.
    pub(super) fn line(self, estimate: Estimate) -> Markup {
        let place = |value: f64| format!("{:.1}", self.at(value));
        let middle = SIZE.1 / 2.0;
        html! {
            svg class="forest" viewBox={"0 0 " (SIZE.0) " " (SIZE.1)} aria-hidden="true" {
                line class="zero" x1=(place(0.0)) x2=(place(0.0)) y1="0" y2=(SIZE.1) {}
                @if let Some((low, high)) = estimate.bounds {
                    line class="interval" x1=(place(low)) x2=(place(high)) y1=(middle) y2=(middle) {}
                }
                circle cx=(place(estimate.value)) cy=(middle) r="4.5" {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_estimates_and_zero_have_a_place() {
        let estimates = [
            Estimate { value: 0.5, bounds: Some((-0.25, 1.25)) },
            Estimate { value: -0.5, bounds: None },
        ];
        let scale = Scale::of(estimates.into_iter());
        for value in [-0.5, 0.0, 1.25] {
            assert!((ROOM..=SIZE.0 - ROOM).contains(&scale.at(value)), "{value}");
        }
        assert!(scale.line(estimates[1]).into_string().matches("interval").count() == 0);
    }

    #[test]
    fn nothing_measured_still_has_a_scale() {
        let line = Scale::of(std::iter::empty()).line(Estimate { value: 0.0, bounds: None });
        assert!(!line.into_string().contains("NaN"));
    }
}
