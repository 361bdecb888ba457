//! Words of any width, bit-packed in planes that a vector unit can read.
//!
//! ```text
//! width 61 = 32 + 16 + 8 + 4 + 1, for each block of 64 words:
//!   64 × low 32 bits │ 64 × next 16 │ 64 × next 8 │ 64 × next 4 │ 64 × top bit   = 8 · 61 bytes
//! ```
//!
//! A stream of 61-bit words one after the other would need two loads and two shifts of varying size
//! per word. In planes every load is of a whole number of bytes or the same shift for a whole row, so
//! that the aggregator's addition runs at the speed of memory.

use pulp::{Arch, Simd, WithSimd};
use thiserror::Error;
use zeroize::Zeroizing;

// Small functions below are inlined always: only what is inlined into `with_simd` is compiled
// for the wider vectors of the machine that runs it.

/// Words of a block: one row of bits fills eight bytes.
pub(crate) const BLOCK: usize = 64;

/// Why packed words were refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PackingError {
    /// The packed form has another length.
    #[error("{words} words of {bits} bits pack to {expected} bytes, got {got}")]
    Length {
        /// Words expected.
        words: usize,
        /// Their width.
        bits: u8,
        /// Bytes that they pack to.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// The padding of the last block is not zero: there is one packing of a vector.
    #[error("padding of packed words is not zero")]
    Padding,
}

/// Bytes that `words` words of `bits` bits pack to.
pub(crate) const fn packed_len(words: usize, bits: u8) -> usize {
    words.div_ceil(BLOCK) * block_len(bits)
}

const fn block_len(bits: u8) -> usize {
    BLOCK / 8 * bits as usize
}

/// The widths of the planes of a word of `bits` bits, widest (and least significant) first.
fn planes(bits: u8) -> impl Iterator<Item = u8> {
    [64, 32, 16, 8, 4, 2, 1].into_iter().filter(move |plane| bits & plane != 0)
}

/// Packs the low `bits` bits of each word.
pub(crate) fn pack(words: &[u64], bits: u8) -> Vec<u8> {
    let mut packed = vec![0; packed_len(words.len(), bits)];
    Arch::new().dispatch(Pack { words, bits, packed: &mut packed });
    packed
}

/// Checks that `packed` is the packing of `words` words of `bits` bits.
///
/// # Errors
/// [`PackingError`].
pub(crate) fn check(packed: &[u8], words: usize, bits: u8) -> Result<(), PackingError> {
    let expected = packed_len(words, bits);
    if packed.len() != expected {
        return Err(PackingError::Length { words, bits, expected, got: packed.len() });
    }
    let used = words % BLOCK;
    let Some(last) = packed.len().checked_sub(block_len(bits)).filter(|_| used > 0) else {
        return Ok(());
    };
    let mut block = [0; BLOCK];
    add_block(&mut block, bits, &packed[last..]);
    if block[used..].iter().all(|word| *word == 0) { Ok(()) } else { Err(PackingError::Padding) }
}

/// Adds the words of a checked packing to `sums`, modulo 2^64.
pub(crate) fn add_packed(sums: &mut [u64], bits: u8, packed: &[u8]) {
    let (blocks, rest) = sums.as_chunks_mut::<BLOCK>();
    let (packed, last) = packed.split_at(blocks.len() * block_len(bits));
    Arch::new().dispatch(AddPacked { blocks, bits, packed });
    if !rest.is_empty() {
        let mut full = [0; BLOCK];
        add_block(&mut full, bits, last);
        rest.iter_mut().zip(full).for_each(|(sum, word)| *sum = sum.wrapping_add(word));
    }
}

struct Pack<'a> {
    words: &'a [u64],
    bits: u8,
    packed: &'a mut [u8],
}

impl WithSimd for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let blocks = self.packed.chunks_exact_mut(block_len(self.bits));
        for (block, bytes) in self.words.chunks(BLOCK).zip(blocks) {
            let mut full = Zeroizing::new([0; BLOCK]);
            full[..block.len()].copy_from_slice(block);
            pack_block(&full, self.bits, bytes);
        }
    }
}

struct AddPacked<'a> {
    blocks: &'a mut [[u64; BLOCK]],
    bits: u8,
    packed: &'a [u8],
}

impl WithSimd for AddPacked<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let packed = self.packed.chunks_exact(block_len(self.bits));
        for (block, bytes) in self.blocks.iter_mut().zip(packed) {
            add_block(block, self.bits, bytes);
        }
    }
}

#[inline(always)]
fn pack_block(block: &[u64; BLOCK], bits: u8, bytes: &mut [u8]) {
    let (mut rest, mut offset) = (bytes, 0);
    for plane in planes(bits) {
        let (bytes, after) = rest.split_at_mut(block_len(plane));
        rest = after;
        if plane >= 8 {
            let width = usize::from(plane / 8);
            for (word, bytes) in block.iter().zip(bytes.chunks_exact_mut(width)) {
                bytes.copy_from_slice(&(word >> offset).to_le_bytes()[..width]);
            }
        } else {
            let mask = (1 << plane) - 1;
            let fields = block.chunks_exact(64 / usize::from(plane));
            for (bytes, fields) in bytes.chunks_exact_mut(8).zip(fields) {
                let word = fields
                    .iter()
                    .rev()
                    .fold(0, |word, field| word << plane | ((field >> offset) & mask));
                bytes.copy_from_slice(&word.to_le_bytes());
            }
        }
        offset += plane % 64;
    }
}

#[inline(always)]
fn add_block(block: &mut [u64; BLOCK], bits: u8, bytes: &[u8]) {
    let (mut rest, mut offset) = (bytes, 0);
    for plane in planes(bits) {
        let (bytes, after) = rest.split_at(block_len(plane));
        rest = after;
        match plane {
            64 => add_rows(block, bytes, offset, u64::from_le_bytes),
            32 => add_rows(block, bytes, offset, |b| u64::from(u32::from_le_bytes(b))),
            16 => add_rows(block, bytes, offset, |b| u64::from(u16::from_le_bytes(b))),
            8 => add_rows(block, bytes, offset, |b: [u8; 1]| u64::from(b[0])),
            4 => add_bits::<4, 16>(block, bytes, offset),
            2 => add_bits::<2, 32>(block, bytes, offset),
            _ => add_bits::<1, 64>(block, bytes, offset),
        }
        offset += plane % 64;
    }
}

#[inline(always)]
fn add_rows<const BYTES: usize>(
    block: &mut [u64; BLOCK],
    bytes: &[u8],
    offset: u8,
    word: impl Fn([u8; BYTES]) -> u64,
) {
    let (parts, _) = bytes.as_chunks::<BYTES>();
    for (sum, part) in block.iter_mut().zip(parts) {
        *sum = sum.wrapping_add(word(*part) << offset);
    }
}

/// Each word of `bytes` holds `ROW` fields of `BITS` bits, lowest first.
#[inline(always)]
fn add_bits<const BITS: usize, const ROW: usize>(
    block: &mut [u64; BLOCK],
    bytes: &[u8],
    offset: u8,
) {
    let (rows, _) = block.as_chunks_mut::<ROW>();
    let (words, _) = bytes.as_chunks::<8>();
    for (row, word) in rows.iter_mut().zip(words) {
        let word = u64::from_le_bytes(*word);
        for (index, sum) in row.iter_mut().enumerate() {
            *sum = sum.wrapping_add(((word >> (BITS * index)) & ((1 << BITS) - 1)) << offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_layout_is_pinned() {
        let mut words = [0; BLOCK];
        words[0] = 0x1_2345;
        words[63] = 0x0_FFFF;
        let packed = pack(&words, 17);
        assert_eq!(packed.len(), 136);
        assert_eq!(packed[..2], [0x45, 0x23]);
        assert_eq!(packed[126..128], [0xFF, 0xFF]);
        assert_eq!(packed[128..], [1, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_second_packing_of_the_same_words_is_refused() {
        let mut packed = pack(&[1, 2, 3], 10);
        assert_eq!(check(&packed, 3, 10), Ok(()));
        packed[40] = 1;
        assert_eq!(check(&packed, 3, 10), Err(PackingError::Padding));
        let short = check(&packed[1..], 3, 10);
        assert!(matches!(short, Err(PackingError::Length { expected: 80, got: 79, .. })));
    }

    proptest! {
        #[test]
        fn packed_words_add_as_integers(
            bits in 1_u8..=64, words in proptest::collection::vec(any::<u64>(), 1..200),
        ) {
            let packed = pack(&words, bits);
            prop_assert_eq!(check(&packed, words.len(), bits), Ok(()));
            let mut sums = vec![5_u64; words.len()];
            add_packed(&mut sums, bits, &packed);
            for (sum, word) in sums.iter().zip(&words) {
                prop_assert_eq!(*sum, (word & (u64::MAX >> (64 - bits))).wrapping_add(5));
            }
        }

        #[test]
        fn checking_arbitrary_bytes_never_panics(
            bits in 1_u8..=64, words in 0_usize..300, bytes in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            let _unused = check(&bytes, words, bits);
        }
    }
}
