//! One member's vote, signed by the member's own key.

use privacy_identity::{
    Digest, Encode, KeyError, Signature, SigningKey, Tag, VerifyingKey, Writer,
};
use serde::{Deserialize, Serialize};

use crate::{ProposalId, text};

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

/// A vote on one proposal of one DAO. There is one per voter, so it needs no nonce: presented
/// again it is refused, presented elsewhere it names another proposal.
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
    pub choice: Choice,
    /// Who votes.
    #[serde(with = "text")]
    pub voter: VerifyingKey,
}

impl Ballot {
    /// Signs the ballot; `key` must be the voter's for it to be counted.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Signature {
        key.sign(Tag::Ballot, &self.to_bytes())
    }

    /// Checks that the voter signed.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`].
    pub fn verify(&self, signature: &Signature) -> Result<(), KeyError> {
        self.voter.verify(Tag::Ballot, &self.to_bytes(), signature)
    }
}

impl Encode for Ballot {
    fn encode(&self, writer: &mut Writer) {
        self.dao.encode(writer);
        self.proposal.0.encode(writer);
        writer.u8(match self.choice {
            Choice::Against => 0,
            Choice::For => 1,
            Choice::Abstain => 2,
        });
        self.voter.encode(writer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_dao_proposal_choice_and_voter_only() {
        let key = SigningKey::from_seed(&[1; 32]);
        let ballot = Ballot {
            dao: Digest([1; 32]),
            proposal: ProposalId(Digest([2; 32])),
            choice: Choice::For,
            voter: key.verifying_key(),
        };
        let signature = ballot.sign(&key);
        assert!(ballot.verify(&signature).is_ok());
        let others = [
            Ballot { dao: Digest([9; 32]), ..ballot.clone() },
            Ballot { proposal: ProposalId(Digest([9; 32])), ..ballot.clone() },
            Ballot { choice: Choice::Against, ..ballot.clone() },
            Ballot { voter: SigningKey::from_seed(&[2; 32]).verifying_key(), ..ballot.clone() },
        ];
        for other in others {
            assert!(other.verify(&signature).is_err(), "{other:?}");
        }
    }
}
