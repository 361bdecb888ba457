//! Skellam noise: the difference of two Poissons, closed under addition.

use rand::CryptoRng;

use super::{IntegerNoise, NoiseError, STD_MAX, checked_std, poisson::Poisson};

/// Noise that is the difference of two Poissons of mean σ²/2 each, so of variance σ².
///
/// A sum of independent Skellams is a Skellam of the summed variance *exactly*: contributors' shares
/// need no correction, unlike sums of discrete Gaussians.
///
/// * σ in 0.5..=2^20; σ²/2 is rounded up to an `f64`, so the noise is never smaller than asked for.
/// * Error: each probability is off by a factor within e^±2^-35 (two Poissons, 2^-36 each). A vector of
///   d coordinates loses at most ε = d · 2^-34 by it: 6·10^-5 at a million coordinates in the worst
///   case, charged nowhere, since the true error of γ is thousands of times smaller (tested).
/// * Not constant-time: see the module's threats.
///
/// Source: Agarwal, Kairouz & Liu 2021, "The Skellam Mechanism for Differentially Private Federated
/// Learning", §3.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Skellam {
    std: f64,
    part: Poisson,
}

impl Skellam {
    /// Takes the standard deviation σ.
    ///
    /// # Errors
    /// [`NoiseError::Std`] outside 0.5..=2^20 or for NaN.
    pub fn new(std: f64) -> Result<Self, NoiseError> {
        let std = checked_std(std, STD_MAX)?;
        Ok(Self { std, part: Poisson::new((0.5 * std * std).next_up()) })
    }
}

impl IntegerNoise for Skellam {
    fn std(&self) -> f64 {
        self.std
    }

    fn sample(&self, rng: &mut impl CryptoRng) -> i64 {
        self.part.sample(rng) - self.part.sample(rng)
    }
}
