//! Sums of products with common masks: each mask is transformed once for all sums, each sum back once.

use crate::DEGREE;

use super::{Multiplier, NttEngine, PRIME, exact, limbs, reduced_once, residue};

/// Most that the magnitudes of a sum's factors may add up to before it is transformed back: limbs are at most 2^31, so
/// that a coefficient stays below 2^60, less than half of the prime.
const MAGNITUDE_MAX: u64 = 1 << 29;

/// `Σ_j mask_j · small_j` modulo 2^64 and X^4096 + 1, for several lists of factors, all public: nothing is wiped.
pub(crate) struct NttSums<'e> {
    engine: &'e NttEngine,
    sums: Vec<Sum>,
}

struct Sum {
    /// What was transformed back.
    words: Box<[u64; DEGREE]>,
    /// Σ limb · small at the powers of the root, for the lower and the upper limbs; below 2p.
    values: [Box<[u64; DEGREE]>; 2],
    /// Magnitudes of the factors in `values`.
    magnitude: u64,
}

impl<'e> NttSums<'e> {
    /// * `count` — so many sums.
    pub(crate) fn new(engine: &'e NttEngine, count: usize) -> Self {
        let zeros = || Box::new([0; DEGREE]);
        let sum = || Sum { words: zeros(), values: [zeros(), zeros()], magnitude: 0 };
        Self { engine, sums: (0..count).map(|_| sum()).collect() }
    }

    /// Adds `mask · small` to each sum.
    ///
    /// * `smalls` — one for each sum, of magnitudes up to 2^17.
    pub(crate) fn add(&mut self, mask: &[u64; DEGREE], smalls: &[[i32; DEGREE]]) {
        let mut masks = limbs(mask);
        masks.iter_mut().for_each(|limb| self.engine.transform(limb));
        for (sum, small) in self.sums.iter_mut().zip(smalls) {
            let magnitude = small.iter().map(|value| u64::from(value.unsigned_abs())).sum::<u64>();
            if sum.magnitude + magnitude > MAGNITUDE_MAX {
                sum.transform_back(self.engine);
            }
            sum.magnitude += magnitude;
            let mut factor = small.map(residue);
            self.engine.transform(&mut factor);
            for (values, mask) in sum.values.iter_mut().zip(&masks) {
                for ((value, mask), factor) in values.iter_mut().zip(mask).zip(&factor) {
                    let product =
                        product(reduced_once(*mask, 2 * PRIME), reduced_once(*factor, 2 * PRIME));
                    *value = reduced_once(*value + product, 2 * PRIME);
                }
            }
        }
    }

    /// The sums, in their order.
    pub(crate) fn finish(self) -> Vec<Box<[u64; DEGREE]>> {
        let engine = self.engine;
        let finished = self.sums.into_iter().map(|mut sum| {
            sum.transform_back(engine);
            sum.words
        });
        finished.collect()
    }
}

impl Sum {
    fn transform_back(&mut self, engine: &NttEngine) {
        let scale = Multiplier::inverse_degree();
        for (values, shift) in self.values.iter_mut().zip([0, 32]) {
            engine.inverse_transform(values);
            for (word, value) in self.words.iter_mut().zip(values.iter()) {
                *word = word.wrapping_add(exact(scale.times(*value)) << shift);
            }
            values.fill(0);
        }
        self.magnitude = 0;
    }
}

/// A product below 2p of words below 2p: p = 2^62 − 65535, so what lies above bit 62 counts 65535 times below it.
#[expect(clippy::cast_possible_truncation, reason = "each line says how large it is")]
const fn product(left: u64, right: u64) -> u64 {
    const LOW: u128 = (1 << 62) - 1;
    const FOLD: u128 = (1 << 62) - PRIME as u128;
    let whole = left as u128 * right as u128;
    // Below 2^64 · 2^16 + 2^62 < 2^81, then below 2^19 · 2^16 + 2^62 < 2p.
    let once = (whole >> 62) * FOLD + (whole & LOW);
    ((once >> 62) * FOLD + (once & LOW)) as u64
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::Engine as _;

    /// Against the same sums one product after the other; `bound` at 2^17 makes them come back in between.
    fn check(masks: usize, bound: u32, mut word: impl FnMut() -> u64) {
        let engine = NttEngine::new();
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let mut sums = NttSums::new(&engine, 3);
        let mut expected = vec![[0; DEGREE]; 3];
        for _ in 0..masks {
            let mut mask = [0; DEGREE];
            mask.fill_with(&mut word);
            let mut smalls = [[0; DEGREE]; 3];
            for small in smalls.as_flattened_mut() {
                *small = (rng.next_u32() % (2 * bound + 1)).cast_signed() - bound.cast_signed();
            }
            sums.add(&mask, &smalls);
            for (sum, small) in expected.iter_mut().zip(&smalls) {
                engine.add_product(sum, &mask, &engine.factor(small));
            }
        }
        for (sum, expected) in sums.finish().iter().zip(&expected) {
            assert!(**sum == *expected);
        }
    }

    #[test]
    fn sums_are_those_of_single_products_bit_for_bit() {
        let mut rng = ChaCha20Rng::from_seed([4; 32]);
        check(5, 40, || rng.next_u64());
        check(5, 1 << 15, || rng.next_u64());
        check(5, 1 << 17, || rng.next_u64());
        for word in [0, 1, u64::MAX, 1 << 63, 0x7FFF_FFFF_8000_0000, 0x8000_0000_7FFF_FFFF] {
            check(3, 1 << 17, || word);
        }
    }

    #[test]
    fn products_are_residues() {
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        let mut words = vec![0, 1, PRIME - 1, PRIME, 2 * PRIME - 1];
        words.extend((0..100).map(|_| rng.next_u64() % (2 * PRIME)));
        for left in &words {
            for right in &words {
                let got = product(*left, *right);
                let expected = u128::from(*left) * u128::from(*right) % u128::from(PRIME);
                assert!(got < 2 * PRIME);
                assert_eq!(u128::from(got % PRIME), expected);
            }
        }
    }
}
