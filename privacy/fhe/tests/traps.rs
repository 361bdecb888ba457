//! Each trap of the design, played by whoever would gain from it.
#![expect(dead_code, reason = "other test files use the rest of the helpers")]

mod support;

use privacy_fhe::{
    CiphertextSum, CustodianError, CustodianInput, CustodianOutput, NttEngine, OpenError,
    OpenedSum, Opening, OpeningError, ShareError, open_sum,
};
use privacy_identity::{Digest, Tag};
use support::{Round, lie, member, open, parameters};

fn small_round(threshold: u8, custodians: u8) -> Round {
    Round::new(parameters(500, 32_767, 1000), threshold, custodians, 5)
}

fn opened(round: &Round, replies: &[privacy_fhe::KeyShareSum]) -> Result<OpenedSum, OpenError> {
    open_sum(&round.sum(), &round.mask, &round.opening(), round.custody, replies, &NttEngine::new())
}

#[test]
fn a_second_opening_with_another_set_is_refused_for_ever() {
    let round = small_round(2, 3);
    let (all, without_last) = (round.opening(), round.opening_of(&[0, 1, 2, 3]));
    let (custodian, first) = open(round.custodian(1), &all);
    let (custodian, refused) = open(custodian, &without_last);
    let second = CustodianError::SecondOpening { opened: all.set(), got: without_last.set() };
    assert_eq!(refused, Err(second.clone()));
    // The same set gets the same answer, and the refusal stands.
    let (custodian, again) = open(custodian, &all);
    assert_eq!(first, again);
    assert_eq!(open(custodian, &without_last).1, Err(second));
}

#[test]
fn a_set_below_the_minimum_is_refused_and_a_later_honest_one_is_opened() {
    let round = small_round(2, 3);
    let mut terms = round.terms(1);
    terms.contributors_min = 4;
    let mut custodian = privacy_fhe::Custodian::new(terms).unwrap();
    for contribution in &round.contributions {
        let (member, update, share) =
            (contribution.member, contribution.update, contribution.share(1));
        custodian = custodian.handle(CustodianInput::Deposit { member, update, share }).0;
    }
    for few in [vec![], vec![2], vec![0, 1, 2]] {
        let got = few.len();
        let (next, refused) = open(custodian, &round.opening_of(&few));
        assert_eq!(refused, Err(CustodianError::TooFew { contributors_min: 4, got }));
        custodian = next;
    }
    assert!(open(custodian, &round.opening()).1.is_ok());
}

#[test]
fn a_minimum_of_one_makes_no_custodian() {
    let round = small_round(2, 3);
    for (custodian, contributors_min, contributors_max) in
        [(1, 1, 10), (1, 0, 10), (1, 11, 10), (0, 2, 10), (4, 2, 10), (1, 2, u32::MAX)]
    {
        let mut terms = round.terms(custodian);
        terms.contributors_min = contributors_min;
        terms.contributors_max = contributors_max;
        let refused = privacy_fhe::Custodian::new(terms).err();
        assert!(matches!(refused, Some(CustodianError::Terms { .. })), "{refused:?}");
    }
}

#[test]
fn a_set_above_the_maximum_and_deposits_above_it_are_refused() {
    let round = Round::new(parameters(10, 100, 5), 2, 3, 5);
    let mut terms = round.terms(1);
    terms.contributors_max = 4;
    let mut custodian = privacy_fhe::Custodian::new(terms).unwrap();
    for (index, contribution) in round.contributions.iter().enumerate() {
        let (member, update, share) =
            (contribution.member, contribution.update, contribution.share(1));
        let (next, output) = custodian.handle(CustodianInput::Deposit { member, update, share });
        custodian = next;
        if index < 4 {
            assert_eq!(output, Ok(CustodianOutput::Deposited));
        } else {
            assert_eq!(output, Err(CustodianError::Full { contributors_max: 4 }));
        }
    }
    let refused = open(custodian, &round.opening()).1;
    assert_eq!(refused, Err(CustodianError::TooMany { contributors_max: 4, got: 5 }));
}

#[test]
fn a_share_that_is_missing_is_named_and_the_set_is_not_opened() {
    let round = small_round(2, 3);
    let custodian = round.custodian(1);
    let mut updates = round.opening().updates().to_vec();
    updates[2].member = member(99);
    updates.sort_by_key(|accepted| accepted.member);
    let opening = Opening::new(round.mask.transcript(), updates).unwrap();
    let (custodian, refused) = open(custodian, &opening);
    assert_eq!(refused, Err(CustodianError::Missing { members: vec![member(99)] }));
    assert_eq!(custodian.opened_set(), None);
}

#[test]
fn a_substituted_ciphertext_is_refused_by_the_digest_and_by_each_custodian() {
    let round = small_round(2, 3);
    let honest = round.opening();
    let mut updates = honest.updates().to_vec();
    updates[1].update = Digest::of(Tag::SealedUpdate, b"another ciphertext");
    let announced =
        Opening::announced(round.mask.transcript(), updates.clone(), honest.set()).unwrap_err();
    assert!(matches!(announced, OpeningError::SetDigest { .. }));
    // An aggregator that signs the digest of the substituted set meets the custodians.
    let substituted = Opening::new(round.mask.transcript(), updates).unwrap();
    let refused = open(round.custodian(1), &substituted).1;
    let members = vec![round.contributions[1].member];
    assert_eq!(refused, Err(CustodianError::Substituted { members }));
}

#[test]
fn a_member_that_deposits_for_two_updates_is_refused_and_a_repetition_is_not() {
    let round = small_round(2, 3);
    let contribution = &round.contributions[0];
    let deposit = |update| CustodianInput::Deposit {
        member: contribution.member,
        update,
        share: contribution.share(1),
    };
    let (custodian, repeated) = round.custodian(1).handle(deposit(contribution.update));
    assert_eq!(repeated, Ok(CustodianOutput::Deposited));
    let other = Digest::of(Tag::SealedUpdate, b"another");
    let refused = custodian.handle(deposit(other)).1.unwrap_err();
    assert!(matches!(refused, CustodianError::Equivocation { got, .. } if got == other));
}

#[test]
fn an_opened_round_takes_no_more_shares_and_another_round_is_refused() {
    let round = small_round(2, 3);
    let (custodian, reply) = open(round.custodian(1), &round.opening_of(&[0, 1, 2]));
    assert!(reply.is_ok());
    let update = Digest::of(Tag::SealedUpdate, b"late");
    let share = round.contributions[0].share(1);
    let late = CustodianInput::Deposit { member: member(77), update, share };
    let (custodian, refused) = custodian.handle(late);
    assert_eq!(refused, Err(CustodianError::Closed));
    let transcript = Digest::of(Tag::RoundOrder, b"another round");
    let other = Opening::new(transcript, round.opening().updates().to_vec()).unwrap();
    let refused = open(custodian, &other).1.unwrap_err();
    assert!(matches!(refused, CustodianError::Round { got, .. } if got == transcript));
}

#[test]
fn replayed_inputs_rebuild_the_custodian() {
    let round = small_round(2, 3);
    let first = open(round.custodian(2), &round.opening()).1;
    let (custodian, second) = open(round.custodian(2), &round.opening());
    assert_eq!(first, second);
    assert!(open(custodian, &round.opening_of(&[0, 1])).1.is_err());
}

#[test]
fn a_missing_custodian_does_not_stop_the_opening_down_to_the_threshold() {
    let round = small_round(3, 5);
    let replies = round.replies();
    let kept = [replies[1].clone(), replies[4].clone(), replies[3].clone()];
    assert_eq!(opened(&round, &kept).unwrap().values, round.plain_sum());
    let error = opened(&round, &kept[..2]).unwrap_err();
    assert_eq!(error, ShareError::TooFewReplies { threshold: 3, got: 2 }.into());
}

#[test]
fn a_lying_custodian_is_named_and_outvoted_as_long_as_a_threshold_is_honest() {
    let round = small_round(3, 5);
    for liar in 0..5 {
        for spare in [1, 2] {
            let mut replies = round.replies();
            replies[liar] = lie(&replies[liar], 4095);
            replies.rotate_left(liar);
            replies.truncate(3 + spare);
            let opened = opened(&round, &replies).unwrap();
            assert_eq!(opened.values, round.plain_sum());
            assert_eq!(opened.deviating, [u8::try_from(liar).unwrap() + 1]);
        }
    }
}

#[test]
fn two_liars_of_five_are_named() {
    let round = small_round(3, 5);
    let mut replies = round.replies();
    replies[0] = lie(&replies[0], 7);
    replies[3] = lie(&replies[3], 0);
    let opened = opened(&round, &replies).unwrap();
    assert_eq!((opened.values, opened.deviating), (round.plain_sum(), vec![1, 4]));
}

#[test]
fn a_lie_among_exactly_threshold_replies_is_detected_but_not_named() {
    let round = small_round(2, 3);
    let mut replies = round.replies();
    replies[1] = lie(&replies[1], 100);
    let error = opened(&round, &replies[..2]).unwrap_err();
    let expected = ShareError::Unacceptable { custodians: vec![1, 2], spare_replies: 0 };
    assert_eq!(error, expected.into());
}

#[test]
fn more_liars_than_spare_replies_are_detected_by_contradiction() {
    let round = small_round(3, 5);
    let mut replies = round.replies();
    for liar in [0, 2, 4] {
        replies[liar] = lie(&replies[liar], liar);
    }
    let error = opened(&round, &replies).unwrap_err();
    assert_eq!(error, ShareError::Contradiction { custodians: vec![1, 2, 3, 4, 5] }.into());
}

#[test]
fn a_reply_for_another_set_is_refused_by_name() {
    let round = small_round(2, 3);
    let mut replies = round.replies();
    replies[2] = open(round.custodian(3), &round.opening_of(&[0, 1])).1.unwrap();
    let error = opened(&round, &replies).unwrap_err();
    assert!(matches!(error, OpenError::Set { custodian: 3, .. }));
}

#[test]
fn a_contributor_that_shares_another_key_garbles_the_sum_and_all_replies_agree() {
    let mut round = small_round(2, 3);
    let mut other = small_round(2, 3);
    let mut foreign = Round::new(parameters(500, 32_767, 1000), 2, 3, 6);
    round.contributions[0].swap_shares(&mut foreign.contributions[0]);
    let error = opened(&round, &round.replies()).unwrap_err();
    let custodians = vec![1, 2, 3];
    let expected = ShareError::Unacceptable { custodians, spare_replies: 1 };
    assert_eq!(error, expected.into());
    // Undone, the same round opens: it was that share.
    round.contributions[0].swap_shares(&mut foreign.contributions[0]);
    other.contributions.clear();
    assert_eq!(opened(&round, &round.replies()).unwrap().values, round.plain_sum());
}

#[test]
fn a_contributor_that_deals_one_custodian_a_wrong_share_makes_that_custodian_deviate() {
    let mut round = small_round(2, 3);
    let foreign = Round::new(parameters(500, 32_767, 1000), 2, 3, 6);
    round.contributions[0].replace_share(3, &foreign.contributions[0]);
    let opened = opened(&round, &round.replies()).unwrap();
    assert_eq!((opened.values, opened.deviating), (round.plain_sum(), vec![3]));
}

#[test]
fn a_sum_of_another_set_than_the_opened_one_is_not_opened() {
    let round = small_round(2, 3);
    let mut sum = CiphertextSum::new(round.parameters);
    for index in [0, 1, 2, 3, 3] {
        sum.add(&round.contributions[index].ciphertext).unwrap();
    }
    let replies = round.replies();
    let open = |sum| {
        open_sum(sum, &round.mask, &round.opening(), round.custody, &replies, &NttEngine::new())
    };
    // One dropped and one counted twice: the keys do not fit.
    let error = open(&sum).unwrap_err();
    assert!(matches!(error, OpenError::Share(ShareError::Unacceptable { .. })), "{error:?}");
    let mut fewer = CiphertextSum::new(round.parameters);
    fewer.add(&round.contributions[0].ciphertext).unwrap();
    assert_eq!(open(&fewer).unwrap_err(), OpenError::Contributors { sum: 1, set: 5 });
}
