//! Samplers against exact distributions.
//!
//! Seeds are fixed, so a test passes always or never. Thresholds are such that a correct sampler fails
//! with probability 10^-6 per check for a random seed.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "test ranges are small, and values passed through must not change by a bit"
)]

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

use super::{poisson::minus_log_poisson, *};

/// The quantile of a normal at 1 - 10^-6 one-sided, and a two-sided 2·10^-6.
const Z: f64 = 4.753;

/// P(|x| ≤ `reach`) of the discrete Gaussian, from -reach on.
fn gaussian_pmf(std: f64, reach: i64) -> Vec<f64> {
    let weight = |x: i64| (-0.5 * (x as f64 / std).powi(2)).exp();
    let total: f64 = (-(40.0 * std) as i64 - 1..=(40.0 * std) as i64 + 1).map(weight).sum();
    (-reach..=reach).map(|x| weight(x) / total).collect()
}

/// The same of Skellam: a sum over the Poissons of which it is the difference.
fn skellam_pmf(std: f64, reach: i64) -> Vec<f64> {
    let mean = 0.5 * std * std;
    let top = (mean + 40.0 * mean.sqrt() + 60.0) as i64;
    let poisson: Vec<f64> = (0..=top).map(|k| (-minus_log_poisson(k, mean)).exp()).collect();
    let at = |k: i64| usize::try_from(k).ok().and_then(|k| poisson.get(k)).copied().unwrap_or(0.0);
    (-reach..=reach).map(|x| (0..=top).map(|k| at(k) * at(k + x)).sum()).collect()
}

fn draws(noise: &impl IntegerNoise, count: usize, seed: u64) -> Vec<i64> {
    let mut values = vec![0; count];
    noise.fill(&mut values, &mut ChaCha20Rng::seed_from_u64(seed));
    values
}

/// Checks draws against `pmf` over -reach..=reach by chi-square; cells expected below 10 are pooled with
/// what lies outside.
fn check_fit(name: &str, values: &[i64], pmf: &[f64]) {
    let (reach, n) = (pmf.len() as i64 / 2, values.len() as f64);
    let mut counts = vec![0.0; pmf.len()];
    for value in values {
        if let Some(count) = usize::try_from(value + reach).ok().and_then(|at| counts.get_mut(at)) {
            *count += 1.0;
        }
    }
    let (mut statistic, mut cells, mut seen, mut expected) = (0.0, 0.0, 0.0, 0.0);
    for (count, p) in counts.iter().zip(pmf).filter(|(_, p)| **p * n >= 10.0) {
        statistic += (count - p * n).powi(2) / (p * n);
        cells += 1.0;
        seen += count;
        expected += p * n;
    }
    let (rest, outside) = (n - seen, n - expected);
    if outside > 1.0 {
        statistic += (rest - outside).powi(2) / outside;
    } else {
        cells -= 1.0;
    }
    // Wilson & Hilferty: (χ²/f)^(1/3) is normal with mean 1 - 2/(9f) and variance 2/(9f).
    let spread = 2.0_f64 / (9.0 * cells);
    let limit = cells * (1.0 - spread + Z * spread.sqrt()).powi(3);
    assert!(
        statistic < limit,
        "{name}: chi-square {statistic:.1} of {cells} cells, limit {limit:.1}"
    );
}

fn check_moments(name: &str, values: &[i64], variance: f64) {
    let n = values.len() as f64;
    let mean = values.iter().map(|v| *v as f64).sum::<f64>() / n;
    let second = values.iter().map(|v| (*v as f64).powi(2)).sum::<f64>() / n;
    assert!(mean.abs() < Z * (variance / n).sqrt(), "{name}: mean {mean}");
    // Var(x²) is 2σ⁴ for a normal; Skellam has σ² more, discrete Gaussians less.
    let allowed = Z * ((2.0 * variance + 1.0) * variance / n).sqrt();
    assert!((second - variance).abs() < allowed, "{name}: variance {second} for {variance}");
}

#[test]
fn discrete_gaussian_has_its_distribution() {
    for (seed, std) in [0.5, 0.6180339887, 1.0, 1.5, 2.0, 3.7, 10.0, 25.25].into_iter().enumerate()
    {
        let values = draws(&DiscreteGaussian::new(std).unwrap(), 200_000, seed as u64);
        check_fit(&format!("sigma {std}"), &values, &gaussian_pmf(std, (8.0 * std) as i64 + 1));
    }
}

#[test]
fn tabled_gaussian_has_its_distribution() {
    for (seed, std) in [0.5, 0.7, 1.0, 2.0, 3.7, 10.0, 32.0].into_iter().enumerate() {
        let values = draws(&TabledGaussian::new(std).unwrap(), 200_000, seed as u64);
        check_fit(&format!("sigma {std}"), &values, &gaussian_pmf(std, (8.0 * std) as i64 + 1));
    }
}

#[test]
fn table_holds_the_pmf_to_fifteen_digits() {
    for std in [0.5, 0.7, 1.0, 3.7, 32.0] {
        let reach = (6.0 * std) as usize;
        let (noise, pmf) = (TabledGaussian::new(std).unwrap(), gaussian_pmf(std, reach as i64));
        for (i, p) in pmf.iter().skip(reach).enumerate() {
            let below = if i == 0 { 0 } else { noise.cumulative[i - 1] };
            let sides = if i == 0 { 1.0 } else { 2.0 };
            let share =
                (noise.cumulative[i] - below) as f64 / *noise.cumulative.last().unwrap() as f64;
            assert!((share / sides / p - 1.0).abs() < 3e-14, "sigma {std}, P({i}) {share} for {p}");
        }
    }
}

#[test]
fn skellam_has_its_distribution() {
    for (seed, std) in [0.5, 0.75, 1.0, 2.0, 3.7, 10.0, 30.5].into_iter().enumerate() {
        let values = draws(&Skellam::new(std).unwrap(), 200_000, 100 + seed as u64);
        check_fit(&format!("sigma {std}"), &values, &skellam_pmf(std, (9.0 * std) as i64 + 2));
    }
}

#[test]
fn large_noise_has_its_moments_and_tails() {
    for std in [1e3, 65_537.3, 1_048_576.0] {
        let both = [
            draws(&DiscreteGaussian::new(std).unwrap(), 100_000, 7),
            draws(&Skellam::new(std).unwrap(), 100_000, 8),
        ];
        for (name, values) in ["gaussian", "skellam"].into_iter().zip(&both) {
            check_moments(name, values, std * std);
            // Beyond k σ lie 0.3173, 0.0455, 0.0027 and 6.3e-5 of a normal.
            for (k, share) in [(1.0, 0.317_310_5), (2.0, 0.045_500_3), (3.0, 0.002_699_8)] {
                let beyond =
                    values.iter().filter(|v| v.unsigned_abs() as f64 > k * std).count() as f64;
                let expected = share * values.len() as f64;
                let allowed = Z * (expected * (1.0 - share)).sqrt() + 2.0 * expected / std;
                assert!((beyond - expected).abs() < allowed, "{name}: {beyond} beyond {k} sigma");
            }
        }
    }
}

#[test]
fn skellams_add_up_to_a_skellam() {
    let part = Skellam::new(1.0).unwrap();
    let parts: Vec<_> = (0..16).map(|seed| draws(&part, 100_000, 200 + seed)).collect();
    let sums: Vec<i64> = (0..100_000).map(|i| parts.iter().map(|p| p[i]).sum()).collect();
    check_fit("sum of 16", &sums, &skellam_pmf(4.0, 30));
    check_moments("sum of 16", &sums, 16.0);
}

#[test]
fn discrete_gaussians_add_up_nearly_to_one() {
    // At σ = 1 the sum's distance from a discrete Gaussian (τ ≈ 5·10^-4) is below what 10^5 draws show.
    let part = DiscreteGaussian::new(1.0).unwrap();
    let parts: Vec<_> = (0..9).map(|seed| draws(&part, 100_000, 300 + seed)).collect();
    let sums: Vec<i64> = (0..100_000).map(|i| parts.iter().map(|p| p[i]).sum()).collect();
    check_fit("sum of 9", &sums, &gaussian_pmf(3.0, 25));
}

#[test]
fn a_wrong_variance_is_noticed() {
    let values = draws(&DiscreteGaussian::new(2.05).unwrap(), 200_000, 1);
    let fits = std::panic::catch_unwind(|| check_fit("", &values, &gaussian_pmf(2.0, 17)));
    assert!(fits.is_err(), "the test of fit is too weak");
}

#[test]
fn poisson_weights_follow_their_recurrence() {
    // ln P(k + 1) - ln P(k) = ln(m/(k + 1)); the error allowed is what `Poisson` promises.
    for mean in [0.125_f64, 1.0, 7.3, 500.0, 1e6, 549_755_813_888.0] {
        let spread = mean.sqrt();
        for at in [-9.0, -3.0, -1.0, 0.0, 0.5, 2.0, 9.0] {
            let k = (mean + at * spread).max(0.0) as i64;
            let step = minus_log_poisson(k, mean) - minus_log_poisson(k + 1, mean);
            let exact = ((mean - (k + 1) as f64) / (k + 1) as f64).ln_1p();
            assert!((step - exact).abs() < 2_f64.powi(-40), "mean {mean}, {k}: {step} for {exact}");
        }
    }
}

#[test]
fn shares_add_up_to_the_noise_of_the_sum() {
    let share = NoiseShare::new(1.1, 4096.0, 80).unwrap();
    let sum = share.std() * 80_f64.sqrt();
    let whole = 1.1 * 4096.0;
    assert!((whole..whole * (1.0 + 1e-12)).contains(&sum));
    assert!((share.skellam().unwrap().std() - 503.745).abs() < 0.01);
    assert_eq!(share.discrete_gaussian().unwrap().std(), share.std());
}

#[test]
fn bad_noise_is_refused_by_name() {
    for std in [0.0, 0.49, -1.0, f64::NAN, f64::INFINITY, 1_048_577.0] {
        assert!(matches!(DiscreteGaussian::new(std), Err(NoiseError::Std { .. })), "{std}");
        assert!(matches!(Skellam::new(std), Err(NoiseError::Std { .. })), "{std}");
        assert!(matches!(TabledGaussian::new(std), Err(NoiseError::Std { .. })), "{std}");
    }
    assert_eq!(NoiseShare::new(1.0, 1.0, 0), Err(NoiseError::NobodyHonest));
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(NoiseShare::new(bad, 1.0, 1), Err(NoiseError::NotPositive { .. })));
        assert!(matches!(NoiseShare::new(1.0, bad, 1), Err(NoiseError::NotPositive { .. })));
    }
}

#[test]
fn a_sum_beyond_32_bits_is_refused() {
    let noise = DiscreteGaussian::new(1000.0).unwrap();
    let mut values = vec![0, 5, i32::MAX - 1, i32::MAX - 1, i32::MAX - 1, i32::MAX - 1];
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    assert!(matches!(noise.add_to(&mut values, &mut rng), Err(NoiseError::Overflow { .. })));
    let mut values = vec![7; 1000];
    noise.add_to(&mut values, &mut rng).unwrap();
    assert!(values.iter().any(|v| *v != 7));
}

#[test]
fn the_same_seed_gives_the_same_noise() {
    let noise = Skellam::new(12.5).unwrap();
    assert_eq!(draws(&noise, 100, 1), draws(&noise, 100, 1));
    assert_ne!(draws(&noise, 100, 1), draws(&noise, 100, 2));
}
