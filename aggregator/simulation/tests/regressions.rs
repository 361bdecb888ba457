//! Bugs that were found, as literal lists of faults: each fails with the bug and passes without it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use aggregator_protocol::SealingTerms;
use aggregator_simulation::{
    Failure,
    Fault::{self, Cut, Silent},
    Mutant,
    Party::{Aggregator, Dao},
    Report, Scenario, Site, replay,
};

fn mpc() -> Scenario {
    Scenario::calm(SealingTerms::Mpc)
}

/// Runs the list with the bug, which has to show, and without.
fn with_and_without(bug: Mutant, faults: &[Fault]) -> (Failure, Report) {
    let broken = Scenario { mutant: Some(bug), ..mpc() };
    let failure = replay(1, &broken, faults.to_vec()).unwrap_err();
    let report = replay(1, &mpc(), faults.to_vec());
    (*failure, report.unwrap_or_else(|failure| panic!("{failure}")))
}

/// The DAO node's word that a round is logged and paid was cut off on the way. The coordinator took that for a refusal,
/// gave the round up, and told members so.
#[test]
fn a_settled_round_is_not_given_up_when_the_answer_cannot_be_read() {
    let faults = [Cut(Site { from: Dao, to: Aggregator(0), nth: 2 }, 1)];
    let (failure, report) = with_and_without(Mutant::TakesGarbageForRefusal, &faults);
    assert!(failure.breaks("invariant_rounds_end_once"), "{failure}");
    assert_eq!(report.seen.count("settled"), 3);
}

/// An abort was cut off on the way, and the DAO node said that it could not read it. The coordinator took that for
/// "logged", asked for the next round, and was granted the one that it had given up, for ever.
#[test]
fn an_abort_that_cannot_be_read_does_not_count_as_logged() {
    let silent = |member| Silent { member };
    let faults =
        [silent(0), silent(1), silent(2), Cut(Site { from: Aggregator(0), to: Dao, nth: 1 }, 3)];
    let (failure, report) = with_and_without(Mutant::TakesGarbageForRefusal, &faults);
    assert!(failure.breaks("invariant_rounds_end_by_their_deadlines"), "{failure}");
    assert_eq!(report.seen.count("aborted"), 3);
}
