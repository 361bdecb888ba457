//! The Rényi divergence of integer noise.

use libm::{exp, sqrt};

use super::{AccountantError, moments::interpolated};

/// Integer noise added to an integer sum, everybody taking part. Sensitivities are what one contributor
/// changes the quantised sum by, in integer units, rounding included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DiscreteMechanism {
    /// One discrete Gaussian per coordinate, added by one party.
    Gaussian {
        /// Standard deviation, ≥ 0.5.
        std: f64,
        /// Sensitivity in L2.
        l2: f64,
    },
    /// A sum of independent discrete Gaussians, one per honest contributor. It is not a discrete Gaussian;
    /// the difference τ is charged.
    GaussianSum {
        /// Standard deviation of *one* share, ≥ 0.5.
        share_std: f64,
        /// How many shares are certain to be in the sum, ≥ 1.
        contributors: u32,
        /// Sensitivity in L2.
        l2: f64,
        /// Number of coordinates, ≥ 1.
        dimension: u64,
    },
    /// A Skellam per coordinate, whole or as the sum of contributors' shares.
    Skellam {
        /// Standard deviation of the sum's noise, ≥ 0.5.
        std: f64,
        /// Sensitivity in L1; at most √d times that in L2, and at most its square for integers.
        l1: f64,
        /// Sensitivity in L2.
        l2: f64,
    },
}

impl DiscreteMechanism {
    pub(super) fn check(&self) -> Result<(), AccountantError> {
        let (std, sensitivities) = match *self {
            Self::Gaussian { std, l2 } => (std, [l2, l2]),
            Self::Skellam { std, l1, l2 } => (std, [l1, l2]),
            Self::GaussianSum { share_std, contributors, l2, dimension } => {
                at_least("number of contributors", 1.0, f64::from(contributors))?;
                at_least("dimension", 1.0, dimension as f64)?;
                (share_std, [l2, l2])
            }
        };
        at_least("standard deviation", crate::noise::STD_MIN, std)?;
        sensitivities.into_iter().try_for_each(|got| at_least("sensitivity", 0.0, got))
    }

    /// Returns the RDP of one release at `order` > 1.
    ///
    /// Sources: Canonne, Kamath & Steinke 2020, Theorem 4; Kairouz, Liu & Steinke 2021, "The Distributed
    /// Discrete Gaussian Mechanism", Proposition 14 (Theorem 1's form before its conversion to zCDP);
    /// Agarwal, Kairouz & Liu 2021, "The Skellam Mechanism", Theorem 3.5, proved for integer orders and
    /// taken to the others along the chord.
    pub(super) fn rdp(&self, order: f64) -> f64 {
        match *self {
            Self::Gaussian { std, l2 } => 0.5 * order * (l2 / std) * (l2 / std),
            Self::GaussianSum { share_std, contributors, l2, dimension } => {
                let (count, dimension) = (f64::from(contributors), dimension as f64);
                let ratio = l2 / (sqrt(count) * share_std);
                let tau = sum_excess(share_std, contributors);
                let added = 0.5 * order * ratio * ratio + tau * dimension;
                let inside = ratio + tau * sqrt(dimension);
                added.min(0.5 * order * inside * inside)
            }
            Self::Skellam { std, l1, l2 } => interpolated(order, |order| {
                f64::from(order - 1) * skellam(f64::from(order), std, l1, l2)
            }),
        }
    }
}

fn at_least(name: &'static str, min: f64, got: f64) -> Result<(), AccountantError> {
    if got.is_finite() && got >= min {
        Ok(())
    } else {
        Err(AccountantError::Mechanism { name, min, got })
    }
}

/// Returns τ = 10 Σ_{k=1}^{n-1} e^(-2π²σ² k/(k+1)), the distance of a sum of n discrete Gaussians from one.
fn sum_excess(std: f64, contributors: u32) -> f64 {
    // Beyond 1000 terms k/(k+1) is taken at its least: at most 2 % more, in the exponent's last digits.
    const TERMS: u32 = 1000;
    let term = |k: u32| {
        let part = f64::from(k) / f64::from(k + 1);
        exp(-2.0 * (std::f64::consts::PI * std).powi(2) * part)
    };
    let near: f64 = (1..contributors.min(TERMS)).map(term).sum();
    let far = f64::from(contributors.saturating_sub(TERMS)) * term(TERMS);
    10.0 * (near + far)
}

fn skellam(order: f64, std: f64, l1: f64, l2: f64) -> f64 {
    let variance = std * std;
    let excess = ((2.0 * order - 1.0) * l2 * l2 + 6.0 * l1) / (4.0 * variance * variance);
    0.5 * order * l2 * l2 / variance + excess.min(1.5 * l1 / variance)
}
