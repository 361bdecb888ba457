//! Which terms are refused, and what follows from them.

use super::*;

#[test]
fn terms_that_would_let_somebody_read_an_update_are_refused() {
    let twice = FederationTerms { aggregators: vec![aggregator(1), aggregator(1)], ..terms() };
    assert!(twice.checked().is_err());
    let alone = FederationTerms { aggregators: vec![aggregator(1)], ..terms() };
    assert!(alone.checked().is_err());
    let single = FederationTerms { minimum_cohort: 1, ..terms() };
    assert!(single.checked().is_err());
    // FHE mode: one aggregator, and no more custodians than the smallest cohort has.
    let custody = |custodians| SealingTerms::Fhe(CustodyTerms::new(custodians, 2).unwrap());
    let fhe = |aggregators, custodians| {
        FederationTerms { aggregators, sealing: custody(custodians), ..terms() }.checked()
    };
    assert!(fhe(vec![aggregator(1)], 3).is_ok());
    assert!(fhe(vec![aggregator(1), aggregator(2)], 3).is_err());
    assert!(fhe(vec![aggregator(1)], 4).is_err());
}

#[test]
fn deadlines_that_are_over_when_they_begin_are_refused_by_name() {
    let round = FederationTerms { round_deadline_ms: 0, ..terms() };
    let step = FederationTerms { step_deadline_ms: 0, ..terms() };
    for (terms, expected) in [
        (round, "round_deadline_ms: must be positive"),
        (step, "step_deadline_ms: must be positive"),
    ] {
        assert!(FederationTerms::from_bytes(&terms.to_bytes()).is_err());
        assert_eq!(terms.checked().unwrap_err().to_string(), expected);
    }
}

#[test]
fn noise_other_than_what_the_terms_state_is_refused_by_name() {
    let clip = ClipNorm::new(2.0).unwrap();
    let noise = NoiseTerms { multiplier: 1.5, honest_minimum: 2, delta: 1e-5 };
    let options = EncodingOptions::default();
    let plan = noise.plan().unwrap();
    let encoding = EncodingParameters::valued_with_noise(clip, 3, 8, options, plan).unwrap();
    let noised = FederationTerms { noise, encoding, ..terms() };
    assert!(noised.clone().checked().is_ok());
    check_round_trip(&noised);
    let share = noise.share(&encoding).unwrap().unwrap();
    assert!((share.std() * 2_f64.sqrt() - 1.5 * encoding.sensitivity_l2()).abs() < 1e-9);

    let check = |terms: FederationTerms, field: &str| {
        let refused = terms.clone().checked().unwrap_err();
        assert!(matches!(&refused, TermsError::Field { field: f, .. } if *f == field), "{refused}");
        assert!(FederationTerms::from_bytes(&terms.to_bytes()).is_err());
    };
    let with = |noise| FederationTerms { noise, ..noised.clone() };
    // Less noise than stated, more, none, and noise that is not stated.
    check(with(NoiseTerms { multiplier: 1.6, ..noise }), "encoding.noise_deviation");
    check(with(NoiseTerms { multiplier: 1.4, ..noise }), "encoding.noise_deviation");
    check(with(NoiseTerms { honest_minimum: 1, ..noise }), "encoding.noise_deviation");
    check(with(NoiseTerms::ABSENT), "encoding.noise_deviation");
    check(FederationTerms { noise, ..terms() }, "encoding.noise_deviation");
    let next = share.std().next_up();
    let options = EncodingOptions { noise_deviation: next, ..options };
    let encoding = encoding.with_options(options).unwrap();
    check(FederationTerms { encoding, ..noised.clone() }, "encoding.noise_deviation");
    // Nobody to count on, or more than are certain.
    check(with(NoiseTerms { honest_minimum: 0, ..noise }), "noise.honest_minimum");
    check(with(NoiseTerms { honest_minimum: 4, ..noise }), "noise.honest_minimum");
    for multiplier in [-0.0, -1.0, 1e-3, 1e7] {
        check(with(NoiseTerms { multiplier, ..noise }), "noise.multiplier");
    }
    for delta in [0.0, 1.0, -1e-5] {
        check(with(NoiseTerms { delta, ..noise }), "noise.delta");
    }
}

#[test]
fn a_buffer_that_could_not_be_opened_or_summed_is_refused_by_name() {
    let base = || FederationTerms { buffer: Some(BUFFER), ..terms() };
    check_round_trip(&base().checked().unwrap());
    let check = |terms: FederationTerms, expected: &str| {
        let refused = terms.checked().unwrap_err().to_string();
        assert!(refused.starts_with("buffer: ") && refused.contains(expected), "{refused}");
    };
    let of = |buffer| FederationTerms { buffer: Some(BufferRule { buffer, ..BUFFER }), ..terms() };
    check(of(2), "3 (the minimum cohort) to 8");
    check(of(9), "3 (the minimum cohort) to 8");
    let sampling = "uniform:size=4".parse().unwrap();
    check(FederationTerms { sampling, ..base() }, "who is done, not who is drawn");
    let mut scaffold = base();
    scaffold.training.drift = DriftTerms::Scaffold;
    scaffold.training.work = LocalWork::Steps(4);
    check(scaffold, "control variates");
}

#[test]
fn groups_that_could_not_be_opened_or_hide_nobody_are_refused_by_name() {
    let of = |groups, rule: &str| {
        let rule = GroupRule::new(groups, rule.parse().unwrap()).unwrap();
        FederationTerms { groups: Some(rule), minimum_cohort: 2, ..terms() }
    };
    let base = || of(3, "median");
    check_round_trip(&base().checked().unwrap());
    check_round_trip(&of(4, "trimmed-mean:beta=0.25").checked().unwrap());
    assert_eq!((base().group_count(), base().contributions_min()), (3, 6));
    assert_eq!((terms().group_count(), terms().contributions_min()), (1, 3));
    assert_ne!(base().id(), FederationTerms { groups: None, ..base() }.id());
    assert_ne!(base().id(), of(3, "geometric-median").id());
    let check = |terms: FederationTerms, expected: &str| {
        let refused = terms.checked().unwrap_err().to_string();
        assert!(refused.starts_with("groups: ") && refused.contains(expected), "{refused}");
    };
    // Three groups of three are nine, the ring holds eight.
    let many = FederationTerms { minimum_cohort: 3, ..base() };
    check(many, "median of 3 groups of at least 3 are 9, the encoding holds 8");
    check(FederationTerms { buffer: Some(BUFFER), ..base() }, "leave out one of them");
    let custody = SealingTerms::Fhe(CustodyTerms::new(2, 2).unwrap());
    let aggregators = vec![aggregator(1)];
    check(FederationTerms { sealing: custody, aggregators, ..base() }, "one sum per round");
    let mut scaffold = base();
    scaffold.training.drift = DriftTerms::Scaffold;
    scaffold.training.work = LocalWork::Steps(4);
    check(scaffold, "control variates");
    let sampling = "uniform:size=5".parse().unwrap();
    let refused = FederationTerms { sampling, ..base() }.checked().unwrap_err().to_string();
    assert!(
        refused.ends_with("wants fewer than the minimum cohort of 6 in all groups"),
        "{refused}"
    );
    // Noise is accounted for the sum of a group.
    let noise = NoiseTerms { multiplier: 1.0, honest_minimum: 3, delta: 1e-5 };
    let refused = FederationTerms { noise, ..base() }.checked().unwrap_err().to_string();
    assert!(refused.starts_with("noise"), "{refused}");
}

#[test]
fn cohorts_that_cannot_be_opened_or_summed_are_refused_by_name() {
    let with = |sampling: &str| {
        let sampling = sampling.parse().unwrap();
        FederationTerms { sampling, ..terms() }.checked()
    };
    let check = |sampling: &str, expected: &str| {
        assert_eq!(with(sampling).unwrap_err().to_string(), expected);
    };
    check(
        "uniform:size=2",
        "sampling: uniform:size=2,over=1 wants fewer than the minimum cohort of 3",
    );
    check(
        "uniform:size=4,over=2.01",
        "sampling: uniform:size=4,over=2.01 invites more than the 8 that the encoding holds",
    );
    for sampling in ["everybody", "uniform:size=3", "uniform:size=4,over=2", "secret:rate=0.1"] {
        check_round_trip(&with(sampling).unwrap());
    }
}

#[test]
fn a_round_s_learning_rate_follows_from_the_terms_and_its_number() {
    let with = |schedule: &str| {
        let schedule = schedule.parse().unwrap();
        FederationTerms {
            training: TrainingTerms { schedule, ..TrainingTerms::sgd(2, 16, 0.5) },
            ..terms()
        }
    };
    let check = |schedule: &str, round: u64, expected: f64| {
        let got = with(schedule).training.learning_rate_in(round);
        assert!((got - expected).abs() < 1e-12, "{schedule} in round {round}: {got}");
    };
    check("constant", u64::MAX, 0.5);
    check("step:every=5,factor=0.5", 14, 0.125);
    check("constant:warmup=4", 0, 0.1);
    check("cosine:rounds=10,floor=0.1", 1_000, 0.05);
    check_round_trip(&with("cosine:rounds=10,floor=0.1,warmup=2"));
    assert_ne!(with("constant:warmup=1").id(), terms().id(), "it is part of what a device pins");
    // Over 15 rounds; factors stop at the largest f64, of which four times as much is infinite.
    assert!(with("exponential:factor=10").checked().is_ok());
    let growing = with("exponential:factor=1e300");
    let training = TrainingTerms { learning_rate: 4.0, ..growing.training };
    let refused = FederationTerms { training, ..growing }.checked().unwrap_err().to_string();
    assert!(refused.contains("makes the learning rate inf in round 14"), "{refused}");
}

#[test]
fn a_learning_rate_is_smallest_and_largest_in_the_decisive_rounds() {
    for schedule in [
        "constant",
        "constant:warmup=40",
        "constant:warmup=3",
        "step:every=3,factor=1.5,warmup=2",
        "exponential:factor=0.7,warmup=5",
        "cosine:rounds=7,floor=0.2,warmup=4",
    ] {
        let schedule = schedule.parse().unwrap();
        let training = TrainingTerms { schedule, ..TrainingTerms::sgd(1, 1, 0.3) };
        let bounds = |rounds: &[u64]| {
            let rates = rounds.iter().map(|round| training.learning_rate_in(*round));
            rates.fold([f64::MAX, 0.0], |[low, high], rate| [rate.min(low), rate.max(high)])
        };
        for rounds in [1, 2, 6, 20] {
            let all: Vec<u64> = (0..u64::from(rounds)).collect();
            let (got, expected) = (bounds(&training.decisive_rounds(rounds)), bounds(&all));
            assert_eq!(got.map(f64::to_bits), expected.map(f64::to_bits), "{schedule}, {rounds}");
        }
    }
}

#[test]
fn control_variates_are_refused_where_they_do_not_follow_from_the_sum() {
    let scaffold = TrainingTerms {
        drift: DriftTerms::Scaffold,
        work: LocalWork::Steps(3),
        ..terms().training
    };
    let check = |terms: FederationTerms, expected: &str| {
        let refused = terms.checked().unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    };
    let with = |training| FederationTerms { training, ..terms() };
    assert!(with(scaffold).checked().is_ok());
    check(with(TrainingTerms { work: LocalWork::Epochs(1), ..scaffold }), "equally many steps");
    check(with(TrainingTerms { momentum: 0.9, ..scaffold }), "without momentum");
    for personal in [PersonalTerms::Layers(1), PersonalTerms::Beside { pull: 1.0 }] {
        check(with(TrainingTerms { personal, ..scaffold }), "shared as a whole");
    }
    let training = TrainingTerms { personal: PersonalTerms::Layers(0), ..terms().training };
    check(with(training), "personal_layers: must be 1..=64, got 0");
    let pull = f64::INFINITY;
    let training = TrainingTerms { personal: PersonalTerms::Beside { pull }, ..terms().training };
    check(with(training), "ditto_lambda: must be 0 or more and finite");
}

#[test]
fn every_term_is_part_of_the_federations_id() {
    let base = terms().id();
    assert_ne!(FederationTerms { rounds: 16, ..terms() }.id(), base);
    assert_ne!(FederationTerms { minimum_cohort: 4, ..terms() }.id(), base);
    let noise = NoiseTerms { delta: 1e-6, ..NoiseTerms::ABSENT };
    assert_ne!(FederationTerms { noise, ..terms() }.id(), base);
    let dao_sealing = SealingKey::from_seed(&[9; 32]).public();
    let cohort = CohortTerms::Mls { dao_sealing };
    assert_ne!(FederationTerms { cohort, ..terms() }.id(), base);
    let sampling = "uniform:size=4".parse().unwrap();
    assert_ne!(FederationTerms { sampling, ..terms() }.id(), base);
    assert_ne!(FederationTerms { buffer: Some(BUFFER), ..terms() }.id(), base);
    for training in [
        TrainingTerms {
            drift: DriftTerms::Scaffold,
            work: LocalWork::Steps(3),
            ..terms().training
        },
        TrainingTerms { personal: PersonalTerms::Layers(1), ..terms().training },
        TrainingTerms { personal: PersonalTerms::Beside { pull: 0.5 }, ..terms().training },
    ] {
        let other = FederationTerms { training, ..terms() };
        assert_ne!(other.id(), base);
        assert_eq!(FederationTerms::from_bytes(&other.to_bytes()), Ok(other));
    }
    let stopping = Some("loss:patience=3".parse().unwrap());
    assert_ne!(FederationTerms { stopping, ..terms() }.id(), base);
    assert_ne!(FederationTerms { purpose: "other".to_owned(), ..terms() }.id(), base);
}
