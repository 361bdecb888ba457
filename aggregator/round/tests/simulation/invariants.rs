//! What holds after every event.

use std::collections::BTreeSet;

use aggregator_protocol::{FetchedReceipt, Refusal, RoundReceipt, SealingTerms};
use aggregator_round::{Outcome, ReceiptError};
use privacy_identity::Signed;

use crate::{
    network::Simulation,
    world::{READING_ERROR_MAX, dao::Logged, dao::probe_in_the_clear, value_in_the_clear},
};

/// All of them.
pub(crate) const INVARIANTS: [fn(&Simulation); 10] = [
    invariant_sum_is_the_integer_sum_of_the_accepted_set,
    invariant_no_sum_below_the_minimum_cohort,
    invariant_one_commitment_and_one_probe_per_peer_and_round,
    invariant_custodians_answer_for_one_set_per_round,
    invariant_one_challenge_per_peer_and_round,
    invariant_rounds_end_once,
    invariant_what_was_acknowledged_is_not_lost,
    invariant_a_restart_gives_the_same_machine,
    invariant_scalars_are_the_exact_inner_products,
    invariant_contributors_are_told_the_truth,
];

/// Receipts of the rounds that were settled.
fn receipts(simulation: &Simulation) -> impl Iterator<Item = &RoundReceipt> {
    simulation.dao.log.values().filter_map(|ended| match ended {
        Logged::Settled(receipt) => Some(receipt.unverified_body()),
        Logged::Aborted(_) => None,
    })
}

fn invariant_sum_is_the_integer_sum_of_the_accepted_set(simulation: &Simulation) {
    for sum in &simulation.dao.sums {
        let mut expected = vec![0_i64; sum.sum.len()];
        for (_, digest) in sum.accepted.contributions() {
            let values = &simulation.observed.quantised[digest];
            expected.iter_mut().zip(values).for_each(|(total, value)| *total += value);
        }
        assert_eq!(sum.sum, expected, "round {}", sum.round);
    }
}

fn invariant_no_sum_below_the_minimum_cohort(simulation: &Simulation) {
    for sum in &simulation.dao.sums {
        assert!(sum.accepted.contributions().len() >= simulation.world.minimum());
    }
    for commitment in simulation.observed.commitments.values().flatten() {
        assert!(commitment.count as usize >= simulation.world.minimum(), "{commitment:?}");
    }
}

fn invariant_one_commitment_and_one_probe_per_peer_and_round(simulation: &Simulation) {
    for ((peer, round), signed) in &simulation.observed.commitments {
        assert_eq!(signed.len(), 1, "aggregator {peer}, round {round}: {signed:?}");
    }
    for ((peer, round), signed) in &simulation.observed.scalars {
        assert_eq!(signed.len(), 1, "aggregator {peer}, round {round}: {signed:?}");
    }
}

/// Each echoed one set at most, all that summed did so over the same, and no sum without agreement.
fn invariant_custodians_answer_for_one_set_per_round(simulation: &Simulation) {
    let Some(custody) = simulation.world.terms.sealing.custody() else { return };
    let observed = &simulation.observed;
    for ((custodian, round), roots) in &observed.echoed {
        assert_eq!(roots.len(), 1, "custodian {custodian}, round {round}: {roots:?}");
    }
    for ((custodian, round), signed) in &observed.commitments {
        let root = signed[0].set_root;
        let same =
            |((_, at), roots): &(&(usize, _), &BTreeSet<_>)| at == round && roots.contains(&root);
        let echoes = observed.echoed.iter().filter(same).count();
        assert!(echoes >= custody.agreement(), "{custodian} summed after {echoes} echoes");
        let others = observed.commitments.iter().filter(|((_, at), _)| at == round);
        others.for_each(|(_, other)| assert_eq!(other[0].set_root, root, "round {round}"));
    }
}

fn invariant_one_challenge_per_peer_and_round(simulation: &Simulation) {
    if simulation.world.terms.sealing == SealingTerms::MpcVerified {
        for ((peer, round), challenges) in &simulation.observed.challenges {
            assert_eq!(challenges.len(), 1, "aggregator {peer}, round {round}");
        }
    }
}

fn invariant_rounds_end_once(simulation: &Simulation) {
    assert_eq!(simulation.dao.contradicted, Vec::<String>::new());
    for (round, logged) in &simulation.dao.log {
        let nobody = simulation.world.dao_key.verifying_key();
        // The coordinator may not know yet that it was logged, but never knows it otherwise.
        match (simulation.coordinator.machine.receipt_for(*round, &nobody), logged) {
            (FetchedReceipt::Pending, _) => {}
            (FetchedReceipt::Settled { receipt, .. }, Logged::Settled(logged)) => {
                assert_eq!(receipt, *logged);
            }
            (FetchedReceipt::Aborted { reason }, Logged::Aborted(logged)) => {
                assert_eq!(reason, *logged);
            }
            (fetched, logged) => panic!("round {round}: told {fetched:?}, logged {logged:?}"),
        }
    }
}

fn invariant_what_was_acknowledged_is_not_lost(simulation: &Simulation) {
    for (round, member, digest) in &simulation.observed.acknowledged {
        match simulation.dao.log.get(round) {
            None => assert!(
                simulation.coordinator.held.contains(digest),
                "an update to round {round}, acknowledged to {member}, is not in the store"
            ),
            Some(Logged::Settled(receipt)) => {
                let receipt = receipt.unverified_body();
                let counted = receipt.accepted.contributions().contains(&(*member, *digest));
                let refused = receipt.refused.iter().any(|(why, _)| *why == Refusal::Unopenable);
                let by_a_peer = simulation.observed.refused_by_peers.contains(&(*round, *member));
                let forged = receipt.refused.iter().any(|(why, _)| *why == Refusal::BadProof)
                    && simulation.observed.forged.contains(digest);
                let fairly = (refused && by_a_peer) || forged;
                assert!(counted != fairly, "round {round}: {member} is left out, or let in");
            }
            Some(Logged::Aborted(reason)) => assert!(!reason.is_empty()),
        }
    }
}

fn invariant_a_restart_gives_the_same_machine(simulation: &Simulation) {
    let restored = simulation.coordinator.restored_now();
    assert!(restored == simulation.coordinator.machine, "a restart would change the coordinator");
}

fn invariant_scalars_are_the_exact_inner_products(simulation: &Simulation) {
    for receipt in receipts(simulation) {
        let order: &Signed<_> = &simulation.dao.probes[&receipt.round];
        let order = order.unverified_body();
        let (value, innovation) =
            (probe_in_the_clear(&order.value), probe_in_the_clear(&order.innovation));
        let count = i64::try_from(receipt.scalars.len()).unwrap();
        let contributions = receipt.accepted.contributions();
        assert_eq!(contributions.len(), receipt.scalars.len());
        for ((_, digest), opened) in contributions.iter().zip(&receipt.scalars) {
            let values = &simulation.observed.quantised[digest];
            let exact = |(probe, exponent): &(Vec<i64>, i64)| {
                value_in_the_clear(values, probe, *exponent, count)
            };
            for (got, (probe, exponent)) in
                [(opened.value, &value), (opened.innovation, &innovation)]
            {
                let off = (got - exact(&(probe.clone(), *exponent))).unsigned_abs();
                // In FHE mode readings have noise.
                let noisy = simulation.world.terms.sealing.custody().is_some();
                let unit =
                    2_f64.powi(privacy_secagg::VALUE_SHIFT - i32::try_from(*exponent).unwrap());
                let bound = if noisy { READING_ERROR_MAX * unit / count as f64 + 1.0 } else { 0.0 };
                assert!(
                    off as f64 <= bound,
                    "round {}: off by {off}, {bound} at most",
                    receipt.round
                );
            }
        }
    }
}

fn invariant_contributors_are_told_the_truth(simulation: &Simulation) {
    for contributor in &simulation.contributors {
        let member = simulation.world.member(contributor.index);
        for (round, digest, outcome) in &contributor.outcomes {
            match (outcome, &simulation.dao.log[round]) {
                (Ok(Outcome::Counted(told)), Logged::Settled(logged)) => {
                    assert_eq!(**told, *logged.unverified_body());
                    assert!(told.accepted.contributions().contains(&(member, *digest)));
                }
                (Ok(Outcome::Aborted { reason }), Logged::Aborted(logged)) => {
                    assert_eq!(reason, logged);
                }
                (Err(ReceiptError::LeftOut), Logged::Settled(_)) => {
                    let refused = &simulation.observed.refused_by_peers;
                    let forged = simulation.observed.forged.contains(digest);
                    assert!(
                        forged || refused.contains(&(*round, member)),
                        "round {round}: {member}"
                    );
                }
                (told, logged) => panic!("round {round}: told {told:?}, logged {logged:?}"),
            }
        }
    }
}

/// At the end: every round was granted and ended, one way or the other.
pub(crate) fn invariant_all_rounds_ended(simulation: &Simulation) {
    assert_eq!(simulation.dao.open_round(), None);
    assert_eq!(simulation.dao.log.len(), simulation.world.terms.rounds as usize);
    assert!(simulation.coordinator.machine.finished());
}
