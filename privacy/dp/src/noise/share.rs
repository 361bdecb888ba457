//! One contributor's part of the noise of a round.

use super::{DiscreteGaussian, NoiseError, Skellam};

/// How much noise each contributor adds, so that those who are guaranteed to be honest and to stay
/// add up to the whole.
///
/// Threat: noise of a contributor that drops out, lies or colludes does not count. So each adds the
/// variance (noise multiplier · sensitivity)² / `honest_min`; with more honest contributors the sum
/// has more noise than accounted, never less.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseShare {
    std: f64,
    honest_min: u32,
}

impl NoiseShare {
    /// Divides the noise among contributors.
    ///
    /// * `noise_multiplier` — standard deviation of the sum over `sensitivity`, > 0.
    /// * `sensitivity` — the most one update changes the sum in L2 norm, in integer units, > 0; with
    ///   the growth by rounding included (`√d` for stochastic rounding).
    /// * `honest_min` — contributors of the accepted set whose noise is certain to be in the sum.
    ///
    /// # Errors
    /// [`NoiseError::NotPositive`] or [`NoiseError::NobodyHonest`].
    pub fn new(
        noise_multiplier: f64,
        sensitivity: f64,
        honest_min: u32,
    ) -> Result<Self, NoiseError> {
        for (name, got) in [("noise multiplier", noise_multiplier), ("sensitivity", sensitivity)] {
            if !(got.is_finite() && got > 0.0) {
                return Err(NoiseError::NotPositive { name, got });
            }
        }
        if honest_min == 0 {
            return Err(NoiseError::NobodyHonest);
        }
        // Rounded up thrice: the parts' variances add up to no less than the whole.
        let total = (noise_multiplier * sensitivity).next_up();
        let std = (total / libm::sqrt(f64::from(honest_min)).next_down()).next_up();
        Ok(Self { std, honest_min })
    }

    /// The standard deviation that one contributor adds, in integer units.
    #[must_use]
    pub const fn std(self) -> f64 {
        self.std
    }

    /// How many contributors are counted on.
    #[must_use]
    pub const fn honest_min(self) -> u32 {
        self.honest_min
    }

    /// One contributor's discrete Gaussian; account for it with
    /// [`DiscreteMechanism::GaussianSum`](crate::DiscreteMechanism::GaussianSum).
    ///
    /// # Errors
    /// [`NoiseError::Std`] if the share leaves 0.5..=2^20: quantise more finely or more coarsely.
    pub fn discrete_gaussian(self) -> Result<DiscreteGaussian, NoiseError> {
        DiscreteGaussian::new(self.std)
    }

    /// One contributor's Skellam; account for it with
    /// [`DiscreteMechanism::Skellam`](crate::DiscreteMechanism::Skellam).
    ///
    /// # Errors
    /// [`NoiseError::Std`] if the share leaves 0.5..=2^20: quantise more finely or more coarsely.
    pub fn skellam(self) -> Result<Skellam, NoiseError> {
        Skellam::new(self.std)
    }
}
