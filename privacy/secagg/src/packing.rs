//! k-bit elements as bytes: groups of 8 elements are exactly k bytes.
//!
//! The width is a constant of each instance, so that the compiler unrolls a group into shifts of whole
//! 64-bit words. Elements follow each other least significant bit first; zero bits fill the last byte.

use crate::{Ring, RingError};

/// Elements of a group.
const GROUP: usize = 8;
/// Words that hold a group of the widest elements, and one that is only read.
const WORDS: usize = 5;

/// Calls `$function::<k>` with `$arguments` for the ring's k.
macro_rules! with_width {
    ($ring:expr, $function:ident $arguments:tt) => {
        with_width!($ring, $function $arguments, [
            8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
        ])
    };
    ($ring:expr, $function:ident $arguments:tt, [$($width:literal)*]) => {
        match $ring.bits() {
            $($width => $function::<$width> $arguments,)*
            _ => unreachable!("a ring has 8 to 32 bits"),
        }
    };
}

/// Packs `elements`, each below 2^k, into `packed`, which has the ring's packed length.
pub(crate) fn pack(ring: Ring, elements: &[u32], packed: &mut [u8]) {
    debug_assert_eq!(packed.len(), ring.packed_len(elements.len()));
    with_width!(ring, pack_groups(elements, packed));
}

/// Calls `combine(accumulator, element)` for each element of `packed` in turn.
///
/// # Errors
/// [`RingError::PackedLength`] or [`RingError::Padding`], before anything is combined.
pub(crate) fn unpack_onto(
    ring: Ring,
    packed: &[u8],
    accumulators: &mut [u32],
    combine: impl Fn(u32, u32) -> u32,
) -> Result<(), RingError> {
    check(ring, packed, accumulators.len())?;
    with_width!(ring, unpack_groups(packed, accumulators, combine));
    Ok(())
}

/// There is one packing of a vector: of the exact length, padded with zero bits.
fn check(ring: Ring, packed: &[u8], elements: usize) -> Result<(), RingError> {
    let (expected, got) = (ring.packed_len(elements), packed.len());
    if expected != got {
        return Err(RingError::PackedLength { elements, expected, got });
    }
    let used = (elements * usize::from(ring.bits())) % 8;
    match packed.last() {
        Some(last) if used != 0 && last >> used != 0 => Err(RingError::Padding),
        _ => Ok(()),
    }
}

fn pack_groups<const K: usize>(elements: &[u32], packed: &mut [u8]) {
    let (groups, rest) = elements.as_chunks::<GROUP>();
    let (outputs, last) = packed.split_at_mut(groups.len() * K);
    for (group, output) in groups.iter().zip(outputs.as_chunks_mut::<K>().0) {
        *output = packed_group(group);
    }
    let mut group = [0; GROUP];
    group[..rest.len()].copy_from_slice(rest);
    last.copy_from_slice(&packed_group::<K>(&group)[..last.len()]);
}

#[inline(always)]
fn packed_group<const K: usize>(group: &[u32; GROUP]) -> [u8; K] {
    let mut words = [0_u64; WORDS];
    for (index, element) in group.iter().enumerate() {
        let (word, offset) = (index * K / 64, index * K % 64);
        words[word] |= u64::from(*element) << offset;
        if offset + K > 64 {
            words[word + 1] |= u64::from(*element) >> (64 - offset);
        }
    }
    let mut bytes = [0; 8 * WORDS];
    for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    let mut output = [0; K];
    output.copy_from_slice(&bytes[..K]);
    output
}

fn unpack_groups<const K: usize>(
    packed: &[u8],
    accumulators: &mut [u32],
    combine: impl Fn(u32, u32) -> u32,
) {
    let (groups, rest) = accumulators.as_chunks_mut::<GROUP>();
    let (inputs, last) = packed.split_at(groups.len() * K);
    for (group, input) in groups.iter_mut().zip(inputs.as_chunks::<K>().0) {
        let elements = unpacked_group(input);
        for (accumulator, element) in group.iter_mut().zip(elements) {
            *accumulator = combine(*accumulator, element);
        }
    }
    let mut input = [0; K];
    input[..last.len()].copy_from_slice(last);
    for (accumulator, element) in rest.iter_mut().zip(unpacked_group(&input)) {
        *accumulator = combine(*accumulator, element);
    }
}

#[inline(always)]
fn unpacked_group<const K: usize>(input: &[u8; K]) -> [u32; GROUP] {
    let mut bytes = [0; 8 * WORDS];
    bytes[..K].copy_from_slice(input);
    let mut words = [0_u64; WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let mut group = [0; GROUP];
    for (index, element) in group.iter_mut().enumerate() {
        let (word, offset) = (index * K / 64, index * K % 64);
        let mut window = words[word] >> offset;
        if offset + K > 64 {
            window |= words[word + 1] << (64 - offset);
        }
        #[expect(clippy::cast_possible_truncation, reason = "masked to K <= 32 bits")]
        let low = (window & (u64::MAX >> (64 - K))) as u32;
        *element = low;
    }
    group
}
