//! Aggregators that publish another sum than the sum: each member of the cohort finds it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use aggregator_protocol::{
    AcceptedSet, CustodyTerms, FetchedReceipt, RoundId, RoundReceipt, RoundSum, SealingTerms,
};
use aggregator_round::{
    CheckedSum, ContributorReceipt, Dispute, Finding, Outcome, ReceiptError, RoundSecret,
    check_model, check_sum,
};
use privacy_identity::{Digest, Signed, Tag};
use privacy_secagg::{LinearTag, TagError, TagKey, decode_mean};

use crate::world::{Contribution, World, federation::Federation};

const MEMBERS: usize = 4;
const ROUND: RoundId = RoundId(0);

/// A settled first round to which all members contributed, and what they sealed.
struct Settled {
    federation: Federation,
    contributions: Vec<Contribution>,
    receipt: RoundReceipt,
    fetched: FetchedReceipt,
    sum: Signed<RoundSum>,
}

impl Settled {
    fn new(sealing: SealingTerms, aggregators: usize) -> Self {
        let mut federation = Federation::of(World::with_cohort(sealing, 4, aggregators, MEMBERS));
        federation.grant_through_dao();
        let everybody: Vec<_> = (0..MEMBERS).collect();
        let contributions = federation.submit(&everybody);
        while federation.dao.log.is_empty() {
            let input = federation.next_input().unwrap();
            federation.feed(&input).unwrap();
        }
        let member = federation.world.member(0);
        let machine = &federation.coordinator.machine;
        let fetched = machine.receipt_for(ROUND, &member);
        let FetchedReceipt::Settled { receipt, .. } = &fetched else { panic!("{fetched:?}") };
        let receipt = receipt.unverified_body().clone();
        let sum = *machine.sum_for(ROUND, &member).unwrap();
        Self { federation, contributions, receipt, fetched, sum }
    }

    const fn world(&self) -> &World {
        &self.federation.world
    }

    /// What member `finder` makes of a record that the aggregators made up: a sum, and a receipt that
    /// names it, both signed by the coordinator.
    fn check(&self, finder: usize, body: RoundSum) -> Result<CheckedSum, Box<Dispute>> {
        let world = self.world();
        let mut receipt = self.receipt.clone();
        receipt.sum = Digest::of_encoded(Tag::RoundSum, &body);
        let sum = Signed::new(body, Tag::RoundSum, &world.aggregator_key(0));
        let secret = world.secret.as_ref();
        check_sum(&world.terms, &world.member(finder), &receipt, Some(&sum), secret)
    }

    /// As [`Self::check`], for every member; each finds the same and accuses every aggregator, and every other member of
    /// the set.
    fn check_found_by_all(&self, body: &RoundSum) {
        let world = self.world();
        let all: Vec<_> = world.terms.aggregators.iter().map(|keys| keys.verifying).collect();
        for finder in 0..MEMBERS {
            let dispute = self.check(finder, body.clone()).unwrap_err();
            assert_eq!(dispute.finding, Finding::Tags(TagError::Mismatch));
            // And whoever of the set may have spoiled its own tag, but for the finder.
            let set = self.receipt.accepted.contributions().iter().map(|(member, _)| *member);
            let others = set.filter(|member| *member != world.member(finder));
            let expected: Vec<_> = all.iter().copied().chain(others).collect();
            assert!(expected.len() > all.len());
            assert_eq!(dispute.accused, expected);
            let text = dispute.to_string();
            assert!(text.contains("it is not the sum over the accepted set"), "{text}");
            assert!(text.contains(&format!("found by {}", world.member(finder))), "{text}");
            for key in &all {
                assert!(text.contains(&key.to_string()), "{text}");
            }
        }
    }

    fn sum_body(&self) -> RoundSum {
        self.sum.unverified_body().clone()
    }

    /// What all aggregators together know of one contribution: its integers and its tag.
    fn known(&self, index: usize) -> (Vec<i64>, LinearTag) {
        let world = self.world();
        let values = self.contributions[index].values.clone();
        let key =
            TagKey::of_round(world.secret.as_ref().unwrap().expose(), &world.terms.id(), ROUND.0);
        let small: Vec<i32> = values.iter().map(|&value| i32::try_from(value).unwrap()).collect();
        (values, key.tag(&small, &world.member(index)))
    }
}

fn modes() -> [(SealingTerms, usize); 3] {
    [(SealingTerms::Mpc, 2), (SealingTerms::Mpc, 3), (SealingTerms::MpcVerified, 2)]
}

#[test]
fn promise_2_the_true_sum_passes_and_its_mean_is_the_mean_of_what_was_sealed() {
    for (sealing, aggregators) in modes() {
        let settled = Settled::new(sealing, aggregators);
        let checked = settled.check(0, settled.sum_body()).unwrap();
        let terms = &settled.world().terms;
        let length = terms.encoding.vector_len();
        let exact: Vec<i64> =
            (0..length).map(|j| settled.contributions.iter().map(|c| c.values[j]).sum()).collect();
        let rotation = terms.encoding.rotation(&terms.id(), ROUND.0);
        assert_eq!(checked.mean, decode_mean(&exact, MEMBERS, &rotation, &terms.encoding).unwrap());
    }
}

#[test]
fn promise_2_an_aggregator_that_shifts_one_coordinate_by_one_is_found() {
    for (sealing, aggregators) in modes() {
        let settled = Settled::new(sealing, aggregators);
        for coordinate in 0..settled.sum_body().sum.len() {
            for shift in [1, -1] {
                let mut body = settled.sum_body();
                body.sum[coordinate] += shift;
                settled.check_found_by_all(&body);
            }
        }
        // Nor does it help to shift the tag along by what it may guess.
        let mut body = settled.sum_body();
        body.sum[0] += 1;
        body.tag.as_mut().unwrap()[0] ^= 1;
        settled.check_found_by_all(&body);
    }
}

#[test]
fn promise_2_aggregators_that_drop_a_contributor_silently_are_found() {
    for (sealing, aggregators) in modes() {
        let settled = Settled::new(sealing, aggregators);
        for dropped in 0..MEMBERS {
            // All aggregators collude: they take out its update and its tag, and name the whole set.
            let (values, tag) = settled.known(dropped);
            let mut body = settled.sum_body();
            for (sum, value) in body.sum.iter_mut().zip(&values) {
                *sum -= value;
            }
            body.tag = Some(LinearTag(body.tag.unwrap()).minus(tag).0);
            settled.check_found_by_all(&body);
        }
    }
}

#[test]
fn promise_2_aggregators_that_count_a_contributor_twice_are_found() {
    for (sealing, aggregators) in modes() {
        let settled = Settled::new(sealing, aggregators);
        for twice in 0..MEMBERS {
            let (values, tag) = settled.known(twice);
            let mut body = settled.sum_body();
            for (sum, value) in body.sum.iter_mut().zip(&values) {
                *sum += value;
            }
            body.tag = Some(LinearTag(body.tag.unwrap()).plus(tag).0);
            settled.check_found_by_all(&body);
        }
    }
}

#[test]
fn promise_2_a_coordinator_that_shows_two_contributors_different_sets_is_found_by_one_of_them() {
    for (sealing, aggregators) in modes() {
        let settled = Settled::new(sealing, aggregators);
        let world = settled.world();
        // To member 1 it shows a round without member 0, true in every number.
        let rest =
            AcceptedSet::new(settled.receipt.accepted.contributions()[1..].to_vec()).unwrap();
        let (values, tag) = settled.known(0);
        let mut body = settled.sum_body();
        body.accepted = rest.clone();
        for (sum, value) in body.sum.iter_mut().zip(&values) {
            *sum -= value;
        }
        body.tag = Some(LinearTag(body.tag.unwrap()).minus(tag).0);
        let mut receipt = settled.receipt.clone();
        receipt.accepted = rest.clone();
        receipt.sum = Digest::of_encoded(Tag::RoundSum, &body);
        receipt.scalars.remove(0);
        let key = world.aggregator_key(0);
        let sum = Signed::new(body, Tag::RoundSum, &key);
        let signed = Box::new(Signed::new(receipt.clone(), Tag::RoundReceipt, &key));
        let proof = rest.tree().prove(0).unwrap();
        let fetched = FetchedReceipt::Settled { receipt: signed, proof: Some(proof) };
        // The numbers are right, so the tags cannot tell …
        let member = world.member(1);
        let secret = world.secret.as_ref();
        assert!(check_sum(&world.terms, &member, &receipt, Some(&sum), secret).is_ok());
        // … but the other aggregator committed to one set only.
        let error = settled.contributions[1].sealed.check(&world.terms, fetched).unwrap_err();
        assert_eq!(error, ReceiptError::Commitment { index: 1 });
        let dispute = Dispute::new(&world.terms, ROUND, member, Finding::Receipt(error));
        assert_eq!(dispute.accused, [key.verifying_key()]);
        let text = dispute.to_string();
        let expected = format!(
            "aggregator 1 did not commit to the accepted set; found by {member}; accused: {}",
            key.verifying_key()
        );
        assert_eq!(text, expected);
        // The whole set's receipt with the smaller set's sum is found, too.
        let other =
            check_sum(&world.terms, &member, &settled.receipt, Some(&sum), secret).unwrap_err();
        assert!(matches!(other.finding, Finding::OtherSum { .. }), "{other}");
    }
}

#[test]
fn promise_2_a_sum_for_another_set_than_the_receipts_is_found() {
    let settled = Settled::new(SealingTerms::Mpc, 2);
    let mut body = settled.sum_body();
    body.accepted = AcceptedSet::new(body.accepted.contributions()[1..].to_vec()).unwrap();
    let dispute = settled.check(1, body).unwrap_err();
    assert_eq!(dispute.finding, Finding::OtherSet);
}

#[test]
fn promise_2_without_a_tag_or_with_another_rounds_secret_nothing_passes() {
    let settled = Settled::new(SealingTerms::Mpc, 2);
    let world = settled.world();
    let mut body = settled.sum_body();
    body.tag = None;
    assert_eq!(settled.check(0, body).unwrap_err().finding, Finding::Untagged);
    let member = world.member(0);
    let check = |secret: Option<&RoundSecret>| {
        check_sum(&world.terms, &member, &settled.receipt, Some(&settled.sum), secret)
    };
    assert_eq!(check(None).unwrap_err().finding, Finding::Untagged);
    let other = RoundSecret::from_bytes(&[8; 32]);
    let mismatch = Finding::Tags(TagError::Mismatch);
    assert_eq!(check(Some(&other)).unwrap_err().finding, mismatch);
    assert!(check(world.secret.as_ref()).is_ok());
    // Signed by somebody else, or of another round.
    let foreign = Signed::new(settled.sum_body(), Tag::RoundSum, &world.aggregator_key(1));
    let dispute =
        check_sum(&world.terms, &member, &settled.receipt, Some(&foreign), world.secret.as_ref());
    assert_eq!(dispute.unwrap_err().finding, Finding::NotOurs);
}

#[test]
fn promise_2_a_coordinator_that_withholds_the_sum_does_not_get_around_the_check() {
    let settled = Settled::new(SealingTerms::Mpc, 2);
    let (world, member) = (settled.world(), settled.world().member(0));
    let secret = world.secret.as_ref();
    let dispute = check_sum(&world.terms, &member, &settled.receipt, None, secret).unwrap_err();
    assert_eq!(dispute.finding, Finding::Withheld);
    assert_eq!(dispute.accused, [world.aggregator_key(0).verifying_key()]);
}

#[test]
fn promise_2_a_dao_node_that_goes_on_from_another_model_is_found_and_accused() {
    let settled = Settled::new(SealingTerms::Mpc, 2);
    let world = settled.world();
    let named = settled.receipt.model_after;
    assert!(check_model(&world.terms, &world.member(0), &settled.receipt, named).is_ok());
    let got = Digest([1; 32]);
    let dispute = check_model(&world.terms, &world.member(0), &settled.receipt, got).unwrap_err();
    assert_eq!(dispute.accused[0], world.terms.dao_node);
    assert!(dispute.to_string().contains(&got.to_string()));
}

#[test]
fn in_fhe_mode_the_record_is_checked_without_tags() {
    let custody = SealingTerms::Fhe(CustodyTerms::new(3, 2).unwrap());
    let settled = Settled::new(custody, 1);
    assert!(settled.check(0, settled.sum_body()).is_ok());
    let mut body = settled.sum_body();
    body.tag = Some([1, 2]);
    assert_eq!(settled.check(0, body).unwrap_err().finding, Finding::Untagged);
}

#[test]
fn a_stranger_does_not_get_the_sum() {
    let settled = Settled::new(SealingTerms::Mpc, 2);
    let machine = &settled.federation.coordinator.machine;
    let stranger = settled.world().aggregator_key(1).verifying_key();
    assert_eq!(machine.sum_for(ROUND, &stranger), None);
    assert_eq!(machine.sum_for(RoundId(7), &settled.world().member(0)), None);
}

#[test]
fn an_update_without_a_tag_is_not_sealed_where_the_terms_ask_for_one() {
    let mut world = World::with_cohort(SealingTerms::Mpc, 1, 2, 3);
    let order = world.order(0, &[0, 1, 2]);
    world.contribution(0, &order, 0);
    world.secret = None;
    let sealed =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.contribution(0, &order, 0)));
    assert!(sealed.is_err());
}

#[test]
fn promise_2_what_a_contributor_keeps_is_checked_offline_and_no_changed_byte_passes() {
    use privacy_identity::{Decode as _, Encode as _};
    let settled = Settled::new(SealingTerms::Mpc, 2);
    let world = settled.world();
    let FetchedReceipt::Settled { receipt, proof } = settled.fetched.clone() else { panic!() };
    let kept = ContributorReceipt {
        federation: world.terms.id(),
        member: world.member(0),
        update: *settled.contributions[0].sealed.digest(),
        receipt: *receipt,
        proof: proof.unwrap(),
        sum: Some(settled.sum.clone()),
    };
    let outcome = settled.contributions[0].sealed.check(&world.terms, settled.fetched.clone());
    assert!(matches!(outcome, Ok(Outcome::Counted(_))));
    let terms = Signed::new(world.terms.clone(), Tag::Terms, &world.dao_key);
    let passes = |kept: &ContributorReceipt| {
        let checks = kept.checks(&terms);
        checks.len() == 4 && checks.iter().all(|(_, result)| result.is_ok())
    };
    assert!(passes(&kept));
    let bytes = kept.to_bytes();
    assert_eq!(ContributorReceipt::from_bytes(&bytes), Ok(kept.clone()));
    for position in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[position] ^= 1;
        if let Ok(altered) = ContributorReceipt::from_bytes(&altered) {
            assert!(!passes(&altered), "byte {position} was changed and nothing noticed");
        }
    }
    let without = ContributorReceipt { sum: None, ..kept };
    assert_eq!(
        without.checks(&terms).last().unwrap().1,
        Err("the file does not hold the sum".to_owned())
    );
}
