//! Encryption of an update under a key that is drawn for it and leaves only as shares.

use rand::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    Ciphertext, Custody, DEGREE, Engine, FheParameters, KeyShare, RoundMask,
    gaussian::GaussianSampler, lanes, share, stream::Keystream,
};

/// Why an update was not encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// The update has another length.
    #[error("update has {got} coordinates, expected {expected}")]
    Dimension {
        /// Of the parameters.
        expected: usize,
        /// Of the update.
        got: usize,
    },
    /// A coordinate would overflow its lane in the sum.
    #[error("a coordinate exceeds the magnitude {coordinate_max}")]
    Coordinate {
        /// The bound of the parameters.
        coordinate_max: u32,
    },
}

/// A key: a polynomial of discrete Gaussian coefficients. Zeroised, never printed, never encoded.
///
/// Threats. A *ternary or binary* key leaks when sums of few keys are opened: of two ternary keys that
/// add to 2, both coefficients are 1. Under a key that is *used twice*, the difference of the two
/// ciphertexts is the difference of the two updates plus a small error. Hence keys are Gaussian, there
/// is no way to pass one in, and [`encrypt`] consumes the one it draws.
pub(crate) struct SecretKey(pub(crate) Zeroizing<[i32; DEGREE]>);

impl SecretKey {
    fn draw(rng: &mut impl CryptoRng) -> Self {
        let mut key = Self(Zeroizing::new([0; DEGREE]));
        sampler("key/v1", rng).fill(&mut *key.0);
        key
    }
}

/// What [`encrypt`] makes of an update.
pub struct Encryption {
    /// For the aggregator.
    pub ciphertext: Ciphertext,
    /// One for each custodian, in order: each to be sealed to its custodian and bound to the round and
    /// the member.
    pub shares: Vec<KeyShare>,
}

/// Encrypts `values` under a fresh key and shares the key among the custodians.
///
/// * `values` — \[dimension\], magnitude at most `coordinate_max`.
///
/// # Errors
/// [`EncryptError`]. Nothing is drawn from `rng` then.
pub fn encrypt<E: Engine>(
    values: &[i32],
    parameters: &FheParameters,
    mask: &RoundMask,
    custody: Custody,
    engine: &E,
    rng: &mut impl CryptoRng,
) -> Result<Encryption, EncryptError> {
    check(values, parameters)?;
    let key = SecretKey::draw(rng);
    let mut errors = sampler("errors/v1", rng);
    let ciphertext = encrypt_under(&key, &mut errors, values, parameters, mask, engine);
    Ok(Encryption { ciphertext, shares: share::deal(&key, custody, rng) })
}

fn sampler(label: &'static str, rng: &mut impl CryptoRng) -> GaussianSampler {
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *seed);
    GaussianSampler::new(Keystream::new(label, &seed))
}

fn check(values: &[i32], parameters: &FheParameters) -> Result<(), EncryptError> {
    let requirements = parameters.requirements();
    let expected = requirements.dimension as usize;
    if values.len() != expected {
        return Err(EncryptError::Dimension { expected, got: values.len() });
    }
    // One pass without an early exit: where the largest coordinate is does not show.
    let largest = values.iter().fold(0, |largest, value| largest.max(value.unsigned_abs()));
    if largest > requirements.coordinate_max {
        return Err(EncryptError::Coordinate { coordinate_max: requirements.coordinate_max });
    }
    Ok(())
}

pub(crate) fn encrypt_under<E: Engine>(
    key: &SecretKey,
    errors: &mut GaussianSampler,
    values: &[i32],
    parameters: &FheParameters,
    mask: &RoundMask,
    engine: &E,
) -> Ciphertext {
    let lanes = usize::from(parameters.lanes());
    let factor = engine.factor(&key.0);
    let mut masks = mask.polynomials();
    let mut mask = [0; DEGREE];
    let mut error = Zeroizing::new([0; DEGREE]);
    let mut body = Zeroizing::new([0; DEGREE]);
    let mut bodies = Vec::with_capacity(parameters.coefficients());
    for values in values.chunks(lanes * DEGREE) {
        masks.next_into(&mut mask);
        errors.fill(&mut *error);
        body.fill(0);
        for ((word, values), error) in body.iter_mut().zip(values.chunks(lanes)).zip(&*error) {
            #[expect(clippy::cast_sign_loss, reason = "two's complement is the representative")]
            let error = i64::from(*error) as u64;
            *word = (lanes::message(parameters, values) << parameters.shift()).wrapping_add(error);
        }
        engine.add_product(&mut body, &mask, &factor);
        let used = values.len().div_ceil(lanes);
        bodies.extend(body[..used].iter().map(|word| rounded(*word, parameters.dropped_bits())));
    }
    Ciphertext::pack(parameters, &bodies)
}

/// `word / 2^dropped` rounded to nearest, ties to even, modulo 2^(64−dropped).
///
/// Threat: rounding ties up adds ½ on average to every contributor's body, so that the sum of n
/// is shifted by n/2 steps, which is as large as the noise and eats the failure bound. Ties to even are
/// unbiased.
pub(crate) const fn rounded(word: u64, dropped: u8) -> u64 {
    if dropped == 0 {
        return word;
    }
    let odd = (word >> dropped) & 1;
    let below_half = (1 << (dropped - 1)) - 1;
    word.wrapping_add(below_half + odd) >> dropped
}

#[cfg(test)]
mod tests {
    use privacy_identity::{Digest, Tag};
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::{CiphertextSum, FheRequirements, NttEngine};

    fn parameters(dimension: u32) -> FheParameters {
        FheParameters::checked(FheRequirements {
            dimension,
            coordinate_max: 32_767,
            contributors_max: 1000,
            inner_product_bits: 0,
        })
        .unwrap()
    }

    fn mask() -> RoundMask {
        RoundMask::from_transcript(Digest::of(Tag::RoundOrder, b"round"))
    }

    /// The bodies of an update under `key`, at full scale.
    fn bodies(key: &SecretKey, values: &[i32], rng: &mut ChaCha20Rng) -> Vec<u64> {
        let parameters = parameters(u32::try_from(values.len()).unwrap());
        let mut errors = sampler("errors/v1", rng);
        let ciphertext =
            encrypt_under(key, &mut errors, values, &parameters, &mask(), &NttEngine::new());
        let mut sum = CiphertextSum::new(parameters);
        sum.add(&ciphertext).unwrap();
        let mut body = [0; DEGREE];
        let used = sum.body_into(0, &mut body);
        body[..used].to_vec()
    }

    /// The largest distance of a difference of bodies from a multiple of Δ.
    fn distance_from_messages(left: &[u64], right: &[u64]) -> u64 {
        let differences = left.iter().zip(right).map(|(l, r)| l.wrapping_sub(*r));
        differences.map(|d| (d % 4096).min(4096 - d % 4096)).max().unwrap()
    }

    #[test]
    fn a_key_used_twice_gives_away_the_difference_of_updates_and_no_key_is() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let (one, other) = (SecretKey::draw(&mut rng), SecretKey::draw(&mut rng));
        assert!(*one.0 != *other.0);
        let (x, y) = ([30_000; 200], [-5; 200]);
        let body = bodies(&one, &x, &mut rng);
        // The trap: two errors and two roundings, far below Δ/2 = 2048.
        let reused = bodies(&one, &y, &mut rng);
        assert!(distance_from_messages(&body, &reused) < 150);
        // What `encrypt` does: a fresh key each time, and the difference is uniform.
        let fresh = bodies(&other, &y, &mut rng);
        assert!(distance_from_messages(&body, &fresh) > 1900);
    }

    #[test]
    fn sums_of_two_keys_leave_every_coefficient_open() {
        // Of two binary or ternary keys an extreme sum gives both coefficients away. Gaussian sums of
        // two come near the extreme 116 with probability 2^-128, and any sum of magnitude 20 leaves
        // dozens of pairs that are each likely.
        let mut rng = ChaCha20Rng::from_seed([2; 32]);
        let (one, other) = (SecretKey::draw(&mut rng), SecretKey::draw(&mut rng));
        let sums = one.0.iter().zip(&*other.0).map(|(l, r)| l + r);
        assert!(sums.clone().all(|sum| sum.abs() < 60));
        let ternary = one.0.iter().filter(|s| s.abs() <= 1).count();
        // P(|X| ≤ 1) = 0.187 of 4096 = 765, standard deviation 25.
        assert!((600..930).contains(&ternary), "{ternary}");
        assert!(sums.filter(|sum| sum.abs() > 2).count() > 3000);
    }

    #[test]
    fn rounding_is_unbiased_and_half_up_is_not() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let (mut even, mut half_up) = (0_i64, 0_i64);
        let count = 1 << 20;
        for _ in 0..count {
            let word = rng.next_u64() >> 8;
            let error = |rounded: u64| (rounded << 3).cast_signed() - word.cast_signed();
            even += error(rounded(word, 3));
            half_up += error((word + 4) >> 3);
        }
        // Standard error of the mean: √5.5/1024 = 0.0023; twelve of them. Half up is off by ½.
        let mean = |total: i64| total as f64 / f64::from(count);
        assert!(mean(even).abs() < 0.028, "{}", mean(even));
        assert!((mean(half_up) - 0.5).abs() < 0.028, "{}", mean(half_up));
    }

    #[test]
    fn rounding_wraps_at_the_top_and_goes_to_even_at_ties() {
        assert_eq!(rounded(u64::MAX, 3), 0);
        assert_eq!([4, 12, 20, 11, 13].map(|word| rounded(word, 3)), [0, 2, 2, 1, 2]);
        assert_eq!(rounded(5, 0), 5);
    }
}
