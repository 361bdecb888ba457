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
