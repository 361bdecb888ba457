//! FHE mode: what custodians refuse whoever holds the coordinator's key, and what a round makes of
//! custodians that are missing, decline or lie: the right sum or none, never a wrong one.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use aggregator_protocol::{
    AcceptedSet, AggregatorReply, AggregatorRequest, Custodian, CustodyKey, CustodyTerms, Evidence,
    Refusal, RoundGrant, RoundId, RoundOrder, SealingTerms, SetEcho,
};
use aggregator_round::{Ask, Input, OrderRefusal, Ordered, PeerAggregator};
use privacy_identity::{Digest, SealingKey, Signed, SigningKey, Tag};

use crate::world::{
    World,
    dao::{probe_order, wrong_probes},
    federation::{Federation, asks_agree, asks_prepare, asks_score, asks_sum},
    shell::PeerShell,
};

fn world(custodians: u8, threshold: u8, members: usize) -> World {
    let custody = CustodyTerms::new(custodians, threshold).unwrap();
    World::sealed(SealingTerms::Fhe(custody), 1, 1, members)
}

fn federation(custodians: u8, threshold: u8, members: usize) -> Federation {
    Federation::of(world(custodians, threshold, members))
}

/// A federation on its way through a round of all members, with the requests that come next.
fn asked(federation: &mut Federation, here: fn(&Ask) -> bool) -> Vec<(usize, AggregatorRequest)> {
    if federation.coordinator.machine.current_round().is_none() {
        let everybody: Vec<_> = (0..federation.world.members.len()).collect();
        federation.dao.open(federation.world.grant(0, &everybody));
    }
    federation.run_until(here);
    let asked = federation.outstanding().into_iter().filter_map(|ask| match ask {
        Ask::Custodian(place, request) => Some((place, *request)),
        _ => None,
    });
    asked.collect()
}

fn check_refused(
    federation: &mut Federation,
    place: usize,
    request: &AggregatorRequest,
    refusal: Refusal,
) {
    assert_eq!(federation.party(place).request(request, true), Err(refusal));
}

fn without(set: &AcceptedSet, index: usize) -> AcceptedSet {
    let mut fewer = set.contributions().to_vec();
    fewer.remove(index);
    AcceptedSet::new(fewer).unwrap()
}

fn echo_body(world: &World, round: RoundId, set: &AcceptedSet) -> SetEcho {
    SetEcho { federation: world.terms.id(), round, set_root: set.tree().root() }
}

/// What member `index` signs for this set.
fn echo(world: &World, round: RoundId, set: &AcceptedSet, index: usize) -> Signed<SetEcho> {
    Signed::new(echo_body(world, round, set), Tag::SetEcho, &world.members[index])
}

fn echoes(world: &World, round: RoundId, set: &AcceptedSet, count: usize) -> Evidence {
    // The custodians are the first members.
    Evidence::Echoes((0..count).map(|index| echo(world, round, set, index)).collect())
}

fn agreement(world: &World) -> usize {
    world.terms.sealing.custody().unwrap().agreement()
}

fn agrees(federation: &mut Federation) -> (RoundId, AcceptedSet) {
    let (_, request) = asked(federation, asks_agree).remove(0);
    let AggregatorRequest::Agree { round, set } = request else { panic!("asked {request:?}") };
    (round, set)
}

#[test]
fn promise_1_a_custodian_echoes_one_large_enough_set_of_shares_that_it_holds() {
    let mut federation = federation(3, 2, 5);
    let prepare = asked(&mut federation, asks_prepare).remove(0).1;
    let (round, set) = agrees(&mut federation);
    let agree = |set| AggregatorRequest::Agree { round, set };
    let all = set.contributions();
    for count in 0..federation.world.minimum() {
        let few = AcceptedSet::new(all[..count].to_vec()).unwrap();
        check_refused(&mut federation, 1, &agree(few), Refusal::BadSet);
    }
    let mut unknown = all.to_vec();
    unknown[0].1 = Digest([7; 32]);
    check_refused(&mut federation, 1, &agree(AcceptedSet::new(unknown).unwrap()), Refusal::BadSet);
    let mut padded = all.to_vec();
    padded.push((SigningKey::from_seed(&[5; 32]).verifying_key(), Digest([7; 32])));
    padded.sort();
    check_refused(&mut federation, 1, &agree(AcceptedSet::new(padded).unwrap()), Refusal::BadSet);
    let elsewhere = AggregatorRequest::Agree { round: RoundId(round.0 + 1), set: set.clone() };
    check_refused(&mut federation, 1, &elsewhere, Refusal::WrongRound);

    let answer = federation.party(1).request(&agree(set.clone()), true);
    let Ok(AggregatorReply::Agreed(echoed)) = &answer else { panic!("{answer:?}") };
    assert_eq!(*echoed, echo(&federation.world, round, &set, 0));
    // The difference of two sums would be a person: no second echo, not even after a restart.
    for restarts in 0..2 {
        let second = agree(without(&set, 2));
        check_refused(&mut federation, 1, &second, Refusal::AlreadyAnswered);
        check_refused(&mut federation, 1, &prepare, Refusal::AlreadyAnswered);
        assert_eq!(federation.party(1).request(&agree(set.clone()), true), answer);
        (0..=restarts).for_each(|_| federation.party(1).restart());
    }
    // Nor a sum over another set than the one echoed, whoever agrees on it.
    let other = without(&set, 2);
    let evidence = echoes(&federation.world, round, &other, 3);
    let sum = AggregatorRequest::Sum { round, set: other, evidence };
    check_refused(&mut federation, 1, &sum, Refusal::AlreadyAnswered);
}

#[test]
fn promise_1_a_custodian_sums_only_what_enough_distinct_custodians_echoed() {
    for (custodians, threshold) in [(3, 2), (4, 2), (5, 3)] {
        for agreed_itself in [false, true] {
            let mut federation = federation(custodians, threshold, 7);
            let (round, set) = agrees(&mut federation);
            if agreed_itself {
                let agree = AggregatorRequest::Agree { round, set: set.clone() };
                federation.party(1).request(&agree, true).unwrap();
            }
            let world = world(custodians, threshold, 7);
            let enough = agreement(&world);
            let sum = |evidence| AggregatorRequest::Sum { round, set: set.clone(), evidence };
            for evidence in [Evidence::None, Evidence::Verifiers(Vec::new())] {
                check_refused(&mut federation, 1, &sum(evidence), Refusal::Malformed);
            }
            let few: Vec<_> = (0..enough - 1).map(|i| echo(&world, round, &set, i)).collect();
            for more in useless_echoes(&world, round, &set) {
                let evidence = Evidence::Echoes(few.iter().cloned().chain(more).collect());
                check_refused(&mut federation, 1, &sum(evidence), Refusal::NoAgreement);
            }
            let evidence = echoes(&world, round, &set, enough);
            let answer = federation.party(1).request(&sum(evidence), true);
            assert!(matches!(answer, Ok(AggregatorReply::Sum { .. })), "{answer:?}");
            let again = sum(echoes(&world, round, &set, usize::from(custodians)));
            assert_eq!(federation.party(1).request(&again, true), answer);
        }
    }
}

/// What does not make up for a missing echo of the last custodian.
fn useless_echoes(world: &World, round: RoundId, set: &AcceptedSet) -> Vec<Vec<Signed<SetEcho>>> {
    let custody = world.terms.sealing.custody().unwrap();
    let body = echo_body(world, round, set);
    let last = &world.members[custody.custodians() - 1];
    let by = |body, key| Signed::new(body, Tag::SetEcho, key);
    let coordinator = world.aggregator_key(0);
    vec![
        Vec::new(),
        // One custodian many times.
        vec![echo(world, round, set, 0); 8],
        // Members that are no custodians, the DAO node, the coordinator, anybody.
        (custody.custodians()..7).map(|index| echo(world, round, set, index)).collect(),
        vec![by(body, &world.dao_key), by(body, &coordinator)],
        vec![by(body, &SigningKey::from_seed(&[5; 32]))],
        // Of another round, set, federation; of another kind.
        vec![by(SetEcho { round: RoundId(round.0 + 1), ..body }, last)],
        vec![by(echo_body(world, round, &without(set, 0)), last)],
        vec![by(SetEcho { federation: Digest([7; 32]), ..body }, last)],
        vec![Signed::new(body, Tag::SumShare, last)],
    ]
}

#[test]
fn promise_1_a_coordinator_that_shows_two_sets_opens_at_most_one_and_none_if_it_splits_evenly() {
    for (custodians, threshold) in [(4_u8, 2_u8), (5, 3)] {
        let mut federation = federation(custodians, threshold, 7);
        let (round, set) = agrees(&mut federation);
        let world = world(custodians, threshold, 7);
        let sets = [set.clone(), without(&set, 6)];
        // By custodian: which set it is shown. `threshold` − 1 of them echo both.
        for shown in 0..1_usize << custodians {
            for dishonest in [0, usize::from(threshold) - 1] {
                let summed = both_asked(&mut federation, &world, round, &sets, shown, dishonest);
                let most = summed.iter().filter(|count| **count > 0).count();
                assert!(most <= 1, "split {shown:b} with {dishonest} liars: {summed:?}");
                let even = shown.count_ones().abs_diff(u32::from(custodians) / 2) == 0;
                let none = dishonest == 0 && even;
                assert!(!none || most == 0, "split {shown:b}: {summed:?}");
            }
        }
    }
}

/// How many honest custodians summed each of two sets, where bit `i` of `shown` says which one
/// custodian `i` is asked to echo, and the first `dishonest` echo both.
fn both_asked(
    federation: &mut Federation,
    world: &World,
    round: RoundId,
    sets: &[AcceptedSet; 2],
    shown: usize,
    dishonest: usize,
) -> [usize; 2] {
    let custodians = world.terms.sealing.custody().unwrap().custodians();
    let mut echoed = [Vec::new(), Vec::new()];
    let mut machines = Vec::new();
    for index in 0..custodians {
        let own = &sets[shown >> index & 1];
        echoed[shown >> index & 1].push(echo(world, round, own, index));
        if index < dishonest {
            let other = 1 - (shown >> index & 1);
            echoed[other].push(echo(world, round, &sets[other], index));
            continue;
        }
        let shell = federation.party(index + 1);
        let agree = AggregatorRequest::Agree { round, set: own.clone() };
        let (machine, step) = shell.machine.clone().handle(&shell.context, &shell.updates, agree);
        assert_eq!(step.unwrap().reply, AggregatorReply::Agreed(echo(world, round, own, index)));
        machines.push((index, machine));
    }
    let mut summed = [0; 2];
    for (index, machine) in machines {
        let PeerShell { context, updates, .. } = federation.party(index + 1);
        let mut machine: PeerAggregator = machine;
        for which in [0, 1] {
            let evidence = Evidence::Echoes(echoed[which].clone());
            let sum = AggregatorRequest::Sum { round, set: sets[which].clone(), evidence };
            let (next, step) = machine.handle(context, updates, sum);
            machine = next;
            summed[which] += usize::from(step.is_ok());
        }
    }
    summed
}

#[test]
fn promise_1_a_custodian_answers_one_probe_order_of_the_dao_node_per_round() {
    let mut federation = federation(3, 2, 4);
    let (round, set) = agrees(&mut federation);
    let root = set.tree().root();
    let world = world(3, 2, 4);
    let score = |probes| AggregatorRequest::Score(Box::new(probes));
    let right = score(probe_order(&world, round, root, 0));
    check_refused(&mut federation, 1, &right, Refusal::Unexpected);
    asked(&mut federation, asks_sum);
    // It echoed the set, but summed nothing.
    check_refused(&mut federation, 1, &right, Refusal::Unexpected);
    asked(&mut federation, asks_score);
    for (probes, refusal) in wrong_probes(&world, round, root) {
        check_refused(&mut federation, 1, &score(probes), refusal);
    }
    let answer = federation.party(1).request(&right, true);
    assert!(matches!(answer, Ok(AggregatorReply::Scalars(_))));
    let second = score(probe_order(&world, round, root, 1));
    check_refused(&mut federation, 1, &second, Refusal::AlreadyAnswered);
    federation.party(1).restart();
    check_refused(&mut federation, 1, &second, Refusal::AlreadyAnswered);
    assert_eq!(federation.party(1).request(&right, true), answer);
}

#[test]
fn a_member_that_is_no_custodian_of_the_round_holds_nothing_and_answers_nothing() {
    let mut federation = federation(3, 2, 5);
    let requests = asked(&mut federation, asks_prepare);
    for (_, request) in &requests {
        assert_eq!(federation.custodians[4].request(request, true), Err(Refusal::Stranger));
    }
    // A custodian takes no other custodian's shares.
    let other = &requests[1].1;
    check_refused(&mut federation, 1, other, Refusal::BadSignature);
    let (round, set) = agrees(&mut federation);
    let agree = AggregatorRequest::Agree { round, set };
    assert_eq!(federation.custodians[4].request(&agree, true), Err(Refusal::WrongRound));
}

/// Grants that name custodians as no honest DAO node does.
fn wrong_grants(world: &World) -> Vec<(&'static str, RoundGrant, Refusal)> {
    let right = world.grant_body(0, &[0, 1, 2, 3]);
    let with = |custodians: Vec<Custodian>| RoundGrant { custodians, ..right.clone() };
    let replaced = |custodian: Custodian| {
        let mut custodians = right.custodians.clone();
        custodians[1] = custodian;
        with(custodians)
    };
    let named = |index: usize, federation: Digest, signer: &SigningKey| {
        let sealing = SealingKey::derived_from(signer).public();
        let key = Signed::new(CustodyKey { federation, sealing }, Tag::CustodyKey, signer);
        Custodian { member: world.member(index), key }
    };
    let id = world.terms.id();
    let twice = replaced(right.custodians[0].clone());
    let outside = replaced(named(4, id, &world.members[4]));
    let not_its_own = replaced(named(1, id, &world.dao_key));
    let elsewhere = replaced(named(1, Digest([7; 32]), &world.members[1]));
    let fewer = with(right.custodians[1..].to_vec());
    let mut more = right.custodians.clone();
    more.push(named(3, id, &world.members[3]));
    vec![
        ("twice", twice, Refusal::BadSet),
        ("outside the cohort", outside, Refusal::BadSet),
        ("under another's key", not_its_own, Refusal::BadSignature),
        ("under a key of another federation", elsewhere, Refusal::BadSignature),
        ("one too few", fewer, Refusal::BadSet),
        ("one too many", with(more), Refusal::BadSet),
        ("none", with(Vec::new()), Refusal::BadSet),
    ]
}

#[test]
fn a_grant_of_false_custodians_is_refused_by_coordinator_custodian_and_device() {
    let world = world(3, 2, 5);
    for (name, body, refusal) in wrong_grants(&world) {
        let grant = Signed::new(body, Tag::RoundGrant, &world.dao_key);
        let mut federation = federation(3, 2, 5);
        let granted =
            Input::Granted { grant: Box::new(grant.clone()), model: federation.world.model(0) };
        assert_eq!(federation.feed(&granted), Err(refusal), "coordinator: {name}");

        let order = RoundOrder { grant, deadline_ms: 9 };
        let order = Signed::new(order, Tag::RoundOrder, &world.aggregator_key(0));
        let device =
            Ordered::accept(&world.terms, &world.members[0], None, &order, &world.model(0));
        assert_eq!(device, Err(OrderRefusal::Custodians), "device: {name}");

        let prepare = AggregatorRequest::Prepare {
            order: Box::new(order),
            deliveries: Vec::new(),
            challenge: Digest([0; 32]),
        };
        let custodian = federation.custodians[0].request(&prepare, true);
        assert_eq!(custodian, Err(refusal), "custodian: {name}");
    }
    // In the other modes there are none.
    let mpc = World::new(1, 2, 5);
    let custodians = world.grant_body(0, &[0, 1, 2, 3]).custodians;
    let body = RoundGrant { custodians, ..mpc.grant_body(0, &[0, 1, 2, 3]) };
    let grant = Box::new(Signed::new(body, Tag::RoundGrant, &mpc.dao_key));
    let granted = Input::Granted { grant, model: mpc.model(0) };
    assert_eq!(Federation::new(1, 2, 5).feed(&granted), Err(Refusal::BadSet));
}

#[test]
fn parts_that_come_one_by_one_are_stored_as_one_request() {
    let mut federation = federation(3, 2, 6);
    let prepare = asked(&mut federation, asks_prepare);
    let (place, request) = prepare.into_iter().find(|(place, _)| *place > 0).unwrap();
    let AggregatorRequest::Prepare { order, deliveries, challenge } = request else { panic!() };
    assert!(deliveries.len() > 1);
    let party = federation.party(place);
    for delivery in deliveries {
        let one = AggregatorRequest::Prepare {
            order: order.clone(),
            deliveries: vec![delivery],
            challenge,
        };
        party.request(&one, true).unwrap();
        assert_eq!(party.stored(), 1);
        party.restart();
    }
}
