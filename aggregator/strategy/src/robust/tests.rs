//! Properties of the robust rules.

use privacy_identity::{Decode as _, Encode as _};
use proptest::prelude::*;

use super::*;

fn rules() -> Vec<RobustRule> {
    let texts = ["mean", "median", "trimmed-mean:beta=0.3", "krum:f=2", "multi-krum:f=2,m=3"];
    let texts = texts.into_iter().chain(["geometric-median", "norm-bound:norm=1.5"]);
    texts.map(|text| text.parse().unwrap()).collect()
}

fn aggregate(rule: &RobustRule, updates: &[Vec<f32>]) -> Vec<f32> {
    let slices: Vec<_> = updates.iter().map(Vec::as_slice).collect();
    rule.aggregate(&Updates::new(&slices).unwrap()).unwrap()
}

fn near(a: &[f32], b: &[f32], tolerance: f32) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| (x - y).abs() <= tolerance)
}

/// 7..=10 updates of 1..=150 coordinates: more than one piece of the sorting network.
fn updates() -> impl Strategy<Value = Vec<Vec<f32>>> {
    (7_usize..=10, 1_usize..150)
        .prop_flat_map(|(n, d)| prop::collection::vec(prop::collection::vec(-1.0_f32..1.0, d), n))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_updates_does_not_matter(updates in updates(), turn in 1_usize..7) {
        let mut turned = updates.clone();
        turned.rotate_left(turn);
        turned.swap(0, 1);
        for rule in rules() {
            let (a, b) = (aggregate(&rule, &updates), aggregate(&rule, &turned));
            prop_assert!(near(&a, &b, 1e-6), "{rule}");
        }
        let exact = [RobustRule::Median, RobustRule::TrimmedMean { beta: TrimmedShare(0.3) }];
        for rule in exact {
            prop_assert_eq!(aggregate(&rule, &updates), aggregate(&rule, &turned));
        }
    }

    #[test]
    fn what_is_made_of_updates_is_their_sum_by_the_weights_that_were_taken(updates in updates()) {
        let slices: Vec<_> = updates.iter().map(Vec::as_slice).collect();
        let of = Updates::new(&slices).unwrap();
        for rule in rules() {
            let taken = rule.take(&of).unwrap();
            prop_assert_eq!(&taken.update, &rule.aggregate(&of).unwrap());
            for (coordinate, made) in taken.update.iter().enumerate() {
                let weight = |index| taken.weight(index, coordinate);
                let total: f64 = (0..updates.len()).map(weight).sum();
                let bound = matches!(rule, RobustRule::NormBound { .. });
                prop_assert!((total - 1.0).abs() < 1e-9 || (bound && total < 1.0), "{rule}: {total}");
                let value = |index: usize| weight(index) * f64::from(updates[index][coordinate]);
                let sum: f64 = (0..updates.len()).map(value).sum();
                prop_assert!((sum - f64::from(*made)).abs() < 1e-6, "{rule}: {sum} beside {made}");
            }
        }
    }

    #[test]
    fn moving_all_updates_moves_the_result(updates in updates(), by in -4.0_f32..4.0) {
        let moved: Vec<Vec<f32>> =
            updates.iter().map(|u| u.iter().map(|x| x + by).collect()).collect();
        // A norm bound is about the origin.
        for rule in rules().into_iter().filter(|rule| !matches!(rule, RobustRule::NormBound { .. })) {
            let expected: Vec<_> = aggregate(&rule, &updates).iter().map(|x| x + by).collect();
            prop_assert!(near(&aggregate(&rule, &moved), &expected, 1e-5), "{rule}");
        }
    }

    #[test]
    fn any_cut_of_the_coordinates_gives_the_same_bits(updates in updates(), at in 0.0_f64..1.0) {
        let d = updates[0].len();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a test's index")]
        let at = (at * float(d)) as usize;
        prop_assume!(at > 0);
        let part = |range: std::ops::Range<usize>| -> Vec<Vec<f32>> {
            updates.iter().map(|u| u[range.clone()].to_vec()).collect()
        };
        for rule in [RobustRule::Mean, RobustRule::Median, RobustRule::TrimmedMean { beta: TrimmedShare(0.2) }] {
            let mut joined = aggregate(&rule, &part(0..at));
            joined.extend(aggregate(&rule, &part(at..d)));
            prop_assert_eq!(joined, aggregate(&rule, &updates));
        }
    }

    #[test]
    fn fewer_liars_than_half_leave_the_median_among_the_honest(
        honest in updates(),
        liars in 1_usize..5,
        lie in prop::sample::select(vec![f32::MAX, -f32::MAX, 1e20, -0.0, 3.0]),
    ) {
        let d = honest[0].len();
        let all: Vec<_> = honest.iter().cloned().chain(vec![vec![lie; d]; liars]).collect();
        let beta = float(liars) / float(all.len()) + 1e-9;
        for rule in [RobustRule::Median, RobustRule::TrimmedMean { beta: TrimmedShare(beta) }] {
            for (coordinate, got) in aggregate(&rule, &all).iter().enumerate() {
                let values = honest.iter().map(|u| u[coordinate]);
                let low = values.clone().fold(f32::INFINITY, f32::min);
                let high = values.fold(-f32::INFINITY, f32::max);
                prop_assert!((low..=high).contains(got), "{rule}: {got} not in {low}..={high}");
            }
        }
    }

    #[test]
    fn far_liars_are_not_chosen_and_do_not_drag(honest in updates(), scale in 1e3_f32..1e19) {
        let d = honest[0].len();
        let liars = [vec![scale; d], vec![-scale; d]];
        let all: Vec<_> = honest.iter().cloned().chain(liars).collect();
        for rule in ["krum:f=2", "multi-krum:f=2,m=5", "geometric-median"] {
            let rule: RobustRule = rule.parse().unwrap();
            // Bounded by a small multiple of the honest radius: 2(n - f)/(n - 2f) for the geometric median.
            let radius = float(d).sqrt();
            let got = mean::norm(&aggregate(&rule, &all));
            prop_assert!(got <= 4.0 * radius, "{rule}: {got}");
        }
    }

    #[test]
    fn the_norm_bound_holds(updates in updates(), bound in 0.01_f64..3.0) {
        let rule = RobustRule::NormBound { bound: Positive(bound) };
        prop_assert!(mean::norm(&aggregate(&rule, &updates)) <= bound * (1.0 + 1e-6));
    }
}

/// Found by fuzzing: one over a subnormal ν is infinite, and the point was NaN.
#[test]
fn the_least_smoothing_gives_numbers() {
    let bytes = [5, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0x32, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0];
    let found = RobustRule::from_bytes(&bytes).unwrap();
    let least = Positive(f64::from_bits(1));
    let settings = Weiszfeld { smoothing: least, tolerance: least, ..Weiszfeld::STANDARD };
    for rule in [found, RobustRule::GeometricMedian(settings)] {
        for count in [1, 2, 7] {
            assert_eq!(aggregate(&rule, &vec![vec![0.5, -3.0]; count]), [0.5, -3.0], "{rule}");
        }
    }
}

#[test]
fn equal_updates_come_out_as_they_are() {
    let update = vec![0.25_f32, -3.0, 0.0, 1e-20, 7e30];
    let updates = vec![update.clone(); 7];
    for rule in rules().into_iter().filter(|rule| !matches!(rule, RobustRule::NormBound { .. })) {
        for (got, expected) in aggregate(&rule, &updates).iter().zip(&update) {
            assert!((got - expected).abs() <= expected.abs() * 1e-6, "{rule}: {got}");
        }
    }
}

#[test]
fn medians_and_trimmed_means_are_those_done_by_hand() {
    let odd = [vec![3.0, -1.0], vec![1.0, 5.0], vec![2.0, 100.0]];
    assert_eq!(aggregate(&RobustRule::Median, &odd), [2.0, 5.0]);
    let even = [vec![4.0_f32], vec![1.0], vec![2.0], vec![100.0]];
    assert_eq!(aggregate(&RobustRule::Median, &even), [3.0]);
    assert_eq!(aggregate(&RobustRule::TrimmedMean { beta: TrimmedShare(0.25) }, &even), [3.0]);
    assert_eq!(aggregate(&RobustRule::TrimmedMean { beta: TrimmedShare(0.2) }, &even), [26.75]);
}

#[test]
fn both_zeros_come_out_as_one_whatever_their_order() {
    for zeros in [[0.0_f32, -0.0, -0.0], [-0.0, -0.0, 0.0]] {
        let median = aggregate(&RobustRule::Median, &zeros.map(|zero| vec![zero]));
        assert_eq!(median[0].to_bits(), 0);
    }
}

#[test]
fn too_many_liars_are_refused_with_the_number_needed() {
    let update = [0.5_f32, 1.0];
    let check = |n: usize, rule: &str, expected: &str| {
        let updates = Updates::new(&vec![&update[..]; n]).unwrap();
        let rule: RobustRule = rule.parse().unwrap();
        assert_eq!(rule.aggregate(&updates).unwrap_err().to_string(), expected);
    };
    check(6, "krum:f=2", "krum needs at least 7 updates to withstand 2 liars, got 6");
    check(7, "multi-krum:f=2,m=4", "multi-krum averages 1..=3 updates here, asked for 4");
    check(7, "multi-krum:f=2,m=0", "multi-krum averages 1..=3 updates here, asked for 0");
    let most = format!("krum:f={}", u32::MAX);
    let refused = most.parse::<RobustRule>().unwrap();
    assert!(refused.aggregate(&Updates::new(&[&update[..]]).unwrap()).is_err());
}

#[test]
fn rules_are_read_as_they_are_written() {
    for rule in rules() {
        assert_eq!(rule.to_string().parse::<RobustRule>().unwrap(), rule);
    }
    let check = |text: &str, expected: &str| {
        assert_eq!(text.parse::<RobustRule>().unwrap_err().to_string(), expected);
    };
    check("trimmed-mean:beta=0.5", "the trimmed share must be at least 0 and below 0.5, got 0.5");
    check("trimmed-mean:beta=-0.1", "the trimmed share must be at least 0 and below 0.5, got -0.1");
    check(
        "geometric-median:iterations=0",
        "iterations=0 cannot be read: number would be zero for non-zero type",
    );
    for bad in ["", "krum", "krum:f=-1", "krum:f=1,g=2", "median:x=1", "norm-bound:norm=0", "mode"]
    {
        assert!(bad.parse::<RobustRule>().is_err(), "{bad}");
    }
}

/// A changed byte is a new version of a federation's terms.
#[test]
fn bytes_are_pinned() {
    let check = |text: &str, expected: &str| {
        let rule: RobustRule = text.parse().unwrap();
        let bytes = rule.to_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected, "{text}");
        assert_eq!(RobustRule::from_bytes(&bytes).unwrap(), rule);
    };
    check("mean", "00");
    check("median", "01");
    check("trimmed-mean:beta=0.25", "023fd0000000000000");
    check("krum:f=2", "0300000002");
    check("multi-krum:f=2,m=5", "040000000200000005");
    check(
        "geometric-median:smoothing=1,tolerance=0.5,iterations=3",
        "053ff00000000000003fe000000000000000000003",
    );
    check("norm-bound:norm=1", "063ff0000000000000");
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(kind in 0_u8..8, rest in prop::collection::vec(any::<u8>(), 0..24)) {
        let bytes = [&[kind][..], &rest].concat();
        if let Ok(rule) = RobustRule::from_bytes(&bytes) {
            prop_assert_eq!(rule.to_bytes(), bytes);
        }
    }
}

#[test]
fn equal_values_share_their_ranks_and_what_is_left_out_counts_nothing() {
    let updates = [[1.0_f32, 0.0], [1.0, -0.0], [9.0, 0.0], [-7.0, 0.0], [2.0, 5.0]];
    let slices: Vec<_> = updates.iter().map(<[f32; 2]>::as_slice).collect();
    let updates = Updates::new(&slices).unwrap();
    let weights = |rule: &str, coordinate| -> Vec<f64> {
        let taken = rule.parse::<RobustRule>().unwrap().take(&updates).unwrap();
        (0..5).map(|index| taken.weight(index, coordinate)).collect()
    };
    // -7, 1, 1, 2, 9: the median is one of the two ones.
    assert_eq!(weights("median", 0), [0.5, 0.5, 0.0, 0.0, 0.0]);
    assert_eq!(weights("median", 1), [0.25, 0.25, 0.25, 0.25, 0.0]);
    let third = 1.0 / 3.0;
    assert_eq!(weights("trimmed-mean:beta=0.2", 0), [third, third, 0.0, 0.0, third]);
    // Of the coordinates 0, 0, 0, 0, 5 three zeros are left.
    assert_eq!(weights("trimmed-mean:beta=0.2", 1), [0.25, 0.25, 0.25, 0.25, 0.0]);
    assert_eq!(weights("multi-krum:f=1,m=2", 0), [0.5, 0.5, 0.0, 0.0, 0.0]);
    let far = weights("geometric-median", 0);
    assert!(far[2] < far[0] && (far.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{far:?}");
    let taken = RobustRule::Median.take(&updates).unwrap();
    assert_eq!(taken.weighed(4, &[3.0, 8.0]), [0.0, 0.0]);
    assert_eq!(taken.weighed(0, &[3.0, 8.0]), [1.5, 2.0]);
    assert_eq!(taken.weighed(5, &[3.0, 8.0]), [0.0, 0.0], "one that there is not");
}
