//! What all parties of a federation agree on before the first report, and what follows from it.

use thiserror::Error;

use crate::{
    field::PineField,
    flp::{Gadget, Products},
};

/// α of the draft: a wraparound check fails on an honest vector with probability ≤ 2·e^(−α²), which
/// is 2^−108 (paper, lemma 3.3; `find_wr_params` of the draft).
pub const ALPHA: f64 = 8.7;

/// Wraparound checks of the draft. A vector that wraps passes each with probability ≤ 1/2.
pub const CHECKS: usize = 100;

/// Most aggregators; the draft numbers them in one byte.
pub const AGGREGATORS_MAX: u8 = 16;

/// Largest dimension, 2^27 (1 GiB of `Field64`): a bound on memory.
pub const DIMENSION_MAX: usize = 1 << 27;

/// Largest power-of-two order for which prio tabulates roots of unity.
const TRANSFORM_MAX: usize = 1 << 20;

/// Most wraparound checks: a bound on memory and time.
const CHECKS_MAX: usize = 1_000;

/// Longest context: tag and context fit the XOF's one length byte.
pub const CONTEXT_BYTES_MAX: usize = 200;

/// Largest number of fractional bits of the draft.
const FRACTION_BITS_MAX: u32 = 127;

/// The parameters of a PINE instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// Coordinates of a vector, `1..=DIMENSION_MAX`.
    pub dimension: usize,
    /// The L2 norm bound, inclusive, in integer units (real units times 2^`fraction_bits`).
    pub norm_bound: u64,
    /// Fractional bits of the float encoding; 0 for integers.
    pub fraction_bits: u32,
    /// Pairs per gadget call of the validity circuit.
    pub chunk_length: usize,
    /// Squares per gadget call of the norm-equality circuit.
    pub norm_chunk_length: usize,
    /// Aggregators, `2..=AGGREGATORS_MAX`.
    pub aggregators: u8,
    /// Proofs of the validity circuit, ≥ 1.
    pub proofs: u8,
    /// Proofs of the norm-equality circuit, ≥ 1.
    pub norm_proofs: u8,
    /// Width of the interval that a wraparound check accepts, in norm bounds.
    pub alpha: f64,
    /// Wraparound checks run.
    pub checks: usize,
    /// Wraparound checks that must succeed.
    pub successes: usize,
    /// Algorithm identifier in every domain-separation tag.
    pub algorithm_id: u32,
    /// Appended to every domain-separation tag, at most [`CONTEXT_BYTES_MAX`] bytes. The draft's
    /// version 01 has none; later VDAF drafts bind the application in the same place.
    pub context: Vec<u8>,
}

/// Why parameters are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// A parameter is outside its range.
    #[error("{name} is {got}, outside {min}..={max}")]
    OutOfRange {
        /// The parameter.
        name: &'static str,
        /// Its value.
        got: u128,
        /// The least allowed.
        min: u128,
        /// The largest allowed.
        max: u128,
    },
    /// The squared norm bound leaves the range check ambiguous: q ≥ 3B² + 2 is required (paper,
    /// figure 1).
    #[error("norm bound {norm_bound} needs a modulus above 3·{norm_bound}² + 2, not {modulus}")]
    NormBoundTooLarge {
        /// The norm bound.
        norm_bound: u64,
        /// The field's modulus.
        modulus: u128,
    },
    /// The interval of the wraparound checks is too wide for the field (paper, lemma 3.3).
    #[error("wraparound bound {wraparound_bound} is too large for the modulus {modulus}")]
    WraparoundBoundTooLarge {
        /// ⌈α·B⌉ + 1, rounded up to a power of two.
        wraparound_bound: u128,
        /// The field's modulus.
        modulus: u128,
    },
}

/// Lengths and bounds that follow from the parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) dimension: usize,
    /// B².
    pub(crate) square_bound: u128,
    /// Bits of v = ‖x‖² and of u = B² − v.
    pub(crate) norm_bits: usize,
    /// Half the width of the wraparound interval, a power of two.
    pub(crate) wraparound_bound: u128,
    /// Bits of a wraparound result.
    pub(crate) check_bits: usize,
    pub(crate) checks: usize,
    pub(crate) successes: usize,
}

impl Layout {
    /// Elements of the gradient and the two range-checked norms: what wraparound randomness binds.
    pub(crate) const fn norm_len(&self) -> usize {
        self.dimension + 2 * self.norm_bits
    }

    /// Elements that must be bits.
    pub(crate) const fn bits_len(&self) -> usize {
        2 * self.norm_bits + self.checks * (self.check_bits + 1)
    }

    /// Elements that are shared: gradient and bits.
    pub(crate) const fn measurement_len(&self) -> usize {
        self.dimension + self.bits_len()
    }
}

impl Parameters {
    /// The layout over `F`.
    ///
    /// # Errors
    /// [`ParameterError`] if a parameter is out of range or the field is too small.
    pub(crate) fn layout<F: PineField>(&self) -> Result<Layout, ParameterError> {
        let layout = self.bounds::<F>()?;
        for gadget in [self.norm_gadget(&layout), self.validity_gadget(&layout)] {
            let max = (TRANSFORM_MAX / 2 - 1) as u128;
            in_range("gadget calls", gadget.calls as u128, 1, max)?;
        }
        Ok(layout)
    }

    /// What does not depend on the chunk lengths.
    pub(crate) fn bounds<F: PineField>(&self) -> Result<Layout, ParameterError> {
        self.check_ranges()?;
        let bound = u128::from(self.norm_bound);
        let square_bound = bound * bound;
        if square_bound.checked_mul(3).is_none_or(|triple| triple >= F::MODULUS - 2) {
            return Err(ParameterError::NormBoundTooLarge {
                norm_bound: self.norm_bound,
                modulus: F::MODULUS,
            });
        }
        let wraparound_bound = self.wraparound_bound();
        let too_wide = F::MODULUS / wraparound_bound < 2600
            || wraparound_bound
                .checked_mul(wraparound_bound)
                .is_none_or(|s| s / F::MODULUS >= 4000)
            || F::MODULUS / (self.checks as u128) < 2;
        if too_wide {
            return Err(ParameterError::WraparoundBoundTooLarge {
                wraparound_bound,
                modulus: F::MODULUS,
            });
        }
        Ok(Layout {
            dimension: self.dimension,
            square_bound,
            norm_bits: bit_length(square_bound),
            wraparound_bound,
            check_bits: bit_length(2 * wraparound_bound - 1),
            checks: self.checks,
            successes: self.successes,
        })
    }

    /// The gadget of the norm-equality circuit.
    pub(crate) const fn norm_gadget(&self, layout: &Layout) -> Gadget {
        Gadget {
            products: Products::Squares,
            arity: self.norm_chunk_length,
            calls: layout.dimension.div_ceil(self.norm_chunk_length),
        }
    }

    /// The gadget of the validity circuit.
    pub(crate) const fn validity_gadget(&self, layout: &Layout) -> Gadget {
        Gadget {
            products: Products::Pairs,
            arity: 2 * self.chunk_length,
            calls: layout.bits_len().div_ceil(self.chunk_length)
                + layout.checks.div_ceil(self.chunk_length),
        }
    }

    /// The smallest power of two ≥ ⌈α·B⌉ + 1, so that its range check needs no second number
    /// (paper, remark 3.2).
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "α is in 1..=64 and B below 2^64: the product is positive and far below 2^128"
    )]
    fn wraparound_bound(&self) -> u128 {
        ((self.alpha * self.norm_bound as f64).ceil() as u128 + 1).next_power_of_two()
    }

    /// Checks every parameter by itself.
    fn check_ranges(&self) -> Result<(), ParameterError> {
        let aggregators = u128::from(self.aggregators);
        in_range("dimension", self.dimension as u128, 1, DIMENSION_MAX as u128)?;
        in_range("norm bound", u128::from(self.norm_bound), 1, u128::from(u64::MAX))?;
        in_range("fraction bits", self.fraction_bits.into(), 0, FRACTION_BITS_MAX.into())?;
        in_range("chunk length", self.chunk_length as u128, 1, DIMENSION_MAX as u128)?;
        in_range("norm chunk length", self.norm_chunk_length as u128, 1, DIMENSION_MAX as u128)?;
        in_range("aggregators", aggregators, 2, AGGREGATORS_MAX.into())?;
        in_range("proofs", self.proofs.into(), 1, u8::MAX.into())?;
        in_range("norm proofs", self.norm_proofs.into(), 1, u8::MAX.into())?;
        in_range("checks", self.checks as u128, 1, CHECKS_MAX as u128)?;
        in_range("successes", self.successes as u128, 1, self.checks as u128)?;
        in_range("context bytes", self.context.len() as u128, 0, CONTEXT_BYTES_MAX as u128)?;
        if !(1.0..=64.0).contains(&self.alpha) {
            return Err(ParameterError::OutOfRange { name: "alpha", got: 0, min: 1, max: 64 });
        }
        Ok(())
    }
}

/// Refuses `got` outside `min..=max`.
const fn in_range(
    name: &'static str,
    got: u128,
    min: u128,
    max: u128,
) -> Result<(), ParameterError> {
    if got < min || got > max {
        return Err(ParameterError::OutOfRange { name, got, min, max });
    }
    Ok(())
}

/// Binary digits of a positive number.
const fn bit_length(value: u128) -> usize {
    (u128::BITS - value.leading_zeros()) as usize
}
