//! A contributor's share of the federation's noise, added before anything is sealed.
//!
//! Threat: noise that somebody can predict protects nobody. It is drawn from the sealing's generator,
//! which is never seeded outside tests, and not from the rounding's, which is where training is to be
//! repeatable. Rounding needs no secrecy: the sensitivity holds for every outcome of it.

use privacy_dp::{DiscreteGaussian, IntegerNoise, TabledGaussian};
use privacy_secagg::{EncodingParameters, NoisyUpdate, QuantizedUpdate};
use rand::CryptoRng;

/// Largest deviation that [`TabledGaussian`] covers: time that depends on no draw. Above it
/// [`DiscreteGaussian`] is used, of which an observer of this machine sees the time of a whole vector.
const TABLED_DEVIATION_MAX: f64 = 32.0;

/// Adds the share that the encoding states to each coordinate, extra coordinates included.
pub(crate) fn noised(
    update: &QuantizedUpdate,
    encoding: &EncodingParameters,
    rng: &mut impl CryptoRng,
) -> Result<NoisyUpdate, String> {
    let deviation = encoding.options().noise_deviation;
    if deviation <= 0.0 {
        return Ok(NoisyUpdate::without_noise(update));
    }
    if deviation <= TABLED_DEVIATION_MAX {
        let noise = TabledGaussian::new(deviation).map_err(|error| error.to_string())?;
        with(update, &noise, rng)
    } else {
        let noise = DiscreteGaussian::new(deviation).map_err(|error| error.to_string())?;
        with(update, &noise, rng)
    }
}

fn with(
    update: &QuantizedUpdate,
    noise: &impl IntegerNoise,
    rng: &mut impl CryptoRng,
) -> Result<NoisyUpdate, String> {
    NoisyUpdate::with_noise(update, || noise.sample(rng)).map_err(|error| error.to_string())
}
