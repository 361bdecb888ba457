//! Ballots that nobody reads before the vote is over: commit, then reveal.
//!
//! During the vote a member publishes a commitment; after it, within the reveal period, the
//! opening. What is not opened counts as not cast: neither a vote nor part of the quorum.
//!
//! Threats. A vote that follows others, or is paid for by what it says while others still vote:
//! nobody sees a choice before the last commitment is in. A guess by trying all ballots: the
//! commitment covers 32 random bytes. A stolen commitment: the opening holds a ballot signed by
//! its voter. Not stopped: whoever has committed may refuse to open once others have, and so
//! withdraw; it cannot change what it said. Time-lock encryption would stop that, at the price of
//! trust in whoever releases the keys.

use privacy_identity::{Digest, Encode, Signature, Tag, VerifyingKey, Writer};
use serde::{Deserialize, Serialize};

use crate::{Ballot, Capacity, ProposalId, request::request_of, text};

/// A ballot of which only the commitment is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedBallot {
    /// The DAO: the leaf hash of its genesis entry.
    #[serde(with = "text")]
    pub dao: Digest,
    /// The proposal.
    #[serde(with = "text")]
    pub proposal: ProposalId,
    /// With which weight it votes.
    pub capacity: Capacity,
    /// Who votes.
    #[serde(with = "text")]
    pub voter: VerifyingKey,
    /// [`Opening::commitment`].
    #[serde(with = "text")]
    pub commitment: Digest,
    /// See [`crate::Request::nonce`].
    #[serde(with = "text")]
    pub nonce: u64,
    /// See [`crate::Request::expires_ms`].
    #[serde(with = "text")]
    pub expires_ms: u64,
}

request_of!(SealedBallot, Tag::SealedBallot, signed by voter);

impl Encode for SealedBallot {
    fn encode(&self, writer: &mut Writer) {
        self.dao.encode(writer);
        self.proposal.0.encode(writer);
        writer.u8(match self.capacity {
            Capacity::Entrusted => 0,
            Capacity::Override => 1,
        });
        self.voter.encode(writer);
        self.commitment.encode(writer);
        writer.u64(self.nonce);
        writer.u64(self.expires_ms);
    }
}

/// What opens a sealed ballot. Whoever holds it can open it, after the vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// The ballot; its nonce and expiry are those of the sealed ballot.
    pub ballot: Ballot,
    /// The voter's signature over it.
    #[serde(with = "text")]
    pub signature: Signature,
    /// 32 random bytes that hide the choice until then.
    #[serde(with = "text")]
    pub blinding: Digest,
}

impl Opening {
    /// The digest that the sealed ballot names.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        let mut writer = Writer::default();
        self.ballot.encode(&mut writer);
        self.signature.encode(&mut writer);
        self.blinding.encode(&mut writer);
        Digest::of(Tag::BallotCommitment, &writer.into_bytes())
    }

    /// The sealed ballot that this opens, unsigned.
    #[must_use]
    pub fn sealed(&self) -> SealedBallot {
        let Ballot { dao, proposal, capacity, voter, nonce, expires_ms, .. } = self.ballot;
        let commitment = self.commitment();
        SealedBallot { dao, proposal, capacity, voter, commitment, nonce, expires_ms }
    }
}
