//! Verified MPC mode: updates whose norm is not proven are taken out, by each aggregator for itself, and
//! the sum of the others is exact; honest ones are never taken out.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use aggregator_protocol::{
    AcceptedSet, AggregatorReply, AggregatorRequest, Evidence, PreparedPart, Refusal, RoundId,
    SealingTerms,
};
use aggregator_round::Input;
use privacy_identity::Digest;
use privacy_pine::{Field64, IntegerPine, Parameters, PineField as _};
use privacy_secagg::EncodingParameters;
use rand::RngExt as _;

use crate::world::{
    Contribution, DIMENSION, World,
    dao::Logged,
    dishonest::{MODULUS, add_to_element, payloads, with_payloads},
    federation::{Federation, asks_measure, asks_prepare, asks_sum},
    rng_for,
};

const MEMBERS: usize = 5;

/// A change to the verifier shares of all members.
type Alter = dyn Fn(&mut Vec<Vec<Vec<u8>>>);

/// The largest norm that an honest update has, in integer units.
#[expect(clippy::cast_possible_truncation, reason = "far below 2^53")]
fn norm_bound(encoding: &EncodingParameters) -> i64 {
    encoding.sealed_norm().ceil() as i64
}

fn federation(aggregators: usize) -> Federation {
    let world = World::sealed(SealingTerms::MpcVerified, 1, aggregators, MEMBERS);
    let mut federation = Federation::of(world);
    federation.grant(0);
    federation
}

/// A change to what the other aggregator answers.
type Spoil = fn(&mut Vec<PreparedPart>);

/// Where the elements of the leader's share are in its payload, which starts with the public share.
fn public_bytes(world: &World) -> usize {
    let encoding = &world.terms.encoding;
    let aggregators = u8::try_from(world.terms.aggregators.len()).unwrap();
    let bound = norm_bound(encoding).unsigned_abs();
    let parameters = Parameters::integers(encoding.vector_len(), bound, aggregators, b"any");
    IntegerPine::new(parameters.unwrap()).unwrap().public_share_bytes()
}

/// What a dishonest contributor does to the payloads of its update.
type Forgery = fn(&World, &mut Vec<Vec<u8>>);

/// The largest norm, ten times.
fn ten_times(world: &World) -> i64 {
    10 * norm_bound(&world.terms.encoding)
}

const FORGERIES: [(&str, Forgery); 8] = [
    ("ten times the norm", |world, payloads| {
        let start = public_bytes(world);
        add_to_element(&mut payloads[0][start..], 0, ten_times(world));
    }),
    ("ten times the norm, downwards", |world, payloads| {
        let start = public_bytes(world);
        add_to_element(&mut payloads[0][start..], 3, -ten_times(world));
    }),
    ("maximal coordinates", |world, payloads| {
        let start = public_bytes(world);
        for index in 0..world.terms.encoding.vector_len() {
            add_to_element(&mut payloads[0][start..], index, i64::from(i32::MAX));
        }
    }),
    ("one unit more in one coordinate", |world, payloads| {
        let start = public_bytes(world);
        add_to_element(&mut payloads[0][start..], 1, 1);
    }),
    ("another proof", |world, payloads| {
        let start = public_bytes(world);
        // The last element of the proofs: only two blinds of 32 bytes come after it.
        let end = payloads[0].len() - 64;
        add_to_element(&mut payloads[0][start..end], (end - start) / 8 - 1, 1);
    }),
    ("another blind", |_, payloads| *payloads[0].last_mut().unwrap() ^= 1),
    ("another seed for a helper", |_, payloads| {
        let last = payloads.len() - 1;
        *payloads[last].last_mut().unwrap() ^= 1;
    }),
    ("public shares that differ", |_, payloads| payloads[1][0] ^= 1),
];

fn forged(world: &World, federation: &Federation, index: usize, forgery: Forgery) -> Contribution {
    let honest = federation.contribution(index);
    let order = federation.order().unwrap();
    let mut payloads = payloads(world, &order, &honest);
    forgery(world, &mut payloads);
    with_payloads(world, index, &order, &honest, payloads)
}

fn check_sum(federation: &Federation, honest: &[Contribution]) {
    let sum = federation.measured();
    let exact: Vec<i64> =
        (0..sum.sum.len()).map(|j| honest.iter().map(|c| c.values[j]).sum()).collect();
    assert_eq!(sum.sum, exact);
    assert_eq!(sum.accepted.contributions().len(), honest.len());
}

#[test]
fn an_update_whose_norm_is_not_proven_is_taken_out_and_counted_and_the_others_sum_is_exact() {
    assert_eq!(u128::from(MODULUS), Field64::MODULUS);
    for aggregators in [2, 3] {
        for (name, forgery) in FORGERIES {
            let mut federation = federation(aggregators);
            let world = World::sealed(SealingTerms::MpcVerified, 1, aggregators, MEMBERS);
            let forged = forged(&world, &federation, 2, forgery);
            // Sent first, while the others can still be made for the same order.
            federation.feed(&federation.submission(2, &forged)).unwrap();
            let honest = federation.submit(&[0, 1, 3, 4]);
            federation.run_until(asks_measure);
            check_sum(&federation, &honest);
            let refused = federation.coordinator.machine.refused();
            assert_eq!(refused.get(&Refusal::BadProof), Some(&1), "{name}: {refused:?}");
            assert_eq!(refused.len(), 1, "{name}: {refused:?}");
        }
    }
}

#[test]
fn a_proof_for_another_member_or_round_does_not_hold() {
    for (from, round) in [(1, 0), (2, 1)] {
        let mut federation = federation(2);
        let world = World::sealed(SealingTerms::MpcVerified, 1, 2, MEMBERS);
        let everybody: Vec<_> = (0..MEMBERS).collect();
        let order = world.order(round, &everybody);
        let other = world.contribution(from, &order, 0);
        let payloads = payloads(&world, &order, &other);
        let order = federation.order().unwrap();
        let replayed = with_payloads(&world, 2, &order, &other, payloads);
        federation.feed(&federation.submission(2, &replayed)).unwrap();
        let honest = federation.submit(&[0, 1, 3, 4]);
        federation.run_until(asks_measure);
        check_sum(&federation, &honest);
        assert_eq!(federation.coordinator.machine.refused()[&Refusal::BadProof], 1);
    }
}

#[test]
fn a_share_that_does_not_parse_is_refused_at_once_or_taken_out() {
    let cut: Forgery = |_, payloads| payloads[0].truncate(100);
    let long: Forgery = |_, payloads| payloads[0].push(0);
    let no_element: Forgery = |world, payloads| {
        let start = public_bytes(world);
        payloads[0][start..start + 8].copy_from_slice(&MODULUS.to_le_bytes());
    };
    for forgery in [cut, long, no_element] {
        let mut federation = federation(2);
        let world = World::sealed(SealingTerms::MpcVerified, 1, 2, MEMBERS);
        let forged = forged(&world, &federation, 0, forgery);
        let submission = federation.submission(0, &forged);
        assert_eq!(federation.feed(&submission), Err(Refusal::Unopenable));
    }
    let mut federation = federation(2);
    let world = World::sealed(SealingTerms::MpcVerified, 1, 2, MEMBERS);
    let forged = forged(&world, &federation, 0, |_, payloads| payloads[1].push(0));
    federation.feed(&federation.submission(0, &forged)).unwrap();
    let honest = federation.submit(&[1, 2, 3, 4]);
    federation.run_until(asks_measure);
    check_sum(&federation, &honest);
    assert_eq!(federation.coordinator.machine.refused()[&Refusal::Unopenable], 1);
}

/// Prepared by the only other aggregator.
fn prepared(federation: &mut Federation) -> (Vec<Contribution>, Vec<PreparedPart>) {
    let honest = federation.submit(&[0, 1, 2, 3, 4]);
    federation.run_until(asks_prepare);
    let ask = federation.outstanding().remove(0);
    let Input::Prepared { parts, .. } = federation.answer(&ask) else { panic!() };
    assert!(parts.len() == MEMBERS && parts.iter().all(|part| part.held.is_ok()));
    (honest, parts)
}

/// The other aggregator's answer in round 0.
const fn answered(parts: Vec<PreparedPart>) -> Input {
    Input::Prepared { party: 1, round: RoundId(0), parts }
}

/// The verifier share of a part that is held.
fn verifier(part: &mut PreparedPart) -> &mut Vec<u8> {
    part.held.as_mut().unwrap()
}

#[test]
fn a_verifier_share_that_an_aggregator_altered_takes_out_whom_it_is_of_and_nobody_else() {
    let mut federation = federation(2);
    let (mut honest, mut parts) = prepared(&mut federation);
    let share = verifier(&mut parts[3]);
    let middle = share.len() / 2;
    share[middle] ^= 1;
    federation.feed(&answered(parts)).unwrap();
    federation.run_until(asks_measure);
    honest.remove(3);
    check_sum(&federation, &honest);
    assert_eq!(federation.coordinator.machine.refused()[&Refusal::BadProof], 1);
}

#[test]
fn an_aggregator_that_spoils_verifier_shares_ends_the_round_at_most() {
    let spoil: [(Spoil, usize); 3] = [
        (|parts| parts.iter_mut().for_each(|part| verifier(part)[40] ^= 1), 0),
        (|parts| parts.iter_mut().for_each(|part| verifier(part).clear()), 0),
        // The reversed shares leave one in its place.
        (
            |parts| {
                let mut shares: Vec<_> =
                    parts.iter_mut().map(|part| verifier(part).clone()).collect();
                shares.reverse();
                parts.iter_mut().zip(shares).for_each(|(part, share)| *verifier(part) = share);
            },
            1,
        ),
    ];
    for (spoil, got) in spoil {
        let mut federation = federation(2);
        let (_, mut parts) = prepared(&mut federation);
        spoil(&mut parts);
        federation.feed(&answered(parts)).unwrap();
        let reason = format!("{got} contributions came in time, 3 are needed");
        federation.dao.open(federation.world.grant(0, &[0, 1, 2, 3, 4]));
        let end = federation.end_round(|_, _, _, reply| Some(reply));
        assert_eq!(end, Logged::Aborted(reason));
    }
}

#[test]
fn an_answer_about_some_parts_leaves_the_others_to_be_asked_for_and_the_first_one_stands() {
    let mut federation = federation(2);
    let (honest, parts) = prepared(&mut federation);
    let refused = |federation: &mut Federation, parts, refusal| {
        assert_eq!(federation.feed(&answered(parts)), Err(refusal));
    };
    refused(&mut federation, Vec::new(), Refusal::Unexpected);
    let mut other = parts.clone();
    other[1].update = Digest([7; 32]);
    refused(&mut federation, other, Refusal::BadSet);
    let earlier = Input::Prepared { party: 1, round: RoundId(1), parts: parts.clone() };
    assert_eq!(federation.feed(&earlier), Err(Refusal::WrongRound));
    // Some, in any order.
    federation.feed(&answered(vec![parts[4].clone(), parts[2].clone()])).unwrap();
    assert_eq!(federation.feed(&answered(vec![parts[4].clone()])), Ok(Vec::new()));
    let AggregatorRequest::Prepare { deliveries, .. } = federation.asked_of_peer() else {
        panic!()
    };
    assert_eq!(deliveries.len(), MEMBERS - 2);
    // What was said of a part before is not taken back.
    let mut changed = parts;
    changed[4].held = Err(Refusal::Unopenable);
    federation.feed(&answered(changed)).unwrap();
    federation.run_until(asks_measure);
    check_sum(&federation, &honest);
}

#[test]
fn false_evidence_is_refused_by_the_peer() {
    let mut federation = federation(2);
    // A cheater is among them: the coordinator takes it out, its thief does not.
    let world = World::sealed(SealingTerms::MpcVerified, 1, 2, MEMBERS);
    let cheater = forged(&world, &federation, 0, FORGERIES[0].1);
    federation.feed(&federation.submission(0, &cheater)).unwrap();
    federation.submit(&[1, 2, 3, 4]);
    federation.run_until(asks_prepare);
    let ask = federation.outstanding().remove(0);
    let Input::Prepared { mut parts, .. } = federation.answer(&ask) else { panic!() };
    let of_cheater = verifier(&mut parts[0]).clone();
    federation.run_until(asks_sum);
    let AggregatorRequest::Sum { round, set, evidence } = federation.asked_of_peer() else {
        panic!()
    };
    let Evidence::Verifiers(honest) = evidence.clone() else { panic!() };
    let refused = |federation: &mut Federation, set: &AcceptedSet, evidence, refusal| {
        let request = AggregatorRequest::Sum { round, set: set.clone(), evidence };
        assert_eq!(federation.peers[0].request(&request, true), Err(refusal));
    };
    let mut altered = |alter: &Alter, refusal| {
        let mut shares = honest.clone();
        alter(&mut shares);
        refused(&mut federation, &set, Evidence::Verifiers(shares), refusal);
    };
    altered(&|shares| shares[1][0][40] ^= 1, Refusal::BadProof);
    altered(&|shares| shares[1][1][40] ^= 1, Refusal::BadProof);
    altered(&|shares| shares[1].swap(0, 1), Refusal::BadProof);
    // The same total, but not what this peer showed.
    altered(
        &|shares| {
            add_to_element(&mut shares[1][0], 0, 1);
            add_to_element(&mut shares[1][1], 0, -1);
        },
        Refusal::BadProof,
    );
    altered(&|shares| shares.swap(1, 2), Refusal::BadProof);
    altered(&|shares| shares[2].truncate(1), Refusal::BadProof);
    altered(&|shares| shares[2].push(Vec::new()), Refusal::BadProof);
    altered(&|shares| shares[2][0].clear(), Refusal::BadProof);
    altered(&|shares| drop(shares.pop()), Refusal::BadSet);
    altered(&|shares| shares.push(shares[0].clone()), Refusal::BadSet);
    for evidence in [Evidence::None, Evidence::Echoes(Vec::new())] {
        refused(&mut federation, &set, evidence, Refusal::Malformed);
    }
    // The cheater, with its own true shares, and with what an honest one showed.
    let mut with_cheater = set.contributions().to_vec();
    with_cheater.insert(0, (federation.world.member(0), *cheater.sealed.digest()));
    let with_cheater = AcceptedSet::new(with_cheater).unwrap();
    for first in [honest[0][0].clone(), of_cheater.clone()] {
        let mut shares = vec![vec![first, of_cheater.clone()]];
        shares.extend(honest.iter().cloned());
        refused(&mut federation, &with_cheater, Evidence::Verifiers(shares), Refusal::BadProof);
    }
    let request = AggregatorRequest::Sum { round, set, evidence };
    let answer = federation.peers[0].request(&request, true);
    assert!(matches!(answer, Ok(AggregatorReply::Sum { .. })));
}

#[test]
fn promise_1_a_peer_shows_verifier_shares_for_one_challenge_per_round() {
    // Threat: each challenge opens the proof at another point, and enough points are the update.
    let mut federation = federation(2);
    federation.submit(&[0, 1, 2, 3, 4]);
    federation.run_until(asks_prepare);
    let request = federation.asked_of_peer();
    let answer = federation.peers[0].request(&request, true);
    assert!(answer.is_ok());
    let AggregatorRequest::Prepare { order, deliveries, .. } = request.clone() else { panic!() };
    let second = AggregatorRequest::Prepare { order, deliveries, challenge: Digest([7; 32]) };
    for _ in 0..2 {
        // Compared, not printed: shares are long.
        let refused = federation.peers[0].request(&second, true);
        assert!(refused == Err(Refusal::AlreadyAnswered), "a second challenge is answered");
        assert!(federation.peers[0].request(&request, true) == answer);
        federation.peers[0].restart();
    }
    federation.run_until(asks_measure);
}

/// Updates at the edge of what is admissible: clipped from far outside, in all directions.
fn at_the_bound(draw: u64, index: usize) -> Vec<f32> {
    let mut rng = rng_for(&[30, draw, index as u64]);
    let dimension = DIMENSION as usize;
    match rng.random_range(0..3) {
        0 => vec![1e3; dimension],
        1 => {
            let mut single = vec![0.0; dimension];
            single[rng.random_range(0..dimension)] = if rng.random_bool(0.5) { 1e6 } else { -1e6 };
            single
        }
        _ => (0..dimension).map(|_| rng.random_range(-1e4_f32..1e4)).collect(),
    }
}

#[test]
fn honest_updates_at_the_norm_bound_are_never_refused() {
    // Completeness is exact but for 2^-100 of the proof: 320 updates, none may be refused.
    for draw in 0..20 {
        let members = 16;
        let world = World::sealed(SealingTerms::MpcVerified, draw, 2, members);
        let mut federation = Federation::of(world);
        federation.grant(0);
        let order = federation.order().unwrap();
        let honest: Vec<_> = (0..members)
            .map(|index| {
                let World { terms, .. } = &federation.world;
                let delta = at_the_bound(draw, index);
                federation.world.contribution_of(terms, index, &order, 0, delta)
            })
            .collect();
        for (index, contribution) in honest.iter().enumerate() {
            federation.feed(&federation.submission(index, contribution)).unwrap();
        }
        federation.run_until(asks_measure);
        check_sum(&federation, &honest);
        assert!(federation.coordinator.machine.refused().is_empty());
    }
}
