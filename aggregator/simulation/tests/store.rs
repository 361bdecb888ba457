//! Bytes of updates that a party's store loses, alters or cannot read end a round with a reason, or do no harm; the
//! invariants, the plain sum among them, hold throughout.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use aggregator_protocol::{CustodyTerms, SealingTerms};
use aggregator_simulation::{
    Fault,
    Harm::{self, Altered, Lost, Unreadable},
    Party::{self, Aggregator, Member},
    Report, Scenario, replay,
};

fn fhe() -> SealingTerms {
    SealingTerms::Fhe(CustodyTerms::new(3, 2).unwrap())
}

/// Three rounds; the first update that `party` stores an input about is struck at once.
fn struck(sealing: SealingTerms, party: Party, harm: Harm) -> Report {
    let fault = Fault::Rot { party, nth: 0, late_ms: 0, harm };
    let name = fault.name();
    let report = replay(1, &Scenario::calm(sealing), vec![fault]);
    let report = report.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(report.seen.count(name), 1, "{sealing:?}: nothing was struck: {:?}", report.seen);
    let ended = report.seen.count("settled") + report.seen.count("aborted");
    assert_eq!(ended, 3, "{sealing:?}, {party:?}, {harm:?}: {:?}", report.seen);
    report
}

#[test]
fn what_an_aggregator_loses_ends_its_round_with_that_reason_and_no_other_round() {
    for sealing in [SealingTerms::Mpc, SealingTerms::MpcVerified, fhe()] {
        // The other parties of FHE mode are custodians: below.
        let others = if sealing.custody().is_some() { vec![] } else { vec![Aggregator(1)] };
        for party in [Aggregator(0)].into_iter().chain(others) {
            for harm in [Lost, Altered(77)] {
                let seen = struck(sealing, party, harm).seen;
                let lost = seen.count("aborted for a lost update");
                assert_eq!(
                    (lost, seen.count("settled")),
                    (1, 2),
                    "{sealing:?}, {party:?}: {seen:?}"
                );
            }
        }
    }
}

#[test]
fn what_one_custodian_loses_the_others_make_up_for() {
    for harm in [Lost, Altered(77), Unreadable(5_000)] {
        let seen = struck(fhe(), Member(0), harm).seen;
        assert_eq!(seen.count("settled"), 3, "{harm:?}: {seen:?}");
    }
}

#[test]
fn what_cannot_be_read_for_a_moment_is_read_later_and_what_cannot_for_long_ends_the_round() {
    for sealing in [SealingTerms::Mpc, SealingTerms::MpcVerified, fhe()] {
        let seen = struck(sealing, Aggregator(0), Unreadable(100)).seen;
        assert_eq!(seen.count("settled"), 3, "{sealing:?}: {seen:?}");
        let seen = struck(sealing, Aggregator(0), Unreadable(5_000)).seen;
        assert_eq!(seen.count("settled"), 2, "{sealing:?}: {seen:?}");
    }
}
