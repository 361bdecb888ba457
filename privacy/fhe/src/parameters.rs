//! Parameters of a round in FHE mode, derived from what the round has to carry.
//!
//! ```text
//! coefficient of a body, 64 bits:
//!   ├── lane 1: lane_bits ──┼── lane 0: lane_bits ──┼────── shift: noise ──────┤
//!                                                       kept │ dropped_bits
//! ```
//!
//! **Lanes.** A lane holds a signed sum of at most n values of magnitude at most B: it needs 1 +
//! ⌈log2(n·B + 1)⌉ bits, and n is bounded by the signed order, or lanes would overflow silently into
//! their neighbours.
//!
//! **Failure.** A coefficient of the opened sum is wrong if its noise reaches Δ/2, Δ = 2^shift. The
//! noise is a sum of n errors, each D_{Z,σ} with σ² = 40.5 (subgaussian with exactly that variance,
//! since `ρ_σ(Z + c) ≤ ρ_σ(Z)`), and n rounding errors of steps of 2h = 2^d, uniform up to ties (half
//! even): symmetric with variance h²/3 + 1/6 and strictly subgaussian, since their moment-generating
//! function is sinh(hλ)/(2h·tanh(λ/2)) ≤ exp(λ²(h²/6 + 1/12)). With V = n·(σ² + h²/3 + 1/6), Chernoff
//! and the union over the coefficients of an update give
//!
//! P(failure) ≤ coefficients · 2 · exp(−(Δ/2)² / 2V) < 2^-40.
//!
//! That rounding errors are uniform and independent holds as far as bodies are indistinguishable from
//! uniform, which is the scheme's security; a test measures the variance.

use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};
use thiserror::Error;

use crate::{DEGREE, GAUSSIAN_VARIANCE_DOUBLED};

/// Largest dimension of an update.
pub const DIMENSION_MAX: u32 = 20_000_000;
/// Largest magnitude of a coordinate: quantised values have at most 24 bits and a sign.
pub const COORDINATE_MAX: u32 = 1 << 24;
/// Most contributors of a round. Keeps the sum of keys below what an engine is given.
pub const CONTRIBUTORS_MAX: u32 = 1 << 16;
/// Most lanes of a coefficient: eight would leave no room for noise.
const LANES_MAX: u8 = 7;
/// Most bits that are rounded away: its square stays far below the 128 bits of the derivation.
const DROPPED_BITS_MAX: u8 = 48;
/// Failure of a round is below 2^-this.
const FAILURE_BITS: u32 = 40;

/// What a round has to carry; part of the signed order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FheRequirements {
    /// Coordinates of an update, 1..=[`DIMENSION_MAX`].
    pub dimension: u32,
    /// Largest magnitude of a coordinate, noise included, 1..=[`COORDINATE_MAX`].
    pub coordinate_max: u32,
    /// Most contributors whose updates are added, 1..=[`CONTRIBUTORS_MAX`].
    pub contributors_max: u32,
    /// Inner products with probes stay below 2^this in magnitude; 0 if the round has no probe.
    pub inner_product_bits: u8,
}

/// Why parameters were refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// A requirement is outside its range.
    #[error("{requirement} must be {min}..={max}, got {got}")]
    Range {
        /// Which one.
        requirement: &'static str,
        /// Smallest value.
        min: u32,
        /// Largest value.
        max: u32,
        /// The value given.
        got: u32,
    },
    /// One lane and its noise do not fit 64 bits.
    #[error("lanes of {lane_bits} bits leave no room for the noise of {contributors} contributors")]
    NoLayout {
        /// Bits that a lane needs.
        lane_bits: u32,
        /// Contributors asked for.
        contributors: u32,
    },
}

/// Checked parameters: lanes cannot overflow and opening fails with probability below 2^-40.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FheParameters {
    requirements: FheRequirements,
    lanes: u8,
    lane_bits: u8,
    dropped_bits: u8,
}

impl FheParameters {
    /// Derives the layout with the fewest bits on the wire.
    ///
    /// # Errors
    /// [`ParameterError`].
    pub fn checked(requirements: FheRequirements) -> Result<Self, ParameterError> {
        let FheRequirements { dimension, coordinate_max, contributors_max, inner_product_bits } =
            requirements;
        in_range("dimension", dimension, 1, DIMENSION_MAX)?;
        in_range("coordinate_max", coordinate_max, 1, COORDINATE_MAX)?;
        in_range("contributors_max", contributors_max, 1, CONTRIBUTORS_MAX)?;
        in_range("inner_product_bits", inner_product_bits.into(), 0, 40)?;
        let sum_max = u64::from(coordinate_max) * u64::from(contributors_max);
        let sum_bits = u64::BITS - sum_max.leading_zeros();
        let lane_bits = 1 + sum_bits.max(inner_product_bits.into());
        let layouts = (1..=LANES_MAX).filter_map(|lanes| layout(&requirements, lanes, lane_bits));
        // Bits per coordinate, compared without division; fewer lanes win a tie.
        layouts
            .min_by_key(|layout| {
                let scale = (1..=u32::from(LANES_MAX)).product::<u32>();
                u32::from(layout.coefficient_bits()) * (scale / u32::from(layout.lanes))
            })
            .ok_or(ParameterError::NoLayout { lane_bits, contributors: contributors_max })
    }

    /// Parameters that drop more bits than the failure bound allows, to watch them fail.
    #[cfg(test)]
    pub(crate) const fn with_dropped_bits(self, dropped_bits: u8) -> Self {
        Self { dropped_bits, ..self }
    }

    /// What the parameters were derived from.
    #[must_use]
    pub const fn requirements(&self) -> &FheRequirements {
        &self.requirements
    }

    /// Coordinates in a coefficient.
    #[must_use]
    pub const fn lanes(&self) -> u8 {
        self.lanes
    }

    /// Bits of a lane.
    #[must_use]
    pub const fn lane_bits(&self) -> u8 {
        self.lane_bits
    }

    /// log2 Δ: the bits below the lanes, for the noise. Lanes always end at bit 64.
    #[must_use]
    pub const fn shift(&self) -> u8 {
        64 - self.lanes * self.lane_bits
    }

    /// Low bits that are rounded away before a body travels.
    #[must_use]
    pub const fn dropped_bits(&self) -> u8 {
        self.dropped_bits
    }

    /// Bits of a coefficient on the wire.
    #[must_use]
    pub const fn coefficient_bits(&self) -> u8 {
        64 - self.dropped_bits
    }

    /// Coefficients of an update: the last polynomial is sent as far as it is used.
    #[must_use]
    pub const fn coefficients(&self) -> usize {
        self.requirements.dimension.div_ceil(self.lanes as u32) as usize
    }

    /// Polynomials of an update.
    #[must_use]
    pub const fn polynomials(&self) -> usize {
        self.coefficients().div_ceil(DEGREE)
    }

    /// Bytes of a packed body.
    #[must_use]
    pub const fn body_bytes(&self) -> usize {
        crate::packing::packed_len(self.coefficients(), self.coefficient_bits())
    }

    /// Variance of the noise in a coefficient of a sum of `contributors` ciphertexts.
    #[must_use]
    pub fn noise_variance(&self, contributors: u32) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a variance")]
        let variance_by_12 = variance_by_12(self.dropped_bits) as f64;
        f64::from(contributors) * variance_by_12 / 12.0
    }
}

const fn in_range(
    requirement: &'static str,
    got: u32,
    min: u32,
    max: u32,
) -> Result<(), ParameterError> {
    if got < min || got > max {
        return Err(ParameterError::Range { requirement, min, max, got });
    }
    Ok(())
}

/// Twelve times the variance of the noise of one ciphertext: 12·σ², and 4h² + 2 for rounding.
const fn variance_by_12(dropped_bits: u8) -> u128 {
    let rounding = if dropped_bits == 0 { 0 } else { (1 << (2 * dropped_bits)) + 2 };
    6 * GAUSSIAN_VARIANCE_DOUBLED as u128 + rounding
}

/// The parameters with `lanes` lanes and as many dropped bits as the failure bound allows.
fn layout(requirements: &FheRequirements, lanes: u8, lane_bits: u32) -> Option<FheParameters> {
    let lane_bits = u8::try_from(lane_bits).ok()?;
    let shift = 64_u8.checked_sub(lanes.checked_mul(lane_bits)?)?;
    let coefficients = requirements.dimension.div_ceil(lanes.into());
    let dropped_bits = (0..shift.min(DROPPED_BITS_MAX)).rev().find(|dropped| {
        fails_rarely(shift, *dropped, requirements.contributors_max, coefficients)
    })?;
    Some(FheParameters { requirements: *requirements, lanes, lane_bits, dropped_bits })
}

/// Whether coefficients · 2 · exp(−Δ²/8V) < 2^-40: Δ²/8V > ln 2 · (41 + log2 coefficients), in
/// integers, so that every machine derives the same layout.
fn fails_rarely(shift: u8, dropped_bits: u8, contributors: u32, coefficients: u32) -> bool {
    let delta_squared = 1_u128 << (2 * shift);
    let variance_by_12 = u128::from(contributors) * variance_by_12(dropped_bits);
    let bits = u128::from(FAILURE_BITS + 1 + coefficients.next_power_of_two().ilog2());
    // Δ²/(8V) = Δ²·12/(8·12V); ln 2 < 0.693148. Both sides can pass 2^128, so as (low, high) words.
    let (low, high) = delta_squared.carrying_mul(3 * 500_000, 0);
    let (bound_low, bound_high) = variance_by_12.carrying_mul(bits * 693_148, 0);
    (high, low) > (bound_high, bound_low)
}

impl Encode for FheParameters {
    fn encode(&self, writer: &mut Writer) {
        writer.u32(self.requirements.dimension);
        writer.u32(self.requirements.coordinate_max);
        writer.u32(self.requirements.contributors_max);
        writer.u8(self.requirements.inner_product_bits);
    }
}

impl Decode for FheParameters {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let requirements = FheRequirements {
            dimension: reader.u32()?,
            coordinate_max: reader.u32()?,
            contributors_max: reader.u32()?,
            inner_product_bits: reader.u8()?,
        };
        Self::checked(requirements).map_err(|source| DecodeError::invalid("parameters", source))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn derived(dimension: u32, coordinate_max: u32, contributors_max: u32) -> FheParameters {
        FheParameters::checked(FheRequirements {
            dimension,
            coordinate_max,
            contributors_max,
            inner_product_bits: 0,
        })
        .unwrap()
    }

    #[test]
    fn a_thousand_contributors_of_16_bits_take_two_lanes_of_26_bits() {
        let parameters = derived(1_000_000, 32_767, 1000);
        assert_eq!((parameters.lanes(), parameters.lane_bits()), (2, 26));
        assert_eq!((parameters.shift(), parameters.dropped_bits()), (12, 3));
        assert_eq!(parameters.body_bytes(), 7813 * 8 * 61);
    }

    #[test]
    fn thirty_two_contributors_of_12_bits_take_three_lanes_of_17_bits() {
        let parameters = derived(1_000_000, 2047, 32);
        assert_eq!((parameters.lanes(), parameters.lane_bits()), (3, 17));
        assert_eq!((parameters.shift(), parameters.dropped_bits()), (13, 8));
    }

    /// Found with a fuzz target: at 128 bits the bound wrapped around, and 47 of 49 bits below the lane were
    /// rounded away. The expected layouts are computed with integers of any size.
    #[test]
    fn the_failure_bound_does_not_wrap_around() {
        let layout = |parameters: FheParameters| {
            (parameters.lanes(), parameters.lane_bits(), parameters.dropped_bits())
        };
        assert_eq!(layout(derived(17_644_912, 26, 376)), (3, 15, 12));
        assert_eq!(layout(derived(1365, 4, 30_505)), (2, 18, 18));
        let smallest = [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0];
        assert_eq!(layout(FheParameters::from_bytes(&smallest).unwrap()), (7, 2, 47));
    }

    #[test]
    fn requirements_outside_their_range_are_refused() {
        let requirements = FheRequirements {
            dimension: 10,
            coordinate_max: 10,
            contributors_max: 10,
            inner_product_bits: 0,
        };
        let refused = |requirements| FheParameters::checked(requirements).unwrap_err();
        for wrong in [
            FheRequirements { dimension: 0, ..requirements },
            FheRequirements { dimension: DIMENSION_MAX + 1, ..requirements },
            FheRequirements { coordinate_max: 0, ..requirements },
            FheRequirements { coordinate_max: COORDINATE_MAX + 1, ..requirements },
            FheRequirements { contributors_max: 0, ..requirements },
            FheRequirements { contributors_max: CONTRIBUTORS_MAX + 1, ..requirements },
            FheRequirements { inner_product_bits: 41, ..requirements },
        ] {
            assert!(matches!(refused(wrong), ParameterError::Range { .. }), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn lanes_hold_every_sum_and_the_noise_fits_below_them(
            dimension in 1_u32..=DIMENSION_MAX,
            coordinate_max in 1_u32..=COORDINATE_MAX,
            contributors_max in 1_u32..=CONTRIBUTORS_MAX,
            inner_product_bits in 0_u8..=40,
        ) {
            let requirements =
                FheRequirements { dimension, coordinate_max, contributors_max, inner_product_bits };
            let parameters = FheParameters::checked(requirements).unwrap();
            let sum = i64::from(coordinate_max) * i64::from(contributors_max);
            prop_assert!(sum < 1 << (parameters.lane_bits() - 1));
            prop_assert!(inner_product_bits < parameters.lane_bits());
            prop_assert!(u32::from(parameters.lanes()) * u32::from(parameters.lane_bits()) <= 64);
            // The bound of the module's documentation, in floating point.
            let delta = f64::from(parameters.shift()).exp2();
            let variance = parameters.noise_variance(contributors_max);
            let exponent = delta * delta / 8.0 / variance / std::f64::consts::LN_2;
            #[expect(clippy::cast_precision_loss, reason = "at most 20 million")]
            let coefficients = parameters.coefficients() as f64;
            prop_assert!(exponent - 1.0 - coefficients.log2() > 40.0);
            prop_assert_eq!(FheParameters::from_bytes(&parameters.to_bytes()).unwrap(), parameters);
        }

        #[test]
        fn decoding_arbitrary_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let _unused = FheParameters::from_bytes(&bytes);
        }
    }
}
