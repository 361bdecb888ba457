//! Integer noise for differential privacy, sampled without floating point deciding.
//!
//! ```text
//! NoiseShare ──→ std of one contributor ──→ DiscreteGaussian | Skellam | TabledGaussian ──→ i64
//! ```
//!
//! # Threats
//! * **Floating point.** Noise drawn as `f64` has holes that depend on the value it is added to, and
//!   one output can prove what the value was (Mironov 2012; Jin, `McMurtry`, Rubinstein & Ohrimenko
//!   2022, "Are We There Yet? Timing and Floating-Point Attacks on Differential Privacy Systems").
//!   Here noise is an integer and is added to integers.
//! * **Timing.** Rejection takes longer for some values than for others, so the time of one draw
//!   tells about its magnitude (the same paper, §5), and who knows the noise can subtract it.
//!   [`DiscreteGaussian`] and [`Skellam`] are **not** constant-time: they are for devices that are
//!   not timed draw by draw (a contributor's own machine, where a whole vector is drawn before
//!   anything leaves, so that an observer sees one total of about `parameter_count` draws).
//!   [`TabledGaussian`] reads the same table in the same order for every draw; use it where an
//!   observer shares the machine, as on an aggregator that adds the noise.
//! * **Weak randomness.** Samplers take a [`CryptoRng`]; they never make one.

mod bernoulli;
mod discrete_gaussian;
mod poisson;
mod share;
mod skellam;
mod tabled;

use rand::CryptoRng;
use thiserror::Error;

pub use self::{
    discrete_gaussian::DiscreteGaussian, share::NoiseShare, skellam::Skellam,
    tabled::TabledGaussian,
};

/// The smallest standard deviation of a sampler. Below it noise is mostly zero, and the bounds on
/// sums of discrete Gaussians (Kairouz, Liu & Steinke 2021, Theorem 1) do not apply.
pub(crate) const STD_MIN: f64 = 0.5;
/// The largest standard deviation of a sampler: 2^20 fills the ring of an update with noise.
pub(crate) const STD_MAX: f64 = 1_048_576.0;

/// Why noise was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum NoiseError {
    /// A standard deviation is outside what the sampler covers, or not a number.
    #[error("standard deviation of noise must be in {min}..={max}, got {got}")]
    Std {
        /// The smallest allowed.
        min: f64,
        /// The largest allowed.
        max: f64,
        /// What was given.
        got: f64,
    },
    /// A noise multiplier or a sensitivity is not a positive finite number.
    #[error("{name} must be positive and finite, got {got}")]
    NotPositive {
        /// Which parameter.
        name: &'static str,
        /// What was given.
        got: f64,
    },
    /// Nobody is guaranteed to add noise.
    #[error("at least one honest contributor must be guaranteed, got 0")]
    NobodyHonest,
    /// A sum left the range of an `i32`.
    #[error("coordinate {index} with noise leaves the range of 32 bits")]
    Overflow {
        /// Which coordinate.
        index: usize,
    },
}

/// A distribution over the integers with mean zero, to be added to an update.
pub trait IntegerNoise {
    /// The standard deviation, in units of the integers.
    fn std(&self) -> f64;

    /// Draws one value.
    fn sample(&self, rng: &mut impl CryptoRng) -> i64;

    /// Overwrites `out` with independent draws.
    fn fill(&self, out: &mut [i64], rng: &mut impl CryptoRng) {
        for value in out {
            *value = self.sample(rng);
        }
    }

    /// Adds an independent draw to each of `values`.
    ///
    /// # Errors
    /// [`NoiseError::Overflow`] at the first sum that is no `i32`; what is then in `values` has noise
    /// in a part only and must be thrown away.
    fn add_to(&self, values: &mut [i32], rng: &mut impl CryptoRng) -> Result<(), NoiseError> {
        for (index, value) in values.iter_mut().enumerate() {
            let sum = i64::from(*value).saturating_add(self.sample(rng));
            *value = i32::try_from(sum).ok().ok_or(NoiseError::Overflow { index })?;
        }
        Ok(())
    }
}

fn checked_std(std: f64, max: f64) -> Result<f64, NoiseError> {
    if (STD_MIN..=max).contains(&std) {
        Ok(std)
    } else {
        Err(NoiseError::Std { min: STD_MIN, max, got: std })
    }
}

#[cfg(test)]
mod tests;
