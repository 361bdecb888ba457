//! `kill -9` at every step: what was acknowledged is kept, and rounds end as they would have.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use std::collections::BTreeMap;

use aggregator_protocol::{
    AcceptedSet, AggregatorRequest, DaoRequest, Evidence, FetchedReceipt, Refusal, RoundId,
};
use aggregator_round::{Ask, Ended, Input, Output};
use privacy_identity::{Decode as _, Encode as _};
use proptest::prelude::*;

use crate::world::{
    dao::Logged,
    federation::{Federation, asks_measure, asks_prepare, asks_score, asks_settle, asks_sum},
    shell::ALL,
};

/// What remains of a federation: how rounds ended, who was told what.
#[derive(Debug, PartialEq)]
struct Remains {
    log: BTreeMap<RoundId, Logged>,
    fetched: Vec<FetchedReceipt>,
    acknowledged: usize,
}

fn remains(federation: &Federation) -> Remains {
    let fetch =
        |(round, member): &(RoundId, _)| federation.coordinator.machine.receipt_for(*round, member);
    assert_eq!(federation.dao.contradicted, Vec::<String>::new());
    Remains {
        log: federation.dao.log.clone(),
        fetched: federation.answered.keys().map(fetch).collect(),
        acknowledged: federation.answered.values().filter(|answer| answer.is_ok()).count(),
    }
}

/// Four members of which one is silent: collections close by the deadline and by completeness.
fn federation(aggregators: usize) -> Federation {
    Federation { silent: vec![1], ..Federation::new(11, aggregators, 4) }
}

#[test]
fn promise_6_a_coordinator_killed_at_any_step_finishes_every_round_identically() {
    for aggregators in [2, 3] {
        let mut reference = federation(aggregators);
        let mut steps = 0;
        while let Some(input) = reference.next_input() {
            reference.feed(&input).unwrap();
            steps += 1;
        }
        let expected = remains(&reference);
        assert_eq!(expected.log.len(), 3);
        assert!(expected.log.values().all(|end| matches!(end, Logged::Settled(_))));
        // Every kind of step is in the first round, and the second begins within this half.
        for step in 0..steps / 2 {
            // Nothing stored; stored (or the counts are); answered or concluded.
            for outputs in 0..=2 {
                let got = remains(&killed_once(federation(aggregators), step, outputs));
                assert_eq!(
                    got, expected,
                    "{aggregators} aggregators, step {step}, {outputs} outputs"
                );
            }
        }
    }
}

/// Runs to the end with one `kill -9` of the coordinator at `step`, after so many outputs of it.
fn killed_once(mut federation: Federation, step: usize, outputs: usize) -> Federation {
    let mut at = 0;
    while let Some(input) = federation.next_input() {
        if at == step {
            federation.feed_until(&input, outputs).unwrap();
            federation.coordinator.restart();
        } else {
            federation.feed(&input).unwrap();
        }
        at += 1;
    }
    federation
}

#[test]
fn a_coordinator_killed_at_every_step_still_finishes() {
    let mut reference = federation(3);
    reference.run();
    let mut federation = federation(3);
    // Every second attempt is lost whole, and there is a restart after every step that is not.
    let mut lost = false;
    while let Some(input) = federation.next_input() {
        lost = !lost;
        federation.feed_until(&input, if lost { 0 } else { ALL }).unwrap();
        if lost || !federation.coordinator.machine.finished() {
            federation.coordinator.restart();
        }
    }
    assert_eq!(federation.dao.log, reference.dao.log);
}

#[test]
fn peers_killed_after_every_step_give_the_same_answers() {
    let mut federation = federation(3);
    let mut asked = 0;
    while !federation.coordinator.machine.finished() {
        let peers = |ask: &Ask| match ask {
            Ask::Aggregator(index, request) => Some((*index, request.clone())),
            Ask::Dao(_) | Ask::Custodian(..) => None,
        };
        for (index, request) in federation.outstanding().iter().filter_map(peers) {
            let peer = &mut federation.peers[index - 1];
            // Killed before it stored anything: nobody may have seen the answer.
            let unstored = peer.request(&request, false);
            peer.restart();
            let stored = peer.request(&request, true);
            peer.restart();
            let repeated = peer.request(&request, true);
            assert_eq!(unstored, stored);
            assert_eq!(stored, repeated);
            asked += 1;
        }
        let input = federation.next_input().unwrap();
        federation.feed(&input).unwrap();
    }
    assert!(asked >= 3 * 3 * 2, "{asked} requests of three kinds to two peers in three rounds");
    assert!(federation.dao.log.values().all(|end| matches!(end, Logged::Settled(_))));
}

#[test]
fn a_restarted_peer_still_refuses_a_second_set_and_a_second_probe() {
    let mut federation = federation(2);
    federation.run_until(asks_measure);
    federation.peers[0].restart();
    let round = federation.dao.open_round().unwrap();
    let set = federation.measured_set();
    let fewer = AcceptedSet::new(set.contributions()[1..].to_vec()).unwrap();
    let request = AggregatorRequest::Sum { round, set: fewer, evidence: Evidence::None };
    assert_eq!(federation.peers[0].request(&request, true), Err(Refusal::AlreadyAnswered));
    federation.run_until(asks_settle);
    federation.peers[0].restart();
    let second = world::dao::probe_order(&federation.world, round, set.tree().root(), 1);
    let request = AggregatorRequest::Score(Box::new(second));
    assert_eq!(federation.peers[0].request(&request, true), Err(Refusal::AlreadyAnswered));
}

#[test]
fn a_receipt_that_counts_refusals_is_signed_again_to_the_same_bytes() {
    // The DAO node logged the receipt, but its answer was lost and the coordinator killed. Refused
    // messages are not stored, yet the receipt that is sent again must be the one that was logged.
    let mut federation = federation(2);
    federation.run_until(asks_sum);
    let stranger = Input::Prepared { party: 1, refused: Vec::new(), verifiers: Vec::new() };
    assert_eq!(federation.feed(&stranger), Err(Refusal::Unexpected));
    federation.coordinator.machine.count(Refusal::Malformed);
    federation.run_until(asks_settle);
    let settle = federation.outstanding();
    let logged = federation.answer(&settle[0]);
    assert_eq!(logged, Input::Logged);
    federation.coordinator.restart();
    assert_eq!(federation.outstanding(), settle);
    let Ask::Dao(request) = &settle[0] else { panic!("the DAO node settles") };
    let DaoRequest::Settle(receipt) = request.as_ref() else { panic!("it is asked to settle") };
    let counted = [(Refusal::Malformed, 1), (Refusal::Unexpected, 1)];
    assert_eq!(receipt.unverified_body().refused, counted);
    federation.run();
    assert_eq!(federation.dao.contradicted, Vec::<String>::new());
}

#[test]
fn an_update_whose_acknowledgement_was_lost_is_acknowledged_again_after_the_close() {
    let mut federation = Federation::collecting(5, 2, 3);
    federation.submit(&[0, 1]);
    let last = federation.contribution(2);
    let submission = federation.submission(2, &last);
    // Stored, the collection is complete, then killed before the answer left.
    federation.feed_until(&submission, 1).unwrap();
    federation.coordinator.restart();
    assert_eq!(federation.order(), None);
    let outputs = federation.feed(&submission).unwrap();
    let [Output::Acknowledge(promise)] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(promise.unverified_body().update, *last.sealed.digest());
}

#[test]
fn a_coordinator_that_was_down_beyond_a_deadline_aborts_with_a_reason() {
    for (here, step) in [
        (asks_prepare as fn(&Ask) -> bool, "prepare"),
        (asks_sum, "sum"),
        (asks_measure, "measure"),
        (asks_score, "score"),
    ] {
        let mut federation = federation(2);
        federation.run_until(here);
        federation.coordinator.restart();
        federation.now_ms += world::STEP_DEADLINE_MS + 1;
        federation.feed(&Input::Tick).unwrap();
        let round = federation.dao.open_round().unwrap();
        let abort = federation.outstanding();
        federation.run();
        let Logged::Aborted(reason) = &federation.dao.log[&round] else { panic!("{step}") };
        assert_eq!(*reason, format!("no answer in time to {step}"));
        assert_eq!(abort.len(), 1);
    }
}

#[test]
fn a_settled_round_is_not_given_up_for_want_of_time() {
    let mut federation = federation(2);
    federation.run_until(asks_settle);
    let settle = federation.outstanding();
    federation.coordinator.restart();
    federation.now_ms += 1_000_000;
    assert_eq!(federation.feed(&Input::Tick), Ok(Vec::new()));
    assert_eq!(federation.outstanding(), settle);
}

proptest! {
    #[test]
    fn decoding_arbitrary_stored_bytes_never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let _unused = Input::from_bytes(&bytes);
        let _unused = Ended::from_bytes(&bytes);
    }
}

#[test]
fn a_stored_input_round_trips_and_no_prefix_of_it_decodes() {
    let mut federation = Federation::new(1, 2, 4);
    while let Some(input) = federation.next_input() {
        let bytes = input.to_bytes();
        assert_eq!(Input::from_bytes(&bytes).unwrap(), input);
        for end in 0..bytes.len() {
            assert!(Input::from_bytes(&bytes[..end]).is_err(), "{input:?} cut to {end} bytes");
        }
        federation.feed(&input).unwrap();
    }
}
