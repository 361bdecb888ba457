//! What is refused, one test per reason: it is counted under its reason and changes nothing else.
//! (That nothing else changes is asserted in `world::shell`, for every refusal.)
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use aggregator_protocol::{
    ContributorReply, CustodyTerms, DaoRequest, FederationTerms, Refusal, RoundGrant, RoundId,
    SealingTerms,
};
use aggregator_round::{Ask, Input, Ordered, Output};
use privacy_dp::ClipNorm;
use privacy_identity::{
    Decode as _, Digest, Encode as _, Envelope, SealingKey, Signed, SigningKey, Tag, Writer,
    list_to_writer,
};
use privacy_secagg::{Binding, EncodingParameters, SealedHeader, SealedUpdate, VerifiedUpdate};

use crate::world::{
    World,
    dao::{probe_order, wrong_probes},
    every_mode,
    federation::{Federation, asks_measure, asks_prepare, asks_score, asks_settle, asks_sum},
    rng_for,
};

/// Feeds an input that must be refused and checks its count.
fn check_refused(federation: &mut Federation, input: &Input, expected: Refusal) {
    let before = federation.outstanding();
    let count = |federation: &Federation| {
        federation.coordinator.machine.refused().get(&expected).copied().unwrap_or(0)
    };
    let counted = count(federation);
    assert_eq!(federation.feed(input), Err(expected));
    assert_eq!(count(federation), counted + 1);
    assert_eq!(federation.outstanding(), before);
}

/// A signed update of these parts, however wrong they are.
fn assembled(header: &Signed<SealedHeader>, envelopes: &[Envelope]) -> SealedUpdate {
    let mut writer = Writer::default();
    header.encode(&mut writer);
    list_to_writer(envelopes, &mut writer);
    SealedUpdate::from_bytes(&writer.into_bytes()).unwrap()
}

/// The envelopes of an update.
fn envelopes(update: &SealedUpdate) -> Vec<Envelope> {
    let header = SealedHeader { binding: *update.claimed_binding(), envelopes: Vec::new() };
    let key = SigningKey::from_seed(&[0; 32]);
    let digests: VerifiedUpdate = update.clone().verify().unwrap();
    let prefix = Signed::new(header, Tag::SealedUpdate, &key).to_bytes().len();
    let bytes = update.to_bytes();
    let list = &bytes[prefix + Digest::LEN * digests.envelope_count()..];
    let mut reader = privacy_identity::Reader::new(list);
    privacy_identity::list_from_reader(&mut reader, "envelopes", 16).unwrap()
}

/// `update` with another binding and these envelopes, signed by `key`.
fn resigned(
    update: &SealedUpdate,
    alter: impl FnOnce(&mut Binding),
    envelopes: &[Envelope],
    key: &SigningKey,
) -> SealedUpdate {
    let mut binding = *update.claimed_binding();
    alter(&mut binding);
    let digest = |envelope| Digest::of_encoded(Tag::ShareEnvelope, envelope);
    let header = SealedHeader { binding, envelopes: envelopes.iter().map(digest).collect() };
    assembled(&Signed::new(header, Tag::SealedUpdate, key), envelopes)
}

/// An update of member 0 whose binding was altered before it was signed, as that member's input.
fn rebound(federation: &Federation, alter: impl FnOnce(&mut Binding)) -> Input {
    let contribution = federation.contribution(0);
    let update = contribution.sealed.update();
    let key = &federation.world.members[0];
    let update = resigned(update, alter, &envelopes(update), key);
    Input::Submitted { peer: key.verifying_key(), update: Box::new(update), ticket: None }
}

#[test]
fn an_update_reassembled_from_its_own_parts_is_accepted() {
    every_mode(|sealing| {
        // The other tests alter one thing each; this one shows that nothing else is wrong with them.
        let mut federation = Federation::sealed_collecting(sealing, 1, 4);
        let input = rebound(&federation, |_| {});
        assert!(federation.feed(&input).is_ok());
    });
}

#[test]
fn an_update_signed_by_somebody_else_is_refused() {
    every_mode(|sealing| {
        let mut federation = Federation::sealed_collecting(sealing, 1, 4);
        let honest = federation.contribution(0);
        let update = honest.sealed.update();
        let forger = &federation.world.members[1];
        let forged = Box::new(resigned(update, |_| {}, &envelopes(update), forger));
        let input =
            Input::Submitted { peer: federation.world.member(0), update: forged, ticket: None };
        check_refused(&mut federation, &input, Refusal::BadSignature);
    });
}

#[test]
fn an_update_without_a_valid_signature_is_refused() {
    every_mode(|sealing| {
        let mut federation = Federation::sealed_collecting(sealing, 1, 4);
        let honest = federation.contribution(0);
        let update = honest.sealed.update();
        let envelopes = envelopes(update);
        let mut bytes = update.to_bytes();
        let tail: usize = 4 + envelopes.iter().map(|e| e.to_bytes().len()).sum::<usize>();
        let signature = bytes.len() - tail - 64;
        bytes[signature] ^= 1;
        let update = Box::new(SealedUpdate::from_bytes(&bytes).unwrap());
        let input = Input::Submitted { peer: federation.world.member(0), update, ticket: None };
        check_refused(&mut federation, &input, Refusal::BadSignature);
    });
}

#[test]
fn an_update_of_somebody_outside_the_cohort_is_refused() {
    every_mode(|sealing| {
        let mut federation = Federation::sealed(sealing, 1, 5);
        let grant = Box::new(federation.world.grant(0, &[0, 1, 2, 3]));
        federation.feed(&Input::Granted { grant, model: federation.world.model(0) }).unwrap();
        let everybody = federation.world.order(0, &[0, 1, 2, 3, 4]);
        let contribution = federation.world.contribution(4, &everybody, 0);
        let input = federation.submission(4, &contribution);
        check_refused(&mut federation, &input, Refusal::Stranger);
        let reply = federation.coordinator.machine.order_for(&federation.world.member(4), None);
        assert!(matches!(reply, ContributorReply::Wait { .. }));
    });
}

#[test]
fn an_update_sent_by_another_member_is_refused() {
    every_mode(|sealing| {
        let mut federation = Federation::sealed_collecting(sealing, 1, 4);
        let contribution = federation.contribution(0);
        let update = Box::new(contribution.sealed.update().clone());
        let input = Input::Submitted { peer: federation.world.member(1), update, ticket: None };
        check_refused(&mut federation, &input, Refusal::WrongSender);
    });
}

#[test]
fn promise_4_an_update_bound_to_another_place_is_refused() {
    every_mode(|sealing| {
        let other = Digest([7; 32]);
        let mut federation = Federation::sealed(sealing, 1, 4);
        federation.grant(5);
        let input = rebound(&federation, |binding| binding.federation = other);
        check_refused(&mut federation, &input, Refusal::WrongFederation);
        let input = rebound(&federation, |binding| binding.dao = other);
        check_refused(&mut federation, &input, Refusal::WrongFederation);
        let input = rebound(&federation, |binding| binding.round = 4);
        check_refused(&mut federation, &input, Refusal::WrongRound);
        let input = rebound(&federation, |binding| binding.round = 6);
        check_refused(&mut federation, &input, Refusal::WrongRound);
        let input = rebound(&federation, |binding| binding.model = other);
        check_refused(&mut federation, &input, Refusal::WrongModel);
    });
}

#[test]
fn promise_4_an_update_of_an_ended_round_is_refused_in_the_next() {
    every_mode(|sealing| {
        let mut federation = Federation::sealed(sealing, 1, 3);
        federation.run_until(asks_prepare);
        let first = federation.dao.open_round().unwrap();
        let order = federation.world.order(first.0, &[0, 1, 2]);
        let replayed = federation.world.contribution(0, &order, 0);
        let input = federation.submission(0, &replayed);
        while federation.dao.log.is_empty() || federation.order().is_none() {
            let next = federation.next_input().unwrap();
            federation.feed(&next).unwrap();
        }
        check_refused(&mut federation, &input, Refusal::WrongRound);
        federation.run();
        check_refused(&mut federation, &input, Refusal::Late);
    });
}

#[test]
fn a_second_update_of_one_member_is_refused_and_the_same_bytes_are_acknowledged_again() {
    every_mode(|sealing| {
        let mut federation = Federation::sealed_collecting(sealing, 1, 4);
        let first = federation.submit(&[0]).remove(0);
        let repeated = federation.submission(0, &first);
        let before = federation.coordinator.machine.clone();
        let outputs = federation.feed(&repeated).unwrap();
        let [Output::Acknowledge(promise)] = outputs.as_slice() else { panic!("{outputs:?}") };
        assert_eq!(promise.unverified_body().update, *first.sealed.digest());
        assert!(federation.coordinator.machine == before);
        let second = federation.world.contribution(0, &federation.order().unwrap(), 1);
        let second = federation.submission(0, &second);
        check_refused(&mut federation, &second, Refusal::Duplicate);
    });
}

#[test]
fn an_update_after_the_deadline_is_late_and_one_at_the_deadline_is_not() {
    every_mode(|sealing| {
        let mut federation = Federation::sealed_collecting(sealing, 1, 5);
        let deadline_ms = federation.order().unwrap().unverified_body().deadline_ms;
        let contributions: Vec<_> = (0..5).map(|index| federation.contribution(index)).collect();
        federation.now_ms = deadline_ms;
        for (index, contribution) in contributions.iter().enumerate().take(3) {
            let input = federation.submission(index, contribution);
            assert!(federation.feed(&input).is_ok());
        }
        federation.now_ms = deadline_ms + 1;
        let late = federation.submission(3, &contributions[3]);
        check_refused(&mut federation, &late, Refusal::Late);
        federation.feed(&Input::Tick).unwrap();
        check_refused(&mut federation, &late, Refusal::Late);
    });
}

#[test]
fn an_update_sealed_to_other_keys_is_refused() {
    every_mode(|sealing| {
        let mut federation = Federation::sealed_collecting(sealing, 1, 4);
        let terms = with_sealing_key(&federation.world, 0);
        let order = federation.order().unwrap();
        let contribution = federation.world.contribution_to(&terms, 0, &order, 0);
        let input = federation.submission(0, &contribution);
        check_refused(&mut federation, &input, Refusal::Unopenable);
    });
}

#[test]
fn an_update_of_another_dimension_is_refused() {
    every_mode(|sealing| {
        let mut federation = Federation::sealed_collecting(sealing, 1, 4);
        let order = federation.order().unwrap();
        let encoding = EncodingParameters::standard(ClipNorm::new(2.0).unwrap(), 3, 16).unwrap();
        let terms = FederationTerms { encoding, ..federation.world.terms.clone() };
        let key = &federation.world.members[0];
        let model = federation.world.model(0);
        let ordered = Ordered::accept(&federation.world.terms, key, None, &order, &model);
        let update = privacy_dp::LocalUpdate::new(vec![0.1; 3]).unwrap();
        let sealed = ordered
            .unwrap()
            .seal(update, &terms, key, &mut rng_for(&[1]), &mut rng_for(&[2]))
            .unwrap();
        let update = Box::new(sealed.update().clone());
        let input = Input::Submitted { peer: key.verifying_key(), update, ticket: None };
        check_refused(&mut federation, &input, Refusal::Unopenable);
    });
}

/// The terms with another sealing key for one aggregator.
fn with_sealing_key(world: &World, index: usize) -> FederationTerms {
    let mut terms = world.terms.clone();
    terms.aggregators[index].sealing = SealingKey::from_seed(&[9; 32]).public();
    terms
}

#[test]
fn an_update_with_a_swapped_envelope_is_malformed() {
    every_mode(|sealing| {
        let mut federation = Federation::sealed_collecting(sealing, 1, 4);
        let (mine, other) = (federation.contribution(0), federation.contribution(1));
        let mut bytes = mine.sealed.update().to_bytes();
        let other = other.sealed.update().to_bytes();
        // The last bytes are those of the last envelope's ciphertext.
        let from = bytes.len() - 20;
        bytes[from..].copy_from_slice(&other[from..]);
        let update = Box::new(SealedUpdate::from_bytes(&bytes).unwrap());
        let input = Input::Submitted { peer: federation.world.member(0), update, ticket: None };
        check_refused(&mut federation, &input, Refusal::Malformed);
    });
}

#[test]
fn an_update_that_is_not_sealed_to_every_aggregator_is_malformed() {
    // Accepted, it would stop the coordinator when the part of the others is due, again and again.
    for (aggregators, sealed_to) in [(2, 1), (2, 3), (3, 2), (3, 1)] {
        let mut federation = Federation::collecting(1, aggregators, 4);
        let contribution = federation.contribution(0);
        let update = contribution.sealed.update();
        let mut parts = envelopes(update);
        parts.resize(sealed_to, parts[0].clone());
        let key = &federation.world.members[0];
        let update = Box::new(resigned(update, |_| {}, &parts, key));
        let input = Input::Submitted { peer: key.verifying_key(), update, ticket: None };
        check_refused(&mut federation, &input, Refusal::Malformed);
        federation.submit(&[0, 1, 2, 3]);
        assert_eq!(federation.outstanding().len(), aggregators - 1);
    }
}

fn granted(world: &World, alter: impl FnOnce(&mut RoundGrant), key: &SigningKey) -> Input {
    let mut body = world.grant_body(3, &[0, 1, 2]);
    alter(&mut body);
    let model = world.model(3);
    Input::Granted { grant: Box::new(Signed::new(body, Tag::RoundGrant, key)), model }
}

#[test]
fn a_grant_that_is_not_this_dao_nodes_for_this_federation_is_refused() {
    let mut federation = Federation::new(1, 2, 4);
    let world = World::new(1, 2, 4);
    let stranger = &world.members[0];
    let other = Digest([7; 32]);
    for (input, refusal) in [
        (granted(&world, |_| {}, stranger), Refusal::BadSignature),
        (
            granted(&world, |grant| grant.federation = other, &world.dao_key),
            Refusal::WrongFederation,
        ),
        (granted(&world, |grant| grant.dao = other, &world.dao_key), Refusal::WrongFederation),
        (granted(&world, |grant| grant.model = other, &world.dao_key), Refusal::WrongModel),
    ] {
        check_refused(&mut federation, &input, refusal);
        assert_eq!(federation.coordinator.machine.current_round(), None);
    }
    federation.feed(&granted(&world, |_| {}, &world.dao_key)).unwrap();
    check_refused(&mut federation, &granted(&world, |_| {}, &world.dao_key), Refusal::Unexpected);
}

#[test]
fn a_grant_for_more_members_than_the_encoding_carries_is_refused() {
    let mut federation = Federation::new(1, 2, 17);
    let cohort: Vec<_> = (0..17).collect();
    let grant = Box::new(federation.world.grant(0, &cohort));
    let input = Input::Granted { grant, model: federation.world.model(0) };
    check_refused(&mut federation, &input, Refusal::BadSet);
}

#[test]
fn a_grant_that_invites_nobody_is_refused_and_the_next_one_is_run() {
    let mut federation = Federation::new(1, 2, 4);
    let world = World::new(1, 2, 4);
    let nobody = granted(&world, |grant| grant.cohort.clear(), &world.dao_key);
    check_refused(&mut federation, &nobody, Refusal::BadSet);
    assert_eq!(federation.coordinator.machine.current_round(), None);
    federation.feed(&granted(&world, |_| {}, &world.dao_key)).unwrap();
}

#[test]
fn promise_4_a_granted_round_is_never_run_twice() {
    every_mode(|sealing| {
        let mut federation = Federation::sealed_collecting(sealing, 1, 4);
        federation.pass_deadline();
        federation.feed(&Input::Logged).unwrap();
        let again = Box::new(federation.world.grant(0, &[0, 1, 2]));
        let input = Input::Granted { grant: again, model: federation.world.model(0) };
        check_refused(&mut federation, &input, Refusal::WrongRound);
        federation.coordinator.restart();
        check_refused(&mut federation, &input, Refusal::WrongRound);
    });
}

#[test]
fn probes_that_are_not_the_dao_nodes_for_this_set_are_refused() {
    every_mode(|sealing| {
        let mut federation = Federation::sealed(sealing, 1, 4);
        federation.run_until(asks_measure);
        let round = federation.dao.open_round().unwrap();
        let root = federation.measured_set().tree().root();
        let world = Federation::sealed(sealing, 1, 4).world;
        for (probes, refusal) in wrong_probes(&world, round, root) {
            check_refused(&mut federation, &Input::Probed(Box::new(probes)), refusal);
        }
        let right = Box::new(probe_order(&world, round, root, 0));
        assert!(federation.feed(&Input::Probed(right)).is_ok());
    });
}

#[test]
fn answers_of_a_strangers_making_or_for_another_set_are_refused() {
    let mut federation = Federation::new(1, 3, 4);
    federation.run_until(asks_sum);
    let ask = federation.outstanding().remove(0);
    let Input::Summed { commitment, share, .. } = federation.answer(&ask) else { panic!() };
    let summed = |party, commitment: &Signed<_>, share: &[u8]| Input::Summed {
        party,
        commitment: Box::new(commitment.clone()),
        share: share.to_vec(),
    };
    // Another aggregator's, an index that does not exist, the coordinator's own.
    check_refused(&mut federation, &summed(2, &commitment, &share), Refusal::BadSignature);
    check_refused(&mut federation, &summed(3, &commitment, &share), Refusal::Stranger);
    check_refused(&mut federation, &summed(0, &commitment, &share), Refusal::Stranger);
    let mut shifted = share.clone();
    shifted[0] ^= 1;
    check_refused(&mut federation, &summed(1, &commitment, &shifted), Refusal::BadSet);
    let mut body = commitment.unverified_body().clone();
    body.count -= 1;
    let fewer = Signed::new(body, Tag::SumShare, &federation.world.aggregator_key(1));
    check_refused(&mut federation, &summed(1, &fewer, &share), Refusal::BadSet);

    federation.run_until(asks_score);
    let ask = federation.outstanding().remove(0);
    let Input::Scored { shares, .. } = federation.answer(&ask) else { panic!() };
    let scored = |party, shares: Signed<_>| Input::Scored { party, shares: Box::new(shares) };
    check_refused(&mut federation, &scored(2, *shares.clone()), Refusal::BadSignature);
    let mut body = shares.unverified_body().clone();
    body.shares.pop();
    let fewer = Signed::new(body, Tag::ScalarShares, &federation.world.aggregator_key(1));
    check_refused(&mut federation, &scored(1, fewer), Refusal::BadSet);
    let mut body = shares.unverified_body().clone();
    body.probe = Digest([7; 32]);
    let other = Signed::new(body, Tag::ScalarShares, &federation.world.aggregator_key(1));
    check_refused(&mut federation, &scored(1, other), Refusal::BadSet);
    federation.run();
    assert_eq!(federation.dao.log.len(), 3);
}

#[test]
fn an_answer_that_nobody_waits_for_is_refused() {
    every_mode(|sealing| {
        let mut federation = Federation::sealed_collecting(sealing, 1, 4);
        let round = RoundId(0);
        let prepared = Input::Prepared { party: 1, round, parts: Vec::new() };
        let end = Box::new(federation.world.end(1));
        for input in [prepared, Input::Logged, Input::NoMoreRounds(end)] {
            check_refused(&mut federation, &input, Refusal::Unexpected);
        }
        assert_eq!(federation.feed(&Input::StepRefused(Refusal::BadSet)), Ok(Vec::new()));
    });
}

#[test]
fn a_custodian_that_declined_in_an_earlier_round_is_asked_in_this_one() {
    let custody = CustodyTerms::new(3, 2).unwrap();
    let mut federation = Federation::sealed(SealingTerms::Fhe(custody), 1, 4);
    federation.run_until(asks_settle);
    federation.run_until(asks_sum);
    assert_eq!(federation.coordinator.machine.current_round(), Some(RoundId(1)));
    let asked = federation.asked();
    for round in [None, Some(RoundId(0)), Some(RoundId(2))] {
        let declined = Input::Declined { party: 1, round, refusal: Refusal::BadSet };
        check_refused(&mut federation, &declined, Refusal::WrongRound);
    }
    assert!(federation.asked() == asked);
    let round = Some(RoundId(1));
    let declined = Input::Declined { party: 1, round, refusal: Refusal::BadSet };
    federation.feed(&declined).unwrap();
    assert_eq!(federation.asked().len(), asked.len() - 1);
}

#[test]
fn an_aggregator_that_could_not_read_a_request_ends_the_round() {
    let mut federation = Federation::new(1, 2, 4);
    federation.run_until(asks_sum);
    let declined = |round| Input::Declined { party: 1, round, refusal: Refusal::Malformed };
    check_refused(&mut federation, &declined(Some(RoundId(7))), Refusal::WrongRound);
    federation.feed(&declined(None)).unwrap();
    let Ask::Dao(request) = federation.outstanding().remove(0) else { panic!() };
    assert!(matches!(*request, DaoRequest::Abort { .. }));
}

#[test]
fn a_peer_that_cannot_open_its_part_takes_it_out_and_it_is_counted() {
    let mut federation = Federation::collecting(1, 3, 4);
    let order = federation.order().unwrap();
    let terms = with_sealing_key(&federation.world, 2);
    let spoiled = federation.world.contribution_to(&terms, 0, &order, 0);
    federation.feed(&federation.submission(0, &spoiled)).unwrap();
    federation.submit(&[1, 2, 3]);
    federation.run_until(asks_sum);
    let set = federation.asked_set();
    assert_eq!(set.contributions().len(), 3);
    assert!(!set.contributions().iter().any(|(_, digest)| digest == spoiled.sealed.digest()));
    assert_eq!(federation.coordinator.machine.refused()[&Refusal::Unopenable], 1);
}

#[test]
fn a_round_that_falls_below_the_minimum_by_what_peers_refuse_is_aborted() {
    let mut federation = Federation::collecting(1, 2, 3);
    let order = federation.order().unwrap();
    let terms = with_sealing_key(&federation.world, 1);
    let spoiled = federation.world.contribution_to(&terms, 0, &order, 0);
    federation.feed(&federation.submission(0, &spoiled)).unwrap();
    federation.submit(&[1, 2]);
    let ask = federation.outstanding().remove(0);
    let prepared = federation.answer(&ask);
    federation.feed(&prepared).unwrap();
    let Ask::Dao(request) = federation.outstanding().remove(0) else { panic!() };
    let reason = "2 contributions came in time, 3 are needed".to_owned();
    assert_eq!(*request, DaoRequest::Abort { round: RoundId(0), reason });
}
