//! A clip norm that follows a quantile of the updates' norms.

use libm::{exp, sqrt};
use thiserror::Error;

use crate::{ClipNorm, ClippedUpdate};

/// A clip norm with what it takes to follow a quantile of the cohort's norms.
///
/// Each contributor adds one vote to its sealed update: +1 if its norm was within the clip norm, -1 if it
/// was clipped. The noised sum of votes moves the norm: C ← C · e^(-rate · (fraction - quantile)).
///
/// Threat: a vote says something about one contributor's norm. It is summed and noised like the
/// update, and its noise is paid for: [`Self::update_noise_multiplier`]. A lying contributor shifts the
/// fraction by at most 1/count per round.
///
/// Source: Andrew, Thakkar, `McMahan` & Ramaswamy 2021, "Differentially Private Learning with Adaptive
/// Clipping", Algorithm 1 and Theorem 1. Votes are its centred bits b - 1/2, doubled to be integers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveClip {
    norm: ClipNorm,
    quantile: f64,
    rate: f64,
    bit_std: f64,
}

/// Bounds of the norm, in parameter units: beyond them training has diverged, or learns nothing.
const NORM_MIN: f64 = 1e-9;
const NORM_MAX: f64 = 1e9;

impl AdaptiveClip {
    /// The paper's quantile: the median.
    pub const QUANTILE: f64 = 0.5;
    /// The paper's learning rate `η_C`.
    pub const RATE: f64 = 0.2;

    /// Takes the norm of the first round and how to move it.
    ///
    /// * `quantile` — the fraction of updates to leave unclipped, in 0..=1.
    /// * `rate` — of the geometric update, in 0..=1, exclusive 0.
    /// * `bit_std` — standard deviation `σ_b` of the noise in the sum of *bits*, ≥ 0; the paper takes a
    ///   twentieth of the cohort. Votes get twice that: [`Self::vote_std`].
    ///
    /// # Errors
    /// [`AdaptiveClipError::OutOfRange`] with the parameter's name.
    pub fn new(
        start: ClipNorm,
        quantile: f64,
        rate: f64,
        bit_std: f64,
    ) -> Result<Self, AdaptiveClipError> {
        in_range("first clip norm", NORM_MIN, NORM_MAX, start.get())?;
        in_range("quantile", 0.0, 1.0, quantile)?;
        in_range("rate", f64::MIN_POSITIVE, 1.0, rate)?;
        in_range("standard deviation of bits", 0.0, f64::MAX, bit_std)?;
        Ok(Self { norm: start, quantile, rate, bit_std })
    }

    /// The clip norm of this round.
    #[must_use]
    pub const fn norm(&self) -> ClipNorm {
        self.norm
    }

    /// One contributor's vote: +1 if the update came through unclipped, -1 if not.
    #[must_use]
    pub fn vote(&self, update: &ClippedUpdate) -> i32 {
        if update.norm_before() <= self.norm.get() { 1 } else { -1 }
    }

    /// Standard deviation of the noise in the sum of votes, `2σ_b`.
    #[must_use]
    pub fn vote_std(&self) -> f64 {
        2.0 * self.bit_std
    }

    /// Returns the noise multiplier `z_Δ` of the updates, given that updates and votes together must be no
    /// more revealing than one release of multiplier z: `z_Δ = (z^-2 - (2σ_b)^-2)^(-1/2)`.
    ///
    /// # Errors
    /// [`AdaptiveClipError::VotesTooLoud`] if the votes alone reveal more than that.
    pub fn update_noise_multiplier(&self, z: f64) -> Result<f64, AdaptiveClipError> {
        in_range("noise multiplier", f64::MIN_POSITIVE, f64::MAX, z)?;
        let left = 1.0 / (z * z) - 1.0 / (self.vote_std() * self.vote_std());
        if left > 0.0 && left.is_finite() {
            Ok(1.0 / sqrt(left))
        } else {
            Err(AdaptiveClipError::VotesTooLoud { needed: z, got: self.vote_std() })
        }
    }

    /// Returns the state of the next round.
    ///
    /// * `votes` — the sum of votes, with its noise.
    /// * `count` — how many contributors voted, public; > 0.
    ///
    /// Noise may push the fraction out of 0..=1; it is held there, so that one round moves the norm by at
    /// most a factor of e^rate, and the norm stays in 10^-9..=10^9.
    ///
    /// # Errors
    /// [`AdaptiveClipError::NoVotes`]; the state is then unchanged.
    pub fn next(self, votes: i64, count: u64) -> Result<Self, AdaptiveClipError> {
        if count == 0 {
            return Err(AdaptiveClipError::NoVotes);
        }
        let fraction = (0.5 * (votes as f64 / count as f64 + 1.0)).clamp(0.0, 1.0);
        let norm = self.norm.get() * exp(-self.rate * (fraction - self.quantile));
        let norm = ClipNorm::new(norm.clamp(NORM_MIN, NORM_MAX)).unwrap_or(self.norm);
        Ok(Self { norm, ..self })
    }
}

/// Why adaptive clipping was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum AdaptiveClipError {
    /// A parameter is out of range or not a number.
    #[error("{name} must be in {min}..={max}, got {got}")]
    OutOfRange {
        /// Which parameter.
        name: &'static str,
        /// The least allowed.
        min: f64,
        /// The most allowed.
        max: f64,
        /// What was given.
        got: f64,
    },
    /// Nobody voted.
    #[error("a clip norm cannot follow 0 votes")]
    NoVotes,
    /// The votes' noise alone does not reach the noise multiplier of the whole.
    #[error("noise of votes must have a standard deviation above {needed}, got {got}")]
    VotesTooLoud {
        /// The noise multiplier of the whole.
        needed: f64,
        /// The standard deviation of the votes' noise.
        got: f64,
    },
}

fn in_range(name: &'static str, min: f64, max: f64, got: f64) -> Result<(), AdaptiveClipError> {
    if (min..=max).contains(&got) {
        Ok(())
    } else {
        Err(AdaptiveClipError::OutOfRange { name, min, max, got })
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    use super::*;
    use crate::{IntegerNoise as _, LocalUpdate, Skellam};

    fn clip(start: f64, quantile: f64, bit_std: f64) -> AdaptiveClip {
        let start = ClipNorm::new(start).unwrap();
        AdaptiveClip::new(start, quantile, AdaptiveClip::RATE, bit_std).unwrap()
    }

    /// Runs rounds over contributors of norms 1, 2, …, 100 and returns the norm's mean over the last 100.
    fn settled(mut clip: AdaptiveClip) -> f64 {
        let noise = Skellam::new(clip.vote_std().max(0.5)).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let mut late = 0.0;
        for round in 0..400 {
            let vote = |norm: u16| {
                let update = LocalUpdate::new(vec![f32::from(norm)]).unwrap();
                i64::from(clip.vote(&update.clip(clip.norm())))
            };
            let votes: i64 = (1..=100).map(vote).sum();
            clip = clip.next(votes + noise.sample(&mut rng), 100).unwrap();
            late += if round < 300 { 0.0 } else { clip.norm().get() / 100.0 };
        }
        late
    }

    #[test]
    fn norm_converges_to_the_quantile_from_far_away() {
        // σ_b = 5 of 100: the fraction's noise is 0.05, the norm's about 1 % at this rate.
        for start in [0.1, 50.0, 1e4] {
            assert!((settled(clip(start, 0.5, 5.0)) / 50.0 - 1.0).abs() < 0.05, "from {start}");
            assert!((settled(clip(start, 0.9, 5.0)) / 90.0 - 1.0).abs() < 0.05, "from {start}");
        }
    }

    #[test]
    fn one_round_moves_the_norm_as_in_the_paper() {
        let next = |votes| clip(2.0, 0.5, 5.0).next(votes, 100).unwrap().norm().get();
        assert!((next(100) - 2.0 * (-0.1_f64).exp()).abs() < 1e-12, "all unclipped");
        assert!((next(0) - 2.0).abs() < 1e-12, "half unclipped");
        assert!((next(-50) - 2.0 * 0.05_f64.exp()).abs() < 1e-12, "a quarter unclipped");
        assert!((next(i64::MIN) - 2.0 * 0.1_f64.exp()).abs() < 1e-12, "noise beyond the range");
    }

    #[test]
    fn votes_and_updates_share_the_noise() {
        // z = 1, σ_b = 5: z_Δ = (1 - 0.01)^(-1/2); together 1/z_Δ² + 1/(2σ_b)² = 1/z².
        let z = clip(1.0, 0.5, 5.0).update_noise_multiplier(1.0).unwrap();
        assert!((z - 1.005_037_815_259_212).abs() < 1e-12);
        let refused = clip(1.0, 0.5, 0.5).update_noise_multiplier(1.0);
        assert_eq!(refused, Err(AdaptiveClipError::VotesTooLoud { needed: 1.0, got: 1.0 }));
        assert!(clip(1.0, 0.5, 0.0).update_noise_multiplier(1.0).is_err(), "no noise on the votes");
    }

    #[test]
    fn bad_parameters_are_refused_by_name() {
        let start = ClipNorm::new(1.0).unwrap();
        for (quantile, rate, bit_std) in [
            (1.1, 0.2, 1.0),
            (f64::NAN, 0.2, 1.0),
            (0.5, 0.0, 1.0),
            (0.5, 2.0, 1.0),
            (0.5, 0.2, -1.0),
        ] {
            let refused = AdaptiveClip::new(start, quantile, rate, bit_std);
            assert!(matches!(refused, Err(AdaptiveClipError::OutOfRange { .. })));
        }
        assert_eq!(clip(1.0, 0.5, 1.0).next(5, 0), Err(AdaptiveClipError::NoVotes));
        assert!(clip(1.0, 0.5, 1.0).update_noise_multiplier(f64::NAN).is_err());
    }
}
