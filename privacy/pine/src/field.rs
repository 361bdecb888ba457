//! The fields that PINE works in: prio's, with the conversions that the encoding needs.
//!
//! All three are prime fields with a large power-of-two subgroup, so that polynomials are
//! multiplied by number-theoretic transforms (VDAF draft 11, section 6.1).

use prio::field::{Field64, Field128, FieldPrio2, NttFriendlyFieldElement};
use subtle::Choice;

/// A field that PINE is defined over.
///
/// Implemented for prio's [`FieldPrio2`] (the draft's `Field32`), [`Field64`] and [`Field128`]. The
/// draft's later `Field40` has no counterpart in prio 0.18 and is absent.
pub trait PineField: NttFriendlyFieldElement + Default {
    /// The modulus q.
    const MODULUS: u128;

    /// The residue class of `value`.
    fn from_unsigned(value: u128) -> Self;

    /// The representative in `0..q`.
    fn to_unsigned(self) -> u128;

    /// The residue class of a signed integer.
    #[must_use]
    fn from_signed(value: i64) -> Self {
        let mut element = Self::from_unsigned(u128::from(value.unsigned_abs()));
        element.conditional_negate(Choice::from(u8::from(value < 0)));
        element
    }

    /// The representative in `−(q−1)/2 ..= (q−1)/2`.
    #[must_use]
    fn to_signed(self) -> i128 {
        let value = self.to_unsigned();
        let (magnitude, negative) =
            if value > Self::MODULUS / 2 { (Self::MODULUS - value, true) } else { (value, false) };
        let magnitude = i128::try_from(magnitude).unwrap_or(i128::MAX);
        if negative { -magnitude } else { magnitude }
    }
}

/// Implements [`PineField`] for a field of prio and its integer type.
macro_rules! pine_field {
    ($field:ty, $integer:ty, $modulus:expr) => {
        impl PineField for $field {
            const MODULUS: u128 = $modulus;

            fn from_unsigned(value: u128) -> Self {
                // No division for what is reduced already: it is slow, and not of constant time.
                let reduced = if value < Self::MODULUS { value } else { value % Self::MODULUS };
                Self::from(<$integer>::try_from(reduced).expect("reduced below the modulus"))
            }

            fn to_unsigned(self) -> u128 {
                u128::from(<$integer>::from(self))
            }
        }
    };
}

// q = 2^20·4095 + 1, of Prio v2; the draft's `Field32`.
pine_field!(FieldPrio2, u32, 4_293_918_721);
// q = 2^32·4294967295 + 1 (VDAF draft 11, table 3).
pine_field!(Field64, u64, 18_446_744_069_414_584_321);
// q = 2^66·4611686018427387897 + 1 (VDAF draft 11, table 3).
pine_field!(Field128, u128, 340_282_366_920_938_462_946_865_773_367_900_766_209);

/// Appends the encodings of `values`, each little-endian in `ENCODED_SIZE` bytes.
pub(crate) fn encode_vector<F: PineField>(values: &[F], bytes: &mut Vec<u8>) {
    bytes.reserve(values.len() * F::ENCODED_SIZE);
    for value in values {
        value.encode(bytes).expect("encoding a field element into memory cannot fail");
    }
}

/// Reads as many elements as `bytes` has room for; `None` if one is not below the modulus or the
/// length is no multiple of an element's.
pub(crate) fn decode_vector<F: PineField>(bytes: &[u8]) -> Option<Vec<F>> {
    if !bytes.len().is_multiple_of(F::ENCODED_SIZE) {
        return None;
    }
    bytes.chunks_exact(F::ENCODED_SIZE).map(|chunk| F::try_from(chunk).ok()).collect()
}

/// `target += term`, element by element.
pub(crate) fn add_assign<F: PineField>(target: &mut [F], term: &[F]) {
    debug_assert_eq!(target.len(), term.len(), "vectors of one layout");
    for (left, right) in target.iter_mut().zip(term) {
        *left += *right;
    }
}

/// `target −= term`, element by element.
pub(crate) fn sub_assign<F: PineField>(target: &mut [F], term: &[F]) {
    debug_assert_eq!(target.len(), term.len(), "vectors of one layout");
    for (left, right) in target.iter_mut().zip(term) {
        *left -= *right;
    }
}

/// The field element Σ bᵢ·2ⁱ of a little-endian sequence of (shares of) bits.
pub(crate) fn from_bits<F: PineField>(bits: &[F]) -> F {
    bits.iter().rev().fold(F::zero(), |sum, bit| sum + sum + *bit)
}

/// Appends the `count` low bits of `value`, least significant first, as field elements.
pub(crate) fn push_bits<F: PineField>(value: u128, count: usize, target: &mut Vec<F>) {
    target.extend((0..count).map(|bit| F::from_unsigned((value >> bit) & 1)));
}
