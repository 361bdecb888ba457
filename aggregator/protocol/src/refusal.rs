//! Why a message was refused.

use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};
use thiserror::Error;

/// Why an aggregator refused a message. A refused message changes nothing but its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Larger than any message of its kind can be.
    #[error("message is too large")]
    Oversized,
    /// Not a canonical encoding (truncated, trailing bytes, another version).
    #[error("message is malformed")]
    Malformed,
    /// No valid signature by the member that it names.
    #[error("signature does not verify")]
    BadSignature,
    /// Its sender is not in the round's cohort.
    #[error("sender is not in the cohort")]
    Stranger,
    /// It names another member than the one that sent it.
    #[error("sender is not the member that the message names")]
    WrongSender,
    /// It is bound to another federation or DAO.
    #[error("message is for another federation")]
    WrongFederation,
    /// It is bound to another round, earlier or later.
    #[error("message is for another round")]
    WrongRound,
    /// It is bound to another model.
    #[error("message is for another model")]
    WrongModel,
    /// The member already submitted another update to this round.
    #[error("member already submitted another update")]
    Duplicate,
    /// The round no longer takes updates.
    #[error("round no longer takes updates")]
    Late,
    /// The share does not open under this aggregator's key, or has the wrong size.
    #[error("share does not open")]
    Unopenable,
    /// The invitation is not valid.
    #[error("invitation is not valid")]
    NotInvited,
    /// A set below the minimum cohort, or one with a member that was not accepted.
    #[error("set of contributions is not acceptable")]
    BadSet,
    /// A second, different question about a round that was answered.
    #[error("round was already answered otherwise")]
    AlreadyAnswered,
    /// The proof that the update's norm is within bound does not hold.
    #[error("norm proof does not hold")]
    BadProof,
    /// Too few custodians echoed the set.
    #[error("too few custodians agree on the set")]
    NoAgreement,
    /// Nothing of the kind is under way.
    #[error("not expected now")]
    Unexpected,
    /// The cohort does not change while a round collects.
    #[error("a round is collecting")]
    Busy,
    /// A part that was held is missing from the store or altered there.
    #[error("a part that was held is missing or altered")]
    Lost,
    /// No ticket shows that its sender was drawn for the round.
    #[error("no ticket shows that the sender was drawn")]
    NotDrawn,
    /// The round took as many updates as it wanted.
    #[error("round has as many updates as it wanted")]
    Enough,
    /// A share of a key that does not fit the others', or custodians were shown different proofs that it does.
    #[error("shares of the key do not belong together")]
    BadShare,
    /// Trained from a model that is too old, or that nobody else waits for any more.
    #[error("trained from a model that is too old")]
    Stale,
}

impl Refusal {
    const ALL: [Self; 23] = [
        Self::Oversized,
        Self::Malformed,
        Self::BadSignature,
        Self::Stranger,
        Self::WrongSender,
        Self::WrongFederation,
        Self::WrongRound,
        Self::WrongModel,
        Self::Duplicate,
        Self::Late,
        Self::Unopenable,
        Self::NotInvited,
        Self::BadSet,
        Self::AlreadyAnswered,
        Self::Unexpected,
        Self::BadProof,
        Self::NoAgreement,
        Self::Busy,
        Self::Lost,
        Self::NotDrawn,
        Self::Enough,
        Self::BadShare,
        Self::Stale,
    ];

    /// The stable name under which refusals are counted.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Oversized => "oversized",
            Self::Malformed => "malformed",
            Self::BadSignature => "bad-signature",
            Self::Stranger => "stranger",
            Self::WrongSender => "wrong-sender",
            Self::WrongFederation => "wrong-federation",
            Self::WrongRound => "wrong-round",
            Self::WrongModel => "wrong-model",
            Self::Duplicate => "duplicate",
            Self::Late => "late",
            Self::Unopenable => "unopenable",
            Self::NotInvited => "not-invited",
            Self::BadSet => "bad-set",
            Self::AlreadyAnswered => "already-answered",
            Self::Unexpected => "unexpected",
            Self::Busy => "busy",
            Self::Lost => "lost",
            Self::NotDrawn => "not-drawn",
            Self::Enough => "enough",
            Self::BadShare => "bad-share",
            Self::Stale => "stale",
            Self::BadProof => "bad-proof",
            Self::NoAgreement => "no-agreement",
        }
    }
}

impl Encode for Refusal {
    fn encode(&self, writer: &mut Writer) {
        let index = Self::ALL.iter().position(|refusal| refusal == self);
        let index = index.expect("ALL lists every refusal");
        writer.u8(u8::try_from(index).expect("fewer than 256 refusals"));
    }
}

impl Decode for Refusal {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let index = usize::from(reader.u8()?);
        let refusal = Self::ALL.get(index).copied();
        refusal.ok_or_else(|| DecodeError::invalid("refusal", index))
    }
}
