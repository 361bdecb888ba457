//! The sealed linear probe: one inner product per contributor, opened; its update stays shared.
//!
//! An inner product with public integers is linear, so each aggregator takes it with its own share
//! and only the sum of the results, one scalar per contributor, is opened (DESIGN §6).
//!
//! Threat: a probe that is a unit vector reads a coordinate. Aggregators therefore answer only a
//! probe that the DAO node signed, once per round, for a set of at least the minimum cohort.

use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};
use thiserror::Error;

use crate::{EncodingParameters, RingVector, Rotation, VALUE_MAX, VALUE_SHIFT};

mod rice;

/// Why a probe was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The federation's ring leaves no room for inner products.
    #[error("this federation does not measure values: its parameters have no probe bits")]
    Unvalued,
    /// Another number of coordinates than the federation's updates have.
    #[error("probe has {got} coordinates, updates have {expected}")]
    Dimension {
        /// Coordinates of an update.
        expected: usize,
        /// Coordinates of the probe.
        got: usize,
    },
    /// NaN or infinity: the loss diverged.
    #[error("coordinate {index} of the probe is not finite: the validation loss diverged")]
    NotFinite {
        /// Which coordinate.
        index: usize,
    },
    /// Its L2 norm is above what keeps an inner product from wrapping around.
    #[error("squared norm of the probe is {got}, at most {bound} is allowed")]
    Norm {
        /// (2^`probe_norm_bits` + √d/2)².
        bound: u64,
        /// What it is.
        got: u64,
    },
    /// A scale outside the supported range.
    #[error("probe scale 2^{got} is outside 2^{min}..=2^{max}")]
    Scale {
        /// Smallest exponent.
        min: i32,
        /// Largest exponent.
        max: i32,
        /// What was given.
        got: i32,
    },
}

/// A rotated probe in fixed point: integers `p_q` with R·p ≈ `p_q` · 2^−`exponent`.
///
/// It is rotated like the updates: R is orthogonal, so ⟨R·x, R·p⟩ = ⟨x, p⟩. Rotation also spreads a
/// sparse probe, so that few bits per coordinate carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuantizedProbe {
    values: Vec<i32>,
    exponent: i32,
    norm_squared: u64,
    /// Its packed form, which whoever checks a signature over it needs again: half a byte per parameter beside four.
    packed: Packed,
}

impl QuantizedProbe {
    /// Smallest exponent: with 12 probe bits a probe of norm 2^11 in loss per parameter unit.
    const EXPONENT_MIN: i32 = 1;
    /// Largest exponent: below a norm of 2^−12 a probe loses bits instead of gaining scale.
    const EXPONENT_MAX: i32 = 24;

    /// Scales `probe` by the largest power of two that keeps its norm within the parameters', and
    /// rounds to nearest. A power of two, so that values of different rounds have one exact unit.
    ///
    /// * `probe` — `[parameter_count]`, loss per parameter unit, not rotated.
    /// * `rotation` — of the round.
    ///
    /// # Errors
    /// [`ProbeError::Unvalued`], [`ProbeError::Dimension`] (of the probe or the rotation), [`ProbeError::NotFinite`] or [`ProbeError::Scale`] (a norm above
    /// 2^11 with the standard parameters).
    pub fn quantise(
        probe: &[f64],
        rotation: &Rotation,
        parameters: &EncodingParameters,
    ) -> Result<Self, ProbeError> {
        Self::scaled(probe, rotation, parameters, 0)
    }

    /// As [`QuantizedProbe::quantise`] with up to three bits less, for a probe whose readings need no more than a few parts
    /// in a thousand: 0.2 instead of 0.5 bytes per parameter at 10^6. Never so few that coordinates have a deviation below
    /// ½: there rounding to nearest begins to swallow them (by 1.4 % at ½, by half at ¼).
    ///
    /// # Errors
    /// As [`QuantizedProbe::quantise`].
    pub fn quantise_coarsely(
        probe: &[f64],
        rotation: &Rotation,
        parameters: &EncodingParameters,
    ) -> Result<Self, ProbeError> {
        Self::scaled(probe, rotation, parameters, 3)
    }

    fn scaled(
        probe: &[f64],
        rotation: &Rotation,
        parameters: &EncodingParameters,
        fewer_bits: i32,
    ) -> Result<Self, ProbeError> {
        let expected = parameters.dimension();
        for got in [probe.len(), rotation.dimension()] {
            if expected != got {
                return Err(ProbeError::Dimension { expected, got });
            }
        }
        if let Some(index) = probe.iter().position(|value| !value.is_finite()) {
            return Err(ProbeError::NotFinite { index });
        }
        let norm = probe.iter().map(|value| value * value).sum::<f64>().sqrt();
        let exponent = (Self::EXPONENT_MIN..=Self::EXPONENT_MAX)
            .rev()
            .find(|&exponent| norm * 2_f64.powi(exponent) <= parameters.probe_norm())
            .ok_or(ProbeError::Scale {
                min: Self::EXPONENT_MIN,
                max: Self::EXPONENT_MAX,
                got: Self::EXPONENT_MIN - 1,
            })?;
        #[expect(clippy::cast_precision_loss, reason = "at most 2 * 10^7")]
        let least = (expected as f64).sqrt() / 2.0;
        let exponent = ((exponent - fewer_bits).max(Self::EXPONENT_MIN)..exponent)
            .find(|&coarser| norm * 2_f64.powi(coarser) >= least)
            .unwrap_or(exponent);
        let scale = 2_f64.powi(exponent);
        #[expect(clippy::cast_possible_truncation, reason = "|value| <= 2^21 by the norm")]
        let mut scaled: Vec<f32> = probe.iter().map(|value| (value * scale) as f32).collect();
        rotation.apply(&mut scaled);
        #[expect(clippy::cast_possible_truncation, reason = "|value| <= 2^21 by the norm")]
        let values = scaled.iter().map(|value| value.round_ties_even() as i32).collect();
        Self::new(values, exponent).checked(parameters)
    }

    fn new(values: Vec<i32>, exponent: i32) -> Self {
        let packed = Packed::of(&values);
        Self::of_packed(values, exponent, packed)
    }

    fn of_packed(values: Vec<i32>, exponent: i32, packed: Packed) -> Self {
        let square = |value: &i32| u64::from(value.unsigned_abs()).pow(2);
        let norm_squared = values.iter().map(square).fold(0, u64::saturating_add);
        Self { values, exponent, norm_squared, packed }
    }

    /// The integers, `[parameter_count]`: what other modes take inner products with.
    #[must_use]
    pub fn values(&self) -> &[i32] {
        &self.values
    }

    /// e: the probe is the integers times 2^−e, in loss per parameter unit.
    #[must_use]
    pub const fn exponent(&self) -> i32 {
        self.exponent
    }

    /// Checks dimension, norm and scale: what an aggregator does before it answers.
    ///
    /// # Errors
    /// [`ProbeError`].
    pub fn checked(self, parameters: &EncodingParameters) -> Result<Self, ProbeError> {
        if !parameters.is_valued() {
            return Err(ProbeError::Unvalued);
        }
        let (expected, got) = (parameters.dimension(), self.values.len());
        if expected != got {
            return Err(ProbeError::Dimension { expected, got });
        }
        let (min, max) = (Self::EXPONENT_MIN, Self::EXPONENT_MAX);
        if !(min..=max).contains(&self.exponent) {
            return Err(ProbeError::Scale { min, max, got: self.exponent });
        }
        let bound = parameters.rounded_probe_norm_squared();
        let got = self.norm_squared();
        if got > bound { Err(ProbeError::Norm { bound, got }) } else { Ok(self) }
    }

    /// The inner product of a share with this probe, in the ring. Extra coordinates have no part in it.
    ///
    /// # Panics
    /// If the share is shorter: both were checked against the same parameters.
    #[must_use]
    pub fn scalar_share(&self, share: &RingVector) -> ScalarShare {
        let elements = &share.elements()[..self.values.len()];
        // Modulo 2^32 first: 2^k divides it.
        let product = |(element, value): (&u32, &i32)| element.wrapping_mul(value.cast_unsigned());
        let sum = elements.iter().zip(&self.values).map(product);
        ScalarShare(sum.fold(0, u32::wrapping_add) & share.ring().mask())
    }

    /// ‖p‖², at most (2^`probe_norm_bits` + √d/2)² of a checked probe.
    #[must_use]
    pub const fn norm_squared(&self) -> u64 {
        self.norm_squared
    }

    /// The largest magnitude that the inner product of an honest contributor's sealed update with this probe
    /// has (Cauchy–Schwarz; with noise exceeded with probability below 2^−60 per round): what is read beyond
    /// it is nobody's value.
    #[must_use]
    pub fn reading_max(&self, parameters: &EncodingParameters) -> i64 {
        #[expect(clippy::cast_precision_loss, reason = "the bound is rounded up below")]
        let norm = (self.norm_squared() as f64).sqrt();
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let most = (parameters.value_norm() * norm).ceil() as i64;
        most
    }

    /// The inner product with a public sum, `[vector_len]` or longer than the probe; extra coordinates have
    /// no part in it. Saturates: a true sum's stays far below 2^63.
    #[must_use]
    pub fn product_with_sum(&self, sum: &[i64]) -> i64 {
        let product = |(x, p): (&i64, &i32)| i128::from(*x) * i128::from(*p);
        let total: i128 = sum.iter().zip(&self.values).map(product).sum();
        i64::try_from(total).unwrap_or(if total < 0 { i64::MIN } else { i64::MAX })
    }

    /// Converts an opened inner product to units of [`EncodingParameters::value_unit`], rounded
    /// towards zero, at most [`VALUE_MAX`] in magnitude: the same integers give the same value everywhere.
    ///
    /// Threat: one contributor whose scalar the ledger refuses would stop the round for all. In rings
    /// above 26 bits, and where an update only has to prove the norm of noise, a dishonest one can get there.
    #[must_use]
    pub fn value_from_opened(&self, opened: i64) -> i64 {
        let shift = VALUE_SHIFT - self.exponent;
        let value =
            if shift >= 0 { opened.saturating_mul(1 << shift) } else { opened / (1 << -shift) };
        value.clamp(-VALUE_MAX, VALUE_MAX)
    }
}

/// The coordinates as bits ([`rice`]).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Packed {
    parameter: u8,
    bytes: Vec<u8>,
}

impl Packed {
    fn of(values: &[i32]) -> Self {
        let parameter = rice::parameter(values);
        let bytes = rice::pack(values, parameter);
        Self { parameter: u8::try_from(parameter).expect("at most 31"), bytes }
    }
}

/// Largest packed form that is read: 32 bits for each coordinate.
const PACKED_BYTES_MAX: usize = 4 * EncodingParameters::DIMENSION_MAX as usize;

/// Every member fetches the probes of every round: at 10^6 coordinates each takes 0.54 bytes per parameter.
impl Encode for QuantizedProbe {
    fn encode(&self, writer: &mut Writer) {
        writer.i64(i64::from(self.exponent));
        writer.u32(u32::try_from(self.values.len()).expect("at most DIMENSION_MAX"));
        writer.u8(self.packed.parameter);
        writer.bytes(&self.packed.bytes);
    }
}

impl Decode for QuantizedProbe {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let exponent =
            i32::try_from(reader.i64()?).map_err(|e| DecodeError::invalid("exponent", e))?;
        let bound = EncodingParameters::DIMENSION_MAX as usize;
        let length = reader.length("probe", bound)?;
        let parameter = reader.u8()?;
        let bytes = reader.bytes("packed probe", PACKED_BYTES_MAX)?;
        let values = rice::unpack(bytes, length, u32::from(parameter))?;
        // There is one form: these bytes are what packing the values would give.
        Ok(Self::of_packed(values, exponent, Packed { parameter, bytes: bytes.to_vec() }))
    }
}

/// One aggregator's share of one contributor's inner product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScalarShare(pub u32);

/// Adds the aggregators' shares of one inner product.
#[must_use]
pub fn open_scalar(shares: &[ScalarShare], parameters: &EncodingParameters) -> i64 {
    let sum = shares.iter().fold(0_u32, |sum, share| sum.wrapping_add(share.0));
    parameters.ring().centred(sum)
}

#[cfg(test)]
mod tests {
    use privacy_dp::ClipNorm;

    use super::*;

    #[test]
    fn a_probe_that_came_and_could_wrap_is_refused() {
        let parameters = EncodingParameters::standard(ClipNorm::new(2.0).unwrap(), 3, 2).unwrap();
        let exponent = QuantizedProbe::EXPONENT_MIN;
        let probe = |first| QuantizedProbe::new(vec![first, 0, 0], exponent);
        let arrived = |first| QuantizedProbe::from_bytes(&probe(first).to_bytes()).unwrap();
        assert!(arrived(1).checked(&parameters).is_ok());
        assert!(arrived(i32::MAX).checked(&parameters).is_err());
    }
}
