//! What a contributor's device refuses, and what it can check offline.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use aggregator_protocol::{
    AcceptedSet, FetchedReceipt, RoundAbort, RoundGrant, RoundId, RoundOrder, RoundReceipt,
};
use aggregator_round::{Acknowledged, OrderRefusal, Ordered, Outcome, ReceiptError, Sealed};
use privacy_identity::{Digest, Signed, SigningKey, Tag};

use crate::world::{World, federation::Federation};

fn order(world: &World, grant: RoundGrant, granted_by: &SigningKey) -> Signed<RoundOrder> {
    let grant = Signed::new(grant, Tag::RoundGrant, granted_by);
    let body = RoundOrder { grant, deadline_ms: 9 };
    Signed::new(body, Tag::RoundOrder, &world.aggregator_key(0))
}

fn check_order(
    world: &World,
    last: Option<RoundId>,
    order: &Signed<RoundOrder>,
    model: &[u8],
    expected: Option<OrderRefusal>,
) {
    let accepted = Ordered::accept(&world.terms, &world.members[0], last, order, model);
    assert_eq!(accepted.err(), expected);
}

#[test]
fn an_order_outside_what_was_agreed_is_refused() {
    let world = World::new(3, 2, 4);
    let model = world.model(4);
    let grant = || world.grant_body(4, &[0, 1, 2]);
    let other = Digest([7; 32]);
    let coordinator = world.aggregator_key(0);
    let check = |grant, key, expected| {
        check_order(&world, None, &order(&world, grant, key), &model, expected);
    };
    check(grant(), &world.dao_key, None);
    // Granted by nobody but the coordinator itself.
    check(grant(), &coordinator, Some(OrderRefusal::Unsigned));
    let elsewhere = RoundGrant { federation: other, ..grant() };
    check(elsewhere, &world.dao_key, Some(OrderRefusal::WrongFederation));
    let elsewhere = RoundGrant { dao: other, ..grant() };
    check(elsewhere, &world.dao_key, Some(OrderRefusal::WrongFederation));
    let without_me = world.grant_body(4, &[1, 2, 3]);
    check(without_me, &world.dao_key, Some(OrderRefusal::NotInvited));
    let of_nobody = RoundGrant { cohort: Vec::new(), ..grant() };
    check(of_nobody, &world.dao_key, Some(OrderRefusal::Invited));
}

#[test]
fn an_order_that_the_coordinator_did_not_sign_is_refused() {
    let world = World::new(3, 2, 4);
    let grant = world.grant(4, &[0, 1, 2]);
    for key in [&world.dao_key, &world.aggregator_key(1), &world.members[1]] {
        let body = RoundOrder { grant: grant.clone(), deadline_ms: 9 };
        let order = Signed::new(body, Tag::RoundOrder, key);
        check_order(&world, None, &order, &world.model(4), Some(OrderRefusal::Unsigned));
    }
}

#[test]
fn an_order_for_a_round_that_was_trained_for_is_refused() {
    let world = World::new(3, 2, 4);
    let order = world.order(4, &[0, 1, 2]);
    for last in [4, 5] {
        let last = RoundId(last);
        let refused = OrderRefusal::Replayed { last, got: RoundId(4) };
        check_order(&world, Some(last), &order, &world.model(4), Some(refused));
    }
    check_order(&world, Some(RoundId(3)), &order, &world.model(4), None);
}

#[test]
fn a_model_that_was_swapped_on_the_way_is_refused() {
    let world = World::new(3, 2, 4);
    let swapped = world.model(5);
    let refused = OrderRefusal::WrongModel {
        expected: Digest::of(Tag::Model, &world.model(4)),
        got: Digest::of(Tag::Model, &swapped),
    };
    check_order(&world, None, &world.order(4, &[0, 1, 2]), &swapped, Some(refused));
}

#[test]
fn a_promise_that_is_not_the_coordinators_for_this_update_is_refused() {
    let world = World::new(3, 2, 4);
    let sealed = world.contribution(0, &world.order(4, &[0, 1, 2]), 0).sealed;
    let promise = |round, update: &Digest, key: &SigningKey| {
        let federation = world.terms.id();
        let body = aggregator_protocol::Acknowledgement { federation, round, update: *update };
        Signed::new(body, Tag::Acknowledgement, key)
    };
    let coordinator = world.aggregator_key(0);
    let check = |promise, expected: Option<ReceiptError>| {
        assert_eq!(sealed.clone().acknowledged(&world.terms, promise).err(), expected);
    };
    check(promise(RoundId(4), sealed.digest(), &coordinator), None);
    let foreign = promise(RoundId(4), sealed.digest(), &world.aggregator_key(1));
    check(foreign, Some(ReceiptError::NotOurs));
    check(promise(RoundId(5), sealed.digest(), &coordinator), Some(ReceiptError::NotOurs));
    check(promise(RoundId(4), &Digest([7; 32]), &coordinator), Some(ReceiptError::NotOurs));
}

/// A settled round with three aggregators: what member 0 holds, and the receipt.
struct Settled {
    federation: Federation,
    sealed: Sealed,
    acknowledged: Acknowledged,
    receipt: RoundReceipt,
    fetched: FetchedReceipt,
}

fn settled() -> Settled {
    let mut federation = Federation::new(3, 3, 3);
    let order = federation.world.order(0, &[0, 1, 2]);
    let sealed = federation.world.contribution(0, &order, 0).sealed;
    federation.run();
    let fetched =
        federation.coordinator.machine.receipt_for(RoundId(0), &federation.world.member(0));
    let FetchedReceipt::Settled { receipt, .. } = &fetched else { panic!("{fetched:?}") };
    let receipt = receipt.unverified_body().clone();
    let body = aggregator_protocol::Acknowledgement {
        federation: federation.world.terms.id(),
        round: RoundId(0),
        update: *sealed.digest(),
    };
    let promise = Signed::new(body, Tag::Acknowledgement, &federation.world.aggregator_key(0));
    let acknowledged = sealed.clone().acknowledged(&federation.world.terms, promise).unwrap();
    Settled { federation, sealed, acknowledged, receipt, fetched }
}

impl Settled {
    /// Checks the round's receipt after it was altered and signed by `key`; the proof is the best one
    /// that can be given for it.
    fn check_altered(
        &self,
        alter: impl FnOnce(&mut RoundReceipt),
        key: &SigningKey,
        expected: Result<(), ReceiptError>,
    ) {
        let mut receipt = self.receipt.clone();
        alter(&mut receipt);
        let tree = receipt.accepted.tree();
        let me = self.federation.world.member(0);
        let at = receipt.accepted.contributions().iter().position(|(member, _)| *member == me);
        let proof = at.map(|index| tree.prove(index as u64).unwrap());
        let receipt = Box::new(Signed::new(receipt, Tag::RoundReceipt, key));
        self.check_fetched(FetchedReceipt::Settled { receipt, proof }, expected);
    }

    fn check_fetched(&self, fetched: FetchedReceipt, expected: Result<(), ReceiptError>) {
        let outcome = self.acknowledged.check(&self.federation.world.terms, fetched);
        assert_eq!(
            outcome.map(|outcome| assert!(matches!(outcome, Outcome::Counted(_)))),
            expected
        );
    }

    /// The commitments of both peers to another set of the same round.
    fn committed_to(
        &self,
        set: &AcceptedSet,
        signers: [usize; 2],
    ) -> Vec<Signed<aggregator_protocol::SumCommitment>> {
        let sign = |(commitment, signer): (&Signed<aggregator_protocol::SumCommitment>, usize)| {
            let mut body = commitment.unverified_body().clone();
            body.set_root = set.tree().root();
            Signed::new(body, Tag::SumShare, &self.federation.world.aggregator_key(signer))
        };
        self.receipt.commitments.iter().zip(signers).map(sign).collect()
    }
}

#[test]
fn promise_2_a_contributor_checks_offline_that_its_own_update_is_among_the_accepted() {
    let settled = settled();
    settled.check_fetched(settled.fetched.clone(), Ok(()));
    // Nothing but the terms, the update's digest and the receipt was needed: the very bytes suffice.
    let outcome = settled.sealed.check(&settled.federation.world.terms, settled.fetched.clone());
    let Ok(Outcome::Counted(receipt)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(*receipt, settled.receipt);
    let accepted = receipt.accepted.contributions();
    let mine = (settled.federation.world.member(0), *settled.sealed.digest());
    assert_eq!(accepted.iter().filter(|entry| **entry == mine).count(), 1);
    assert_eq!(receipt.scalars.len(), accepted.len());
}

#[test]
fn promise_2_a_receipt_that_leaves_the_update_out_is_not_believed() {
    let settled = settled();
    let coordinator = settled.federation.world.aggregator_key(0);
    let rest = AcceptedSet::new(settled.receipt.accepted.contributions()[1..].to_vec()).unwrap();
    // All aggregators collude on the smaller set: it is noticed nevertheless.
    let commitments = settled.committed_to(&rest, [1, 2]);
    let leave_out = |receipt: &mut RoundReceipt| {
        receipt.accepted = rest.clone();
        receipt.commitments = commitments;
    };
    settled.check_altered(leave_out, &coordinator, Err(ReceiptError::LeftOut));
    // Another update under this member's name.
    let mut swapped = settled.receipt.accepted.contributions().to_vec();
    swapped[0].1 = Digest([7; 32]);
    let swapped = AcceptedSet::new(swapped).unwrap();
    let commitments = settled.committed_to(&swapped, [1, 2]);
    let swap = |receipt: &mut RoundReceipt| {
        receipt.accepted = swapped.clone();
        receipt.commitments = commitments;
    };
    settled.check_altered(swap, &coordinator, Err(ReceiptError::LeftOut));
}

#[test]
fn promise_2_a_receipt_without_a_proof_or_with_anothers_is_not_believed() {
    let settled = settled();
    let FetchedReceipt::Settled { receipt, .. } = settled.fetched.clone() else { panic!() };
    let none = FetchedReceipt::Settled { receipt: receipt.clone(), proof: None };
    settled.check_fetched(none, Err(ReceiptError::LeftOut));
    let tree = settled.receipt.accepted.tree();
    for index in 1..3 {
        let proof = Some(tree.prove(index).unwrap());
        let others = FetchedReceipt::Settled { receipt: receipt.clone(), proof };
        settled.check_fetched(others, Err(ReceiptError::LeftOut));
    }
    let mut far = tree.prove(0).unwrap();
    far.index = u64::MAX;
    let far = FetchedReceipt::Settled { receipt, proof: Some(far) };
    settled.check_fetched(far, Err(ReceiptError::LeftOut));
}

#[test]
fn promise_2_every_other_aggregator_must_have_committed_to_the_same_set() {
    let settled = settled();
    let coordinator = settled.federation.world.aggregator_key(0);
    let missing = |index| Err(ReceiptError::Commitment { index });
    let without = |place: usize| {
        move |receipt: &mut RoundReceipt| {
            receipt.commitments.remove(place);
        }
    };
    settled.check_altered(without(0), &coordinator, missing(1));
    settled.check_altered(without(1), &coordinator, missing(2));
    // One of them committed to another set; the coordinator signs in its stead; twice the same.
    let rest = AcceptedSet::new(settled.receipt.accepted.contributions()[1..].to_vec()).unwrap();
    let other = settled.committed_to(&rest, [1, 2]);
    settled.check_altered(
        |receipt| receipt.commitments[1] = other[1].clone(),
        &coordinator,
        missing(2),
    );
    let own = settled.committed_to(&settled.receipt.accepted, [1, 0]);
    settled.check_altered(|receipt| receipt.commitments = own, &coordinator, missing(2));
    let twice = settled.committed_to(&settled.receipt.accepted, [1, 1]);
    settled.check_altered(|receipt| receipt.commitments = twice, &coordinator, missing(2));
}

#[test]
fn a_receipt_of_another_round_federation_or_signer_is_not_believed() {
    let settled = settled();
    let world = &settled.federation.world;
    let coordinator = world.aggregator_key(0);
    let not_ours = || Err(ReceiptError::NotOurs);
    settled.check_altered(|receipt| receipt.round = RoundId(1), &coordinator, not_ours());
    let other = Digest([7; 32]);
    settled.check_altered(|receipt| receipt.federation = other, &coordinator, not_ours());
    settled.check_altered(|_| {}, &world.aggregator_key(1), not_ours());
    let later = settled.federation.coordinator.machine.receipt_for(RoundId(1), &world.member(0));
    settled.check_fetched(later, not_ours());
    settled.check_altered(|_| {}, &coordinator, Ok(()));
}

#[test]
fn a_contributor_is_told_when_a_round_has_not_ended_was_given_up_or_is_not_known() {
    let settled = settled();
    let terms = &settled.federation.world.terms;
    let check = |fetched, expected| {
        assert_eq!(settled.acknowledged.check(terms, fetched), Ok(expected));
    };
    check(FetchedReceipt::Pending, Outcome::Pending);
    check(FetchedReceipt::Unknown, Outcome::Unknown);
    let world = &settled.federation.world;
    let abort = |body: RoundAbort, key| {
        FetchedReceipt::Aborted(Box::new(Signed::new(body, Tag::RoundAbort, key)))
    };
    let reason = "two of three".to_owned();
    let round = settled.acknowledged.round();
    let body = RoundAbort { federation: terms.id(), round, reason: reason.clone() };
    let coordinator = world.aggregator_key(0);
    check(abort(body.clone(), &coordinator), Outcome::Aborted { reason });
    // Whoever carries messages cannot say so, and of another round or federation it says nothing.
    let refused = |fetched| {
        let outcome = settled.acknowledged.check(terms, fetched);
        assert_eq!(outcome, Err(ReceiptError::NotOurs));
    };
    let other = world.aggregator_key(1);
    for key in [&world.dao_key, &other, &world.members[1]] {
        refused(abort(body.clone(), key));
    }
    refused(abort(RoundAbort { round: RoundId(round.0 + 1), ..body.clone() }, &coordinator));
    refused(abort(RoundAbort { federation: Digest([1; 32]), ..body }, &coordinator));
    let machine = &settled.federation.coordinator.machine;
    let member = settled.federation.world.member(0);
    assert_eq!(machine.receipt_for(RoundId(9), &member), FetchedReceipt::Unknown);
    let collecting = Federation::collecting(3, 2, 4);
    let pending = collecting.coordinator.machine.receipt_for(RoundId(0), &member);
    assert_eq!(pending, FetchedReceipt::Pending);
}

#[test]
fn a_sealed_update_is_taken_up_after_a_crash_only_by_its_owner_in_its_federation() {
    let settled = settled();
    let world = &settled.federation.world;
    let update = settled.sealed.update();
    let resume = |terms, key| Sealed::resume(update.clone(), terms, key);
    assert_eq!(resume(&world.terms, &world.members[0]), Ok(settled.sealed.clone()));
    let refused = resume(&world.terms, &world.members[1]);
    assert!(matches!(refused, Err(OrderRefusal::Sealing { .. })));
    let mut other = world.terms.clone();
    other.rounds += 1;
    assert_eq!(resume(&other, &world.members[0]), Err(OrderRefusal::WrongFederation));
}
