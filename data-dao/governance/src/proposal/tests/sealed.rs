//! Sealed ballots: committed until 20, opened from 21 to 28.

use super::*;
use crate::Opening;

fn secret() -> ProposalContent {
    ProposalContent { ballots: BallotSecrecy::Sealed, ..content() }
}

fn fresh() -> Proposal {
    opened(secret(), parameters(1), electorate(weights(&[10, 7, 5], 22), &[(3, 2)]))
}

fn opening(p: &Proposal, number: u8, capacity: Capacity, choice: Choice) -> Opening {
    let ballot = ballot(p, number, capacity, Vote::Whole(choice));
    let signature = ballot.sign(&key(number));
    Opening { ballot, signature, blinding: Digest([number; 32]) }
}

fn seal(p: &mut Proposal, opening: &Opening, now: u64) -> Result<(), GovernanceError> {
    p.commit(&opening.sealed(), now)
}

#[test]
fn nothing_is_known_before_the_vote_is_over() {
    let mut p = fresh();
    let (one, two) =
        (opening(&p, 1, Capacity::Entrusted, Against), opening(&p, 2, Capacity::Entrusted, For));
    let three = opening(&p, 3, Capacity::Override, For);
    for opening in [&one, &two, &three] {
        seal(&mut p, opening, 20).unwrap();
    }
    assert_eq!((sums(&p), p.commitments().len()), ([0, 0, 0], 3));
    let early = p.reveal(&one, 20);
    assert_eq!(early, Err(GovernanceError::TooEarlyToReveal { deadline_ms: 20, now_ms: 20 }));
    assert_eq!((p.state(28), p.state(29)), (Active, Defeated));
    assert_eq!(p.reveal(&three, 21), Ok(5));
    assert_eq!(p.reveal(&two, 28), Ok(7));
    assert_eq!(p.reveal(&one, 28), Ok(10));
    assert_eq!(sums(&p), [10, 12, 0]);
    assert_eq!((p.state(28), p.state(29)), (Active, Succeeded));
    assert_eq!(p.due(), Some((29, Step::Queue)));
}

#[test]
fn what_is_not_opened_counts_as_not_cast() {
    let mut p = fresh();
    let (one, two) =
        (opening(&p, 1, Capacity::Entrusted, Against), opening(&p, 2, Capacity::Entrusted, For));
    seal(&mut p, &one, 10).unwrap();
    seal(&mut p, &two, 10).unwrap();
    p.reveal(&two, 25).unwrap();
    assert_eq!((sums(&p), p.tally().voters, p.state(29)), ([0, 12, 0], 1, Succeeded));
    assert_eq!(state_of(p.reveal(&one, 29)), Succeeded);
    assert_eq!(fresh().state(29), Defeated);
}

#[test]
fn an_opening_opens_only_what_was_sealed_and_once() {
    let mut p = fresh();
    let honest = opening(&p, 1, Capacity::Entrusted, For);
    seal(&mut p, &honest, 10).unwrap();
    let other = opening(&p, 1, Capacity::Entrusted, Against);
    let again = seal(&mut p, &other, 10);
    assert_eq!(again, Err(GovernanceError::AlreadyVoted { voter: voter(1) }));
    let swapped = opening(&p, 1, Capacity::Entrusted, Against);
    assert!(matches!(p.reveal(&swapped, 21), Err(GovernanceError::OpeningDiffers { .. })));
    let blind = Opening { blinding: Digest([9; 32]), ..honest.clone() };
    assert!(matches!(p.reveal(&blind, 21), Err(GovernanceError::OpeningDiffers { .. })));
    let never = opening(&p, 2, Capacity::Entrusted, For);
    assert_eq!(p.reveal(&never, 21), Err(GovernanceError::NothingSealed { voter: voter(2) }));
    assert_eq!(sums(&p), [0, 0, 0]);
    p.reveal(&honest, 21).unwrap();
    assert_eq!(p.reveal(&honest, 21), Err(GovernanceError::NothingSealed { voter: voter(1) }));
}

#[test]
fn open_and_sealed_ballots_are_not_taken_for_each_other() {
    let mut p = fresh();
    assert_eq!(cast(&mut p, 1, For, 10), Err(GovernanceError::BallotsAreSealed));
    let sealed = opening(&p, 1, Capacity::Entrusted, For);
    let late = seal(&mut p, &sealed, 21);
    assert_eq!(late, Err(GovernanceError::CommittingIsOver { deadline_ms: 20, now_ms: 21 }));
    let stranger = opening(&p, 50, Capacity::Entrusted, For);
    let refused = seal(&mut p, &stranger, 10);
    assert_eq!(refused, Err(GovernanceError::NoWeight { voter: voter(50) }));
    let mut open = base(1);
    assert_eq!(seal(&mut open, &sealed, 10), Err(GovernanceError::BallotsAreOpen));
    assert_eq!(open.reveal(&sealed, 10), Err(GovernanceError::BallotsAreOpen));
}

#[test]
fn a_signature_of_a_sealed_ballot_covers_its_commitment() {
    let p = fresh();
    let sealed = opening(&p, 1, Capacity::Entrusted, For).sealed();
    let signature = sealed.sign(&key(1));
    assert!(sealed.verify(&signature).is_ok());
    let other = SealedBallot { commitment: Digest([0; 32]), ..sealed.clone() };
    assert!(other.verify(&signature).is_err());
    let other = SealedBallot { capacity: Capacity::Override, ..sealed };
    assert!(other.verify(&signature).is_err());
}
