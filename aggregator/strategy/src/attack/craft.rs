//! From the honest updates of a round to what a liar sends.

use rand::{CryptoRng, RngExt as _};
use thiserror::Error;

use super::Attack;
use crate::{
    Updates,
    number::{float, single},
};

/// Why an attack cannot be carried out.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum AttackError {
    /// A liar that has to train and brought no update.
    #[error("{attack} starts from an update of the liar's own")]
    OwnUpdateMissing {
        /// Which attack.
        attack: &'static str,
    },
    /// A vector of another length than the honest updates.
    #[error("{name} has {got} coordinates, the honest updates have {expected}")]
    LengthMismatch {
        /// Which vector.
        name: &'static str,
        /// The honest updates' length.
        expected: usize,
        /// Its length.
        got: usize,
    },
    /// A round without liars.
    #[error("there is nobody to carry out the attack")]
    NoLiars,
    /// ALIE by half of all or more: nothing hides any more, everything is theirs.
    #[error("alie needs fewer liars than half, got {liars} beside {honest} honest contributors")]
    LiarsInMajority {
        /// f.
        liars: usize,
        /// n - f.
        honest: usize,
    },
    /// A crafted coordinate out of f32's range.
    #[error("coordinate {index} of the crafted update is out of range")]
    OutOfRange {
        /// 0-based.
        index: usize,
    },
}

/// What the omniscient attackers of a round know of it, computed once for all of them.
#[derive(Debug, Clone)]
pub struct HonestRound {
    honest: usize,
    liars: usize,
    mean: Vec<f64>,
    /// Population standard deviation, as in the authors' code for ALIE.
    deviation: Vec<f64>,
    /// The last round's mean update; without one zeros.
    last: Vec<f32>,
}

impl HonestRound {
    /// Looks at the honest updates (weights are ignored) of a round with `liars` liars beside them.
    ///
    /// * `last` — the mean update of the round before, if there was one.
    ///
    /// # Errors
    /// [`AttackError::NoLiars`] or [`AttackError::LengthMismatch`].
    pub fn new(
        honest: &Updates<'_>,
        liars: usize,
        last: Option<&[f32]>,
    ) -> Result<Self, AttackError> {
        if liars == 0 {
            return Err(AttackError::NoLiars);
        }
        let dimension = honest.dimension();
        if let Some(last) = last {
            check_length("the last mean update", last, dimension)?;
        }
        let count = float(honest.count());
        let (mut mean, mut deviation) = (vec![0.0; dimension], vec![0.0; dimension]);
        for update in honest.as_slices() {
            mean.iter_mut().zip(*update).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        mean.iter_mut().for_each(|sum| *sum /= count);
        for update in honest.as_slices() {
            for ((sum, mean), &x) in deviation.iter_mut().zip(&mean).zip(*update) {
                *sum += (f64::from(x) - mean) * (f64::from(x) - mean);
            }
        }
        deviation.iter_mut().for_each(|sum| *sum = (*sum / count).sqrt());
        let last = last.map_or_else(|| vec![0.0; dimension], <[f32]>::to_vec);
        Ok(Self { honest: honest.count(), liars, mean, deviation, last })
    }

    /// What one liar sends, `[d]`, finite.
    ///
    /// * `own` — its own update, for attacks that train ([`Attack::trains`]): on honest data for sign flip and
    ///   scaling, on spoilt data for label flip and backdoor.
    /// * `rng` — for Gaussian noise, which is different for each liar.
    ///
    /// # Errors
    /// [`AttackError`].
    pub fn craft(
        &self,
        attack: &Attack,
        own: Option<&[f32]>,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<f32>, AttackError> {
        let own = || {
            let own = own.ok_or(AttackError::OwnUpdateMissing { attack: attack.name() })?;
            check_length("the liar's own update", own, self.mean.len()).map(|()| own)
        };
        let crafted = match *attack {
            Attack::LabelFlip { .. } => own()?.to_vec(),
            Attack::Backdoor { scale, .. } | Attack::Scale { scale } => scaled(own()?, scale.0),
            Attack::SignFlip { scale } => scaled(own()?, -scale.0),
            Attack::Gaussian { deviation } => {
                self.mean.iter().map(|_| single(deviation.0 * normal(rng))).collect()
            }
            Attack::Ipm { epsilon } => {
                let reversing = 2.0 * float(self.honest) / float(self.liars);
                let epsilon = epsilon.map_or(reversing, |epsilon| epsilon.0);
                self.mean.iter().map(|mean| single(-epsilon * mean)).collect()
            }
            Attack::Alie { z } => {
                let z = z.map_or_else(|| self.alie_z(), |z| Ok(z.0))?;
                let pairs = self.mean.iter().zip(&self.deviation);
                pairs.map(|(mean, deviation)| single(mean - z * deviation)).collect()
            }
            Attack::Zero => vec![0.0; self.mean.len()],
            Attack::Replay => self.last.clone(),
        };
        match crafted.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(AttackError::OutOfRange { index }),
            None => Ok(crafted),
        }
    }

    /// z of ALIE: Φ(z) = (n - f - s)/(n - f), where s = ⌊n/2 + 1⌋ - f honest contributors have to be farther
    /// from the mean than the liars, for those to look like a majority; at least 0.
    ///
    /// # Errors
    /// [`AttackError::LiarsInMajority`].
    pub fn alie_z(&self) -> Result<f64, AttackError> {
        let (liars, honest) = (self.liars, self.honest);
        let supporters = ((honest + liars) / 2 + 1).checked_sub(liars).filter(|s| *s > 0);
        let supporters = supporters.ok_or(AttackError::LiarsInMajority { liars, honest })?;
        Ok(normal_quantile(float(honest - supporters) / float(honest)).max(0.0))
    }
}

fn check_length(name: &'static str, vector: &[f32], expected: usize) -> Result<(), AttackError> {
    let got = vector.len();
    if got == expected { Ok(()) } else { Err(AttackError::LengthMismatch { name, expected, got }) }
}

fn scaled(update: &[f32], factor: f64) -> Vec<f32> {
    update.iter().map(|&x| single(f64::from(x) * factor)).collect()
}

/// A standard normal number (Box & Muller 1958). For attacks only: noise that protects anybody is
/// `privacy-dp`'s.
fn normal(rng: &mut impl CryptoRng) -> f64 {
    let (radius, angle): (f64, f64) = (rng.random(), rng.random());
    // 1 - radius is in (0, 1]: its logarithm is finite.
    (-2.0 * libm::log(1.0 - radius)).sqrt() * libm::cos(std::f64::consts::TAU * angle)
}

/// z with Φ(z) = `probability`, by bisection in ±40, where Φ is 0 and 1 to f64.
fn normal_quantile(probability: f64) -> f64 {
    let (mut low, mut high) = (-40.0_f64, 40.0_f64);
    // 80·2^-60 is below f64's resolution of any z that comes out.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        let below = libm::erfc(-middle * std::f64::consts::FRAC_1_SQRT_2) / 2.0;
        if below < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}
