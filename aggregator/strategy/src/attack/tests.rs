//! What attacks send, by hand and by what they are for.

use proptest::prelude::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

use super::*;
use crate::{RobustRule, Updates};

fn plan(text: &str) -> AttackPlan {
    text.parse().unwrap()
}

fn round(honest: &[&[f32]], liars: usize) -> HonestRound {
    HonestRound::new(&Updates::new(honest).unwrap(), liars, Some(&[9.0, 8.0])).unwrap()
}

fn craft(round: &HonestRound, text: &str, own: Option<&[f32]>) -> Vec<f32> {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    round.craft(&plan(text).attack, own, &mut rng).unwrap()
}

#[test]
fn crafted_updates_are_those_done_by_hand() {
    // Mean (2, 0), deviation (1, 2).
    let round = round(&[&[1.0, 2.0], &[3.0, -2.0], &[1.0, 2.0], &[3.0, -2.0]], 1);
    let own = Some(&[1.0_f32, -0.5][..]);
    let check = |text: &str, expected: [f32; 2]| {
        assert_eq!(craft(&round, text, own), expected, "{text}");
    };
    check("signflip:1", [-3.0, 1.5]);
    check("signflip:1,scale=1", [-1.0, 0.5]);
    check("scale:1", [10.0, -5.0]);
    check("backdoor:1,scale=4,target=2", [4.0, -2.0]);
    check("labelflip:1", [1.0, -0.5]);
    check("ipm:1,epsilon=0.5", [-1.0, 0.0]);
    check("alie:1,z=1.5", [0.5, -3.0]);
    check("zero:1", [0.0, 0.0]);
    check("replay:1", [9.0, 8.0]);
}

#[test]
fn a_replay_in_the_first_round_sends_zeros() {
    let honest: [&[f32]; 1] = [&[1.0, 2.0]];
    let round = HonestRound::new(&Updates::new(&honest).unwrap(), 1, None).unwrap();
    assert_eq!(craft(&round, "replay:1", None), [0.0, 0.0]);
}

/// scipy 1.17.1: norm.ppf((n - f - s)/(n - f)).
#[test]
fn z_of_alie_follows_from_n_and_f() {
    let check = |honest: usize, liars: usize, expected: f64| {
        let honest = vec![&[0.0_f32, 1.0][..]; honest];
        let got = round(&honest, liars).alie_z().unwrap();
        assert!((got - expected).abs() < 1e-12, "{got}");
    };
    check(26, 24, 1.426_076_872_272_847_6);
    check(16, 4, 0.157_310_684_610_170_7);
    check(18, 2, 0.0);
    check(8, 2, 0.0);
}

#[test]
fn the_standard_ipm_reverses_the_mean() {
    let honest: Vec<&[f32]> = vec![&[1.0, -2.0]; 8];
    let round = round(&honest, 2);
    let lie = craft(&round, "ipm:2", None);
    let mut all = honest;
    all.extend([&lie[..], &lie[..]]);
    let mean = RobustRule::Mean.aggregate(&Updates::new(&all).unwrap()).unwrap();
    assert!((mean[0] + 0.8).abs() < 1e-6 && (mean[1] - 1.6).abs() < 1e-6, "{mean:?}");
    let median = RobustRule::Median.aggregate(&Updates::new(&all).unwrap()).unwrap();
    assert_eq!(median, [1.0, -2.0]);
}

/// 40 000 numbers of deviation 2: the mean's standard deviation is 0.01, the variance's 0.028; off by more
/// than 5 of them with a probability below 10⁻⁶, and the seed is fixed.
#[test]
fn gaussian_noise_has_mean_zero_and_its_deviation() {
    let zeros = vec![0.0_f32; 40_000];
    let round = HonestRound::new(&Updates::new(&[&zeros[..]]).unwrap(), 1, None).unwrap();
    let noise = craft(&round, "gaussian:1,deviation=2", None);
    let count = 40_000.0;
    let mean = noise.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let square = noise.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / count;
    assert!(mean.abs() < 0.05 && (square - 4.0).abs() < 0.15, "{mean} {square}");
}

#[test]
fn impossible_attacks_are_refused_with_a_sentence() {
    let updates: [&[f32]; 2] = [&[1.0, 2.0], &[3.0, 4.0]];
    let honest = Updates::new(&updates).unwrap();
    let refused = |liars, last: Option<&[f32]>| {
        HonestRound::new(&honest, liars, last).unwrap_err().to_string()
    };
    assert_eq!(refused(0, None), "there is nobody to carry out the attack");
    let expected = "the last mean update has 1 coordinates, the honest updates have 2";
    assert_eq!(refused(1, Some(&[1.0])), expected);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut check = |text: &str, own: Option<&[f32]>, liars, expected: &str| {
        let round = HonestRound::new(&honest, liars, None).unwrap();
        let refused = round.craft(&plan(text).attack, own, &mut rng).unwrap_err();
        assert_eq!(refused.to_string(), expected);
    };
    check("signflip:1", None, 1, "signflip starts from an update of the liar's own");
    check(
        "scale:1",
        Some(&[1.0]),
        1,
        "the liar's own update has 1 coordinates, the honest updates have 2",
    );
    check(
        "alie:3",
        None,
        3,
        "alie needs fewer liars than half, got 3 beside 2 honest contributors",
    );
    check(
        "scale:1",
        Some(&[0.0, f32::MAX]),
        1,
        "coordinate 1 of the crafted update is out of range",
    );
}

#[test]
fn plans_are_read_as_they_are_written() {
    let written = [
        "labelflip:2",
        "labelflip:2,to=2",
        "backdoor:1,target=3,scale=10",
        "signflip:4",
        "scale:1",
        "gaussian:2,deviation=0.5",
        "ipm:2",
        "ipm:2,epsilon=0.5",
        "alie:3",
        "alie:3,z=1.5",
        "zero:1",
        "replay:1",
    ];
    for text in written {
        assert_eq!(plan(&plan(text).to_string()), plan(text), "{text}");
    }
    let check = |text: &str, expected: &str| {
        assert_eq!(text.parse::<AttackPlan>().unwrap_err().to_string(), expected);
    };
    check("alie", "alie needs count=VALUE");
    check("alie:", "alie needs count=VALUE");
    check("alie:x", "count=x cannot be read: invalid digit found in string");
    check("alie:1,count=2", "alie takes no \"count\", or takes it once");
    check("zero:1,scale=2", "zero takes no \"scale\", or takes it once");
    check("ipm:1,epsilon=0", "epsilon must be positive and finite, got 0");
    assert!("flood:1".parse::<AttackPlan>().is_err());
}

#[test]
fn labels_are_flipped() {
    assert_eq!(LabelFlip::Mirror.label(2, 10), Ok(7));
    assert_eq!(LabelFlip::To { class: 2 }.label(9, 10), Ok(2));
    let refused = LabelFlip::Mirror.label(10, 10).unwrap_err();
    assert_eq!(refused.to_string(), "class 10 is not one of 10");
    assert!(LabelFlip::To { class: 10 }.label(0, 10).is_err());
}

#[test]
fn the_trigger_is_a_patch_in_the_corner_of_every_channel() {
    let shape = ImageShape { channels: 2, height: 4, width: 5 };
    let backdoor = Backdoor { side: 2, value: 1.0, target: 7 };
    let mut image = vec![0.0; 40];
    assert_eq!(backdoor.apply(&mut image, shape, 10), Ok(7));
    #[rustfmt::skip]
    let plane = [
        0.0, 0.0, 0.0, 0.0, 0.0,
        0.0, 0.0, 1.0, 1.0, 0.0,
        0.0, 0.0, 1.0, 1.0, 0.0,
        0.0, 0.0, 0.0, 0.0, 0.0,
    ];
    assert_eq!(image, [plane, plane].concat());
    let mut whole = vec![0.0; 4];
    let shape = ImageShape { channels: 1, height: 2, width: 2 };
    assert_eq!(backdoor.apply(&mut whole, shape, 10), Ok(7));
    assert_eq!(whole, [1.0; 4]);
}

#[test]
fn triggers_that_do_not_fit_are_refused_and_leave_the_image() {
    let shape = ImageShape { channels: 1, height: 2, width: 3 };
    let mut image = vec![0.5; 6];
    let mut check = |side, target, expected: &str| {
        let refused = Backdoor { side, value: 1.0, target }.apply(&mut image, shape, 10);
        assert_eq!(refused.unwrap_err().to_string(), expected);
        assert_eq!(image, [0.5; 6]);
    };
    check(3, 0, "a patch of 3 pixels a side does not fit into 2 × 3");
    check(0, 0, "a patch of 0 pixels a side does not fit into 2 × 3");
    check(1, 10, "class 10 is not one of 10");
    let backdoor = Backdoor { side: 1, value: 1.0, target: 0 };
    let refused = backdoor.apply(&mut [0.0; 5], shape, 10).unwrap_err();
    assert_eq!(refused.to_string(), "an image of 6 values was expected, got 5");
}

proptest! {
    #[test]
    fn the_same_seed_crafts_the_same_bits(seed: u64, values in prop::collection::vec(-1.0_f32..1.0, 12)) {
        let honest: Vec<_> = values.chunks(3).collect();
        let updates = Updates::new(&honest).unwrap();
        let round = HonestRound::new(&updates, 1, None).unwrap();
        for text in ["gaussian:1", "ipm:1", "alie:1", "zero:1", "replay:1"] {
            let draw = || {
                let mut rng = ChaCha20Rng::seed_from_u64(seed);
                round.craft(&plan(text).attack, None, &mut rng).unwrap()
            };
            prop_assert_eq!(draw(), draw());
        }
    }
}
