//! Numbers that are within their range by construction.

use privacy_identity::{DecodeError, Reader, Writer};
use thiserror::Error;

/// Why a number was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum NumberError {
    /// A number that has to be above zero.
    #[error("{name} must be positive and finite, got {got}")]
    NotPositive {
        /// What it was for.
        name: &'static str,
        /// What was given.
        got: f64,
    },
    /// A number that must not be below zero.
    #[error("{name} must be at least 0 and finite, got {got}")]
    Negative {
        /// What it was for.
        name: &'static str,
        /// What was given.
        got: f64,
    },
    /// A number that has to be at most one.
    #[error("{name} must be at most 1, got {got}")]
    AboveOne {
        /// What it was for.
        name: &'static str,
        /// What was given.
        got: f64,
    },
    /// A number that has to be in 0..0.5.
    #[error("{name} must be at least 0 and below 0.5, got {got}")]
    NotBelowHalf {
        /// What it was for.
        name: &'static str,
        /// What was given.
        got: f64,
    },
    /// A number that has to be in 0..1.
    #[error("{name} must be at least 0 and below 1, got {got}")]
    NotFraction {
        /// What it was for.
        name: &'static str,
        /// What was given.
        got: f64,
    },
}

/// A positive finite `f64`: a learning rate, a bound, a tolerance.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Positive(pub(crate) f64);

impl Positive {
    /// One.
    pub const ONE: Self = Self(1.0);

    /// Takes `value`; `name` is for the refusal.
    ///
    /// # Errors
    /// [`NumberError::NotPositive`].
    pub fn new(name: &'static str, value: f64) -> Result<Self, NumberError> {
        if value.is_finite() && value > 0.0 {
            Ok(Self(value))
        } else {
            Err(NumberError::NotPositive { name, got: value })
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    pub(crate) fn encode(self, writer: &mut Writer) {
        writer.f64(self.0);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>, name: &'static str) -> Result<Self, DecodeError> {
        Self::new(name, reader.f64(name)?).map_err(|e| DecodeError::invalid(name, e))
    }
}

/// An `f64` in 0..1: a decay rate or a momentum. Of the two zeros it holds only +0, so that it has one
/// encoding.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Fraction(pub(crate) f64);

impl Fraction {
    /// Zero.
    pub const ZERO: Self = Self(0.0);

    /// Takes `value`; `name` is for the refusal.
    ///
    /// # Errors
    /// [`NumberError::NotFraction`].
    pub fn new(name: &'static str, value: f64) -> Result<Self, NumberError> {
        if (0.0..1.0).contains(&value) {
            Ok(Self(value + 0.0))
        } else {
            Err(NumberError::NotFraction { name, got: value })
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    pub(crate) fn encode(self, writer: &mut Writer) {
        writer.f64(self.0);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>, name: &'static str) -> Result<Self, DecodeError> {
        let value = reader.f64(name)?;
        if value.to_bits() == (-0.0_f64).to_bits() {
            return Err(DecodeError::invalid(name, "minus zero is not canonical"));
        }
        Self::new(name, value).map_err(|e| DecodeError::invalid(name, e))
    }
}

/// `base` to the power of `exponent` by squaring: only products, so the same bits on every machine
/// (`f64::powi` makes no such promise).
pub(crate) fn power(base: f64, exponent: u64) -> f64 {
    let (mut result, mut square, mut left) = (1.0, base, exponent);
    while left > 0 {
        if left & 1 == 1 {
            result *= square;
        }
        square *= square;
        left >>= 1;
    }
    result
}

/// `count` as an `f64`.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
pub(crate) const fn float(count: usize) -> f64 {
    count as f64
}

/// `value` rounded to f32; infinite if it is too large, which callers refuse.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
pub(crate) const fn single(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_their_range_are_refused_with_a_sentence() {
        for got in [0.0, -1.0, f64::INFINITY, f64::NAN] {
            let refused = Positive::new("learning rate", got).unwrap_err().to_string();
            assert!(refused.starts_with("learning rate must be positive"), "{refused}");
        }
        for got in [1.0, -0.1, f64::NAN] {
            assert!(Fraction::new("momentum", got).is_err());
        }
        assert_eq!(Fraction::new("momentum", -0.0).unwrap().get().to_bits(), 0);
    }

    #[test]
    fn powers_are_repeated_products() {
        assert!((power(0.9, 10) - 0.348_678_440_1).abs() < 1e-15);
        assert!((power(0.5, 0) - 1.0).abs() < f64::EPSILON);
    }
}
