use privacy_identity::{Digest, SigningKey, Tag};
use proptest::prelude::*;

use super::*;

fn key(index: u8) -> VerifyingKey {
    SigningKey::from_seed(&[index; 32]).verifying_key()
}

fn roster(indices: &[u8]) -> Roster {
    let mut members: Vec<_> = indices.iter().map(|&index| key(index)).collect();
    members.sort();
    Roster { federation: Digest([1; 32]), version: 1, members }
}

fn signed(roster: Roster) -> Signed<Roster> {
    Signed::new(roster, Tag::Roster, &SigningKey::from_seed(&[9; 32]))
}

fn welcome(indices: &[u8]) -> Option<Welcome> {
    Some(Welcome { members: roster(indices).members, message: vec![indices[0]; 4] })
}

/// A mailbox whose state survives an encoding, as it has to survive a restart.
fn restarted(mailbox: &Mailbox) -> Mailbox {
    let again = Mailbox::from_bytes(&mailbox.to_bytes()).unwrap();
    assert_eq!(again, *mailbox);
    again
}

#[test]
fn the_first_commit_of_an_epoch_wins_and_comes_to_everybody_in_the_same_order() {
    let list = roster(&[1, 2, 3]);
    let mut mailbox = Mailbox::default();
    assert_eq!(mailbox.commit(key(1), &list, 0, vec![10], welcome(&[2])), Ok(true));
    assert_eq!(mailbox.commit(key(2), &list, 0, vec![20], None), Err(Refusal::Late));
    // The same one again: its sender did not get the answer.
    assert_eq!(mailbox.commit(key(1), &list, 0, vec![10], welcome(&[2])), Ok(false));
    assert_eq!(mailbox.commit(key(1), &list, 2, vec![12], None), Err(Refusal::WrongRound));
    let mut mailbox = restarted(&mailbox);
    assert_eq!(mailbox.commit(key(2), &list, 1, vec![21], welcome(&[3])), Ok(true));
    let list = signed(list);
    for member in [1, 2, 3] {
        let news = mailbox.sync(&key(member), &list, Some(0)).unwrap();
        assert_eq!((news.epoch, news.commits), (2, vec![vec![10], vec![21]]));
        assert_eq!(mailbox.sync(&key(member), &list, Some(2)).unwrap().commits.len(), 0);
    }
}

#[test]
fn strangers_leave_nothing_and_get_nothing() {
    let list = roster(&[1, 2]);
    let mut mailbox = Mailbox::default();
    assert_eq!(mailbox.offer(key(3), &list, vec![1]), Err(Refusal::Stranger));
    assert_eq!(mailbox.commit(key(3), &list, 0, vec![1], None), Err(Refusal::Stranger));
    // A member that would let a stranger in: it could not, but its welcome is not kept either.
    assert_eq!(mailbox.commit(key(1), &list, 0, vec![1], welcome(&[3])), Err(Refusal::BadSet));
    assert_eq!(mailbox, Mailbox::default());
    assert_eq!(mailbox.sync(&key(3), &signed(list), None), Err(Refusal::Stranger));
}

#[test]
fn an_offer_waits_until_its_owner_is_admitted_and_its_welcome_is_for_it_alone() {
    let list = roster(&[1, 2, 3]);
    let mut mailbox = Mailbox::default();
    assert_eq!(mailbox.offer(key(2), &list, vec![2]), Ok(true));
    assert_eq!(mailbox.offer(key(2), &list, vec![2]), Ok(false));
    assert_eq!(mailbox.offer(key(2), &list, vec![22]), Ok(true));
    mailbox.offer(key(3), &list, vec![3]).unwrap();
    assert_eq!(mailbox.commit(key(1), &list, 0, vec![10], welcome(&[2])), Ok(true));
    let list = signed(list);
    let news = restarted(&mailbox).sync(&key(2), &list, None).unwrap();
    assert_eq!(news.welcome, Some(vec![2; 4]));
    assert_eq!(news.offers, vec![(key(3), vec![3])]);
    assert_eq!(mailbox.sync(&key(3), &list, None).unwrap().welcome, None);
    assert_eq!(mailbox.sync(&key(2), &list, Some(1)).unwrap().welcome, None);
}

#[test]
fn what_is_kept_is_bounded_and_whoever_is_too_far_behind_is_told() {
    let list = roster(&[1, 2]);
    let mut mailbox = Mailbox::default();
    let big = vec![0; COMMIT_BYTES_MAX + 1];
    assert_eq!(mailbox.commit(key(1), &list, 0, big, None), Err(Refusal::Oversized));
    let big = vec![0; PACKAGE_BYTES_MAX + 1];
    assert_eq!(mailbox.offer(key(1), &list, big), Err(Refusal::Oversized));
    let epochs = COMMITS_KEPT_MAX as u64 + 5;
    for epoch in 0..epochs {
        let commit = epoch.to_be_bytes().to_vec();
        assert_eq!(mailbox.commit(key(1), &list, epoch, commit, welcome(&[2])), Ok(true));
    }
    assert_eq!(mailbox.commits.len(), COMMITS_KEPT_MAX);
    assert_eq!(mailbox.welcomes.len(), WELCOMES_KEPT_MAX);
    let mailbox = restarted(&mailbox);
    let list = signed(list);
    let behind = mailbox.sync(&key(1), &list, Some(4)).unwrap();
    assert_eq!((behind.epoch, behind.commits.len()), (epochs, 0));
    let kept = mailbox.sync(&key(1), &list, Some(5)).unwrap();
    assert_eq!(kept.commits.len(), NEWS_COMMITS_MAX);
    assert_eq!(kept.commits[0], 5_u64.to_be_bytes().to_vec());
}

#[test]
fn large_commits_are_kept_only_up_to_a_bound_in_bytes() {
    let list = roster(&[1]);
    let mut mailbox = Mailbox::default();
    for epoch in 0..40 {
        let commit = vec![0; COMMIT_BYTES_MAX];
        assert_eq!(mailbox.commit(key(1), &list, epoch, commit, None), Ok(true));
    }
    assert_eq!(mailbox.commits.len(), COMMITS_BYTES_MAX / COMMIT_BYTES_MAX);
    assert_eq!(mailbox.epoch(), 40);
}

#[test]
fn a_hand_over_is_news_once() {
    let mut mailbox = Mailbox::default();
    assert!(mailbox.handed(3));
    assert!(!mailbox.handed(3));
    let news = restarted(&mailbox).sync(&key(1), &signed(roster(&[1])), None).unwrap();
    assert_eq!(news.handed, Some(3));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(mailbox) = Mailbox::from_bytes(&bytes) {
            prop_assert_eq!(mailbox.to_bytes(), bytes);
        }
    }
}
