use rand::Rng as _;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

use super::*;

fn random(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut next = || f64::from(rng.next_u32()) / 4_294_967_296.0 - 0.5;
    #[expect(clippy::cast_possible_truncation, reason = "a random number")]
    (0..len).map(|_| next() as f32).collect()
}

fn dot(left: &[f32], right: &[f32]) -> f64 {
    left.iter().zip(right).map(|(l, r)| f64::from(*l) * f64::from(*r)).sum()
}

/// Every dimension: lengths, inner products and the way back.
fn check(dimension: usize) {
    let rotation = Rotation::new([7; 32], dimension);
    let (x, p) = (random(dimension, 1), random(dimension, 2));
    let (mut rx, mut rp) = (x.clone(), p.clone());
    rotation.apply(&mut rx);
    rotation.apply(&mut rp);
    let (norm_x, norm_p) = (dot(&x, &x).sqrt(), dot(&p, &p).sqrt());
    assert!((dot(&rx, &rx).sqrt() - norm_x).abs() < norm_x / 262_144.0, "norm, d = {dimension}");
    let apart = (dot(&rx, &rp) - dot(&x, &p)).abs();
    assert!(apart < norm_x * norm_p / 131_072.0, "inner product, d = {dimension}: {apart}");
    rotation.invert(&mut rx);
    let error = rx.iter().zip(&x).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
    assert!(error < norm_x / 262_144.0, "inverse, d = {dimension}: {error}");
}

#[test]
fn lengths_and_inner_products_survive_and_the_inverse_undoes_it_in_any_dimension() {
    for dimension in [1, 2, 3, 4, 5, 255, 256, 257, 450, 1000, 4095, 4096, 4097, 10_000, 65_537] {
        check(dimension);
    }
    check(1 << 20);
    check(10_000_000);
}

#[test]
fn it_is_a_linear_map_of_the_seed_alone() {
    let (mut x, mut y) = (random(450, 1), random(450, 2));
    let mut sum: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
    let rotation = Rotation::new([7; 32], 450);
    for vector in [&mut x, &mut y, &mut sum] {
        rotation.apply(vector);
    }
    for ((x, y), sum) in x.iter().zip(&y).zip(&sum) {
        assert!((x + y - sum).abs() < 1e-5);
    }
    let mut other = random(450, 1);
    Rotation::new([8; 32], 450).apply(&mut other);
    assert_ne!(other, x);
    let of_round = |federation, round| Rotation::of_round(&Digest([federation; 32]), round, 450);
    assert_ne!(of_round(1, 1), of_round(1, 2));
    assert_ne!(of_round(1, 1), of_round(2, 1));
}

#[test]
fn a_small_rotation_is_pinned() {
    let mut x = [1.0, 2.0, 3.0, 4.0, 5.0];
    Rotation::new([1; 32], 5).apply(&mut x);
    let rounded = x.map(|v: f32| (v * 1000.0).round() / 1000.0);
    assert_eq!(rounded.map(f32::to_bits), PINNED.map(f32::to_bits));
}

/// Of this implementation, checked by its norm (√55): another value is another wire version.
const PINNED: [f32; 5] = [0.0, 0.5, -3.5, 0.5, 6.5];

/// Adversarial vectors: a spike at each end and in the overlap, all equal, and a row of H.
fn adversarial(dimension: usize) -> Vec<Vec<f32>> {
    let spike = |at: usize| {
        let mut x = vec![0.0; dimension];
        x[at] = 1.0;
        x
    };
    let sign = |i: usize| if (i & 0x155).count_ones().is_multiple_of(2) { 1.0_f32 } else { -1.0 };
    vec![
        spike(0),
        spike(dimension / 2),
        spike(dimension - 1),
        vec![1.0; dimension],
        (0..dimension).map(sign).collect(),
    ]
}

#[test]
fn every_coordinate_is_sub_gaussian_with_variance_proxy_norm_squared_over_m() {
    // P(|y_j| ≥ t) ≤ 2·exp(−t²m/2‖x‖²). Over 300 seeds × 5 vectors × d coordinates, t at a
    // probability of 10^-4 and 10^-6 each: observed counts must stay below the bound's expectation
    // plus six deviations (a false alarm would be below 10^-8; the seeds are fixed besides).
    for dimension in [3, 450, 1000, 1024] {
        let m = f64::from(u32::try_from(block_len(dimension)).unwrap());
        for probability in [1e-2_f64, 1e-4, 1e-6] {
            let mut beyond = 0_u32;
            let mut draws = 0_u32;
            for mut x in adversarial(dimension) {
                let norm = dot(&x, &x).sqrt();
                let limit = norm * (2.0 * (2.0 / probability).ln() / m).sqrt();
                let original = x.clone();
                for seed in 0..60_u8 {
                    x.copy_from_slice(&original);
                    Rotation::new([seed; 32], dimension).apply(&mut x);
                    beyond += x.iter().map(|v| u32::from(f64::from(v.abs()) >= limit)).sum::<u32>();
                    draws += u32::try_from(dimension).unwrap();
                }
            }
            let expected = f64::from(draws) * probability;
            let alarm = expected + 6.0 * (expected + 1.0).sqrt();
            assert!(f64::from(beyond) <= alarm, "d = {dimension}: {beyond} beyond, {expected}");
        }
    }
}

#[test]
fn a_coordinate_outside_the_overlap_is_mixed_once_and_reaches_the_bound_of_m_not_of_d() {
    // d = 7, m = 4: coordinate 0 is mixed with 1 to 3 alone. (1,1,1,1,0,0,0) can put all of its
    // norm 2 there: ‖x‖·√m/√m; it does so in one of 8 sign patterns (up to sign).
    let full = (0..200_u8)
        .filter(|&seed| {
            let mut x = [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0];
            Rotation::new([seed; 32], 7).apply(&mut x);
            (x[0].abs() - 2.0).abs() < 1e-5
        })
        .count();
    // Binomial(200, 1/8): 25 ± 4.7; four deviations.
    assert!((6..45).contains(&full), "{full}");
}
