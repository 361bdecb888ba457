//! Partitions: every row in exactly one part, no part empty, the same seed the same parts, and each
//! rule as uneven as it says.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use datasets::{
    Alpha, ClassChoice, ClassLabels, Dirichlet, PartitionError, Partitioner, Shortfall,
    SkewSummary, natural, natural_grouped,
};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

const CLASSES: usize = 10;

/// Ten classes of a hundred rows each, not in order.
fn thousand_labels() -> Vec<u32> {
    (0..1_000).map(|row| row * 7 % 10).collect()
}

fn split(
    rule: &Partitioner,
    labels: &[u32],
    parts: usize,
    seed: u64,
) -> Result<Vec<Vec<u32>>, PartitionError> {
    let labels = ClassLabels::new(labels, CLASSES)?;
    rule.split(labels, parts, &mut ChaCha20Rng::seed_from_u64(seed))
}

fn summary(labels: &[u32], parts: &[Vec<u32>]) -> SkewSummary {
    SkewSummary::of(ClassLabels::new(labels, CLASSES).unwrap(), parts).unwrap()
}

#[track_caller]
fn check_exact_cover(rows: usize, parts: &[Vec<u32>]) {
    assert!(parts.iter().all(|part| !part.is_empty()), "no part is empty");
    assert!(parts.iter().all(|part| part.is_sorted()), "each part is in ascending order");
    let mut all = parts.concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..u32::try_from(rows).unwrap()), "each row is dealt once");
}

#[track_caller]
fn check_refused(rule: &Partitioner, parts: usize, expected: PartitionError) {
    assert_eq!(split(rule, &thousand_labels(), parts, 1).unwrap_err(), expected, "{rule}");
}

fn dirichlet(alpha: Alpha) -> Dirichlet {
    Dirichlet { shortfall: Shortfall::TopUp, minimum_rows: 1, ..Dirichlet::new(alpha) }
}

fn one(alpha: f64) -> Partitioner {
    Partitioner::Dirichlet(dirichlet(Alpha::One(alpha)))
}

fn any_rule(parts: usize) -> impl Strategy<Value = Partitioner> {
    let alpha = prop_oneof![Just(1e-300), Just(f64::INFINITY), 1e-3..1e3_f64];
    let alphas = move |count| proptest::collection::vec(1e-3..1e3_f64, count);
    let alpha = prop_oneof![
        alpha.prop_map(Alpha::One),
        alphas(CLASSES).prop_map(Alpha::PerClass),
        alphas(parts).prop_map(Alpha::PerPart),
    ];
    let shortfall = prop_oneof![
        Just(Shortfall::TopUp),
        (1_u32..5).prop_map(|attempts| Shortfall::Redraw { attempts })
    ];
    let dirichlet = (alpha, 1_usize..4, shortfall, any::<bool>()).prop_map(
        |(alpha, minimum_rows, shortfall, self_balancing)| {
            Partitioner::Dirichlet(Dirichlet { alpha, minimum_rows, shortfall, self_balancing })
        },
    );
    let choice = prop_oneof![
        Just(ClassChoice::ByIndex),
        Just(ClassChoice::FirstByIndex),
        Just(ClassChoice::Random)
    ];
    let pathological = (1_usize..=CLASSES, choice)
        .prop_map(|(classes, choice)| Partitioner::Pathological { classes, choice });
    prop_oneof![
        Just(Partitioner::Iid),
        Just(Partitioner::Linear),
        Just(Partitioner::Square),
        Just(Partitioner::Exponential),
        (1_usize..4).prop_map(|per_part| Partitioner::Shards { per_part }),
        dirichlet,
        pathological,
        prop_oneof![Just(1e-300), Just(f64::INFINITY), 1e-3..1e3_f64]
            .prop_map(|alpha| Partitioner::InnerDirichlet { alpha }),
    ]
}

fn any_case() -> impl Strategy<Value = (Vec<u32>, usize, Partitioner)> {
    let labels = proptest::collection::vec(0..10_u32, 1..400);
    (labels, 1_usize..30)
        .prop_flat_map(|(labels, parts)| (Just(labels), Just(parts), any_rule(parts)))
}

proptest! {
    #[test]
    fn every_row_is_dealt_exactly_once_or_the_rule_is_refused(
        (labels, parts, rule) in any_case(),
        seed: u64,
    ) {
        let dealt = split(&rule, &labels, parts, seed);
        prop_assert_eq!(&dealt, &split(&rule, &labels, parts, seed));
        match dealt {
            Ok(dealt) => {
                prop_assert_eq!(dealt.len(), parts);
                check_exact_cover(labels.len(), &dealt);
                if let Partitioner::Dirichlet(rule) = &rule {
                    prop_assert!(dealt.iter().all(|part| part.len() >= rule.minimum_rows));
                }
            }
            // A rule that always can must not refuse.
            Err(error) if parts <= labels.len() => {
                let always = matches!(
                    rule,
                    Partitioner::Iid
                        | Partitioner::Linear
                        | Partitioner::Square
                        | Partitioner::Exponential
                );
                prop_assert!(!always, "{} refused: {}", rule, error);
            }
            Err(error) => prop_assert_eq!(
                error,
                PartitionError::RowsTooFew { rows: labels.len(), parts }
            ),
        }
    }

    #[test]
    fn parts_of_given_sizes_have_these_sizes(
        sizes in proptest::collection::vec(1_usize..50, 1..20),
        seed: u64,
    ) {
        let labels = vec![0; sizes.iter().sum()];
        let parts = split(&Partitioner::Sizes(sizes.clone()), &labels, sizes.len(), seed).unwrap();
        check_exact_cover(labels.len(), &parts);
        prop_assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
    }

    #[test]
    fn rows_of_one_id_stay_together(
        ids in proptest::collection::vec(0..20_u32, 1..200),
        parts in 1_usize..6,
        seed: u64,
    ) {
        let one_each = natural(&ids).unwrap();
        check_exact_cover(ids.len(), &one_each);
        let id = |row: &u32| ids[*row as usize];
        prop_assert!(one_each.iter().all(|part| part.iter().all(|row| id(row) == id(&part[0]))));

        let grouped = natural_grouped(&ids, parts, &mut ChaCha20Rng::seed_from_u64(seed));
        if one_each.len() < parts {
            let refused = PartitionError::RowsTooFew { rows: one_each.len(), parts };
            prop_assert_eq!(grouped.unwrap_err(), refused);
        } else {
            let grouped = grouped.unwrap();
            check_exact_cover(ids.len(), &grouped);
            let owners = |wanted: u32| {
                grouped.iter().filter(|part| part.iter().any(|row| id(row) == wanted)).count()
            };
            prop_assert!(ids.iter().all(|id| owners(*id) == 1));
        }
    }
}

#[test]
fn another_seed_gives_another_split() {
    for rule in [Partitioner::Iid, one(0.5), Partitioner::Shards { per_part: 2 }] {
        let labels = thousand_labels();
        assert_ne!(split(&rule, &labels, 10, 1), split(&rule, &labels, 10, 2), "{rule}");
    }
}

/// Pinned: a change here would silently change every run that names a seed.
#[test]
fn the_parts_of_a_seed_are_pinned() {
    let labels: Vec<u32> = (0..12).map(|row| row % 3).collect();
    let parts = |rule| split(&rule, &labels, 3, 1).unwrap();
    assert_eq!(parts(Partitioner::Iid), [[0, 1, 5, 11], [2, 4, 7, 8], [3, 6, 9, 10]]);
    assert_eq!(parts(one(0.5)), [&[0, 3, 6][..], &[1, 7], &[2, 4, 5, 8, 9, 10, 11]]);
}

#[test]
fn iid_parts_differ_by_one_row_at_most_and_have_all_classes() {
    let labels = thousand_labels();
    let parts = split(&Partitioner::Iid, &labels, 7, 1).unwrap();
    let SkewSummary { smallest, largest, label_distance, .. } = summary(&labels, &parts);
    assert_eq!((smallest, largest), (142, 143));
    assert!(label_distance < 0.2, "{label_distance}");
}

#[test]
fn alpha_runs_from_one_class_a_part_to_even_shares() {
    let labels = thousand_labels();
    let distance = |alpha| {
        let mut sum = 0.0;
        for seed in 0..20 {
            let parts = split(&one(alpha), &labels, 10, seed).unwrap();
            sum += summary(&labels, &parts).label_distance;
        }
        sum / 20.0
    };
    let distances = [1e-3, 0.1, 0.5, 5.0, 1e3].map(distance);
    assert!(distances.is_sorted_by(|a, b| a > b), "{distances:?}");
    assert!(distances[0] > 0.6, "{distances:?}");
    assert!(distances[4] < 0.03, "{distances:?}");
    assert!(distance(f64::INFINITY) < 1e-9, "equal shares");
}

/// The sum of the squared shares of one class is (α + 1) / (nα + 1) in the mean of a Dirichlet
/// distribution of n parts; its deviation is below 0.12, so that six standard errors of 2 000 draws
/// are 0.016: a false alarm in 10⁹. A hundred rows a class round each share by less than 0.01.
#[test]
fn shares_of_a_class_are_as_a_dirichlet_distribution_has_them() {
    let labels = thousand_labels();
    for alpha in [0.1, 0.5, 2.0] {
        let mut sum = 0.0;
        for seed in 0..200 {
            let parts = split(&one(alpha), &labels, 10, seed).unwrap();
            let counts = summary(&labels, &parts).class_counts;
            let squares = counts.iter().flatten().map(|&rows| (f64::from(rows) / 100.0).powi(2));
            sum += squares.sum::<f64>();
        }
        let (got, expected) = (sum / 2_000.0, (alpha + 1.0) / (10.0 * alpha + 1.0));
        assert!((got - expected).abs() < 0.02, "{alpha}: {got}, expected {expected}");
    }
}

#[test]
fn a_vanishing_alpha_gives_each_class_to_one_part() {
    let labels = thousand_labels();
    let parts = split(&one(1e-6), &labels, 4, 3).unwrap();
    for class in 0..CLASSES {
        let counts = summary(&labels, &parts).class_counts;
        let largest = counts.iter().map(|of| of[class]).max().unwrap();
        // All hundred, but for single rows that top up an empty part.
        assert!(largest >= 96, "class {class}: {counts:?}");
    }
}

#[test]
fn a_balanced_part_takes_no_further_class_once_it_has_its_share() {
    let labels = thousand_labels();
    let rule = "dirichlet-balanced:0.1:1".parse().unwrap();
    for seed in 0..20 {
        let parts = split(&rule, &labels, 10, seed).unwrap();
        // One row short of the even share of 100, a part may still take a whole class.
        assert!(summary(&labels, &parts).largest < 200, "seed {seed}");
    }
}

#[test]
fn alphas_by_class_and_by_part_count_where_they_say() {
    let labels = thousand_labels();
    let mut alphas = vec![f64::INFINITY; CLASSES];
    alphas[3] = 1e-6;
    let parts = split(&Partitioner::Dirichlet(dirichlet(Alpha::PerClass(alphas))), &labels, 4, 1);
    let counts = summary(&labels, &parts.unwrap()).class_counts;
    assert!(counts.iter().all(|of| of[0] == 25), "class 0 is even: {counts:?}");
    assert!(counts.iter().any(|of| of[3] == 100), "class 3 is one part's: {counts:?}");

    let rule = dirichlet(Alpha::PerPart(vec![1e3, 1e3, 1e-3]));
    let parts = split(&Partitioner::Dirichlet(rule), &labels, 3, 1).unwrap();
    assert!(parts[2].len() < 20 && parts[0].len() > 400, "{:?}", parts[2].len());
}

#[test]
fn a_minimum_is_reached_by_drawing_anew_or_refused() {
    let labels = thousand_labels();
    let rule = Partitioner::Dirichlet(Dirichlet::new(Alpha::One(0.5)));
    let parts = split(&rule, &labels, 10, 1).unwrap();
    assert!(parts.iter().all(|part| part.len() >= 10));

    let rule = Dirichlet {
        minimum_rows: 100,
        shortfall: Shortfall::Redraw { attempts: 3 },
        ..Dirichlet::new(Alpha::One(0.1))
    };
    let error = split(&Partitioner::Dirichlet(rule), &labels, 10, 1).unwrap_err();
    let PartitionError::MinimumUnreached { minimum_rows: 100, attempts: 3, best } = error else {
        panic!("{error}");
    };
    assert!(best < 100, "{best}");
}

#[test]
fn ten_thousand_parts_can_be_topped_up() {
    let labels: Vec<u32> = (0..60_000).map(|row| row % 10).collect();
    let parts = split(&one(0.5), &labels, 10_000, 1).unwrap();
    check_exact_cover(60_000, &parts);
    assert_eq!(parts.len(), 10_000);
}

#[test]
fn pathological_parts_hold_so_many_classes() {
    let labels = thousand_labels();
    for choice in [ClassChoice::ByIndex, ClassChoice::FirstByIndex, ClassChoice::Random] {
        let rule = Partitioner::Pathological { classes: 2, choice };
        let parts = split(&rule, &labels, 20, 1).unwrap();
        let counts = summary(&labels, &parts).class_counts;
        for of in counts {
            assert_eq!(of.iter().filter(|rows| **rows > 0).count(), 2, "{choice:?}: {of:?}");
        }
    }
    let rule = Partitioner::Pathological { classes: 1, choice: ClassChoice::FirstByIndex };
    let counts = summary(&labels, &split(&rule, &labels, 10, 1).unwrap()).class_counts;
    assert!((0..CLASSES).all(|part| counts[part][part] == 100), "{counts:?}");
}

#[test]
fn two_shards_hold_few_classes() {
    let labels = thousand_labels();
    let parts = split(&Partitioner::Shards { per_part: 2 }, &labels, 10, 1).unwrap();
    let summary = summary(&labels, &parts);
    assert_eq!((summary.smallest, summary.largest), (100, 100));
    for of in summary.class_counts {
        assert!(of.iter().filter(|rows| **rows > 0).count() <= 2, "{of:?}");
    }
}

#[test]
fn sizes_are_in_proportion() {
    let labels = vec![0; 10_000];
    let sizes = |rule| -> Vec<usize> {
        split(&rule, &labels, 4, 1).unwrap().iter().map(Vec::len).collect()
    };
    // One row each, and 9 996 in proportion, rounded down at the cumulative shares.
    assert_eq!(sizes(Partitioner::Linear), [1_000, 2_000, 3_000, 4_000]);
    assert_eq!(sizes(Partitioner::Square), [334, 1_334, 2_999, 5_333]);
    assert_eq!(sizes(Partitioner::Exponential), [321, 872, 2_369, 6_438]);
}

#[test]
fn an_exponential_of_many_parts_leaves_none_empty() {
    let labels: Vec<u32> = vec![0; 20_000];
    check_exact_cover(20_000, &split(&Partitioner::Exponential, &labels, 10_000, 1).unwrap());
}

#[test]
fn nobody_and_too_many_are_refused() {
    check_refused(&Partitioner::Iid, 0, PartitionError::PartsMissing);
    check_refused(&one(1.0), 1_001, PartitionError::RowsTooFew { rows: 1_000, parts: 1_001 });
    let rule = Partitioner::Dirichlet(Dirichlet::new(Alpha::One(1.0)));
    let refused = PartitionError::MinimumImpossible { rows: 1_000, parts: 101, minimum_rows: 10 };
    check_refused(&rule, 101, refused);
    let refused = PartitionError::ShardsTooMany { rows: 1_000, parts: 2, per_part: 501 };
    check_refused(&Partitioner::Shards { per_part: 501 }, 2, refused);
    let refused = PartitionError::ShardsTooMany { rows: 1_000, parts: 2, per_part: 0 };
    check_refused(&Partitioner::Shards { per_part: 0 }, 2, refused);
}

#[test]
fn an_alpha_that_is_not_above_zero_is_refused() {
    for alpha in [0.0, -1.0, f64::NEG_INFINITY, 1e-301] {
        check_refused(&one(alpha), 5, PartitionError::AlphaOutOfRange { got: alpha });
    }
    let error = split(&one(f64::NAN), &thousand_labels(), 5, 1).unwrap_err();
    assert_eq!(error.to_string(), "alpha must be at least 1e-300, got NaN");
    let infinite = vec![1.0, f64::INFINITY];
    let rule = Partitioner::Dirichlet(dirichlet(Alpha::PerPart(infinite)));
    check_refused(&rule, 2, PartitionError::AlphaOutOfRange { got: f64::INFINITY });
}

#[test]
fn a_list_of_the_wrong_length_is_refused() {
    let alpha = |alpha| Partitioner::Dirichlet(dirichlet(alpha));
    let refused = PartitionError::AlphaCount { what: "classes", expected: 10, got: 2 };
    check_refused(&alpha(Alpha::PerClass(vec![1.0; 2])), 2, refused);
    let refused = PartitionError::AlphaCount { what: "parts", expected: 2, got: 10 };
    check_refused(&alpha(Alpha::PerPart(vec![1.0; 10])), 2, refused);

    let sizes = |sizes: &[usize]| Partitioner::Sizes(sizes.to_vec());
    check_refused(&sizes(&[1_000]), 2, PartitionError::SizeCount { expected: 2, got: 1 });
    check_refused(&sizes(&[1_000, 0]), 2, PartitionError::SizeZero { part: 1 });
    check_refused(&sizes(&[1, 1]), 2, PartitionError::SizeSum { expected: 1_000, got: 2 });
    let got = usize::MAX;
    check_refused(&sizes(&[got, got]), 2, PartitionError::SizeSum { expected: 1_000, got });
}

#[test]
fn a_minimum_or_a_number_of_draws_of_zero_is_refused() {
    let rule = Dirichlet { minimum_rows: 0, ..dirichlet(Alpha::One(1.0)) };
    check_refused(&Partitioner::Dirichlet(rule), 2, PartitionError::MinimumZero);
    let shortfall = Shortfall::Redraw { attempts: 0 };
    let rule = Dirichlet { shortfall, ..dirichlet(Alpha::One(1.0)) };
    check_refused(&Partitioner::Dirichlet(rule), 2, PartitionError::AttemptsZero);
}

#[test]
fn classes_that_nobody_could_hold_are_refused() {
    let rule = |classes, choice| Partitioner::Pathological { classes, choice };
    for classes in [0, 11] {
        let refused = PartitionError::ClassesPerPart { present: 10, got: classes };
        check_refused(&rule(classes, ClassChoice::Random), 5, refused);
    }
    let refused = PartitionError::ClassUnheld { class: 6 };
    check_refused(&rule(2, ClassChoice::ByIndex), 3, refused);
    let refused = PartitionError::ClassTooSmall { class: 0, rows: 100, holders: 101 };
    check_refused(&rule(10, ClassChoice::ByIndex), 101, refused);
}

#[test]
fn unfit_labels_are_refused() {
    let refused = |labels: &[u32]| ClassLabels::new(labels, 2).unwrap_err();
    assert_eq!(refused(&[]), PartitionError::RowsMissing);
    let out_of_range = PartitionError::LabelOutOfRange { row: 1, label: 2, classes: 2 };
    assert_eq!(refused(&[0, 2]), out_of_range);
    assert_eq!(natural(&[]).unwrap_err(), PartitionError::RowsMissing);
}

#[test]
fn one_class_alone_can_be_dealt() {
    let labels = vec![3; 100];
    for rule in ["iid", "dirichlet:0.5", "pathological:1", "shards:2", "square"] {
        let parts = split(&rule.parse().unwrap(), &labels, 4, 1).unwrap();
        check_exact_cover(100, &parts);
        assert!(summary(&labels, &parts).label_distance.abs() < 1e-12, "{rule}");
    }
}

#[test]
fn a_summary_counts_each_class_of_each_part() {
    let summary =
        SkewSummary::of(ClassLabels::new(&[0, 0, 1, 1], 2).unwrap(), &[vec![0, 1], vec![2, 3]])
            .unwrap();
    assert_eq!(summary.class_counts, [[2, 0], [0, 2]]);
    assert!((summary.label_distance - 0.5).abs() < 1e-12, "{summary:?}");
    let labels = ClassLabels::new(&[0, 1], 2).unwrap();
    let refused = PartitionError::RowsTooFew { rows: 2, parts: 1 };
    assert_eq!(SkewSummary::of(labels, &[vec![2]]).unwrap_err(), refused);
    assert_eq!(SkewSummary::of(labels, &[]).unwrap_err(), PartitionError::RowsMissing);
}

/// At alpha = 0.05 the largest class of a part of a hundred rows has far more than an even share, although classes run out;
/// at infinity it has little more than ten. The sizes are even in both.
#[test]
fn inner_proportions_are_uneven_and_sizes_are_not() {
    let labels = thousand_labels();
    let largest_class = |alpha: f64| -> f64 {
        let parts = split(&Partitioner::InnerDirichlet { alpha }, &labels, 10, 5).unwrap();
        assert!(parts.iter().all(|part| part.len() == 100));
        let largest = |part: &Vec<u32>| {
            let mut counts = [0_u32; CLASSES];
            part.iter().for_each(|row| counts[labels[*row as usize] as usize] += 1);
            f64::from(counts.into_iter().max().unwrap())
        };
        parts.iter().map(largest).sum::<f64>() / 10.0
    };
    assert!(largest_class(0.05) > 35.0, "{}", largest_class(0.05));
    assert!(largest_class(f64::INFINITY) < 20.0, "{}", largest_class(f64::INFINITY));
    for got in [0.0, -1.0] {
        let refused = PartitionError::AlphaOutOfRange { got };
        check_refused(&Partitioner::InnerDirichlet { alpha: got }, 10, refused);
    }
}
