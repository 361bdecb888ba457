//! What a sequence of noised sums reveals about one contributor: ε at a given δ.
//!
//! ```text
//! [Release] ──→ PLD: discretise, convolve by FFT, read off ──→ ε   the ledger's number
//!          └──→ RDP: add up per order, convert ─────────────→ ε   the cross-check, never below PLD
//! ```
//!
//! Threat: a number that is too small promises protection that nobody has. Every approximation here
//! errs upwards (truncated tails count as certain disclosure, losses are rounded to the pessimistic
//! side), and where an exact value is known the tests hold the accountants above it.
//!
//! Amplification by sampling holds only if who takes part is drawn at random *and stays secret* from
//! whoever sees the sums; otherwise account with [`Sampling::Full`].
//!
//! Determinism: sums run in a fixed order, transcendental functions are libm's and the FFT is without
//! machine-specific instructions, so that the same input gives the same bits.

mod calibrate;
mod discrete;
mod gaussian;
mod loss;
mod moments;
mod pld;
mod rdp;
mod special;

use thiserror::Error;

pub use self::{
    calibrate::{Target, noise_multiplier},
    discrete::DiscreteMechanism,
    gaussian::{gaussian_delta, gaussian_epsilon},
    pld::PLD_DELTA_MIN,
    rdp::{RdpCurve, default_orders},
};

/// Noise multipliers that are accounted for. Below the least, ε is beyond 10^3 for a single release and
/// means nothing; above the largest, noise drowns every model.
const NOISE_MULTIPLIER: std::ops::RangeInclusive<f64> = 0.01..=1e6;

/// Most steps of one release: 10^9 is a step per second for thirty years.
const STEPS_MAX: u64 = 1_000_000_000;

/// Which accountant computes ε.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accountant {
    /// Privacy loss distribution: tight, pessimistic by at most a few tenths of a per cent.
    Pld,
    /// Rényi differential privacy at [`default_orders`]: looser, independent.
    Rdp,
}

/// Which two cohorts ε compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adjacency {
    /// One contributor is there or is not; it changes the sum by at most the clip norm.
    AddOrRemove,
    /// One contributor has other data; it changes the sum by at most twice the clip norm.
    ReplaceOne,
}

/// How the contributors of a step are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    /// Everybody takes part, or who does is public.
    Full,
    /// Each takes part independently with this probability in 0..=1.
    Poisson(f64),
    /// `cohort` of `population`, uniformly without replacement. The size of the cohort is public, so
    /// this is accounted for under [`Adjacency::ReplaceOne`]: its ε compares other things than those
    /// of the other variants, and they do not mix.
    FixedSize {
        /// How many take part in a step, ≥ 1.
        cohort: u64,
        /// Of how many.
        population: u64,
    },
}

impl Sampling {
    /// Which relation its ε is about.
    #[must_use]
    pub const fn adjacency(self) -> Adjacency {
        match self {
            Self::Full | Self::Poisson(_) => Adjacency::AddOrRemove,
            Self::FixedSize { .. } => Adjacency::ReplaceOne,
        }
    }

    /// The probability with which one contributor takes part in a step.
    fn rate(self) -> f64 {
        match self {
            Self::Full => 1.0,
            Self::Poisson(rate) => rate,
            Self::FixedSize { cohort, population } if cohort == population => 1.0,
            Self::FixedSize { cohort, population } => {
                (cohort as f64 / population as f64).next_up().min(1.0)
            }
        }
    }

    fn check(self) -> Result<(), AccountantError> {
        match self {
            Self::Poisson(rate) if !(0.0..=1.0).contains(&rate) => {
                Err(AccountantError::SamplingRate { got: rate })
            }
            Self::FixedSize { cohort, population } if cohort == 0 || cohort > population => {
                Err(AccountantError::Cohort { cohort, population })
            }
            _ => Ok(()),
        }
    }
}

/// `steps` sums, each of a fresh sample of contributors and with fresh noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Release {
    /// Who takes part.
    pub sampling: Sampling,
    /// Standard deviation of the noise in the sum over the clip norm, in 0.01..=10^6.
    pub noise_multiplier: f64,
    /// How many sums, in 1..=10^9.
    pub steps: u64,
}

impl Release {
    fn check(&self) -> Result<(), AccountantError> {
        self.sampling.check()?;
        if !NOISE_MULTIPLIER.contains(&self.noise_multiplier) {
            return Err(AccountantError::NoiseMultiplier { got: self.noise_multiplier });
        }
        if !(1..=STEPS_MAX).contains(&self.steps) {
            return Err(AccountantError::Steps { max: STEPS_MAX, got: self.steps });
        }
        Ok(())
    }

    /// The noise multiplier over the most that one contributor changes the sum, in clip norms.
    fn noise_over_sensitivity(&self) -> f64 {
        match self.sampling.adjacency() {
            Adjacency::AddOrRemove => self.noise_multiplier,
            Adjacency::ReplaceOne => 0.5 * self.noise_multiplier,
        }
    }
}

/// Why an accountant refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum AccountantError {
    /// A sampling rate is not a probability.
    #[error("sampling rate must be in 0..=1, got {got}")]
    SamplingRate {
        /// What was given.
        got: f64,
    },
    /// A cohort cannot be drawn from its population.
    #[error("a cohort must be in 1..={population} contributors, got {cohort}")]
    Cohort {
        /// How many were to be drawn.
        cohort: u64,
        /// From how many.
        population: u64,
    },
    /// A noise multiplier is out of range or not a number.
    #[error("noise multiplier must be in 0.01..=1e6, got {got}")]
    NoiseMultiplier {
        /// What was given.
        got: f64,
    },
    /// A number of steps is out of range.
    #[error("steps must be in 1..={max}, got {got}")]
    Steps {
        /// The most allowed.
        max: u64,
        /// What was given.
        got: u64,
    },
    /// A δ is not strictly between 0 and 1.
    #[error("delta must be greater than 0 and less than 1, got {got}")]
    Delta {
        /// What was given.
        got: f64,
    },
    /// A δ is below what 53-bit convolution resolves.
    #[error("delta must be at least {min} for the pld accountant, got {got}; use rdp")]
    DeltaTooSmall {
        /// The least allowed.
        min: f64,
        /// What was given.
        got: f64,
    },
    /// An ε is not a positive finite number.
    #[error("epsilon must be positive and finite, got {got}")]
    Epsilon {
        /// What was given.
        got: f64,
    },
    /// Releases under different adjacencies were given together.
    #[error("fixed-size cohorts are accounted for under replacement and do not mix with others")]
    MixedAdjacency,
    /// More kinds of releases than memory is set aside for.
    #[error("at most {max} different releases are composed, got {got}")]
    TooMany {
        /// The most allowed.
        max: usize,
        /// What was given.
        got: usize,
    },
    /// No noise multiplier in range reaches the target.
    #[error("no noise multiplier in 0.01..=1e6 reaches epsilon {epsilon} at delta {delta}")]
    Unreachable {
        /// The target's ε.
        epsilon: f64,
        /// The target's δ.
        delta: f64,
    },
    /// A Rényi order is out of range, or there is none.
    #[error("orders must be in {min}..={max} and at least one, got {got}")]
    Order {
        /// The least allowed.
        min: f64,
        /// The most allowed.
        max: f64,
        /// What was given; NaN for none.
        got: f64,
    },
    /// A parameter of a discrete mechanism is out of range or not a number.
    #[error("{name} of a discrete mechanism must be at least {min} and finite, got {got}")]
    Mechanism {
        /// Which parameter.
        name: &'static str,
        /// The least allowed.
        min: f64,
        /// What was given.
        got: f64,
    },
}

/// Returns the ε of all of `releases` together at `delta`; 0 for none.
///
/// * `delta` — in 0..1, exclusive; at least 10^-12 for [`Accountant::Pld`].
///
/// The releases may depend on each other's results (adaptive composition), but their parameters must
/// be fixed beforehand.
///
/// # Errors
/// What of the input is out of range, by name.
pub fn epsilon(
    releases: &[Release],
    delta: f64,
    accountant: Accountant,
) -> Result<f64, AccountantError> {
    check(releases)?;
    check_delta(delta)?;
    match accountant {
        Accountant::Pld => pld::epsilon(releases, delta),
        Accountant::Rdp => {
            let mut curve = RdpCurve::new(&default_orders())?;
            for release in releases {
                curve.add(release)?;
            }
            Ok(curve.epsilon(delta)?.0)
        }
    }
}

/// Returns the δ of all of `releases` together at `epsilon` ≥ 0, by the PLD accountant.
///
/// Resolves down to about 10^-12: what is below is reported as that.
///
/// # Errors
/// What of the input is out of range, by name.
pub fn delta(releases: &[Release], epsilon: f64) -> Result<f64, AccountantError> {
    check(releases)?;
    if !(epsilon.is_finite() && epsilon >= 0.0) {
        return Err(AccountantError::Epsilon { got: epsilon });
    }
    pld::delta(releases, epsilon)
}

/// Returns `epsilon` in millionths, rounded up: the unit of the ledger's PRIVACY book.
///
/// # Errors
/// [`AccountantError::Epsilon`] if it is negative, not a number, or beyond 10^12.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be in 0..=10^18"
)]
pub fn epsilon_micro(epsilon: f64) -> Result<u64, AccountantError> {
    if !(0.0..=1e12).contains(&epsilon) {
        return Err(AccountantError::Epsilon { got: epsilon });
    }
    // The product is rounded to nearest: one step up makes it an upper bound, unless it is exact.
    let product = epsilon * 1e6;
    let up = if product / 1e6 < epsilon { product.next_up() } else { product };
    Ok(up.ceil() as u64)
}

fn check(releases: &[Release]) -> Result<(), AccountantError> {
    releases.iter().try_for_each(Release::check)?;
    let mut kinds = releases.iter().map(|release| release.sampling.adjacency());
    let first = kinds.next();
    if kinds.any(|kind| Some(kind) != first) {
        return Err(AccountantError::MixedAdjacency);
    }
    Ok(())
}

fn check_delta(delta: f64) -> Result<(), AccountantError> {
    if delta > 0.0 && delta < 1.0 { Ok(()) } else { Err(AccountantError::Delta { got: delta }) }
}

#[cfg(test)]
mod tests;
