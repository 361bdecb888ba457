//! The wraparound checks: inner products of the gradient with random {−1, 0, 1} vectors.
//!
//! Σxᵢ² mod q says nothing about Σxᵢ² if it exceeds q. But then the inner product with a random
//! vector (−1, 0, 0, 1 with probability 1/4 each) falls outside ±α·B with probability ≥ 1/2, while
//! for an honest vector it stays inside but for 2·e^(−α²) (paper, lemma 3.3).

use std::ops::{Add, AddAssign, Neg};

use rand::Rng;

use crate::field::PineField;

/// Coordinates that one byte of the XOF decides, two bits each (draft, section 4.1.3).
const PER_BYTE: usize = 4;

/// Bytes of a check that are handled together: 2·64 tables of 16 sums of 16 bytes are 32 KiB. Half and
/// twice as many measure alike.
const BLOCK_BYTES: usize = 64;

/// Most bytes of randomness that are held at once: all of 104 checks up to d = 2.5·10^6.
const RANDOM_BYTES_MAX: usize = 1 << 26;

/// Fewest checks that share a table, or its 8 additions per coordinate would be most of the work.
const ROWS_MIN: usize = 16;

/// Sums of two coordinates under each of the 16 values of four random bits.
type PairSums<S> = [S; 16];

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
    let row_bytes = gradient.len().div_ceil(PER_BYTE);
    let rows = (RANDOM_BYTES_MAX / row_bytes).max(ROWS_MIN);
    results_by_rows(gradient, checks, stream, rows)
}

/// As [`wraparound_results`], with `rows` checks at a time.
///
/// The draft's stream is ordered by check, the work by coordinate: many checks' bytes are held. The
/// stream must not skip bytes between reads, which an XOF does not.
fn results_by_rows<F: PineField>(
    gradient: &[F],
    checks: usize,
    stream: &mut impl Rng,
    rows: usize,
) -> Vec<F> {
    let row_bytes = gradient.len().div_ceil(PER_BYTE);
    let mut random = Vec::with_capacity(rows.min(checks) * row_bytes);
    let mut results = Vec::with_capacity(checks);
    while results.len() < checks {
        let group = rows.min(checks - results.len());
        random.resize(group * row_bytes, 0);
        stream.fill_bytes(&mut random);
        results.extend(inner_products(gradient, &random, group));
    }
    results
}

/// The inner products of `gradient` with the `count` rows of `random`.
///
/// Up to a modulus of 64 bits they are summed as integers and reduced once: d·q ≤ 2^91 fits. (The
/// division is not of constant time; it is one per check, on the party's own machine.)
fn inner_products<F: PineField>(gradient: &[F], random: &[u8], count: usize) -> Vec<F> {
    if F::MODULUS <= 1 << 64 {
        let lift = |value: F| i128::try_from(value.to_unsigned()).expect("below 2^64");
        let modulus = i128::try_from(F::MODULUS).expect("at most 2^64");
        let lower = |sum: i128| F::from_unsigned(sum.rem_euclid(modulus).unsigned_abs());
        sums(gradient, random, vec![0; count], lift).into_iter().map(lower).collect()
    } else {
        sums(gradient, random, vec![F::zero(); count], |value| value)
    }
}

/// What inner products are summed in.
trait Summand: Copy + Default + Add<Output = Self> + AddAssign + Neg<Output = Self> {}

impl<T: Copy + Default + Add<Output = T> + AddAssign + Neg<Output = T>> Summand for T {}

/// Adds to `results` the inner products of the lifted `gradient` with the rows of `random`.
fn sums<F: PineField, S: Summand>(
    gradient: &[F],
    random: &[u8],
    mut results: Vec<S>,
    lift: impl Fn(F) -> S,
) -> Vec<S> {
    let row_bytes = gradient.len().div_ceil(PER_BYTE);
    let mut tables: Vec<PairSums<S>> = Vec::with_capacity(2 * BLOCK_BYTES);
    for (block, coordinates) in gradient.chunks(PER_BYTE * BLOCK_BYTES).enumerate() {
        tables.clear();
        tables.extend(coordinates.chunks(2).map(|pair| {
            pair_sums(lift(pair[0]), pair.get(1).map_or_else(S::default, |value| lift(*value)))
        }));
        if tables.len() % 2 == 1 {
            tables.push([S::default(); 16]);
        }
        let start = block * BLOCK_BYTES;
        let end = (start + BLOCK_BYTES).min(row_bytes);
        for (row, result) in random.chunks_exact(row_bytes).zip(&mut results) {
            *result += block_sum(&row[start..end], &tables);
        }
    }
    results
}

/// The sums of two coordinates: bits 00 subtract, 11 add, the others drop a coordinate.
fn pair_sums<S: Summand>(first: S, second: S) -> PairSums<S> {
    let signed = |value: S| [-value, S::default(), S::default(), value];
    let (low, high) = (signed(first), signed(second));
    std::array::from_fn(|bits| low[bits & 3] + high[bits >> 2])
}

/// One check's part of a block: two tables per byte.
fn block_sum<S: Summand>(bytes: &[u8], tables: &[PairSums<S>]) -> S {
    let mut sum = S::default();
    for (byte, pair) in bytes.iter().zip(tables.chunks_exact(2)) {
        sum += pair[0][usize::from(byte & 15)] + pair[1][usize::from(byte >> 4)];
    }
    sum
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::{Field32, Field64, Field128, Seed, Xof as _, XofTurboShake128};

    /// The definition of the draft, bit by bit.
    fn naive<F: PineField>(gradient: &[F], checks: usize, stream: &mut impl Rng) -> Vec<F> {
        let check = |_| {
            let mut bytes = vec![0; gradient.len().div_ceil(4)];
            stream.fill_bytes(&mut bytes);
            let mut sum = F::zero();
            for (index, value) in gradient.iter().enumerate() {
                match (bytes[index / 4] >> (2 * (index % 4))) & 3 {
                    0 => sum -= *value,
                    3 => sum += *value,
                    _ => {}
                }
            }
            sum
        };
        (0..checks).map(check).collect()
    }

    fn check<F: PineField>() {
        for len in [1, 2, 3, 4, 5, 255, 256, 257, 1_023] {
            let gradient: Vec<F> =
                (0..len).map(|i| F::from_signed((i - 7) * 1_234_567_891_011)).collect();
            let stream = || XofTurboShake128::new(&Seed::new(&[1; 16]), &[]).into_stream();
            let expected = naive(&gradient, 21, &mut stream());
            assert_eq!(wraparound_results(&gradient, 21, &mut stream()), expected, "{len}");
            for rows in [1, 5, 7, 20] {
                let results = results_by_rows(&gradient, 21, &mut stream(), rows);
                assert_eq!(results, expected, "{len}, {rows} at a time");
            }
        }
    }

    #[test]
    fn tabulated_results_are_those_of_the_definition() {
        check::<Field32>();
        check::<Field64>();
        check::<Field128>();
    }

    #[test]
    fn random_vectors_have_the_drafts_distribution() {
        let trials = 40_000;
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let results = wraparound_results(&[Field64::from_signed(1)], trials, &mut rng);
        let share =
            |value: i128| results.iter().filter(|result| result.to_signed() == value).count();
        // Binomial: 10 000 and 20 000, standard deviations 87 and 100; six of them, 2^−28.
        assert!(share(-1).abs_diff(10_000) < 6 * 87, "{}", share(-1));
        assert!(share(1).abs_diff(10_000) < 6 * 87, "{}", share(1));
        assert!(share(0).abs_diff(20_000) < 6 * 100, "{}", share(0));
    }
}
