//! What the other aggregators refuse a coordinator: one set and one probe order per round, for ever.
//! (That a refused request changes nothing is asserted in `world::shell`, for every refusal.)
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use aggregator_protocol::{
    AcceptedSet, AggregatorReply, AggregatorRequest, Evidence, Refusal, RoundGrant, RoundId,
    RoundOrder,
};
use aggregator_round::Ask;
use privacy_identity::{Digest, Signed, SigningKey, Tag};

use crate::world::{
    MINIMUM_COHORT, World,
    dao::{probe_order, wrong_probes},
    federation::{Federation, asks_measure, asks_prepare, asks_score, asks_sum},
};

/// The request with which `here` is asked of the first peer, on the straight way.
fn asked(federation: &mut Federation, here: fn(&Ask) -> bool) -> AggregatorRequest {
    federation.run_until(here);
    federation.asked_of_peer()
}

fn check_peer(federation: &mut Federation, request: &AggregatorRequest, expected: Refusal) {
    assert_eq!(federation.peers[0].request(request, true), Err(expected));
}

#[test]
fn a_peer_holds_nothing_for_an_order_that_the_dao_did_not_grant() {
    let mut federation = Federation::new(1, 2, 4);
    let request = asked(&mut federation, asks_prepare);
    let AggregatorRequest::Prepare { order, deliveries, challenge } = request else { panic!() };
    let coordinator = federation.world.aggregator_key(0);
    let ordered = |grant: RoundGrant, granted_by: &SigningKey, ordered_by: &SigningKey| {
        let grant = Signed::new(grant, Tag::RoundGrant, granted_by);
        let order = Signed::new(RoundOrder { grant, deadline_ms: 9 }, Tag::RoundOrder, ordered_by);
        let (order, deliveries) = (Box::new(order), deliveries.clone());
        AggregatorRequest::Prepare { order, deliveries, challenge }
    };
    let grant = order.unverified_body().grant.unverified_body().clone();
    let dao = SigningKey::from_seed(&federation.world.dao_key.seed());
    let other = RoundGrant { federation: Digest([7; 32]), ..grant.clone() };
    // The coordinator grants itself a round; a stranger orders one; another federation's.
    check_peer(
        &mut federation,
        &ordered(grant.clone(), &coordinator, &coordinator),
        Refusal::BadSignature,
    );
    check_peer(&mut federation, &ordered(grant.clone(), &dao, &dao), Refusal::BadSignature);
    check_peer(&mut federation, &ordered(other, &dao, &coordinator), Refusal::WrongFederation);
    // A part of a member that was not invited, and one for another round.
    let fewer = RoundGrant { cohort: grant.cohort[1..].to_vec(), ..grant.clone() };
    check_peer(&mut federation, &ordered(fewer, &dao, &coordinator), Refusal::BadSet);
    let moved = RoundGrant { round: RoundId(grant.round.0 + 1), ..grant.clone() };
    check_peer(&mut federation, &ordered(moved, &dao, &coordinator), Refusal::BadSet);
    let right = ordered(grant, &dao, &coordinator);
    assert!(federation.peers[0].request(&right, true).is_ok());
}

#[test]
fn promise_1_a_peer_sums_only_a_large_enough_set_of_parts_that_it_holds() {
    let mut federation = Federation::new(1, 2, 5);
    let sum = |round, contributions| {
        let set = AcceptedSet::new(contributions).unwrap();
        AggregatorRequest::Sum { round, set, evidence: Evidence::None }
    };
    let request = asked(&mut federation, asks_sum);
    let AggregatorRequest::Sum { round, set, .. } = request else { panic!() };
    let all = set.contributions().to_vec();
    let minimum = MINIMUM_COHORT as usize;
    for count in 0..minimum {
        check_peer(&mut federation, &sum(round, all[..count].to_vec()), Refusal::BadSet);
    }
    let mut unknown = all.clone();
    unknown[0].1 = Digest([7; 32]);
    check_peer(&mut federation, &sum(round, unknown), Refusal::BadSet);
    let puppet = SigningKey::from_seed(&[5; 32]).verifying_key();
    let mut padded = all.clone();
    padded.push((puppet, Digest([7; 32])));
    padded.sort();
    check_peer(&mut federation, &sum(round, padded), Refusal::BadSet);
    check_peer(&mut federation, &sum(RoundId(round.0 + 1), all.clone()), Refusal::WrongRound);
    let answer = federation.peers[0].request(&sum(round, all.clone()), true);
    assert!(matches!(answer, Ok(AggregatorReply::Sum { .. })));
    // The difference of two sums would be a person.
    check_peer(&mut federation, &sum(round, all[1..].to_vec()), Refusal::AlreadyAnswered);
    assert_eq!(federation.peers[0].request(&sum(round, all), true), answer);
}

#[test]
fn promise_1_a_peer_that_summed_a_round_takes_no_other_parts_for_it_and_none_of_an_older_one() {
    let mut federation = Federation::new(1, 2, 4);
    let prepare = asked(&mut federation, asks_prepare);
    let sum = asked(&mut federation, asks_sum);
    federation.run_until(asks_measure);
    check_peer(&mut federation, &prepare, Refusal::AlreadyAnswered);
    federation.run_until(asks_score);
    check_peer(&mut federation, &prepare, Refusal::AlreadyAnswered);
    let AggregatorRequest::Score(probes) = federation.asked_of_peer() else { panic!() };
    while federation.dao.log.is_empty() {
        let input = federation.next_input().unwrap();
        federation.feed(&input).unwrap();
    }
    federation.run_until(asks_prepare);
    federation.run_until(asks_sum);
    check_peer(&mut federation, &prepare, Refusal::WrongRound);
    check_peer(&mut federation, &sum, Refusal::WrongRound);
    check_peer(&mut federation, &AggregatorRequest::Score(probes), Refusal::Unexpected);
}

#[test]
fn promise_1_a_peer_answers_one_probe_order_of_the_dao_node_per_round() {
    let mut federation = Federation::new(1, 2, 4);
    federation.run_until(asks_sum);
    let round = federation.dao.open_round().unwrap();
    let set = federation.asked_set();
    let root = set.tree().root();
    let world = World::new(1, 2, 4);
    let score = |probes| AggregatorRequest::Score(Box::new(probes));
    let right = score(probe_order(&world, round, root, 0));
    // Not before the sum.
    check_peer(&mut federation, &right, Refusal::Unexpected);
    federation.run_until(asks_score);
    for (probes, refusal) in wrong_probes(&world, round, root) {
        check_peer(&mut federation, &score(probes), refusal);
    }
    let answer = federation.peers[0].request(&right, true);
    assert!(matches!(answer, Ok(AggregatorReply::Scalars(_))));
    let second = score(probe_order(&world, round, root, 1));
    check_peer(&mut federation, &second, Refusal::AlreadyAnswered);
    assert_eq!(federation.peers[0].request(&right, true), answer);
}
