//! The numbers that turn updates into ring elements, and the proof that nothing wraps.

use privacy_dp::ClipNorm;
use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};
use thiserror::Error;

use crate::{Ring, RingError};

/// Values of contributions are integers in units of `clip_norm · 2^−(update_norm_bits + VALUE_SHIFT)`.
///
/// Derivation: a probe is scaled by a power of two 2^e with 1 ≤ e ≤ 24 (see
/// [`crate::QuantizedProbe`]) and an opened scalar is below 2^(k−1); with the standard ring of 26 bits
/// |opened| · 2^(16 − e) ≤ 2^40, which is the bound of the ledger's scalars. One unit, 2^−28 of the clip
/// norm in loss, is a thousandth of the smallest value that a probe of 12 bits resolves.
pub const VALUE_SHIFT: i32 = 16;

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
}

/// How updates of a federation are encoded. Agreed by all, part of the signed terms.
///
/// An update of L2 norm ≤ C becomes integers of L2 norm ≤ 2^`update_norm_bits` + √d: stochastic
/// rounding moves each coordinate by less than 1. A probe likewise. Then, deterministically:
/// a coordinate of a sum of n updates stays within n · (2^`update_norm_bits` + 1), and an inner product
/// within (2^`update_norm_bits` + √d) · (2^`probe_norm_bits` + √d) by Cauchy–Schwarz. Both must be below
/// 2^(k−1), or parameters are refused: honest inputs wrap around with probability zero. (A
/// dishonest contributor can exceed its norm until updates carry a norm proof.)
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncodingParameters {
    clip_norm: ClipNorm,
    update_norm_bits: u8,
    probe_norm_bits: u8,
    ring: Ring,
    dimension: u32,
    contributors_max: u32,
}

impl EncodingParameters {
    /// Most coordinates of an update.
    pub const DIMENSION_MAX: u32 = 20_000_000;
    /// Most contributors of a round.
    pub const CONTRIBUTORS_MAX: u32 = 4096;
    const NORM_BITS_MIN: u8 = 4;
    const NORM_BITS_MAX: u8 = 24;

    /// Norm bits and ring that DESIGN §10 calls for: 26 bits per parameter carry a sum of up to 4096
    /// updates and their value.
    ///
    /// # Errors
    /// [`ParameterError`] if the dimension or the number of contributors is too large for them.
    pub fn standard(
        clip_norm: ClipNorm,
        dimension: u32,
        contributors_max: u32,
    ) -> Result<Self, ParameterError> {
        Self {
            clip_norm,
            update_norm_bits: 12,
            probe_norm_bits: 12,
            ring: Ring::new(26)?,
            dimension,
            contributors_max,
        }
        .checked()
    }

    /// All parameters by hand; see the fields' getters.
    ///
    /// # Errors
    /// [`ParameterError`].
    pub fn new(
        clip_norm: ClipNorm,
        [update_norm_bits, probe_norm_bits, ring_bits]: [u8; 3],
        dimension: u32,
        contributors_max: u32,
    ) -> Result<Self, ParameterError> {
        let ring = Ring::new(ring_bits)?;
        Self { clip_norm, update_norm_bits, probe_norm_bits, ring, dimension, contributors_max }
            .checked()
    }

    fn checked(self) -> Result<Self, ParameterError> {
        let norm_bits = (u64::from(Self::NORM_BITS_MIN), u64::from(Self::NORM_BITS_MAX));
        in_range("update_norm_bits", u64::from(self.update_norm_bits), norm_bits)?;
        in_range("probe_norm_bits", u64::from(self.probe_norm_bits), norm_bits)?;
        in_range("dimension", u64::from(self.dimension), (1, u64::from(Self::DIMENSION_MAX)))?;
        let contributors = (1, u64::from(Self::CONTRIBUTORS_MAX));
        in_range("contributors_max", u64::from(self.contributors_max), contributors)?;
        let limit = 1_u64 << (self.ring.bits() - 1);
        let reach = u64::from(self.contributors_max) * ((1 << self.update_norm_bits) + 1);
        if reach >= limit {
            return Err(ParameterError::SumWraps {
                contributors: self.contributors_max,
                reach,
                limit,
            });
        }
        let root = u64::from(self.dimension.isqrt()) + 1;
        let reach = ((1 << self.update_norm_bits) + root) * ((1 << self.probe_norm_bits) + root);
        if reach >= limit {
            return Err(ParameterError::ProbeWraps { reach, limit });
        }
        Ok(self)
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

    /// Coordinates of an update.
    #[must_use]
    pub const fn dimension(&self) -> usize {
        self.dimension as usize
    }

    /// Most contributors of a round.
    #[must_use]
    pub const fn contributors_max(&self) -> usize {
        self.contributors_max as usize
    }

    /// Integers per parameter unit: 2^`update_norm_bits` / C.
    #[must_use]
    pub fn update_scale(&self) -> f64 {
        f64::from(1_u32 << self.update_norm_bits) / self.clip_norm.get()
    }

    /// Largest L2 norm of a quantised probe before rounding: 2^`probe_norm_bits`.
    #[must_use]
    pub fn probe_norm(&self) -> f64 {
        f64::from(1_u32 << self.probe_norm_bits)
    }

    /// What one unit of an integer value is worth in validation loss.
    #[must_use]
    pub fn value_unit(&self) -> f64 {
        1.0 / (self.update_scale() * f64::from(1_u32 << VALUE_SHIFT))
    }
}

fn in_range(name: &'static str, got: u64, (min, max): (u64, u64)) -> Result<(), ParameterError> {
    if (min..=max).contains(&got) {
        Ok(())
    } else {
        Err(ParameterError::Range { name, min, max, got })
    }
}

impl Encode for EncodingParameters {
    fn encode(&self, writer: &mut Writer) {
        writer.f64(self.clip_norm.get());
        writer.u8(self.update_norm_bits);
        writer.u8(self.probe_norm_bits);
        writer.u8(self.ring.bits());
        writer.u32(self.dimension);
        writer.u32(self.contributors_max);
    }
}

impl Decode for EncodingParameters {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let invalid = |e| DecodeError::invalid("encoding parameters", e);
        let clip_norm = ClipNorm::new(reader.f64("clip norm")?);
        let clip_norm = clip_norm.map_err(|e| DecodeError::invalid("clip norm", e))?;
        let bits = reader.array()?;
        Self::new(clip_norm, bits, reader.u32()?, reader.u32()?).map_err(invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip() -> ClipNorm {
        ClipNorm::new(2.0).unwrap()
    }

    #[test]
    fn parameters_under_which_something_could_wrap_are_refused() {
        assert!(EncodingParameters::standard(clip(), 450, 8).is_ok());
        assert!(EncodingParameters::standard(clip(), 1_000_000, 4096).is_ok());
        let sum = EncodingParameters::new(clip(), [12, 12, 26], 450, 4096);
        assert!(sum.is_ok());
        let sum = EncodingParameters::new(clip(), [14, 10, 26], 450, 4096);
        assert!(matches!(sum, Err(ParameterError::SumWraps { .. })));
        let probe = EncodingParameters::new(clip(), [12, 13, 26], 450, 8);
        assert!(matches!(probe, Err(ParameterError::ProbeWraps { .. })));
        assert!(EncodingParameters::standard(clip(), 0, 8).is_err());
    }

    #[test]
    fn encoding_round_trips_and_decoding_checks() {
        let parameters = EncodingParameters::standard(clip(), 450, 8).unwrap();
        let bytes = parameters.to_bytes();
        assert_eq!(EncodingParameters::from_bytes(&bytes).unwrap(), parameters);
        let mut narrow = bytes;
        narrow[10] = 20;
        assert!(EncodingParameters::from_bytes(&narrow).is_err());
    }
}
