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

mod terms;

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
