//! The ballot box of one proposal: who spent how much weight on what.

use std::collections::BTreeMap;

use privacy_identity::VerifyingKey;

use crate::{Ballot, Capacity, Electorate, GovernanceError, Split, Vote};

/// Weight and voters by choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Weight against.
    pub against: u128,
    /// Weight for.
    pub in_favour: u128,
    /// Weight abstaining.
    pub abstain: u128,
    /// Members with weight on For or Abstain: those who make the quorum.
    pub quorum_voters: u64,
    /// Members with weight on anything.
    pub voters: u64,
}

/// What one member's ballots count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Of the weight that was entrusted to it.
    pub entrusted: Split,
    /// Of its own weight, taken back from its delegate.
    pub overriding: Option<Split>,
}

impl Spent {
    /// Both together.
    #[must_use]
    pub fn total(&self) -> Split {
        let own = self.overriding.unwrap_or_default();
        // The sides of different members' weights, which fit the supply together.
        Split {
            against: self.entrusted.against + own.against,
            in_favour: self.entrusted.in_favour + own.in_favour,
            abstain: self.entrusted.abstain + own.abstain,
        }
    }
}

/// A vote in progress, or over.
///
/// ```text
///  delegator ──entrusts──► delegate ──ballot (Entrusted)──► tally
///      └────────ballot (Override)──► tally, and as much less of the delegate's, before or after it
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    electorate: Electorate,
    /// What each member can spend as entrusted: less what was taken back.
    voices: BTreeMap<VerifyingKey, u128>,
    spent: BTreeMap<VerifyingKey, Spent>,
    tally: Tally,
}

impl Poll {
    /// An empty ballot box.
    #[must_use]
    pub fn new(electorate: Electorate) -> Self {
        let voices = electorate.voices();
        Self { electorate, voices, spent: BTreeMap::new(), tally: Tally::default() }
    }

    /// Counts a ballot and returns the weight with which it counts.
    ///
    /// # Errors
    /// [`GovernanceError`] without weight, or with more than is left; nothing is changed then.
    pub fn cast(&mut self, ballot: &Ballot) -> Result<u128, GovernanceError> {
        match ballot.capacity {
            Capacity::Entrusted => self.spend(ballot.voter, ballot.vote),
            Capacity::Override => self.take_back(ballot.voter, ballot.vote),
        }
    }

    /// Checks that a ballot of this voter in this capacity could count.
    ///
    /// # Errors
    /// As [`Poll::cast`].
    pub fn check(&self, voter: VerifyingKey, capacity: Capacity) -> Result<(), GovernanceError> {
        match capacity {
            Capacity::Entrusted => self.left(voter).map(drop),
            Capacity::Override => self.overridable(voter).map(drop),
        }
    }

    /// What the voter can still spend as entrusted.
    fn left(&self, voter: VerifyingKey) -> Result<u128, GovernanceError> {
        let voice = self.voices.get(&voter).copied().unwrap_or(0);
        if voice == 0 {
            return Err(GovernanceError::NoWeight { voter });
        }
        // What was spent is at most the voice.
        match voice - self.spent_of(&voter).entrusted.total().unwrap_or(voice) {
            0 => Err(GovernanceError::AlreadyVoted { voter }),
            left => Ok(left),
        }
    }

    fn spend(&mut self, voter: VerifyingKey, vote: Vote) -> Result<u128, GovernanceError> {
        let left = self.left(voter)?;
        let split = match vote {
            Vote::Whole(choice) => Split::whole(choice, left),
            Vote::Split(split) => {
                if self.voices.get(&voter) != self.electorate.weights().get(&voter)
                    || self.electorate.delegate_of(&voter).is_some()
                {
                    return Err(GovernanceError::SplitOfEntrusted { voter });
                }
                split
            }
        };
        let weight = within(voter, &split, left)?;
        let mut spent = self.spent_of(&voter);
        spent.entrusted = sum(&spent.entrusted, &split);
        self.set(voter, spent);
        Ok(weight)
    }

    /// The voter's own weight and its delegate, if it did not override it yet.
    fn overridable(&self, voter: VerifyingKey) -> Result<(u128, VerifyingKey), GovernanceError> {
        let weight = self.electorate.own(&voter);
        if weight == 0 {
            return Err(GovernanceError::NoWeight { voter });
        }
        let Some(delegate) = self.electorate.delegate_of(&voter) else {
            return Err(GovernanceError::NotDelegated { voter });
        };
        if self.spent_of(&voter).overriding.is_some() {
            return Err(GovernanceError::AlreadyVoted { voter });
        }
        Ok((weight, delegate))
    }

    fn take_back(&mut self, voter: VerifyingKey, vote: Vote) -> Result<u128, GovernanceError> {
        let (weight, delegate) = self.overridable(voter)?;
        let split = match vote {
            Vote::Whole(choice) => Split::whole(choice, weight),
            Vote::Split(split) if split.total() == Some(weight) => split,
            // Only once: what is left would be lost.
            Vote::Split(split) => {
                let got = split.total().unwrap_or(u128::MAX);
                return Err(GovernanceError::SplitIsNotAll { voter, weight, got });
            }
        };
        if let Some(voice) = self.voices.get_mut(&delegate) {
            *voice -= weight;
        }
        let mut of_delegate = self.spent_of(&delegate);
        if of_delegate != Spent::default() {
            of_delegate.entrusted = less(&of_delegate.entrusted, weight);
            self.set(delegate, of_delegate);
        }
        let mut spent = self.spent_of(&voter);
        spent.overriding = Some(split);
        self.set(voter, spent);
        Ok(weight)
    }

    fn spent_of(&self, member: &VerifyingKey) -> Spent {
        self.spent.get(member).copied().unwrap_or_default()
    }

    /// Puts in what a member's ballots count now, in place of what they counted.
    fn set(&mut self, member: VerifyingKey, spent: Spent) {
        let (before, after) = (counted(&self.spent_of(&member)), counted(&spent));
        let moved = |sum: u128, before: u128, after: u128| sum - before + after;
        self.tally = Tally {
            against: moved(self.tally.against, before.against, after.against),
            in_favour: moved(self.tally.in_favour, before.in_favour, after.in_favour),
            abstain: moved(self.tally.abstain, before.abstain, after.abstain),
            voters: self.tally.voters - before.voters + after.voters,
            quorum_voters: self.tally.quorum_voters - before.quorum_voters + after.quorum_voters,
        };
        self.spent.insert(member, spent);
    }

    /// The votes so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Who spent what.
    #[must_use]
    pub const fn spent(&self) -> &BTreeMap<VerifyingKey, Spent> {
        &self.spent
    }

    /// Weights and delegations.
    #[must_use]
    pub const fn electorate(&self) -> &Electorate {
        &self.electorate
    }
}

/// What one member's ballots add to the tally. Who has no weight left on anything is no voter.
fn counted(spent: &Spent) -> Tally {
    let Split { against, in_favour, abstain } = spent.total();
    let makes_quorum = in_favour > 0 || abstain > 0;
    let voters = u64::from(makes_quorum || against > 0);
    Tally { against, in_favour, abstain, quorum_voters: u64::from(makes_quorum), voters }
}

fn within(voter: VerifyingKey, split: &Split, left: u128) -> Result<u128, GovernanceError> {
    match split.total() {
        Some(0) => Err(GovernanceError::EmptySplit { voter }),
        Some(got) if got <= left => Ok(got),
        got => Err(GovernanceError::Overspent { voter, left, got: got.unwrap_or(u128::MAX) }),
    }
}

const fn sum(a: &Split, b: &Split) -> Split {
    // Both are parts of one voice.
    Split {
        against: a.against + b.against,
        in_favour: a.in_favour + b.in_favour,
        abstain: a.abstain + b.abstain,
    }
}

/// A delegate's ballot without `weight`: who votes for others has one choice, so one side has it all.
fn less(split: &Split, weight: u128) -> Split {
    let side = |amount: u128| amount.saturating_sub(weight);
    Split {
        against: side(split.against),
        in_favour: side(split.in_favour),
        abstain: side(split.abstain),
    }
}
