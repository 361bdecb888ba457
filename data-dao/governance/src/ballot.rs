//! One member's vote, signed by the member's own key.

use privacy_identity::{Digest, Encode, Tag, VerifyingKey, Writer};
use serde::{Deserialize, Serialize};

use crate::{ProposalId, optional_text, request::request_of, text};

/// What a voter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// No. Does not count towards the quorum.
    Against,
    /// Yes.
    For,
    /// Counts towards the quorum only.
    Abstain,
}

/// How a voter's weight is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// All of it, or all that is left of it.
    Whole(Choice),
    /// Parts of it; what is left can be spent by a later ballot. For an organisation whose own
    /// members disagree. Only of own weight: a part of what others entrusted could not be overridden.
    Split(Split),
}

/// Weight by choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Weight against.
    #[serde(with = "text")]
    pub against: u128,
    /// Weight for.
    #[serde(with = "text")]
    pub in_favour: u128,
    /// Weight abstaining.
    #[serde(with = "text")]
    pub abstain: u128,
}

impl Split {
    /// `weight` on one choice.
    #[must_use]
    pub const fn whole(choice: Choice, weight: u128) -> Self {
        let none = Self { against: 0, in_favour: 0, abstain: 0 };
        match choice {
            Choice::Against => Self { against: weight, ..none },
            Choice::For => Self { in_favour: weight, ..none },
            Choice::Abstain => Self { abstain: weight, ..none },
        }
    }

    /// All weight, if it fits 128 bits.
    #[must_use]
    pub const fn total(&self) -> Option<u128> {
        match self.against.checked_add(self.in_favour) {
            Some(sum) => sum.checked_add(self.abstain),
            None => None,
        }
    }
}

/// With which weight a ballot votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// With the weight that is entrusted to the voter, its own included unless it is entrusted to
    /// somebody else.
    Entrusted,
    /// With its own weight, taken back from the delegate in this proposal.
    Override,
}

/// A vote on one proposal of one DAO.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ballot {
    /// The DAO: the leaf hash of its genesis entry.
    #[serde(with = "text")]
    pub dao: Digest,
    /// The proposal.
    #[serde(with = "text")]
    pub proposal: ProposalId,
    /// The vote.
    pub vote: Vote,
    /// With which weight.
    pub capacity: Capacity,
    /// Who votes.
    #[serde(with = "text")]
    pub voter: VerifyingKey,
    /// Digest of the voter's words under `Tag::BallotReason`, if there are any.
    #[serde(default, with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub reason: Option<Digest>,
    /// See [`crate::Request::nonce`].
    #[serde(with = "text")]
    pub nonce: u64,
    /// See [`crate::Request::expires_ms`].
    #[serde(with = "text")]
    pub expires_ms: u64,
}

impl Ballot {
    /// Whether the ballot says nothing but No.
    #[must_use]
    pub const fn only_against(&self) -> bool {
        match self.vote {
            Vote::Whole(choice) => matches!(choice, Choice::Against),
            Vote::Split(split) => split.in_favour == 0 && split.abstain == 0,
        }
    }
}

request_of!(Ballot, Tag::Ballot, signed by voter);

impl Encode for Ballot {
    fn encode(&self, writer: &mut Writer) {
        self.dao.encode(writer);
        self.proposal.0.encode(writer);
        match self.vote {
            Vote::Whole(Choice::Against) => writer.u8(0),
            Vote::Whole(Choice::For) => writer.u8(1),
            Vote::Whole(Choice::Abstain) => writer.u8(2),
            Vote::Split(Split { against, in_favour, abstain }) => {
                writer.u8(3);
                for amount in [against, in_favour, abstain] {
                    writer.array(&amount.to_be_bytes());
                }
            }
        }
        writer.u8(match self.capacity {
            Capacity::Entrusted => 0,
            Capacity::Override => 1,
        });
        self.voter.encode(writer);
        writer.u8(u8::from(self.reason.is_some()));
        if let Some(reason) = &self.reason {
            reason.encode(writer);
        }
        writer.u64(self.nonce);
        writer.u64(self.expires_ms);
    }
}

#[cfg(test)]
mod tests {
    use privacy_identity::SigningKey;

    use super::*;
    use crate::Request as _;

    #[test]
    fn a_signature_holds_for_every_part_of_its_ballot_only() {
        let key = SigningKey::from_seed(&[1; 32]);
        let ballot = Ballot {
            dao: Digest([1; 32]),
            proposal: ProposalId(Digest([2; 32])),
            vote: Vote::Whole(Choice::For),
            capacity: Capacity::Entrusted,
            voter: key.verifying_key(),
            reason: None,
            nonce: 1,
            expires_ms: 2,
        };
        let signature = ballot.sign(&key);
        assert!(ballot.verify(&signature).is_ok());
        let split = Split { against: 0, in_favour: 1, abstain: 0 };
        let others = [
            Ballot { dao: Digest([9; 32]), ..ballot.clone() },
            Ballot { proposal: ProposalId(Digest([9; 32])), ..ballot.clone() },
            Ballot { vote: Vote::Whole(Choice::Against), ..ballot.clone() },
            Ballot { vote: Vote::Split(split), ..ballot.clone() },
            Ballot { capacity: Capacity::Override, ..ballot.clone() },
            Ballot { voter: SigningKey::from_seed(&[2; 32]).verifying_key(), ..ballot.clone() },
            Ballot { reason: Some(Digest([0; 32])), ..ballot.clone() },
            Ballot { nonce: 2, ..ballot.clone() },
            Ballot { expires_ms: 1, ..ballot.clone() },
        ];
        for other in others {
            assert!(other.verify(&signature).is_err(), "{other:?}");
        }
    }
}
