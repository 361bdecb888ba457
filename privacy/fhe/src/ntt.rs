//! A second engine: number-theoretic transforms of our own.
//!
//! A word is split into two limbs of 32 bits, centred, so that each is at most 2^31. The exact product of
//! such a limb and a small polynomial (at most 2^17) has coefficients below 4096 · 2^31 · 2^17 = 2^60, less
//! than half of a prime just below 2^62, so it is computed modulo that prime and read back centred. The
//! two products, the upper one shifted by 32, add up modulo 2^64 to the bits that any other engine gives.
//!
//! There is no branch and no index that depends on a coefficient.

use zeroize::{Zeroize as _, Zeroizing};

use crate::{DEGREE, Engine};

mod sums;

pub(crate) use sums::NttSums;

/// The largest prime below 2^62 that is 1 modulo 2 · [`DEGREE`]. Below 2^62, four times it fits a word, so
/// butterflies need no full reduction (Harvey 2014, "Faster arithmetic for number-theoretic transforms").
const PRIME: u64 = 0x3fff_ffff_ffff_0001;

/// A primitive 8192nd root of unity modulo [`PRIME`]: 7^((p−1)/8192).
const ROOT: u64 = 0x2f0f_da7b_a705_48e7;

/// Exact negacyclic products by two transforms modulo one 62-bit prime.
pub struct NttEngine {
    /// Powers of the root in bit-reversed order.
    forward: Box<[Multiplier; DEGREE]>,
    /// Powers of its inverse in bit-reversed order.
    inverse: Box<[Multiplier; DEGREE]>,
}

/// A constant and its quotient ⌊constant · 2^64 / p⌋, for products without a division (Shoup).
#[derive(Clone, Copy, Default)]
struct Multiplier {
    value: u64,
    quotient: u64,
}

impl zeroize::DefaultIsZeroes for Multiplier {}

impl Multiplier {
    /// Of a `value` below the prime. The division is by a constant, hence compiled without one.
    #[expect(clippy::cast_possible_truncation, reason = "value < p, so the quotient is < 2^64")]
    const fn new(value: u64) -> Self {
        Self { value, quotient: (((value as u128) << 64) / PRIME as u128) as u64 }
    }

    /// 1/4096: p ≡ 1 modulo 8192, so it is p − (p−1)/4096.
    const fn inverse_degree() -> Self {
        Self::new(PRIME - (PRIME - 1) / DEGREE as u64)
    }

    /// `word` times the constant, below 2p, for any `word`.
    #[inline]
    const fn times(self, word: u64) -> u64 {
        let quotient = ((self.quotient as u128 * word as u128) >> 64) as u64;
        self.value.wrapping_mul(word).wrapping_sub(quotient.wrapping_mul(PRIME))
    }
}

/// `word − bound` if that is not negative, else `word`; for bounds of at most 2^63.
#[inline]
fn reduced_once(word: u64, bound: u64) -> u64 {
    word.min(word.wrapping_sub(bound))
}

fn product(left: u64, right: u64) -> u64 {
    reduced_once(Multiplier::new(left).times(right), PRIME)
}

impl Default for NttEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl NttEngine {
    /// Prepares the roots of unity.
    #[must_use]
    pub fn new() -> Self {
        // The inverse of a root of order 2N is its power 2N − 1.
        let inverse = (1..2 * DEGREE).fold(1, |power, _| product(power, ROOT));
        Self { forward: powers(ROOT), inverse: powers(inverse) }
    }

    /// Values at the odd powers of the root; below 4p, in bit-reversed order.
    fn transform(&self, words: &mut [u64; DEGREE]) {
        let mut half = DEGREE / 2;
        let mut blocks = 1;
        while half > 0 {
            let roots = &self.forward[blocks..2 * blocks];
            for (block, root) in words.chunks_exact_mut(2 * half).zip(roots) {
                let (lower, upper) = block.split_at_mut(half);
                for (low, high) in lower.iter_mut().zip(upper) {
                    let (sum, turned) = (reduced_once(*low, 2 * PRIME), root.times(*high));
                    *low = sum + turned;
                    *high = sum + 2 * PRIME - turned;
                }
            }
            half /= 2;
            blocks *= 2;
        }
    }

    /// DEGREE times the inverse of [`Self::transform`], below 2p, for words below 2p.
    fn inverse_transform(&self, words: &mut [u64; DEGREE]) {
        let mut half = 1;
        let mut blocks = DEGREE / 2;
        while blocks > 0 {
            let roots = &self.inverse[blocks..2 * blocks];
            for (block, root) in words.chunks_exact_mut(2 * half).zip(roots) {
                let (lower, upper) = block.split_at_mut(half);
                for (low, high) in lower.iter_mut().zip(upper) {
                    let (sum, difference) = (*low + *high, *low + 2 * PRIME - *high);
                    *low = reduced_once(sum, 2 * PRIME);
                    *high = root.times(difference);
                }
            }
            half *= 2;
            blocks /= 2;
        }
    }

    /// Adds `limbs · factor`, shifted by `shift`, to `accumulator`.
    fn add_limb_product(
        &self,
        accumulator: &mut [u64; DEGREE],
        limbs: &mut [u64; DEGREE],
        factor: &NttFactor,
        shift: u8,
    ) {
        self.transform(limbs);
        for (limb, factor) in limbs.iter_mut().zip(factor.0.iter()) {
            *limb = factor.times(*limb);
        }
        self.inverse_transform(limbs);
        for (sum, limb) in accumulator.iter_mut().zip(limbs.iter()) {
            *sum = sum.wrapping_add(exact(*limb) << shift);
        }
        limbs.zeroize();
    }
}

/// The powers 0..DEGREE of `root` in bit-reversed order.
fn powers(root: u64) -> Box<[Multiplier; DEGREE]> {
    let mut powers = Box::new([Multiplier::default(); DEGREE]);
    let mut power = 1;
    for index in 0..DEGREE {
        let reversed = index.reverse_bits() >> (usize::BITS - DEGREE.ilog2());
        powers[reversed] = Multiplier::new(power);
        power = product(power, root);
    }
    powers
}

/// The residue of a small integer.
const fn residue(value: i32) -> u64 {
    let value = value as i64;
    value.cast_unsigned().wrapping_add(PRIME & (value >> 63).cast_unsigned())
}

/// The integer of magnitude below p/2 with the residue of a word below 2p, modulo 2^64.
fn exact(word: u64) -> u64 {
    let residue = reduced_once(word, PRIME);
    // Centred: minus p where the residue is above half of it.
    let above = (PRIME / 2).wrapping_sub(residue) >> 63;
    residue.wrapping_sub(PRIME & above.wrapping_neg())
}

/// The residues of the lower and upper limbs of words.
fn limbs(words: &[u64; DEGREE]) -> [[u64; DEGREE]; 2] {
    let [mut low, mut high] = [[0; DEGREE]; 2];
    for ((low, high), word) in low.iter_mut().zip(&mut high).zip(words) {
        #[expect(clippy::cast_possible_truncation, reason = "the limbs of a word")]
        let (lower, rest) = (*word as i32, (*word >> 32) as i32);
        *low = residue(lower);
        // A negative lower limb borrows from the upper one.
        *high = residue(rest.wrapping_add(i32::from(lower < 0)));
    }
    [low, high]
}

/// A factor of [`NttEngine`]: transformed and divided by the degree. Zeroised on drop.
pub struct NttFactor(Box<Zeroizing<[Multiplier; DEGREE]>>);

impl Engine for NttEngine {
    type Factor = NttFactor;

    fn factor(&self, small: &[i32; DEGREE]) -> NttFactor {
        let scale = Multiplier::inverse_degree();
        let mut words = Zeroizing::new([0; DEGREE]);
        words.iter_mut().zip(small).for_each(|(word, small)| *word = residue(*small));
        self.transform(&mut words);
        let mut factor = Box::new(Zeroizing::new([Multiplier::default(); DEGREE]));
        for (factor, word) in factor.iter_mut().zip(words.iter()) {
            *factor = Multiplier::new(reduced_once(scale.times(*word), PRIME));
        }
        NttFactor(factor)
    }

    fn add_product(
        &self,
        accumulator: &mut [u64; DEGREE],
        mask: &[u64; DEGREE],
        factor: &NttFactor,
    ) {
        let [mut low, mut high] = limbs(mask);
        self.add_limb_product(accumulator, &mut low, factor, 0);
        self.add_limb_product(accumulator, &mut high, factor, 32);
    }
}

#[cfg(all(test, feature = "tfhe"))]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::{FACTOR_COEFFICIENT_MAX, TfheEngine};

    fn check(fill_mask: impl FnMut() -> u64, mut fill_small: impl FnMut() -> i32) {
        let mut mask = [0; DEGREE];
        mask.fill_with(fill_mask);
        let mut small = [0; DEGREE];
        small.fill_with(&mut fill_small);
        let (mut ours, mut tfhes) = ([7; DEGREE], [7; DEGREE]);
        let engine = NttEngine::new();
        engine.add_product(&mut ours, &mask, &engine.factor(&small));
        TfheEngine.add_product(&mut tfhes, &mask, &TfheEngine.factor(&small));
        assert!(ours == tfhes);
    }

    #[test]
    fn products_are_tfhes_bit_for_bit() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        for bound in [1, 2, 58, 14_667, FACTOR_COEFFICIENT_MAX] {
            let mut other = ChaCha20Rng::from_seed([2; 32]);
            let width = 2 * bound.cast_unsigned() + 1;
            let small = || (other.next_u32() % width).cast_signed() - bound;
            check(|| rng.next_u64(), small);
        }
    }

    #[test]
    fn extreme_products_are_tfhes_bit_for_bit() {
        for mask in [0, 1, u64::MAX, 1 << 63, 0x7FFF_FFFF_8000_0000, 0x8000_0000_7FFF_FFFF] {
            for small in [FACTOR_COEFFICIENT_MAX, -FACTOR_COEFFICIENT_MAX, 1, 0] {
                check(|| mask, || small);
            }
        }
    }

    #[test]
    fn the_root_has_order_8192() {
        let half = (0..DEGREE).fold(1, |power, _| product(power, ROOT));
        assert_eq!(half, PRIME - 1);
        const { assert!(PRIME < 1 << 62 && PRIME % 8192 == 1) };
    }
}
