//! Sealed ballots of a proposal: taken during the vote, opened after it.
//!
//! No late quorum and no late swing exist here: when the first choice becomes known, the last one
//! is fixed.

use super::{Proposal, wrong};
use crate::{BallotSecrecy, GovernanceError, Opening, ProposalState, SealedBallot};

impl Proposal {
    /// Takes a sealed ballot. Signature, DAO, proposal and nonce are the caller's to check.
    ///
    /// # Errors
    /// [`GovernanceError`] if ballots are open, outside the voting period, without weight, or a
    /// second time. The proposal is unchanged then.
    pub fn commit(&mut self, ballot: &SealedBallot, now_ms: u64) -> Result<(), GovernanceError> {
        if self.content.ballots == BallotSecrecy::Open {
            return Err(GovernanceError::BallotsAreOpen);
        }
        let state = self.state(now_ms);
        let (Some(poll), ProposalState::Active) = (&self.poll, state) else {
            return Err(wrong("voting", "Active", state));
        };
        if now_ms > self.deadline_ms {
            return Err(GovernanceError::CommittingIsOver {
                deadline_ms: self.deadline_ms,
                now_ms,
            });
        }
        let (voter, capacity) = (ballot.voter, ballot.capacity);
        poll.check(voter, capacity)?;
        if self.commitments.contains_key(&(voter, capacity)) {
            return Err(GovernanceError::AlreadyVoted { voter });
        }
        self.commitments.insert((voter, capacity), ballot.commitment);
        Ok(())
    }

    /// Counts what a sealed ballot hid. The signature in the opening is the caller's to check.
    ///
    /// Returns the weight with which it counts.
    ///
    /// # Errors
    /// [`GovernanceError`] outside the reveal period, if nothing was sealed, or something else.
    /// The proposal is unchanged then.
    pub fn reveal(&mut self, opening: &Opening, now_ms: u64) -> Result<u128, GovernanceError> {
        if self.content.ballots == BallotSecrecy::Open {
            return Err(GovernanceError::BallotsAreOpen);
        }
        let state = self.state(now_ms);
        let (Some(poll), ProposalState::Active) = (&mut self.poll, state) else {
            return Err(wrong("opening a ballot", "Active", state));
        };
        if now_ms <= self.deadline_ms {
            return Err(GovernanceError::TooEarlyToReveal {
                deadline_ms: self.deadline_ms,
                now_ms,
            });
        }
        let voter = opening.ballot.voter;
        let key = (voter, opening.ballot.capacity);
        let Some(expected) = self.commitments.get(&key).copied() else {
            return Err(GovernanceError::NothingSealed { voter });
        };
        let got = opening.commitment();
        if got != expected {
            return Err(GovernanceError::OpeningDiffers { expected, got });
        }
        let weight = poll.cast(&opening.ballot)?;
        self.commitments.remove(&key);
        Ok(weight)
    }
}
