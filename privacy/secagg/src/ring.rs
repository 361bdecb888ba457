//! The ring `Z_2^k` and vectors over it.

use thiserror::Error;
use zeroize::Zeroize as _;

use crate::packing;

/// Why a ring or a packed vector was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RingError {
    /// Unsupported width.
    #[error("ring width must be {min}..={max} bits, got {got}")]
    Width {
        /// Smallest width.
        min: u8,
        /// Largest width.
        max: u8,
        /// What was asked for.
        got: u8,
    },
    /// Packed bytes of the wrong length, or with bits set beyond the last element.
    #[error("packed vector of {elements} elements needs {expected} bytes, got {got}")]
    PackedLength {
        /// Elements expected.
        elements: usize,
        /// Bytes they take.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// Padding bits after the last element are not zero.
    #[error("padding bits of a packed vector are not zero")]
    Padding,
    /// Two vectors of different length were combined.
    #[error("vectors of {left} and {right} elements do not add")]
    LengthMismatch {
        /// Elements of the one.
        left: usize,
        /// Elements of the other.
        right: usize,
    },
}

/// The integers modulo 2^k, 8 ≤ k ≤ 32. Elements are kept in the low k bits of a `u32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ring {
    bits: u8,
}

impl Ring {
    /// Narrowest ring: anything below leaves no room for a sum of bytes.
    pub const BITS_MIN: u8 = 8;
    /// Widest ring: one machine word of the vectors below.
    pub const BITS_MAX: u8 = 32;

    /// The ring of `bits` bits.
    ///
    /// # Errors
    /// [`RingError::Width`].
    pub const fn new(bits: u8) -> Result<Self, RingError> {
        if bits < Self::BITS_MIN || bits > Self::BITS_MAX {
            return Err(RingError::Width { min: Self::BITS_MIN, max: Self::BITS_MAX, got: bits });
        }
        Ok(Self { bits })
    }

    /// k.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.bits
    }

    /// The mask of the low k bits.
    #[must_use]
    pub const fn mask(self) -> u32 {
        u32::MAX >> (32 - self.bits)
    }

    /// The element congruent to the signed integer `value`.
    #[must_use]
    pub const fn element(self, value: i64) -> u32 {
        #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "modulo 2^k")]
        let low = value as u32;
        low & self.mask()
    }

    /// The representative of `element` in −2^(k−1) .. 2^(k−1).
    #[must_use]
    pub fn centred(self, element: u32) -> i64 {
        let value = i64::from(element & self.mask());
        if value >= 1 << (self.bits - 1) { value - (1 << self.bits) } else { value }
    }

    /// Bytes of a packed vector of `elements` elements: ⌈elements · k / 8⌉.
    #[must_use]
    pub const fn packed_len(self, elements: usize) -> usize {
        (elements * self.bits as usize).div_ceil(8)
    }
}

/// A vector over a [`Ring`]. A share of an update: zeroised on drop, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct RingVector {
    ring: Ring,
    elements: Vec<u32>,
}

impl RingVector {
    /// The zero vector of `len` elements.
    #[must_use]
    pub fn zero(ring: Ring, len: usize) -> Self {
        Self { ring, elements: vec![0; len] }
    }

    /// The vector of the integers `values` modulo 2^k.
    pub fn from_integers(ring: Ring, values: impl IntoIterator<Item = i64>) -> Self {
        Self { ring, elements: values.into_iter().map(|value| ring.element(value)).collect() }
    }

    /// Its ring.
    #[must_use]
    pub const fn ring(&self) -> Ring {
        self.ring
    }

    pub(crate) fn elements_mut(&mut self) -> &mut [u32] {
        &mut self.elements
    }

    /// Its elements, each below 2^k.
    #[must_use]
    pub fn elements(&self) -> &[u32] {
        &self.elements
    }

    /// Adds `other` element by element.
    ///
    /// # Errors
    /// [`RingError::LengthMismatch`] (also for vectors of different rings).
    pub fn add(&mut self, other: &Self) -> Result<(), RingError> {
        self.combine(other, u32::wrapping_add)
    }

    /// Subtracts `other` element by element.
    ///
    /// # Errors
    /// [`RingError::LengthMismatch`] (also for vectors of different rings).
    pub fn subtract(&mut self, other: &Self) -> Result<(), RingError> {
        self.combine(other, u32::wrapping_sub)
    }

    fn combine(&mut self, other: &Self, op: impl Fn(u32, u32) -> u32) -> Result<(), RingError> {
        if self.elements.len() != other.elements.len() || self.ring != other.ring {
            let (left, right) = (self.elements.len(), other.elements.len());
            return Err(RingError::LengthMismatch { left, right });
        }
        let mask = self.ring.mask();
        for (mine, theirs) in self.elements.iter_mut().zip(&other.elements) {
            *mine = op(*mine, *theirs) & mask;
        }
        Ok(())
    }

    /// Adds the packed vector `packed`, element by element, without a vector in between.
    ///
    /// # Errors
    /// [`RingError::PackedLength`] or [`RingError::Padding`]; the sum is then unchanged.
    pub fn add_packed(&mut self, packed: &[u8]) -> Result<(), RingError> {
        let mask = self.ring.mask();
        let sum = |mine: u32, theirs| mine.wrapping_add(theirs) & mask;
        packing::unpack_onto(self.ring, packed, &mut self.elements, sum)
    }

    /// The elements, k bits each, least significant bit first, padded with zero bits.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        let mut packed = vec![0; self.ring.packed_len(self.elements.len())];
        packing::pack(self.ring, &self.elements, &mut packed);
        packed
    }

    /// Reads `len` elements from `packed`.
    ///
    /// # Errors
    /// [`RingError::PackedLength`] (before anything is allocated) or [`RingError::Padding`]: there is
    /// one packing of a vector.
    pub fn unpack(ring: Ring, len: usize, packed: &[u8]) -> Result<Self, RingError> {
        let (expected, got) = (ring.packed_len(len), packed.len());
        if expected != got {
            return Err(RingError::PackedLength { elements: len, expected, got });
        }
        let mut vector = Self::zero(ring, len);
        packing::unpack_onto(ring, packed, &mut vector.elements, |_, element| element)?;
        Ok(vector)
    }
}

impl Drop for RingVector {
    fn drop(&mut self) {
        self.elements.zeroize();
    }
}

impl std::fmt::Debug for RingVector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RingVector({} elements of {} bits)", self.elements.len(), self.ring.bits)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn widths_outside_the_supported_range_are_refused() {
        assert!(Ring::new(7).is_err());
        assert!(Ring::new(33).is_err());
        assert_eq!(Ring::new(32).unwrap().mask(), u32::MAX);
    }

    #[test]
    fn packing_is_pinned_byte_for_byte() {
        let ring = Ring::new(12).unwrap();
        let vector = RingVector::from_integers(ring, [0xABC, 0x123, -1]);
        assert_eq!(vector.pack(), [0xBC, 0x3A, 0x12, 0xFF, 0x0F]);
    }

    #[test]
    fn a_second_packing_of_the_same_vector_is_refused() {
        let ring = Ring::new(12).unwrap();
        let refused = RingVector::unpack(ring, 1, &[0xBC, 0x1A]);
        assert_eq!(refused.unwrap_err(), RingError::Padding);
        assert!(RingVector::unpack(ring, 1, &[0xBC, 0x0A, 0]).is_err());
    }

    proptest! {
        #[test]
        fn sums_equal_integer_sums_modulo_the_ring(
            bits in 8_u8..=32,
            pairs in proptest::collection::vec((any::<i32>(), any::<i32>()), 1..40),
        ) {
            let ring = Ring::new(bits).unwrap();
            let left = pairs.iter().map(|p| i64::from(p.0));
            let right = pairs.iter().map(|p| i64::from(p.1));
            let mut sum = RingVector::from_integers(ring, left);
            sum.add(&RingVector::from_integers(ring, right)).unwrap();
            let unpacked = RingVector::unpack(ring, pairs.len(), &sum.pack()).unwrap();
            for (element, pair) in unpacked.elements().iter().zip(&pairs) {
                let exact = i64::from(pair.0) + i64::from(pair.1);
                prop_assert_eq!((ring.centred(*element) - exact).rem_euclid(1 << bits), 0);
            }
        }

        #[test]
        fn packing_equals_one_bit_after_the_other(
            bits in 8_u8..=32, values in proptest::collection::vec(any::<u32>(), 0..40),
        ) {
            let ring = Ring::new(bits).unwrap();
            let vector = RingVector::from_integers(ring, values.iter().map(|v| i64::from(*v)));
            let bit = |i: usize| vector.elements()[i / usize::from(bits)] >> (i % usize::from(bits)) & 1;
            let mut expected = vec![0_u8; ring.packed_len(values.len())];
            for i in 0..values.len() * usize::from(bits) {
                expected[i / 8] |= u8::try_from(bit(i)).unwrap() << (i % 8);
            }
            prop_assert_eq!(vector.pack(), expected);
        }

        #[test]
        fn unpacking_arbitrary_bytes_never_panics(
            bits in 8_u8..=32, len in 0_usize..50, bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let _unused = RingVector::unpack(Ring::new(bits).unwrap(), len, &bytes);
        }
    }
}
