//! The wraparound checks: inner products of the gradient with random {−1, 0, 1} vectors.
//!
//! Σxᵢ² mod q says nothing about Σxᵢ² if it exceeds q. But then the inner product with a random
//! vector (−1, 0, 0, 1 with probability 1/4 each) falls outside ±α·B with probability ≥ 1/2, while
//! for an honest vector it stays inside but for 2·e^(−α²) (paper, lemma 3.3).

use rand::Rng;

use crate::field::PineField;

/// Coordinates that one byte of the XOF decides, two bits each (draft, section 4.1.3).
const PER_BYTE: usize = 4;

/// Bytes of a check that are handled together: 2·64 tables of 16 sums stay in the first-level cache.
const BLOCK_BYTES: usize = 64;

/// Sums of two coordinates under each of the 16 values of four random bits.
type PairSums<F> = [F; 16];

/// The results of `checks` wraparound checks of (a share of) `gradient`.
///
/// Every inner product reads the same vector, so the sums of neighbouring coordinates are tabulated
/// once and each check only looks them up: 2 additions per 4 coordinates. The index is public, so
/// that the access pattern tells nothing of the values.
pub(crate) fn wraparound_results<F: PineField>(
    gradient: &[F],
    checks: usize,
    stream: &mut impl Rng,
) -> Vec<F> {
    // The draft's stream is ordered by check, the work by coordinate: it is held whole, which is
    // checks/4 bits per coordinate.
    let row_bytes = gradient.len().div_ceil(PER_BYTE);
    let mut random = vec![0; checks * row_bytes];
    stream.fill_bytes(&mut random);
    let mut results = vec![F::zero(); checks];
    let mut tables: Vec<PairSums<F>> = Vec::with_capacity(2 * BLOCK_BYTES);
    for (block, coordinates) in gradient.chunks(PER_BYTE * BLOCK_BYTES).enumerate() {
        tables.clear();
        tables.extend(coordinates.chunks(2).map(pair_sums));
        let start = block * BLOCK_BYTES;
        let end = (start + BLOCK_BYTES).min(row_bytes);
        for (row, result) in random.chunks_exact(row_bytes).zip(&mut results) {
            *result += block_sum(&row[start..end], &tables);
        }
    }
    results
}

/// The sums of one or two coordinates: bits 00 subtract, 11 add, the others drop a coordinate.
fn pair_sums<F: PineField>(pair: &[F]) -> PairSums<F> {
    let signed = |value: F| [-value, F::zero(), F::zero(), value];
    let low = signed(pair[0]);
    let high = signed(pair.get(1).copied().unwrap_or_else(F::zero));
    std::array::from_fn(|bits| low[bits & 3] + high[bits >> 2])
}

/// One check's part of a block.
fn block_sum<F: PineField>(bytes: &[u8], tables: &[PairSums<F>]) -> F {
    let mut sum = F::zero();
    for (byte, pair) in bytes.iter().zip(tables.chunks(2)) {
        sum += pair[0][usize::from(byte & 15)];
        if let Some(second) = pair.get(1) {
            sum += second[usize::from(byte >> 4)];
        }
    }
    sum
}
