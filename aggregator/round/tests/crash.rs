//! `kill -9` at every step: what was acknowledged is kept, and rounds end as they would have.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use std::collections::BTreeMap;

use aggregator_protocol::{
    AcceptedSet, AggregatorRequest, CustodyTerms, DaoRequest, Evidence, FetchedReceipt, Refusal,
    RoundId, SealingTerms,
};
use aggregator_round::{Ask, Ended, Input, Output};
use privacy_identity::{Decode as _, Encode as _};
use proptest::prelude::*;

use crate::world::{
    dao::Logged,
    every_mode,
    federation::{
        Federation, asks_agree, asks_measure, asks_prepare, asks_score, asks_settle, asks_sum,
    },
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

/// The same in any mode.
fn sealed(sealing: SealingTerms) -> Federation {
    Federation { silent: vec![1], ..Federation::sealed(sealing, 11, 4) }
}

/// What happens next until the first round is over.
fn next_of_first_round(federation: &mut Federation) -> Option<Input> {
    let over = federation.coordinator.machine.current_round().is_none();
    if over && !federation.dao.log.is_empty() { None } else { federation.next_input() }
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
            // Nothing; bytes kept, or stored (or the counts are); stored; answered or concluded.
            for outputs in 0..=3 {
                let killed =
                    killed_once(federation(aggregators), step, outputs, Federation::next_input);
                let got = remains(&killed);
                assert_eq!(
                    got, expected,
                    "{aggregators} aggregators, step {step}, {outputs} outputs"
                );
            }
        }
    }
}

#[test]
fn promise_6_in_every_mode_a_coordinator_killed_at_any_step_of_a_round_ends_it_identically() {
    every_mode(|sealing| {
        let mut reference = sealed(sealing);
        let mut steps = 0;
        while let Some(input) = next_of_first_round(&mut reference) {
            reference.feed(&input).unwrap();
            steps += 1;
        }
        let expected = remains(&reference);
        assert!(expected.log.values().all(|end| matches!(end, Logged::Settled(_))));
        for step in 0..steps {
            for outputs in 0..=3 {
                let killed = killed_once(sealed(sealing), step, outputs, next_of_first_round);
                // Compared, not printed: shares are long.
                assert!(remains(&killed) == expected, "step {step}, {outputs} outputs");
            }
        }
    });
}

/// Runs to the end with one `kill -9` of the coordinator at `step`, after so many outputs of it.
fn killed_once(
    mut federation: Federation,
    step: usize,
    outputs: usize,
    next: fn(&mut Federation) -> Option<Input>,
) -> Federation {
    let mut at = 0;
    while let Some(input) = next(&mut federation) {
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
    every_mode(|sealing| {
        let mut reference = sealed(sealing);
        reference.run();
        let mut federation = sealed(sealing);
        // Every second attempt is lost whole, and there is a restart after every step that is not.
        let mut lost = false;
        while let Some(input) = federation.next_input() {
            lost = !lost;
            federation.feed_until(&input, if lost { 0 } else { ALL }).unwrap();
            if lost || !federation.coordinator.machine.finished() {
                federation.coordinator.restart();
            }
        }
        assert!(federation.dao.log == reference.dao.log);
    });
}

#[test]
fn peers_and_custodians_killed_after_every_step_give_the_same_answers() {
    every_mode(|sealing| check_peers_killed(sealed(sealing), 3 * 3));
    check_peers_killed(federation(3), 3 * 3 * 2);
}

/// Kills every other party before and after each of its answers: `least` of them at least.
fn check_peers_killed(mut federation: Federation, least: usize) {
    let mut asked = 0;
    while !federation.coordinator.machine.finished() {
        let peers = |ask: &Ask| match ask {
            Ask::Aggregator(place, request) | Ask::Custodian(place, request) => {
                Some((*place, request.clone()))
            }
            _ => None,
        };
        for (place, request) in federation.outstanding().iter().filter_map(peers) {
            let peer = federation.party(place);
            // Killed before it stored anything: nobody may have seen the answer.
            let unstored = peer.request(&request, false);
            peer.restart();
            let stored = peer.request(&request, true);
            peer.restart();
            let repeated = peer.request(&request, true);
            // Compared, not printed: shares are long.
            assert!(unstored == stored && stored == repeated, "{place} answers otherwise");
            asked += 1;
        }
        let input = federation.next_input().unwrap();
        federation.feed(&input).unwrap();
    }
    assert!(asked >= least, "{asked} requests of three kinds or more in three rounds");
    assert!(federation.dao.log.values().all(|end| matches!(end, Logged::Settled(_))));
}

#[test]
fn a_restarted_peer_still_refuses_a_second_set_and_a_second_probe() {
    every_mode(|sealing| {
        let mut federation = sealed(sealing);
        federation.run_until(asks_measure);
        federation.party(1).restart();
        let round = federation.dao.open_round().unwrap();
        let set = federation.measured_set();
        let fewer = AcceptedSet::new(set.contributions()[1..].to_vec()).unwrap();
        let request = AggregatorRequest::Sum { round, set: fewer, evidence: Evidence::None };
        assert_eq!(federation.party(1).request(&request, true), Err(Refusal::AlreadyAnswered));
        federation.run_until(asks_score);
        let score = federation.asked_of_peer();
        federation.party(1).request(&score, true).unwrap();
        federation.party(1).restart();
        let second = world::dao::probe_order(&federation.world, round, set.tree().root(), 1);
        let request = AggregatorRequest::Score(Box::new(second));
        assert_eq!(federation.party(1).request(&request, true), Err(Refusal::AlreadyAnswered));
    });
}

#[test]
fn a_receipt_that_counts_refusals_is_signed_again_to_the_same_bytes() {
    // The DAO node logged the receipt, but its answer was lost and the coordinator killed. Refused
    // messages are not stored, yet the receipt that is sent again must be the one that was logged.
    every_mode(|sealing| {
        let mut federation = sealed(sealing);
        federation.run_until(asks_sum);
        let round = federation.dao.open_round().unwrap();
        let round = RoundId(round.0 + 1);
        let stranger = Input::Prepared { party: 1, round, parts: Vec::new() };
        assert_eq!(federation.feed(&stranger), Err(Refusal::Unexpected));
        federation.coordinator.machine.count(Refusal::Malformed);
        federation.run_until(asks_settle);
        let settle = federation.outstanding();
        let logged = federation.answer(&settle[0]);
        assert_eq!(logged, Input::Logged);
        federation.coordinator.restart();
        assert_eq!(federation.outstanding(), settle);
        let Ask::Dao(request) = &settle[0] else { panic!("the DAO node settles") };
        let DaoRequest::Settle { receipt, .. } = request.as_ref() else {
            panic!("it is asked to settle")
        };
        let counted = [(Refusal::Malformed, 1), (Refusal::Unexpected, 1)];
        assert_eq!(receipt.unverified_body().refused, counted);
        federation.run();
        assert_eq!(federation.dao.contradicted, Vec::<String>::new());
    });
}

#[test]
fn an_update_whose_acknowledgement_was_lost_is_acknowledged_again_after_the_close() {
    every_mode(|sealing| {
        let mut federation = Federation::sealed_collecting(sealing, 5, 3);
        federation.submit(&[0, 1]);
        let last = federation.contribution(2);
        let submission = federation.submission(2, &last);
        // Kept and stored, the collection is complete, then killed before the answer left.
        federation.feed_until(&submission, 2).unwrap();
        federation.coordinator.restart();
        assert_eq!(federation.order(), None);
        let outputs = federation.feed(&submission).unwrap();
        let [Output::Acknowledge(promise)] = outputs.as_slice() else { panic!("{outputs:?}") };
        assert_eq!(promise.unverified_body().update, *last.sealed.digest());
    });
}

#[test]
fn a_coordinator_that_was_down_beyond_a_deadline_aborts_with_a_reason() {
    every_mode(|sealing| {
        for (here, step) in [
            (asks_prepare as fn(&Ask) -> bool, "prepare"),
            (asks_agree, "agree on the set"),
            (asks_sum, "sum"),
            (asks_measure, "measure"),
            (asks_score, "score"),
        ] {
            if step.starts_with("agree") && sealing.custody().is_none() {
                continue;
            }
            let mut federation = sealed(sealing);
            federation.run_until(here);
            let asked = if step == "measure" {
                1
            } else {
                sealing.custody().map_or(1, CustodyTerms::custodians)
            };
            assert_eq!(federation.asked().len(), asked);
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
    });
}

#[test]
fn a_settled_round_is_not_given_up_for_want_of_time() {
    every_mode(|sealing| {
        let mut federation = sealed(sealing);
        federation.run_until(asks_settle);
        let settle = federation.outstanding();
        federation.coordinator.restart();
        federation.now_ms += 1_000_000;
        assert_eq!(federation.feed(&Input::Tick), Ok(Vec::new()));
        assert_eq!(federation.outstanding(), settle);
    });
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
    every_mode(|sealing| {
        let mut federation = sealed(sealing);
        while let Some(input) = next_of_first_round(&mut federation) {
            let bytes = input.to_bytes();
            assert!(Input::from_bytes(&bytes).unwrap() == input);
            // Every prefix of short inputs, and a thousand of long ones.
            for end in (0..bytes.len()).step_by(1 + bytes.len() / 1_000) {
                assert!(
                    Input::from_bytes(&bytes[..end]).is_err(),
                    "cut to {end} of {}",
                    bytes.len()
                );
            }
            federation.feed(&input).unwrap();
        }
    });
}
