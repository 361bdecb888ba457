use aggregator_strategy::{
    BufferRule, CohortRule, GroupRule, SamplingRate, ServerOptimizer, Ticket, participation_key,
};
use privacy_dp::{ClipNorm, LocalUpdate};
use privacy_identity::{Decode, Digest, Encode, Envelope, SealingKey, Signed, SigningKey, Tag};
use privacy_secagg::{
    AggregatorKeys, EncodingOptions, EncodingParameters, NoisyUpdate, QuantizedUpdate, Tagging,
    seal,
};
use proptest::prelude::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

use super::*;

const BUFFER: BufferRule =
    BufferRule { buffer: 4, weight: aggregator_strategy::StalenessWeight::FED_BUFF, stale_max: 8 };

fn key(index: u8) -> SigningKey {
    SigningKey::from_seed(&[index; 32])
}

fn aggregator(index: u8) -> AggregatorKeys {
    AggregatorKeys {
        verifying: key(index).verifying_key(),
        sealing: SealingKey::from_seed(&[index; 32]).public(),
    }
}

fn terms() -> FederationTerms {
    FederationTerms {
        name: "wine".to_owned(),
        purpose: "grade wine".to_owned(),
        dao: Digest([1; 32]),
        dao_node: key(9).verifying_key(),
        aggregators: vec![aggregator(1), aggregator(2)],
        sealing: SealingTerms::Mpc,
        cohort: CohortTerms::Absent,
        encoding: EncodingParameters::standard(ClipNorm::new(2.0).unwrap(), 3, 8).unwrap(),
        noise: NoiseTerms::ABSENT,
        training: TrainingTerms::sgd(2, 16, 0.05),
        optimizer: ServerOptimizer::default(),
        architecture: "{}".to_owned(),
        schema: SchemaTerms {
            features: vec!["acid".to_owned()],
            label: "good".to_owned(),
            classes: vec!["no".to_owned(), "yes".to_owned()],
            mean: vec![0.5],
            deviation: vec![2.0],
        },
        rounds: 15,
        stopping: None,
        sampling: CohortRule::Everybody,
        buffer: None,
        groups: None,
        minimum_cohort: 3,
        round_deadline_ms: 30_000,
        step_deadline_ms: 30_000,
    }
}

fn grant() -> RoundGrant {
    RoundGrant {
        dao: Digest([1; 32]),
        federation: terms().id(),
        round: RoundId(7),
        model: Digest([5; 32]),
        cohort: {
            let mut cohort = vec![key(3).verifying_key(), key(4).verifying_key()];
            cohort.sort();
            cohort
        },
        draw_keys: [3, 4].map(|index| participation_key(&key(index)).public_key()).to_vec(),
        custodians: vec![Custodian { member: key(3).verifying_key(), key: custody_key() }],
        cohort_epoch: Some(CohortEpoch { epoch: 3, authenticator: [4; 32] }),
        control: None,
    }
}

fn ticket() -> Ticket {
    let drawn = Ticket::draw(&participation_key(&key(3)), &grant().draw(), SamplingRate::ALL);
    drawn.unwrap()
}

fn sealed_to_the_dao_node() -> Envelope {
    let rng = &mut ChaCha20Rng::seed_from_u64(9);
    SealingKey::from_seed(&[9; 32]).public().seal(Tag::Admission, &[], &[1; 20], rng).unwrap()
}

fn custody_key() -> Signed<CustodyKey> {
    let sealing = SealingKey::from_seed(&[3; 32]).public();
    Signed::new(CustodyKey { federation: terms().id(), sealing }, Tag::CustodyKey, &key(3))
}

fn check_round_trip<T: Encode + Decode + PartialEq + std::fmt::Debug>(value: &T) {
    let wire = to_wire(value);
    assert_eq!(&from_wire::<T>(&wire).unwrap(), value);
    for end in 0..wire.len() {
        assert!(from_wire::<T>(&wire[..end]).is_err(), "truncated to {end} bytes");
    }
    let trailing = [wire.as_slice(), &[0]].concat();
    assert!(from_wire::<T>(&trailing).is_err());
}

#[test]
fn every_message_round_trips_and_no_prefix_of_it_decodes() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let signed_grant = Signed::new(grant(), Tag::RoundGrant, &key(9));
    let order = RoundOrder { grant: signed_grant.clone(), deadline_ms: 5 };
    let order = Box::new(Signed::new(order, Tag::RoundOrder, &key(1)));
    let parameters = terms().encoding;
    let clipped = LocalUpdate::new(vec![0.1; 3]).unwrap().clip(parameters.clip_norm());
    let quantised = QuantizedUpdate::quantise(
        &clipped,
        &parameters.rotation(&terms().id(), 0),
        &parameters,
        &mut rng,
    )
    .unwrap();
    let noisy = NoisyUpdate::without_noise(&quantised);
    let binding = grant().binding(key(3).verifying_key());
    let keys = terms().aggregators;
    let sealed = seal(&noisy, binding, &keys, &parameters, &key(3), &mut rng).unwrap();
    let verified = sealed.clone().verify().unwrap();
    let join = JoinRequest {
        federation: terms().id(),
        admission: sealed_to_the_dao_node(),
        custody: custody_key(),
        draw: participation_key(&key(3)).public_key(),
    };
    let join = Box::new(Signed::new(join, Tag::Join, &key(3)));

    check_round_trip(&Signed::new(terms(), Tag::Terms, &key(9)));
    for request in [
        ContributorRequest::Terms,
        ContributorRequest::Join(join.clone()),
        ContributorRequest::Fetch { known: None },
        ContributorRequest::Fetch { known: Some(RoundId(3)) },
        ContributorRequest::Submit { update: Box::new(sealed.clone()), ticket: None },
        ContributorRequest::Submit { update: Box::new(sealed), ticket: Some(ticket()) },
        ContributorRequest::Receipt { round: RoundId(3) },
    ] {
        check_round_trip(&request);
    }
    check_round_trip(&ContributorReply::Order { order: order.clone(), model: vec![1, 2, 3] });
    check_round_trip(&ContributorReply::Refused(Refusal::Late));
    let set = AcceptedSet::new(vec![(key(3).verifying_key(), verified.digest())]).unwrap();
    let deliveries = vec![verified.delivery(1).unwrap()];
    let challenge = Digest([8; 32]);
    let prepare = AggregatorRequest::Prepare { order, deliveries, challenge };
    check_round_trip(&prepare);
    check_round_trip(&ContributorReply::Custody(Box::new(prepare)));
    check_round_trip(&AggregatorRequest::Agree { round: RoundId(7), set: set.clone() });
    let echo = SetEcho { federation: terms().id(), round: RoundId(7), set_root: set.tree().root() };
    let echo = Signed::new(echo, Tag::SetEcho, &key(3));
    for evidence in [
        Evidence::None,
        Evidence::Verifiers(vec![vec![vec![1, 2], vec![]]]),
        Evidence::Echoes(vec![echo.clone()]),
    ] {
        let set = set.clone();
        check_round_trip(&AggregatorRequest::Sum { round: RoundId(7), set, evidence });
    }
    let part =
        |held| PreparedPart { member: key(3).verifying_key(), update: verified.digest(), held };
    let parts = vec![part(Ok(vec![7; 9])), part(Err(Refusal::BadProof)), part(Ok(Vec::new()))];
    check_round_trip(&AggregatorReply::Prepared { round: RoundId(7), parts });
    for round in [None, Some(RoundId(7))] {
        check_round_trip(&AggregatorReply::Refused { round, refusal: Refusal::Lost });
    }
    check_round_trip(&ContributorRequest::Custody(Box::new(AggregatorReply::Agreed(echo))));
    check_round_trip(&ContributorReply::Taken);
    check_round_trip(&DaoRequest::Abort { round: RoundId(7), reason: "helper lost".to_owned() });
    check_round_trip(&DaoRequest::Join(join));
    check_round_trip(&DaoReply::Granted { grant: Box::new(signed_grant), model: vec![] });
}

#[test]
fn what_is_said_of_voted_terms_round_trips() {
    check_round_trip(&DaoRequest::Voted { known: terms().id() });
    check_round_trip(&DaoReply::TermsStand);
    let terms = Box::new(Signed::new(terms(), Tag::Terms, &key(9)));
    check_round_trip(&DaoReply::Voted { terms, evidence: vec![1; 300] });
}

#[test]
fn every_message_of_the_cohort_round_trips() {
    let members = grant().cohort;
    let roster = Roster { federation: terms().id(), version: 2, members: members.clone() };
    let roster = Signed::new(roster, Tag::Roster, &key(9));
    assert!(checked_roster(&roster, &terms().id(), &key(9).verifying_key()).is_ok());
    assert!(checked_roster(&roster, &terms().id(), &key(3).verifying_key()).is_err());
    assert!(checked_roster(&roster, &Digest([0; 32]), &key(9).verifying_key()).is_err());
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let cohort = CohortEpoch { epoch: 3, authenticator: [4; 32] };
    let associated = KeyHandOver::associated(&terms().id(), &cohort);
    let dao = SealingKey::from_seed(&[9; 32]).public();
    let key_of_models = dao.seal(Tag::ModelKeyEnvelope, &associated, &[5; 32], &mut rng).unwrap();
    let hand_over = KeyHandOver {
        federation: terms().id(),
        cohort,
        roster: members.clone(),
        key: key_of_models,
    };
    let hand_over = Box::new(Signed::new(hand_over, Tag::KeyHandOver, &key(3)));
    let welcome = Some(Welcome { members: members.clone(), message: vec![1, 2] });
    for request in [
        CohortRequest::Offer { package: vec![1] },
        CohortRequest::Sync { epoch: None },
        CohortRequest::Sync { epoch: Some(4) },
        CohortRequest::Commit { epoch: 4, commit: vec![2], welcome },
        CohortRequest::Commit { epoch: 4, commit: vec![2], welcome: None },
        CohortRequest::HandKey(hand_over.clone()),
    ] {
        check_round_trip(&ContributorRequest::Cohort(request));
    }
    let news = CohortNews {
        roster: roster.clone(),
        epoch: 5,
        offers: vec![(members[0], vec![7])],
        commits: vec![vec![8], vec![9]],
        welcome: Some(vec![1]),
        handed: Some(4),
    };
    check_round_trip(&ContributorReply::Cohort(Box::new(news)));
    check_round_trip(&ContributorRequest::Sum { round: RoundId(1) });
    check_round_trip(&ContributorReply::Sum(None));
    check_round_trip(&DaoRequest::Roster);
    check_round_trip(&DaoRequest::HandKey(hand_over));
    check_round_trip(&DaoReply::Roster(Box::new(roster)));
    check_round_trip(&DaoReply::KeyTaken);
}

#[test]
fn a_cohort_has_tags_where_sums_cannot_be_added_again_and_only_there() {
    let dao_sealing = SealingKey::from_seed(&[9; 32]).public();
    let cohorts = [CohortTerms::Absent, CohortTerms::Mls { dao_sealing }];
    let fhe = SealingTerms::Fhe(CustodyTerms::new(3, 2).unwrap());
    for (sealing, aggregators) in [(SealingTerms::Mpc, 2), (SealingTerms::MpcVerified, 2), (fhe, 1)]
    {
        for cohort in cohorts {
            for tagging in [Tagging::Absent, Tagging::Linear] {
                let options = EncodingOptions { tagging, ..EncodingOptions::default() };
                let encoding = terms().encoding.with_options(options).unwrap();
                let aggregators = (1..=aggregators).map(aggregator).collect();
                let terms = FederationTerms { sealing, cohort, encoding, aggregators, ..terms() };
                let tagged = tagging == Tagging::Linear;
                let expected = cohort.is_present() && sealing.custody().is_none();
                assert_eq!(terms.checked().is_ok(), tagged == expected);
            }
        }
    }
}

#[test]
fn the_wire_form_of_a_fetch_is_pinned() {
    let wire = to_wire(&ContributorRequest::Fetch { known: Some(RoundId(0x0102)) });
    let expected = [
        7, // version
        2, // kind: fetch
        1, // a round is known
        0, 0, 0, 0, 0, 0, 1, 2, // its number, big-endian
    ];
    assert_eq!(wire, expected);
}

#[test]
fn the_wire_form_of_an_answer_to_prepare_is_pinned() {
    let member = key(3).verifying_key();
    let part = |held| PreparedPart { member, update: Digest([6; 32]), held };
    let parts = vec![part(Ok(vec![9, 8])), part(Err(Refusal::Unopenable))];
    let wire = to_wire(&AggregatorReply::Prepared { round: RoundId(0x0102), parts });
    let mut expected = vec![
        7, // version
        0, // kind: prepared
        0, 0, 0, 0, 0, 0, 1, 2, // the round, big-endian
        0, 0, 0, 2, // parts
    ];
    expected.extend_from_slice(member.as_bytes());
    expected.extend_from_slice(&[6; 32]);
    expected.extend_from_slice(&[0, 0, 0, 0, 2, 9, 8]); // held: a verifier share of two bytes
    expected.extend_from_slice(member.as_bytes());
    expected.extend_from_slice(&[6; 32]);
    expected.extend_from_slice(&[1, 10]); // refused: its share does not open
    assert_eq!(wire, expected);
    let refused = AggregatorReply::Refused { round: Some(RoundId(5)), refusal: Refusal::Lost };
    let expected = [7, 3, 1, 0, 0, 0, 0, 0, 0, 0, 5, 18];
    assert_eq!(to_wire(&refused), expected);
    let unread = AggregatorReply::Refused { round: None, refusal: Refusal::Malformed };
    assert_eq!(to_wire(&unread), [7, 3, 0, 1]);
}

#[test]
fn another_version_is_named_in_the_refusal() {
    let error = from_wire::<ContributorRequest>(&[1, 0]).unwrap_err().to_string();
    assert!(error.contains("wire version 1"), "{error}");
}

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
fn a_grant_has_a_draw_key_for_each_member_or_none() {
    let with = |keys: usize| {
        let draw_keys = grant().draw_keys.into_iter().cycle().take(keys).collect();
        RoundGrant::from_bytes(&RoundGrant { draw_keys, ..grant() }.to_bytes())
    };
    assert!(with(0).is_ok() && with(2).is_ok());
    assert!(with(1).is_err() && with(3).is_err());
    let mine = participation_key(&key(3)).public_key();
    let members = [key(3).verifying_key(), key(4).verifying_key(), key(5).verifying_key()];
    let [first, second, stranger] = members.map(|member| grant().draw_key(&member).copied());
    assert!(first == Some(mine) || second == Some(mine));
    assert_eq!(stranger, None);
}

#[test]
fn a_custody_key_that_another_member_signed_is_not_taken() {
    let federation = terms().id();
    let custodian = grant().custodians.remove(0);
    assert!(custodian.sealing(&federation).is_some());
    assert!(custodian.sealing(&Digest([0; 32])).is_none());
    let stolen = Custodian { member: key(4).verifying_key(), ..custodian };
    assert!(stolen.sealing(&federation).is_none());
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

proptest! {
    #[test]
    fn decoding_arbitrary_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _unused = ContributorRequest::from_bytes(&bytes);
        let _unused = ContributorReply::from_bytes(&bytes);
        let _unused = AggregatorRequest::from_bytes(&bytes);
        let _unused = AggregatorReply::from_bytes(&bytes);
        let _unused = DaoRequest::from_bytes(&bytes);
        let _unused = DaoReply::from_bytes(&bytes);
        let _unused = Signed::<FederationTerms>::from_bytes(&bytes);
    }
}
