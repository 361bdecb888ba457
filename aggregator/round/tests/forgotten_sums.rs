//! A member that was away for longer than sums are kept, and one that lost the secret of the tags.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use aggregator_protocol::{FetchedReceipt, RoundAbort, RoundId, SealingTerms};
use aggregator_round::{
    Finding, SUMS_MAX, check_sum, check_sum_without_secret, sum_may_be_forgotten,
};
use privacy_identity::{Digest, Signed, SigningKey, Tag};

use crate::world::{World, federation::Federation};

const ROUNDS: u64 = SUMS_MAX as u64 + 2;

/// A cohort of four, two rounds after the first sum was forgotten.
fn settled() -> Federation {
    let mut world = World::with_cohort(SealingTerms::Mpc, 8, 2, 4);
    world.terms.rounds = u32::try_from(ROUNDS).unwrap();
    world.terms = world.terms.checked().unwrap();
    let mut federation = Federation::of(world);
    federation.run();
    federation
}

#[test]
fn a_coordinator_that_forgot_a_sum_proves_that_enough_rounds_ended_since_and_no_other_can() {
    let federation = settled();
    let (world, machine) = (&federation.world, &federation.coordinator.machine);
    let (terms, member) = (&world.terms, world.member(0));
    let forgotten = |round: u64| {
        let later = machine.receipt_for(RoundId(round + SUMS_MAX as u64), &member);
        sum_may_be_forgotten(terms, RoundId(round), &later)
    };
    for round in 0..ROUNDS {
        let shown = machine.sum_for(RoundId(round), &member).is_some();
        assert_eq!(forgotten(round), !shown, "round {round}");
    }
    assert!(forgotten(1) && !forgotten(2));
    // An earlier receipt, one of another's, an abort of another round or by another do not excuse it.
    let shows = |later: &FetchedReceipt| sum_may_be_forgotten(terms, RoundId(0), later);
    assert!(!shows(&machine.receipt_for(RoundId(3), &member)));
    let FetchedReceipt::Settled { receipt, .. } = machine.receipt_for(RoundId(4), &member) else {
        panic!("settled")
    };
    let body = receipt.unverified_body().clone();
    let others = Signed::new(body, Tag::RoundReceipt, &world.aggregator_key(1));
    assert!(!shows(&FetchedReceipt::Settled { receipt: Box::new(others), proof: None }));
    let abort = |round: u64, key: &SigningKey| {
        let reason = "too few".to_owned();
        let body = RoundAbort { federation: terms.id(), round: RoundId(round), reason };
        FetchedReceipt::Aborted(Box::new(Signed::new(body, Tag::RoundAbort, key)))
    };
    assert!(shows(&abort(4, &world.aggregator_key(0))));
    assert!(!shows(&abort(3, &world.aggregator_key(0))));
    assert!(!shows(&abort(4, &world.aggregator_key(1))));
    assert!(!shows(&FetchedReceipt::Pending) && !shows(&FetchedReceipt::Unknown));
}

/// What can be checked without the secret is: a sum that the receipt does not name is refused. A false one that it names
/// passes, so that it must not be told as checked.
#[test]
fn without_the_secret_a_sum_that_the_receipt_does_not_name_is_refused() {
    let federation = settled();
    let (world, machine) = (&federation.world, &federation.coordinator.machine);
    let (terms, member) = (&world.terms, world.member(0));
    let round = RoundId(ROUNDS - 1);
    let sum = machine.sum_for(round, &member).unwrap();
    let FetchedReceipt::Settled { receipt, .. } = machine.receipt_for(round, &member) else {
        panic!("settled")
    };
    let mut receipt = receipt.unverified_body().clone();
    let checked = check_sum_without_secret(terms, &member, &receipt, &sum).unwrap();
    let with = check_sum(terms, &member, &receipt, Some(&sum), world.secret.as_ref());
    assert_eq!(with, Ok(checked));
    let mut false_sum = sum.unverified_body().clone();
    false_sum.sum[0] += 1;
    let signed =
        |body: &_| Signed::new(Clone::clone(body), Tag::RoundSum, &world.aggregator_key(0));
    let check = |receipt: &_, body: &_| {
        check_sum_without_secret(terms, &member, receipt, &signed(body))
            .map(drop)
            .map_err(|dispute| dispute.finding)
    };
    let (expected, got) = (receipt.sum, Digest::of_encoded(Tag::RoundSum, &false_sum));
    assert_eq!(check(&receipt, &false_sum), Err(Finding::OtherSum { expected, got }));
    receipt.sum = got;
    assert_eq!(check(&receipt, &false_sum), Ok(()));
    let mut untagged = false_sum.clone();
    untagged.tag = None;
    receipt.sum = Digest::of_encoded(Tag::RoundSum, &untagged);
    assert_eq!(check(&receipt, &untagged), Err(Finding::Untagged));
}
