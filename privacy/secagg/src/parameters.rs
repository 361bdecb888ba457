//! The numbers that turn updates into ring elements.
//!
//! ```text
//! sealed vector = [ rotated update, d coordinates │ weight, if any │ clip indicator, if any ]
//! ```
//!
//! [`crate::wrap`] holds the proof that nothing wraps around.

use privacy_dp::ClipNorm;
use privacy_identity::Digest;
use thiserror::Error;

pub use self::valued::NoisePlan;

use crate::{
    EncodingOptions, Ring, RingError, Rotation,
    wrap::{Reach, rounded_norm_squared, rounded_probe_norm},
};

/// Values of contributions are integers in units of `clip_norm · 2^−(update_norm_bits + VALUE_SHIFT)`.
///
/// Derivation: a probe is scaled by a power of two 2^e with 1 ≤ e ≤ 24 (see
/// [`crate::QuantizedProbe`]) and an opened scalar is below 2^(k−1); with the standard ring of 26 bits
/// |opened| · 2^(16 − e) ≤ 2^40, which is the bound of the ledger's scalars. One unit, 2^−28 of the clip
/// norm in loss, is a thousandth of the smallest value that a probe of 12 bits resolves.
pub const VALUE_SHIFT: i32 = 16;

/// Largest magnitude of a value: what the ledger takes. With 12 norm bits of updates it is a loss of 2^12
/// per unit of the clip norm; no loss that has not diverged comes near.
pub const VALUE_MAX: i64 = 1 << 40;

/// Why encoding parameters were refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// The ring itself.
    #[error("unusable ring")]
    Ring(#[from] RingError),
    /// The clip norm.
    #[error("unusable clip norm")]
    ClipNorm(#[from] privacy_dp::ClipError),
    /// A clip norm that no update of f32 coordinates can be clipped to.
    #[error("clip norm must be in {min:e}..={max:e}, got {got:e}")]
    ClipNormRange {
        /// Smallest allowed.
        min: f64,
        /// Largest allowed.
        max: f64,
        /// What was given.
        got: f64,
    },
    /// A parameter lies outside its range.
    #[error("{name} must be in {min}..={max}, got {got}")]
    Range {
        /// Which.
        name: &'static str,
        /// Smallest allowed.
        min: u64,
        /// Largest allowed.
        max: u64,
        /// What was given.
        got: u64,
    },
    /// The noise's standard deviation is not a number in 0..=2^31.
    #[error("noise deviation must be in 0..=2^31, got {got}")]
    Noise {
        /// What was given.
        got: f64,
    },
    /// The sum of all updates could wrap around.
    #[error("a sum of {contributors} updates reaches {reach}, the ring holds |x| < {limit}")]
    SumWraps {
        /// Contributors allowed.
        contributors: u32,
        /// Largest coordinate of the sum.
        reach: u64,
        /// 2^(k−1).
        limit: u64,
    },
    /// The inner product with a probe could wrap around.
    #[error("an inner product with a probe reaches {reach}, the ring holds |x| < {limit}")]
    ProbeWraps {
        /// Largest inner product.
        reach: u64,
        /// 2^(k−1).
        limit: u64,
    },
    /// The contributors' shares of the noise.
    #[error("unusable noise")]
    NoiseShare(#[from] privacy_dp::NoiseError),
    /// No ring is wide enough.
    #[error("no ring of up to {max} bits holds a sum of these updates")]
    NoRing {
        /// The widest.
        max: u8,
    },
}

/// How updates of a federation are encoded. Agreed by all, part of the signed terms.
///
/// An update of L2 norm ≤ C is rotated and becomes integers whose L2 norm is, with certainty, at most
/// [`EncodingParameters::sensitivity_l2`]. Parameters under which a sum of honest updates, or an inner
/// product with a probe, could wrap around with a probability above 2^−40 per round are refused; where
/// the deterministic bound is as small, it holds with certainty. (A dishonest contributor can exceed
/// its norm until updates carry a norm proof.)
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncodingParameters {
    clip_norm: ClipNorm,
    update_norm_bits: u8,
    probe_norm_bits: u8,
    ring: Ring,
    dimension: u32,
    contributors_max: u32,
    options: EncodingOptions,
}

impl EncodingParameters {
    /// Most coordinates of an update.
    pub const DIMENSION_MAX: u32 = 20_000_000;
    /// Most contributors of a round: as in FHE mode, and so that a message that names them all, with at most 96 bytes
    /// each, takes 6 MiB. 26 ring bits carry 4096 of any dimension; where more do
    /// not fit (`wrap.rs`), [`EncodingParameters::valued`] takes a wider ring.
    pub const CONTRIBUTORS_MAX: u32 = 1 << 16;
    /// Largest weight and clip indicator.
    pub const EXTRA_MAX: u32 = 1 << 20;
    /// `probe_norm_bits` of a federation that does not measure values.
    pub const PROBE_ABSENT: u8 = 0;
    /// Smallest clip norm, of f32's normal numbers: far below it the scale to integers is infinite, and
    /// a unit of value is 0.
    const CLIP_NORM_MIN: f64 = f32::MIN_POSITIVE as f64;
    /// Largest clip norm: the coordinates of a mean are f32 again.
    const CLIP_NORM_MAX: f64 = f32::MAX as f64;
    const NORM_BITS_MIN: u8 = 4;
    /// Rounding takes |coordinates| < 2^22 apart.
    const NORM_BITS_MAX: u8 = 21;

    /// With value measurement, as DESIGN §10 calls for: 26 bits per parameter carry a sum of up to 4096
    /// updates and their value, for up to [`EncodingParameters::DIMENSION_MAX`] coordinates.
    ///
    /// Derivation: c = p = 2^12. At d = 2·10⁷ the rounded norms are at most 4 668 and 6 333, their product
    /// 2.96·10⁷ < 2^25 = 3.36·10⁷.
    ///
    /// # Errors
    /// [`ParameterError`] if the dimension or the number of contributors is too large for them.
    pub fn standard(
        clip_norm: ClipNorm,
        dimension: u32,
        contributors_max: u32,
    ) -> Result<Self, ParameterError> {
        Self::new(clip_norm, [12, 12, 26], dimension, contributors_max)
    }

    /// Without value measurement: the norm bits of [`EncodingParameters::compact_norm_bits`] in the narrowest ring
    /// that holds them. At most 17 bits for up to 1 000 contributors.
    ///
    /// # Errors
    /// [`ParameterError`].
    pub fn compact(
        clip_norm: ClipNorm,
        dimension: u32,
        contributors_max: u32,
    ) -> Result<Self, ParameterError> {
        Self::compact_with(clip_norm, dimension, contributors_max, EncodingOptions::default())
    }

    /// As [`EncodingParameters::compact`], with `options`; noise takes more bits.
    ///
    /// # Errors
    /// [`ParameterError`]; [`ParameterError::NoRing`] if 32 bits do not suffice.
    pub fn compact_with(
        clip_norm: ClipNorm,
        dimension: u32,
        contributors_max: u32,
        options: EncodingOptions,
    ) -> Result<Self, ParameterError> {
        // Before the search, so that a dimension of zero is named as such.
        in_range("dimension", u64::from(dimension), (1, u64::from(Self::DIMENSION_MAX)))?;
        let norm_bits = Self::compact_norm_bits(dimension, contributors_max);
        for ring_bits in Ring::BITS_MIN..=Ring::BITS_MAX {
            let ring = Ring::new(ring_bits)?;
            let parameters = Self {
                clip_norm,
                update_norm_bits: norm_bits,
                probe_norm_bits: Self::PROBE_ABSENT,
                ring,
                dimension,
                contributors_max,
                options,
            };
            match parameters.checked() {
                Err(ParameterError::SumWraps { .. }) => {}
                result => return result,
            }
        }
        Err(ParameterError::NoRing { max: Ring::BITS_MAX })
    }

    /// The norm bits b of the compact profile: the smallest with 2^b ≥ κ·√d, κ = max(2.25, 40/√n).
    ///
    /// Derivation: rounding moves a contributor's update by about √(d/6) in L2 norm (a fraction is
    /// about uniform: variance 1/6), so that the mean over n moves by at most 0.41/(κ·√n) ≤ 1 % of the clip
    /// norm, without bias. κ = 2.25 keeps 1 000 contributors of any dimension within 17 bits:
    /// n·2^b·√(2L/m) ≤ 1 000 · 2 · 2.25 · √2 · 9.7 = 61 700, and rounding adds 690: below 2^16.
    #[must_use]
    pub fn compact_norm_bits(dimension: u32, contributors_max: u32) -> u8 {
        let per_coordinate = (40.0 / f64::from(contributors_max.max(1)).sqrt()).max(2.25);
        let norm = per_coordinate * f64::from(dimension).sqrt();
        (Self::NORM_BITS_MIN..Self::NORM_BITS_MAX)
            .find(|&bits| f64::from(1_u32 << bits) >= norm)
            .unwrap_or(Self::NORM_BITS_MAX)
    }

    /// All parameters by hand; see the fields' getters. `probe_norm_bits` of
    /// [`EncodingParameters::PROBE_ABSENT`]: values are not measured.
    ///
    /// # Errors
    /// [`ParameterError`].
    pub fn new(
        clip_norm: ClipNorm,
        [update_norm_bits, probe_norm_bits, ring_bits]: [u8; 3],
        dimension: u32,
        contributors_max: u32,
    ) -> Result<Self, ParameterError> {
        let (ring, options) = (Ring::new(ring_bits)?, EncodingOptions::default());
        Self {
            clip_norm,
            update_norm_bits,
            probe_norm_bits,
            ring,
            dimension,
            contributors_max,
            options,
        }
        .checked()
    }

    /// The same with other `options`.
    ///
    /// # Errors
    /// [`ParameterError`] if they do not fit the ring.
    pub fn with_options(self, options: EncodingOptions) -> Result<Self, ParameterError> {
        // −0 would have another encoding than 0.
        let noise_deviation = options.noise_deviation + 0.0;
        Self { options: EncodingOptions { noise_deviation, ..options }, ..self }.checked()
    }

    fn checked(self) -> Result<Self, ParameterError> {
        let (min, max, got) = (Self::CLIP_NORM_MIN, Self::CLIP_NORM_MAX, self.clip_norm.get());
        if !(min..=max).contains(&got) {
            return Err(ParameterError::ClipNormRange { min, max, got });
        }
        let norm_bits = (u64::from(Self::NORM_BITS_MIN), u64::from(Self::NORM_BITS_MAX));
        in_range("update_norm_bits", u64::from(self.update_norm_bits), norm_bits)?;
        if self.is_valued() {
            in_range("probe_norm_bits", u64::from(self.probe_norm_bits), norm_bits)?;
        }
        in_range("dimension", u64::from(self.dimension), (1, u64::from(Self::DIMENSION_MAX)))?;
        let contributors = (1, u64::from(Self::CONTRIBUTORS_MAX));
        in_range("contributors_max", u64::from(self.contributors_max), contributors)?;
        let EncodingOptions { weight_max, clip_indicator, noise_deviation, .. } = self.options;
        let extra_max = u64::from(Self::EXTRA_MAX);
        in_range("weight_max", u64::from(weight_max), (1, extra_max))?;
        in_range("clip_indicator", u64::from(clip_indicator), (0, extra_max))?;
        if !(0.0..=2_147_483_648.0).contains(&noise_deviation) {
            return Err(ParameterError::Noise { got: noise_deviation });
        }
        self.checked_reach()
    }

    fn checked_reach(self) -> Result<Self, ParameterError> {
        let limit = 1_u64 << (self.ring.bits() - 1);
        let reach = self.reach();
        let extra = u32::max(
            if self.is_weighted() { self.options.weight_max } else { 0 },
            self.options.clip_indicator,
        );
        let sum = ceiled(f64::max(reach.of_sum(), reach.of_extra(extra)));
        if sum >= limit {
            let contributors = self.contributors_max;
            return Err(ParameterError::SumWraps { contributors, reach: sum, limit });
        }
        let value = ceiled(reach.of_value(self.rounded_norm()));
        if self.is_valued() && value >= limit {
            return Err(ParameterError::ProbeWraps { reach: value, limit });
        }
        Ok(self)
    }

    pub(crate) fn reach(&self) -> Reach {
        Reach {
            contributors: f64::from(self.contributors_max),
            dimension: self.dimension,
            vector_len: self.vector_len(),
            update_norm: self.update_norm(),
            probe_norm: self.probe_norm(),
            noise_deviation: self.options.noise_deviation,
        }
    }

    /// C: the L2 norm to which updates are clipped.
    #[must_use]
    pub const fn clip_norm(&self) -> ClipNorm {
        self.clip_norm
    }

    /// The ring in which updates are shared.
    #[must_use]
    pub const fn ring(&self) -> Ring {
        self.ring
    }

    /// d: coordinates of an update.
    #[must_use]
    pub const fn dimension(&self) -> usize {
        self.dimension as usize
    }

    /// Coordinates of a sealed vector: the update's and the extra ones.
    #[must_use]
    pub fn vector_len(&self) -> usize {
        self.dimension()
            + usize::from(self.is_weighted())
            + usize::from(self.options.clip_indicator > 0)
    }

    /// Most contributors of a round.
    #[must_use]
    pub const fn contributors_max(&self) -> usize {
        self.contributors_max as usize
    }

    /// What updates carry beside their coordinates.
    #[must_use]
    pub const fn options(&self) -> &EncodingOptions {
        &self.options
    }

    /// Whether contributions weigh differently: the coordinate after the update is then the weight.
    #[must_use]
    pub const fn is_weighted(&self) -> bool {
        self.options.weight_max > 1
    }

    /// Whether values are measured by probes.
    #[must_use]
    pub const fn is_valued(&self) -> bool {
        self.probe_norm_bits != Self::PROBE_ABSENT
    }

    /// The rotation of round `round` of `federation` (the digest of its terms).
    #[must_use]
    pub fn rotation(&self, federation: &Digest, round: u64) -> Rotation {
        Rotation::of_round(federation, round, self.dimension())
    }

    /// c: largest L2 norm of an update in integer units before rounding, 2^`update_norm_bits`.
    #[must_use]
    pub fn update_norm(&self) -> f64 {
        f64::from(1_u32 << self.update_norm_bits)
    }

    /// Integers per parameter unit: 2^`update_norm_bits` / C.
    #[must_use]
    pub fn update_scale(&self) -> f64 {
        self.update_norm() / self.clip_norm.get()
    }

    /// Largest squared L2 norm of a rounded update, without extra coordinates. Certain.
    #[must_use]
    pub fn rounded_norm_squared(&self) -> u64 {
        rounded_norm_squared(self.update_norm(), self.dimension)
    }

    /// Largest L2 norm of a rounded update, without extra coordinates.
    #[must_use]
    pub fn rounded_norm(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "below 2^50")]
        let squared = self.rounded_norm_squared() as f64;
        squared.sqrt()
    }

    /// Largest L2 norm of what one contributor adds to the opened sum before noise, in integer units,
    /// extra coordinates included: the sensitivity when a contributor is added or removed. Certain, as
    /// rounding is conditioned on it.
    #[must_use]
    pub fn sensitivity_l2(&self) -> f64 {
        let (weight, indicator) = self.extras();
        (self.rounded_norm().powi(2) + weight * weight + indicator * indicator).sqrt()
    }

    /// The same in L1 norm: of d integers of squared L2 norm S at most min(√(d·S), S), as |v| ≤ v².
    #[must_use]
    pub fn sensitivity_l1(&self) -> f64 {
        let (weight, indicator) = self.extras();
        let norm = self.rounded_norm();
        let update = (f64::from(self.dimension).sqrt() * norm).min(norm * norm);
        update + weight + indicator
    }

    fn extras(&self) -> (f64, f64) {
        let weight = if self.is_weighted() { self.options.weight_max } else { 0 };
        (f64::from(weight), f64::from(self.options.clip_indicator))
    }

    /// Largest L2 norm of a quantised probe before rounding: 2^`probe_norm_bits`.
    #[must_use]
    pub fn probe_norm(&self) -> f64 {
        f64::from(1_u32 << self.probe_norm_bits)
    }

    /// Largest squared L2 norm of a quantised probe.
    pub(crate) fn rounded_probe_norm_squared(&self) -> u64 {
        ceiled(rounded_probe_norm(self.probe_norm(), self.dimension).powi(2))
    }

    /// What one unit of an integer value is worth in validation loss.
    #[must_use]
    pub fn value_unit(&self) -> f64 {
        1.0 / (self.update_scale() * f64::from(1_u32 << VALUE_SHIFT))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn ceiled(reach: f64) -> u64 {
    reach.ceil() as u64
}

fn in_range(name: &'static str, got: u64, (min, max): (u64, u64)) -> Result<(), ParameterError> {
    if (min..=max).contains(&got) {
        Ok(())
    } else {
        Err(ParameterError::Range { name, min, max, got })
    }
}

mod codec;
mod sealed;
#[cfg(test)]
mod tests;
mod valued;
