//! Gamma variates as logarithms.

use rand::Rng;

/// The natural logarithm of a draw from Gamma(`shape`, 1); `shape` finite and above zero.
///
/// As logarithms, because for a small shape nearly all of the mass is below the smallest `f64`: at
/// 0.001, half of all draws are under 10⁻³⁰¹, and proportions of zeros are not proportions. With
/// `libm`, so that a seed gives the same draw on every machine.
///
/// Source: Marsaglia & Tsang 2000, "A Simple Method for Generating Gamma Variables", ACM TOMS 26(3),
/// section 4 for the method and section 6 for a shape below 1.
pub(super) fn ln_gamma_variate(shape: f64, rng: &mut impl Rng) -> f64 {
    if shape < 1.0 {
        return ln_gamma_variate(shape + 1.0, rng) + libm::log(uniform(rng)) / shape;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(rng);
        let v = 1.0 + c * x;
        if v <= 0.0 {
            continue;
        }
        let ln_v = 3.0 * libm::log(v);
        if libm::log(uniform(rng)) < 0.5 * x * x + d * (1.0 - v * v * v + ln_v) {
            return libm::log(d) + ln_v;
        }
    }
}

/// A standard normal draw by the polar method (Marsaglia & Bray 1964).
fn normal(rng: &mut impl Rng) -> f64 {
    loop {
        let (u, v) = (2.0 * uniform(rng) - 1.0, 2.0 * uniform(rng) - 1.0);
        let s = u * u + v * v;
        if s < 1.0 && s > 0.0 {
            return u * (-2.0 * libm::log(s) / s).sqrt();
        }
    }
}

/// Uniform in the open interval (0, 1): the middles of 2^52 even pieces.
pub(super) fn uniform(rng: &mut impl Rng) -> f64 {
    ((rng.next_u64() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    const DRAWS: u32 = 200_000;

    /// Mean and variance of Gamma(a, 1) are both a. Six standard errors: a false alarm in 10⁹.
    #[test]
    fn draws_have_the_mean_and_variance_of_their_shape() {
        for shape in [0.1, 0.5, 1.0, 3.0, 50.0] {
            let mut rng = ChaCha20Rng::seed_from_u64(7);
            let count = f64::from(DRAWS);
            let draws: Vec<f64> =
                (0..DRAWS).map(|_| ln_gamma_variate(shape, &mut rng).exp()).collect();
            let mean = draws.iter().sum::<f64>() / count;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
            // The fourth central moment of Gamma(a, 1) is 3a² + 6a.
            let (mean_error, variance_error) = (shape / count, (2.0 * shape + 6.0) * shape / count);
            assert!((mean - shape).abs() < 6.0 * mean_error.sqrt(), "{shape}: mean {mean}");
            let off = (variance - shape).abs();
            assert!(off < 6.0 * variance_error.sqrt(), "{shape}: variance {variance}");
        }
    }

    /// ln(draw) of a tiny shape is ln(U)/shape but for a bounded term: its mean is -1/shape.
    #[test]
    fn a_tiny_shape_gives_finite_logarithms() {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let draws: Vec<f64> = (0..10_000).map(|_| ln_gamma_variate(1e-9, &mut rng)).collect();
        assert!(draws.iter().all(|ln| ln.is_finite()));
        let mean = draws.iter().sum::<f64>() / 10_000.0 * 1e-9;
        assert!((mean + 1.0).abs() < 0.06, "{mean}");
    }

    /// Pinned: a change of these bits would silently change every partition of a seed.
    #[test]
    fn the_draws_of_a_seed_are_pinned() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let draws = [0.5, 2.0].map(|shape| ln_gamma_variate(shape, &mut rng).to_bits());
        assert_eq!(draws, [13_831_513_188_801_856_515, 4_607_148_466_979_546_336]);
    }
}
