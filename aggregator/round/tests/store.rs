//! The store of sealed updates: `kill -9` between bytes and input, bytes that are missing or altered, and
//! parts that come in pieces. A round then ends with the right sum or with a reason.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use aggregator_protocol::{AggregatorReply, AggregatorRequest, Refusal, RoundId, SealingTerms};
use aggregator_round::{Ask, Input, MemoryUpdates, Output, UpdateId};
use privacy_identity::Encode as _;

use crate::world::{
    Contribution,
    dao::Logged,
    dishonest::{payloads, with_payloads},
    every_mode,
    federation::{Federation, asks_measure, asks_prepare, asks_score, asks_settle, asks_sum},
    shell::PeerShell,
};

const MEMBERS: usize = 5;

/// A federation whose first round has everybody's updates.
fn submitted(sealing: SealingTerms) -> (Federation, Vec<Contribution>) {
    let mut federation = Federation::sealed(sealing, 3, MEMBERS);
    let contributions = federation.open_to_all();
    (federation, contributions)
}

fn exact(federation: &Federation, contributions: &[Contribution]) -> Vec<i64> {
    let length = federation.world.terms.encoding.vector_len();
    (0..length).map(|j| contributions.iter().map(|c| c.values[j]).sum()).collect()
}

/// The end of the first round on the straight way.
fn end(federation: &mut Federation) -> Logged {
    federation.end_round(|_, _, _, reply| Some(reply))
}

fn reason(end: &Logged) -> &str {
    match end {
        Logged::Aborted(reason) => reason,
        Logged::Settled(_) => panic!("it was settled"),
    }
}

#[test]
fn promise_6_bytes_whose_input_was_not_stored_are_swept_and_the_update_is_taken_when_it_comes_again()
 {
    every_mode(|sealing| {
        let mut federation = Federation::sealed_collecting(sealing, 5, 3);
        federation.submit(&[0]);
        let held: Vec<_> = federation.coordinator.updates.ids().copied().collect();
        let contribution = federation.contribution(1);
        let submission = federation.submission(1, &contribution);
        let outputs = federation.feed_until(&submission, 1).unwrap();
        assert!(matches!(outputs.as_slice(), [Output::Keep(_)]), "kept, then killed");
        assert_eq!(federation.coordinator.updates.ids().count(), 2);
        federation.coordinator.restart();
        assert!(federation.coordinator.updates.ids().eq(&held));
        // Another update of the same member may come instead: nothing was promised for the first.
        let order = federation.order().unwrap();
        let other = federation.world.contribution(1, &order, 1);
        let outputs = federation.feed(&federation.submission(1, &other)).unwrap();
        assert!(outputs.iter().any(|output| matches!(output, Output::Acknowledge(_))));
        federation.submit(&[2]);
        federation.coordinator.restart();
        assert_eq!(federation.coordinator.updates.ids().count(), 3);
        federation.run_until(asks_measure);
    });
}

/// What happens to a part of an update, given its index and another update's bytes.
type Damage = fn(&mut MemoryUpdates, &UpdateId, usize, &[u8]);

/// What may become of stored bytes.
const DAMAGES: [(&str, Damage); 4] = [
    ("missing", |updates, id, _, _| updates.retain(|kept| kept != id)),
    ("one bit", |updates, id, part, _| {
        let bytes = &mut updates.parts_mut(id).unwrap()[part];
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    }),
    ("cut", |updates, id, part, _| {
        let bytes = &mut updates.parts_mut(id).unwrap()[part];
        bytes.truncate(bytes.len() / 2);
    }),
    // It opens, and its signature is valid: but it is not the one that was taken.
    ("another update of the same member", |updates, id, part, other| {
        updates.parts_mut(id).unwrap()[part] = other.to_vec();
    }),
];

#[test]
fn promise_2_bytes_that_the_coordinator_lost_end_the_round_with_a_reason_and_never_change_a_sum() {
    every_mode(|sealing| {
        for (here, part) in [
            (asks_prepare as fn(&Ask) -> bool, 1),
            (asks_prepare, 0),
            (asks_sum, 0),
            (asks_score, 0),
        ] {
            for (name, damage) in DAMAGES {
                let mut federation = Federation::sealed(sealing, 3, MEMBERS);
                let everybody: Vec<_> = (0..MEMBERS).collect();
                federation.dao.open(federation.world.grant(0, &everybody));
                federation.run_grant();
                let order = federation.order().unwrap();
                let other = federation.world.contribution(2, &order, 1);
                let other = other.sealed.update().clone().verify().unwrap();
                let contributions = federation.submit(&everybody);
                federation.run_until(here);
                let update = *contributions[2].sealed.digest();
                let id = UpdateId { round: RoundId(0), update };
                let other = other.delivery(part).unwrap().to_bytes();
                damage(&mut federation.coordinator.updates, &id, part, &other);
                federation.coordinator.restart();
                // Nothing was read to restart, and what is found later stays found.
                while let Some(lost) = federation.lost() {
                    federation.feed(&lost).unwrap();
                    federation.coordinator.restart();
                }
                let end = end(&mut federation);
                let what = if name == "missing" { "missing from" } else { "altered in" };
                let expected =
                    format!("update {update} was taken, and is {what} the coordinator's store");
                assert_eq!(reason(&end), expected, "{name}, part {part}");
                for sum in &federation.dao.sums {
                    assert_eq!(sum.sum, exact(&federation, &contributions), "{name}");
                }
            }
        }
    });
}

#[test]
fn promise_6_a_coordinator_that_lost_its_updates_after_it_used_them_ends_the_round_as_it_would_have()
 {
    every_mode(|sealing| {
        let (mut reference, _) = submitted(sealing);
        let expected = end(&mut reference);
        assert!(matches!(expected, Logged::Settled(_)));
        // After the sum was opened it is needed for scalars; after those for nothing.
        let (mut federation, contributions) = submitted(sealing);
        federation.run_until(asks_measure);
        let before = federation.measured();
        federation.coordinator.updates.retain(|_| false);
        federation.coordinator.restart();
        assert_eq!(federation.measured(), before);
        assert_eq!(before.sum, exact(&federation, &contributions));
        let ended = end(&mut federation);
        assert!(reason(&ended).contains("missing from the coordinator's store"), "{ended:?}");

        let (mut federation, _) = submitted(sealing);
        federation.run_until(asks_settle);
        federation.coordinator.updates.retain(|_| false);
        federation.coordinator.restart();
        assert!(end(&mut federation) == expected);
    });
}

#[test]
fn a_party_that_lost_a_part_says_so_and_is_done_without_where_that_is_possible() {
    every_mode(|sealing| {
        for (here, (name, damage)) in [asks_sum as fn(&Ask) -> bool, asks_score]
            .into_iter()
            .flat_map(|here| DAMAGES.map(|damage| (here, damage)))
        {
            let (mut federation, contributions) = submitted(sealing);
            federation.run_until(here);
            let id = UpdateId { round: RoundId(0), update: *contributions[2].sealed.digest() };
            let other = contributions[1].sealed.update().clone().verify().unwrap();
            let other = other.delivery(1).unwrap().to_bytes();
            let request = federation.asked_of_peer();
            damage(&mut federation.party(1).updates, &id, 0, &other);
            federation.party(1).restart();
            assert_eq!(federation.party(1).request(&request, true), Err(Refusal::Lost), "{name}");
            let ended = end(&mut federation);
            if sealing.custody().is_some() {
                assert!(matches!(ended, Logged::Settled(_)), "{name}: two of three open");
            } else {
                let expected = "a step was refused: a part that was held is missing or altered";
                assert_eq!(reason(&ended), expected, "{name}");
            }
            for sum in &federation.dao.sums {
                assert_eq!(sum.sum, exact(&federation, &contributions), "{name}");
            }
        }
    });
}

/// The same request with only these of its parts.
fn with_parts(request: &AggregatorRequest, which: &[usize]) -> AggregatorRequest {
    let AggregatorRequest::Prepare { order, deliveries, challenge } = request else { panic!() };
    let deliveries = which.iter().map(|&index| deliveries[index].clone()).collect();
    AggregatorRequest::Prepare { order: order.clone(), deliveries, challenge: *challenge }
}

#[test]
fn parts_that_come_in_pieces_in_any_order_twice_and_across_restarts_are_the_same_parts() {
    every_mode(|sealing| {
        let (mut federation, _) = submitted(sealing);
        federation.run_until(asks_prepare);
        let request = federation.asked_of_peer();
        let context = |federation: &Federation| match sealing.custody() {
            Some(_) => federation.world.custodian_context(0),
            None => federation.world.context(1),
        };
        let mut whole = PeerShell::new(context(&federation));
        let mut pieces = PeerShell::new(context(&federation));
        let Ok(AggregatorReply::Prepared { parts, .. }) = whole.request(&request, true) else {
            panic!()
        };
        for which in [vec![3], vec![1, 4], vec![4, 3], vec![0, 1, 2, 3, 4], vec![2]] {
            // Killed before it stored anything: the bytes are garbage.
            pieces.request(&with_parts(&request, &which), false).unwrap();
            pieces.restart();
            let reply = pieces.request(&with_parts(&request, &which), true).unwrap();
            let AggregatorReply::Prepared { parts: some, .. } = reply else { panic!() };
            let expected: Vec<_> = which.iter().map(|&index| parts[index].clone()).collect();
            assert!(some == expected, "{which:?}");
            pieces.restart();
        }
        assert!(whole.machine == pieces.machine && whole.updates == pieces.updates);
        // A verifier share that the store has lost is made again.
        pieces.updates.retain(|_| false);
        assert!(pieces.request(&request, true) == whole.request(&request, true));
    });
}

#[test]
fn a_part_for_another_party_that_no_request_could_carry_is_refused_at_once() {
    every_mode(|sealing| {
        let mut federation = Federation::sealed_collecting(sealing, 5, 4);
        let order = federation.order().unwrap();
        let honest = federation.contribution(0);
        let mut payloads = payloads(&federation.world, &order, &honest);
        payloads[1].extend_from_slice(&[0; 40 << 10]);
        let forged = with_payloads(&federation.world, 0, &order, &honest, payloads);
        let submission = federation.submission(0, &forged);
        assert_eq!(federation.feed(&submission), Err(Refusal::Oversized));
        assert_eq!(federation.coordinator.updates.ids().count(), 0);
    });
}

#[test]
fn updates_of_the_last_sums_are_needed_and_those_of_aborted_and_older_rounds_are_not() {
    let (mut federation, contributions) = submitted(SealingTerms::Mpc);
    let update = *contributions[0].sealed.digest();
    let id = UpdateId { round: RoundId(0), update };
    let needs = |federation: &Federation, id| federation.coordinator.machine.needs(&id);
    assert!(needs(&federation, id));
    assert!(!needs(&federation, UpdateId { round: RoundId(1), ..id }));
    assert!(matches!(end(&mut federation), Logged::Settled(_)));
    assert!(needs(&federation, id));
    federation.coordinator.restart();
    assert!(needs(&federation, id));

    let (mut federation, contributions) = submitted(SealingTerms::Mpc);
    federation.feed(&Input::StepRefused(Refusal::BadSet)).unwrap();
    let update = *contributions[0].sealed.digest();
    assert!(!needs(&federation, UpdateId { round: RoundId(0), update }));
}
