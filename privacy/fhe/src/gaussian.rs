//! The discrete Gaussian of keys and errors, sampled in constant time.
//!
//! Threat: a sampler whose time or memory accesses depend on what it draws tells a neighbour on the
//! same machine the key. Each sample compares 64 fresh random bits with *every* entry of a fixed
//! table and counts; there is no branch and no index that depends on the randomness.

use pulp::{Arch, Simd, WithSimd};
use zeroize::Zeroizing;

use crate::stream::Keystream;

/// Variance σ² = 40.5 of every key and error coefficient, doubled to stay an integer: σ = 4.5·√2 =
/// 6.364.
///
/// Google's parameters (secure-aggregation, `kahe.h`) take 4.5 for keys and 4.5·√2 for errors. We
/// take the larger for both: keys cost no noise (they are opened exactly), and the Hint-RLWE reduction
/// of the crate's documentation then loses 2^-124 instead of 2^-59 at 1 M parameters.
pub const GAUSSIAN_VARIANCE_DOUBLED: u32 = 81;

/// Largest magnitude that is ever drawn: beyond it lies less than 2^-64 of the distribution.
#[expect(clippy::cast_possible_truncation, reason = "58 entries")]
pub const GAUSSIAN_MAX: u32 = TAIL.len() as u32;

/// `TAIL[k] = ⌊2^64 · P(|X| > k)⌋` for X with P(X = x) ∝ exp(−x²/81), the discrete Gaussian over the
/// integers with σ² = 40.5. Recomputed by a test in 126-bit fixed point.
///
/// Each entry is off by less than 2^-64, so one sample is within 58 · 2^-64 < 2^-58 of the ideal in
/// statistical distance, and the Rényi divergence of order 2 from the ideal is below 1 + 2^-60: over
/// the 2^23.3 errors of the largest update it stays below 1 + 2^-36, which moves the hardness of the
/// underlying search problem by far less than one bit (Bai et al. 2015, "Improved security proofs in
/// lattice-based cryptography: using the Rényi divergence rather than the statistical distance").
const TAIL: [u64; 58] = [
    0xeff3_b263_5304_10d3,
    0xd03f_e80e_3e0a_dc9a,
    0xb1b3_33e0_196e_4f97,
    0x94fa_a904_e569_3799,
    0x7aa2_d750_1fa4_2fc9,
    0x6310_34df_4ddc_85fa,
    0x4e7b_e133_0ce3_5c4c,
    0x3cf4_b95f_51af_1c13,
    0x2e64_1ed4_ed6b_75f4,
    0x2295_665e_f4a6_0fd8,
    0x193e_b13c_d1ef_59e6,
    0x1209_f7af_ed6f_d149,
    0x0c9d_406c_0b61_599f,
    0x08a1_516c_4cc1_9581,
    0x05c6_80f2_f01b_58eb,
    0x03c7_9fa9_d5a2_50be,
    0x026b_333e_b1e1_3da7,
    0x0183_5e59_ea02_298b,
    0x00ec_e04c_5604_fe0a,
    0x008d_913d_12e9_bfa1,
    0x0052_addb_2cef_1ddd,
    0x002f_2e71_71eb_1e8f,
    0x001a_4e2a_cd12_f3c0,
    0x000e_53de_de7c_ae1d,
    0x0007_9f7a_df70_5d1a,
    0x0003_f625_24f2_54ae,
    0x0002_02be_489b_69bc,
    0x0000_ff28_2384_1fd2,
    0x0000_7b84_1277_8fee,
    0x0000_3a62_fb23_bda2,
    0x0000_1af3_29a1_4589,
    0x0000_0c25_5b7d_720e,
    0x0000_0558_3915_e3b0,
    0x0000_024b_cf69_7b68,
    0x0000_00f6_8b4a_e8f4,
    0x0000_0064_f3a6_22e7,
    0x0000_0028_5a79_9241,
    0x0000_000f_bf12_218e,
    0x0000_0005_ff78_93a1,
    0x0000_0002_3aea_6f5b,
    0x0000_0000_cf34_8646,
    0x0000_0000_4967_4d7c,
    0x0000_0000_1961_92f0,
    0x0000_0000_0890_e0b9,
    0x0000_0000_02d2_556e,
    0x0000_0000_00e8_3a36,
    0x0000_0000_0048_de10,
    0x0000_0000_0016_508f,
    0x0000_0000_0006_ab55,
    0x0000_0000_0001_f200,
    0x0000_0000_0000_8dc3,
    0x0000_0000_0000_2761,
    0x0000_0000_0000_0aad,
    0x0000_0000_0000_02d3,
    0x0000_0000_0000_00ba,
    0x0000_0000_0000_002f,
    0x0000_0000_0000_000b,
    0x0000_0000_0000_0002,
];

/// Samples compared with the table at a time: a few vector registers.
const LANES: usize = 32;
/// Samples whose randomness is drawn at a time.
const BATCH: usize = 512;

/// A stream of independent samples.
pub(crate) struct GaussianSampler(Keystream);

impl GaussianSampler {
    /// Samples from the randomness of `stream`.
    pub(crate) const fn new(stream: Keystream) -> Self {
        Self(stream)
    }

    /// Fills `samples`.
    pub(crate) fn fill(&mut self, samples: &mut [i32]) {
        let mut words = Zeroizing::new([0_u64; BATCH]);
        let mut signs = Zeroizing::new([0_u64; BATCH / 64]);
        for batch in samples.chunks_mut(BATCH) {
            self.0.fill(&mut *words);
            self.0.fill(&mut *signs);
            Arch::new().dispatch(Count { samples: batch, words: &words, signs: &signs });
        }
    }
}

/// Turns uniform words and sign bits into samples.
struct Count<'a> {
    samples: &'a mut [i32],
    words: &'a [u64; BATCH],
    signs: &'a [u64; BATCH / 64],
}

impl WithSimd for Count<'_> {
    type Output = ();

    // Inlined, so that it is compiled for the wider vectors of the machine that runs it.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { samples, words, signs } = self;
        let (words, _) = words.as_chunks::<LANES>();
        let mut signs = signs.iter().flat_map(|signs| [*signs, *signs >> LANES]);
        for (samples, words) in samples.chunks_mut(LANES).zip(words) {
            let mut magnitudes = [0_u64; LANES];
            for tail in TAIL {
                for (magnitude, word) in magnitudes.iter_mut().zip(words) {
                    *magnitude += u64::from(*word < tail);
                }
            }
            let signs = signs.next().unwrap_or_default();
            for (index, (sample, magnitude)) in samples.iter_mut().zip(magnitudes).enumerate() {
                // 0 or −1: a zero has no sign, so both signs of it are the same sample.
                let sign = -i32::from((signs >> index) & 1 == 1);
                #[expect(clippy::cast_possible_truncation, reason = "at most 58")]
                let magnitude = magnitude as i32;
                *sample = (magnitude ^ sign) - sign;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a · b` in fixed point with 126 fractional bits, truncated; both at most 1.
    fn product(a: u128, b: u128) -> u128 {
        let (a1, a0) = (a >> 64, a & u128::from(u64::MAX));
        let (b1, b0) = (b >> 64, b & u128::from(u64::MAX));
        let middle = a1 * b0 + ((a0 * b0) >> 64);
        let middle_low = a0 * b1 + (middle & u128::from(u64::MAX));
        let high = a1 * b1 + (middle >> 64) + (middle_low >> 64);
        high << 2 | (middle_low & u128::from(u64::MAX)) >> 62
    }

    /// exp(−1/81) in the same fixed point, by its Taylor series.
    fn exp_minus_one_81st() -> u128 {
        let (mut term, mut positive, mut negative) = (1_u128 << 126, 0_u128, 0_u128);
        for order in 1..=20_u128 {
            if order % 2 == 1 {
                positive += term
            } else {
                negative += term
            }
            term /= 81 * order;
        }
        positive - negative
    }

    #[test]
    fn the_table_is_the_discrete_gaussian_in_126_bit_arithmetic() {
        let base = exp_minus_one_81st();
        // weights[k] = base^(k²), by weights[k+1] = weights[k] · base^(2k+1).
        let (mut weights, mut step) = (vec![1_u128 << 126], base);
        for _ in 0..130 {
            weights.push(product(*weights.last().unwrap(), step));
            step = product(step, product(base, base));
        }
        // The sum of all weights is σ√(2π) = 15.95: divided by 64 it stays below 2^126.
        let total: u128 = weights[0] / 64 + 2 * weights[1..].iter().map(|w| w / 64).sum::<u128>();
        for (k, entry) in TAIL.iter().enumerate() {
            let beyond: u128 = 2 * weights[k + 1..].iter().map(|w| w / 64).sum::<u128>();
            // ⌊2^64 · beyond / total⌋ by long division, one bit at a time.
            let (mut remainder, mut quotient) = (beyond, 0_u128);
            for _ in 0..64 {
                remainder *= 2;
                quotient *= 2;
                if remainder >= total {
                    remainder -= total;
                    quotient += 1;
                }
            }
            assert_eq!(u128::from(*entry), quotient, "entry {k}");
        }
    }

    #[test]
    fn samples_have_the_mean_variance_and_shape_of_the_distribution() {
        let mut sampler = GaussianSampler::new(Keystream::new("test", &[7; 32]));
        let mut samples = vec![0; 1 << 20];
        sampler.fill(&mut samples);
        let count = f64::from(1_u32 << 20);
        let mean = samples.iter().map(|s| f64::from(*s)).sum::<f64>() / count;
        let square = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / count;
        // Standard errors: 6.364/1024 = 0.0062 and 40.5·√2/1024 = 0.056; six of each: a false alarm
        // in 2^-28 of all seeds, and the seed is fixed.
        assert!(mean.abs() < 0.0373, "mean {mean}");
        assert!((square - 40.5).abs() < 0.336, "variance {square}");
        let zeros = samples.iter().filter(|s| **s == 0).count();
        // P(0) = 0.06269, standard error 0.000237; six of it.
        let share = f64::from(u32::try_from(zeros).unwrap()) / count;
        assert!((share - 0.062_69).abs() < 0.001_42, "share of zeros {share}");
    }

    #[test]
    fn samples_are_neither_binary_nor_ternary() {
        let mut sampler = GaussianSampler::new(Keystream::new("test", &[8; 32]));
        let mut samples = vec![0; 4096];
        sampler.fill(&mut samples);
        let distinct: std::collections::BTreeSet<i32> = samples.iter().copied().collect();
        assert!(distinct.len() > 30, "{} distinct values", distinct.len());
        assert!(distinct.iter().any(|s| *s > 10) && distinct.iter().any(|s| *s < -10));
    }
}
