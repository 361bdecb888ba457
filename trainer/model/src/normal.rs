//! Draws from the normal distribution.

use std::f64::consts::TAU;

use rand::{Rng, RngExt as _};

/// Resolution of the uniform draws.
const UNIFORM_BITS: i32 = 53;

/// A draw from the normal distribution with mean 0 and variance 1, at most 8.6 in size.
///
/// The logarithm and the cosine are those of `libm`, so that a generator gives the same draws on
/// every machine.
///
/// Source: Box & Muller 1958, "A Note on the Generation of Random Normal Deviates".
pub(crate) fn standard_normal(rng: &mut impl Rng) -> f64 {
    // In (0, 1]: the logarithm is finite.
    let radius = 1.0 - rng.random::<f64>() + 0.5_f64.powi(UNIFORM_BITS + 1);
    let angle = rng.random::<f64>() * TAU;
    (-2.0 * libm::log(radius.min(1.0))).sqrt() * libm::cos(angle)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    #[test]
    fn the_moments_are_those_of_the_normal_distribution() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let draws: Vec<f64> = (0..100_000).map(|_| standard_normal(&mut rng)).collect();
        let moment = |k| draws.iter().map(|x| x.powi(k)).sum::<f64>() / draws.len() as f64;
        // Five standard errors of each moment: 1, sqrt(2), sqrt(15) and sqrt(96) over sqrt(100 000).
        for (k, expected, error) in [(1, 0.0, 1.0), (2, 1.0, 1.42), (3, 0.0, 3.88), (4, 3.0, 9.8)] {
            let tolerance = 5.0 * error / 316.2;
            assert!((moment(k) - expected).abs() < tolerance, "{k}: {}", moment(k));
        }
    }
}
