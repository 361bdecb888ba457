//! Messages between the parties, in their wire form.

use aggregator_protocol::{AcceptedSet, Acknowledgement, AggregatorReply, AggregatorRequest, CohortEpoch, CohortNews, CohortRequest, CohortTerms, ContributorReply, ContributorRequest, DaoReply, DaoRequest, EndReason, Evidence, FederationEnd, FederationTerms, FetchedReceipt, GroupProbes, GroupSum, JoinRequest, KeyHandOver, LocalWork, ModelOffer, ModelTrained, NoiseTerms, OpenedScalars, PartyScalars, PreparedPart, ProbeOrder, Refusal, Roster, RoundAbort, RoundGrant, RoundId, RoundOrder, RoundReceipt, RoundSum, ScalarOpening, ScalarShares, SealingTerms, SetEcho, SumCommitment, TrainingTerms, ValueRecord, Welcome, checked_roster, from_wire, to_wire};
use aggregator_strategy::{GroupRule, SamplingRate, Ticket, participation_key};
use privacy_dp::ClipNorm;
use privacy_identity::{Decode, Digest, Encode, Signed, Tag};
use privacy_secagg::{Delivery, EncodingOptions, EncodingParameters, QuantizedProbe, Tagging};

use crate::{
    Case, Verdict,
    fixtures::{
        binding, custody_key, fhe_terms, grant, key, parameters, rng, sealed, sealing_key, terms,
    },
};

/// What the target `protocol` decodes.
pub const CASES: &[Case] = &[
    Case {
        name: "contributor-request",
        seeds: || wires(contributor_requests()),
        check: wire::<ContributorRequest>,
    },
    Case {
        name: "contributor-reply",
        seeds: || wires(contributor_replies()),
        check: contributor_reply,
    },
    Case {
        name: "aggregator-request",
        seeds: || wires(aggregator_requests()),
        check: aggregator_request,
    },
    Case {
        name: "aggregator-reply",
        seeds: || wires(aggregator_replies()),
        check: wire::<AggregatorReply>,
    },
    Case { name: "dao-request", seeds: || wires(dao_requests()), check: wire::<DaoRequest> },
    Case { name: "dao-reply", seeds: || wires(dao_replies()), check: wire::<DaoReply> },
    Case { name: "terms", seeds: || wires(all_terms()), check: federation_terms },
    Case { name: "grant", seeds: || wires(vec![grant()]), check: round_grant },
    Case { name: "receipt", seeds: || wires(vec![receipt()]), check: round_receipt },
    Case { name: "training-terms", seeds: || wires(all_training()), check: wire::<TrainingTerms> },
];

fn wires<T: Encode>(messages: Vec<T>) -> Vec<Vec<u8>> {
    messages.iter().map(to_wire).collect()
}

/// Encodes to the same bytes.
fn decoded<T: Decode + Encode>(bytes: &[u8]) -> Option<T> {
    let message = from_wire::<T>(bytes).ok()?;
    assert!(to_wire(&message) == bytes, "decoded, but encodes to other bytes");
    Some(message)
}

fn wire<T: Decode + Encode>(bytes: &[u8]) -> Verdict {
    decoded::<T>(bytes).is_some().into()
}

/// Members are in strictly increasing order, so that no two sets have one tree and no member counts
/// twice.
fn check_set(set: &AcceptedSet) {
    assert!(set.contributions().is_sorted_by(|a, b| a.0 < b.0));
    let tree = set.tree();
    assert!(tree.size() == set.contributions().len() as u64);
}

fn check_terms(terms: &FederationTerms) {
    let (least, most) = (2, terms.encoding.contributors_max());
    assert!((least..=most).contains(&(terms.minimum_cohort as usize)), "a cohort of one is opened");
    let parties = if terms.sealing.custody().is_some() { 1..=1 } else { 2..=16 };
    assert!(parties.contains(&terms.aggregators.len()));
    if let Some(custody) = terms.sealing.custody() {
        assert!(custody.threshold() >= 2 && custody.agreement() <= custody.custodians());
        assert!(custody.custodians() <= terms.minimum_cohort as usize);
    }
    assert!(terms.coordinator() == &terms.aggregators[0]);
    let share = terms.noise.share(&terms.encoding).expect("checked");
    assert!(share.is_some() == terms.noise.plan().is_some());
    assert!(share.is_none_or(|share| share.std().is_finite() && share.std() > 0.0));
    let enough = terms.sampling.enough();
    let least = terms.contributions_min();
    assert!(least <= most && (terms.groups.is_none() || least > terms.minimum_cohort as usize));
    assert!(terms.groups.is_none() || (terms.buffer.is_none() && terms.sealing.custody().is_none()));
    let opens = enough.is_none_or(|enough| enough >= least);
    assert!(opens, "a round closes below the minimum cohort");
    assert!(terms.noise.honest_minimum <= terms.minimum_cohort, "noise of nobody is counted on");
}

/// Two different terms never have one id: it is the digest of the bytes.
fn federation_terms(bytes: &[u8]) -> Verdict {
    let Some(terms) = decoded::<FederationTerms>(bytes) else { return Verdict::Refused };
    check_terms(&terms);
    assert!(terms.id() == Digest::of(Tag::Terms, &bytes[1..]));
    Verdict::Taken
}

/// A custodian's key is used only if that member signed it for this federation.
fn round_grant(bytes: &[u8]) -> Verdict {
    let Some(grant) = decoded::<RoundGrant>(bytes) else { return Verdict::Refused };
    assert!(grant.cohort.is_sorted_by(|a, b| a < b));
    assert!(grant.draw_keys.is_empty() || grant.draw_keys.len() == grant.cohort.len());
    for custodian in &grant.custodians {
        let signed_by_3 =
            custodian.member == key(3).verifying_key() && custodian.key == custody_key();
        let usable = custodian.sealing(&binding().federation).is_some();
        assert!(usable == signed_by_3, "forged");
    }
    Verdict::Taken
}

fn round_receipt(bytes: &[u8]) -> Verdict {
    let Some(receipt) = decoded::<RoundReceipt>(bytes) else { return Verdict::Refused };
    check_set(&receipt.accepted);
    assert!(receipt.scalars.len() == receipt.accepted.contributions().len());
    Verdict::Taken
}

fn contributor_reply(bytes: &[u8]) -> Verdict {
    let Some(reply) = decoded::<ContributorReply>(bytes) else { return Verdict::Refused };
    match &reply {
        ContributorReply::Terms(terms) => check_terms(terms.unverified_body()),
        ContributorReply::Receipt(FetchedReceipt::Settled { receipt, proof: Some(proof) }) => {
            let tree = receipt.unverified_body().accepted.tree();
            let proves = proof.verify(b"not a digest of the set", &tree.root()).is_ok();
            assert!(!proves);
        }
        ContributorReply::Cohort(news) => {
            let signed = checked_roster(&news.roster, &federation(), &key(9).verifying_key());
            assert!(signed.is_ok() == (news.roster == roster()), "forged");
        }
        ContributorReply::Sum(Some(sum)) => check_set(&sum.unverified_body().accepted),
        _ => {}
    }
    Verdict::Taken
}

fn aggregator_request(bytes: &[u8]) -> Verdict {
    let Some(request) = decoded::<AggregatorRequest>(bytes) else { return Verdict::Refused };
    if let AggregatorRequest::Sum { set, .. } | AggregatorRequest::Agree { set, .. } = &request {
        check_set(set);
    }
    Verdict::Taken
}

/// The three modes; an MLS cohort with tags; noise; another optimiser.
fn all_terms() -> Vec<FederationTerms> {
    let dao_sealing = sealing_key(9).public();
    let cohort = FederationTerms {
        cohort: CohortTerms::Mls { dao_sealing },
        encoding: parameters(Tagging::Linear),
        ..terms(SealingTerms::Mpc)
    };
    let noise = NoiseTerms { multiplier: 1.5, honest_minimum: 2, delta: 1e-5 };
    let clip = ClipNorm::new(2.0).expect("positive");
    let (options, plan) = (EncodingOptions::default(), noise.plan().expect("present"));
    let encoding = EncodingParameters::valued_with_noise(clip, 3, 8, options, plan);
    let noised = FederationTerms {
        noise,
        encoding: encoding.expect("has room"),
        optimizer: "fedadam".parse().expect("a name"),
        ..terms(SealingTerms::MpcVerified)
    };
    let rule = "median".parse().expect("a rule");
    let groups = Some(GroupRule::new(3, rule).expect("enough groups"));
    let grouped = FederationTerms { groups, minimum_cohort: 2, ..terms(SealingTerms::Mpc) };
    let plain = [SealingTerms::Mpc, SealingTerms::MpcVerified, fhe_terms()].map(terms);
    [&plain[..], &[cohort, noised, grouped]].concat()
}

fn all_training() -> Vec<TrainingTerms> {
    let epochs = TrainingTerms::sgd(2, 16, 0.05);
    let (work, gradient_clip) = (LocalWork::Steps(7), Some(1.0));
    vec![epochs, TrainingTerms { work, momentum: 0.9, proximal: 0.1, gradient_clip, ..epochs }]
}

fn federation() -> Digest {
    binding().federation
}

const ROUND: RoundId = RoundId(7);

pub(crate) fn signed_grant() -> Signed<RoundGrant> {
    Signed::new(grant(), Tag::RoundGrant, &key(9))
}

pub(crate) fn order() -> Box<Signed<RoundOrder>> {
    let order = RoundOrder { grant: signed_grant(), deadline_ms: 5 };
    Box::new(Signed::new(order, Tag::RoundOrder, &key(1)))
}

fn ticket() -> Ticket {
    let drawn = Ticket::draw(&participation_key(&key(3)), &grant().draw(), SamplingRate::ALL);
    drawn.expect("everybody is drawn at this rate")
}

fn join() -> Signed<JoinRequest> {
    let request = JoinRequest {
        federation: federation(),
        admission: sealing_key(9)
            .public()
            .seal(Tag::Admission, b"bound", &[1; 24], &mut rng(7))
            .expect("a key"),
        custody: custody_key(),
        draw: participation_key(&key(3)).public_key(),
    };
    Signed::new(request, Tag::Join, &key(3))
}

pub(crate) fn set() -> AcceptedSet {
    let mut members = [3, 4].map(|index| (key(index).verifying_key(), Digest([index; 32])));
    members.sort();
    AcceptedSet::new(members.to_vec()).expect("sorted")
}

pub(crate) fn echo() -> Signed<SetEcho> {
    let echo = SetEcho { federation: federation(), round: ROUND, set_root: set().tree().root() };
    Signed::new(echo, Tag::SetEcho, &key(3))
}

pub(crate) fn commitment() -> Signed<SumCommitment> {
    let commitment = SumCommitment {
        federation: federation(),
        round: ROUND,
        set_root: set().tree().root(),
        count: 2,
        share: Digest([6; 32]),
    };
    Signed::new(commitment, Tag::SumShare, &key(2))
}

pub(crate) fn scalars() -> Box<Signed<ScalarShares>> {
    let shares = vec![[1, u64::MAX, 0], [3, 4, 5]];
    let scalars =
        ScalarShares { federation: federation(), round: ROUND, probe: Digest([2; 32]), shares };
    Box::new(Signed::new(scalars, Tag::ScalarShares, &key(2)))
}

pub(crate) fn opening() -> ScalarOpening {
    let party = |place| PartyScalars { place, shares: *scalars() };
    ScalarOpening::new(vec![party(0), party(2)]).expect("in order")
}

pub(crate) fn value_record() -> ValueRecord {
    ValueRecord { probes: *probes(), opening: opening() }
}

pub(crate) fn probes() -> Box<Signed<ProbeOrder>> {
    let parameters = parameters(Tagging::Absent);
    let rotation = parameters.rotation(&federation(), ROUND.0);
    let quantise =
        |probe: [f64; 5]| QuantizedProbe::quantise(&probe, &rotation, &parameters).expect("small");
    let order = ProbeOrder {
        federation: federation(),
        round: ROUND,
        set_root: set().tree().root(),
        model_after: Digest([3; 32]),
        value: quantise([0.1, 0.2, -0.3, 0.0, 0.5]),
        innovation: quantise([0.1, 0.0, 0.0, 0.0, -0.5]),
        contrast: quantise([0.0, 0.2, 0.0, -0.1, 0.0]),
        others: vec![GroupProbes {
            value: quantise([0.0, 0.2, -0.3, 0.0, 0.0]),
            contrast: quantise([0.0, 0.0, 0.0, -0.1, 0.1]),
        }],
    };
    Box::new(Signed::new(order, Tag::Probe, &key(9)))
}

fn cohort_epoch() -> CohortEpoch {
    CohortEpoch { epoch: 3, authenticator: [4; 32] }
}

pub(crate) fn roster() -> Signed<Roster> {
    let members = grant().cohort;
    Signed::new(Roster { federation: federation(), version: 2, members }, Tag::Roster, &key(9))
}

fn hand_over() -> Box<Signed<KeyHandOver>> {
    let (federation, cohort) = (federation(), cohort_epoch());
    let associated = KeyHandOver::associated(&federation, &cohort);
    let dao = sealing_key(9).public();
    let key_of_epoch = dao.seal(Tag::ModelKeyEnvelope, &associated, &[5; 32], &mut rng(6));
    let body = KeyHandOver {
        federation,
        cohort,
        roster: grant().cohort,
        key: key_of_epoch.expect("short"),
    };
    Box::new(Signed::new(body, Tag::KeyHandOver, &key(3)))
}

pub(crate) fn welcome() -> Welcome {
    Welcome { members: vec![key(4).verifying_key()], message: vec![8; 9] }
}

pub(crate) fn prepared_parts() -> Vec<PreparedPart> {
    let part = |index, held| PreparedPart {
        member: key(index).verifying_key(),
        update: Digest([index; 32]),
        held,
    };
    vec![part(3, Ok(vec![7; 9])), part(4, Err(Refusal::BadProof)), part(5, Ok(vec![]))]
}

pub(crate) fn round_sum() -> Box<Signed<RoundSum>> {
    let sum = RoundSum {
        federation: federation(),
        round: ROUND,
        accepted: set(),
        tickets: vec![ticket(); 2],
        sum: vec![i64::from(i32::MIN), -1, 0, 1, i64::from(i32::MAX)],
        tag: Some([1, 2]),
        others: vec![GroupSum { sum: vec![3, -2, 1], tag: Some([3, 4]) }],
        commitments: vec![commitment()],
    };
    Box::new(Signed::new(sum, Tag::RoundSum, &key(1)))
}

fn receipt() -> RoundReceipt {
    RoundReceipt {
        grant: signed_grant(),
        federation: federation(),
        round: ROUND,
        model_before: Digest([1; 32]),
        model_after: Digest([2; 32]),
        sum: Digest([3; 32]),
        probe: Digest([4; 32]),
        opening: Digest([5; 32]),
        accepted: set(),
        scalars: vec![OpenedScalars { value: 5, innovation: -6, contrast: 7 }; 2],
        dropped: vec![key(5).verifying_key()],
        refused: vec![(Refusal::Late, 3)],
        commitments: vec![commitment()],
    }
}

pub(crate) fn signed_receipt() -> Box<Signed<RoundReceipt>> {
    Box::new(Signed::new(receipt(), Tag::RoundReceipt, &key(1)))
}

fn deliveries() -> Vec<Delivery> {
    let verified = sealed().clone().verify().expect("honest");
    vec![verified.delivery(1).expect("in range")]
}

fn offer() -> Box<Signed<ModelOffer>> {
    let offer = ModelOffer {
        dao: Digest([1; 32]),
        federation: federation(),
        version: 3,
        model: Digest([4; 32]),
        cohort_epoch: Some(CohortEpoch { epoch: 2, authenticator: [7; 32] }),
    };
    Box::new(Signed::new(offer, Tag::ModelOffer, &key(9)))
}

fn trained() -> Signed<ModelTrained> {
    let body = ModelTrained { federation: federation(), version: 3, model: Digest([4; 32]) };
    Signed::new(body, Tag::ModelTrained, &key(5))
}

fn contributor_requests() -> Vec<ContributorRequest> {
    vec![
        ContributorRequest::Terms,
        ContributorRequest::Join(Box::new(join())),
        ContributorRequest::Fetch { known: None },
        ContributorRequest::Fetch { known: Some(ROUND) },
        ContributorRequest::Submit { update: Box::new(sealed().clone()), ticket: None },
        ContributorRequest::Submit { update: Box::new(sealed().clone()), ticket: Some(ticket()) },
        ContributorRequest::Receipt { round: ROUND },
        ContributorRequest::Custody(Box::new(AggregatorReply::Agreed(echo()))),
        ContributorRequest::Cohort(CohortRequest::Offer { package: vec![1; 20] }),
        ContributorRequest::Cohort(CohortRequest::Sync { epoch: Some(2) }),
        ContributorRequest::Cohort(CohortRequest::Commit {
            epoch: 2,
            commit: vec![3; 30],
            welcome: Some(welcome()),
        }),
        ContributorRequest::Cohort(CohortRequest::HandKey(hand_over())),
        ContributorRequest::Sum { round: ROUND },
        ContributorRequest::Values { round: ROUND },
        ContributorRequest::Model,
        ContributorRequest::Trained(trained()),
    ]
}

fn contributor_replies() -> Vec<ContributorReply> {
    let acknowledgement =
        Acknowledgement { federation: federation(), round: ROUND, update: Digest([4; 32]) };
    let proof = set().tree().prove(1).expect("in range");
    let news = CohortNews {
        roster: roster(),
        epoch: 3,
        offers: vec![(key(5).verifying_key(), vec![1; 20])],
        commits: vec![vec![3; 30], vec![4; 5]],
        welcome: Some(welcome().message),
        handed: Some(2),
    };
    vec![
        ContributorReply::Terms(Box::new(Signed::new(terms(fhe_terms()), Tag::Terms, &key(9)))),
        ContributorReply::Joined,
        ContributorReply::Wait { retry_ms: 20 },
        ContributorReply::Order { order: order(), model: vec![1, 2, 3] },
        ContributorReply::Finished(federation_end()),
        ContributorReply::Model { offer: offer(), model: vec![1, 2, 3] },
        ContributorReply::Acknowledged(Signed::new(acknowledgement, Tag::Acknowledgement, &key(1))),
        ContributorReply::Receipt(FetchedReceipt::Settled {
            receipt: signed_receipt(),
            proof: Some(proof),
        }),
        ContributorReply::Receipt(FetchedReceipt::Aborted(round_abort())),
        ContributorReply::Receipt(FetchedReceipt::Pending),
        ContributorReply::Custody(Box::new(AggregatorRequest::Agree { round: ROUND, set: set() })),
        ContributorReply::Refused(Refusal::Late),
        ContributorReply::Receipt(FetchedReceipt::Unknown),
        ContributorReply::Taken,
        ContributorReply::Cohort(Box::new(news)),
        ContributorReply::Sum(None),
        ContributorReply::Sum(Some(round_sum())),
        ContributorReply::Values(None),
        ContributorReply::Values(Some(Box::new(value_record()))),
    ]
}

/// The end of the federation.
pub(crate) fn federation_end() -> Box<Signed<FederationEnd>> {
    let reason = EndReason::NoImprovement { best_round: 3 };
    let body = FederationEnd { federation: federation(), settled: 5, reason };
    Box::new(Signed::new(body, Tag::FederationEnd, &key(9)))
}

/// That the round was given up.
pub(crate) fn round_abort() -> Box<Signed<RoundAbort>> {
    let body =
        RoundAbort { federation: federation(), round: ROUND, reason: "too few".to_owned() };
    Box::new(Signed::new(body, Tag::RoundAbort, &key(1)))
}

fn aggregator_requests() -> Vec<AggregatorRequest> {
    let sum = |evidence| AggregatorRequest::Sum { round: ROUND, set: set(), evidence };
    vec![
        AggregatorRequest::Prepare {
            order: order(),
            deliveries: deliveries(),
            challenge: Digest([8; 32]),
        },
        AggregatorRequest::Agree { round: ROUND, set: set() },
        sum(Evidence::None),
        sum(Evidence::Verifiers(vec![vec![vec![1, 2], vec![]], vec![]])),
        sum(Evidence::Echoes(vec![echo(), echo()])),
        AggregatorRequest::Score(probes()),
    ]
}

fn aggregator_replies() -> Vec<AggregatorReply> {
    vec![
        AggregatorReply::Prepared { round: ROUND, parts: prepared_parts() },
        AggregatorReply::Agreed(echo()),
        AggregatorReply::Sum { commitment: commitment(), share: vec![0, 1, 2] },
        AggregatorReply::Scalars(scalars()),
        AggregatorReply::Refused { round: None, refusal: Refusal::Unexpected },
        AggregatorReply::Refused { round: Some(ROUND), refusal: Refusal::Busy },
    ]
}

fn dao_requests() -> Vec<DaoRequest> {
    vec![
        DaoRequest::Terms,
        DaoRequest::Join(Box::new(join())),
        DaoRequest::Grant,
        DaoRequest::Measure(round_sum()),
        DaoRequest::Settle { receipt: signed_receipt(), opening: Box::new(opening()) },
        DaoRequest::Abort { round: ROUND, reason: "helper lost".to_owned() },
        DaoRequest::Roster,
        DaoRequest::HandKey(hand_over()),
        DaoRequest::Model,
        DaoRequest::Trained(trained()),
    ]
}

fn dao_replies() -> Vec<DaoReply> {
    vec![
        DaoReply::Terms(Box::new(Signed::new(terms(SealingTerms::Mpc), Tag::Terms, &key(9)))),
        DaoReply::Joined,
        DaoReply::Granted { grant: Box::new(signed_grant()), model: vec![1; 20] },
        DaoReply::Wait { retry_ms: 5 },
        DaoReply::Model { offer: offer(), model: vec![1; 20] },
        DaoReply::TrainedTaken,
        DaoReply::Finished(federation_end()),
        DaoReply::Probes(probes()),
        DaoReply::Settled { entry: 12 },
        DaoReply::Refused(Refusal::BadSet),
    ]
}
