//! Proposals and ballots, with the signatures that make them count.

use data_dao_governance::{
    Ballot, Cancellation, Delegation, GuardianAcceptance, Opening, ProposalContent, ProposalId,
    SealedBallot, Veto, text,
};
use privacy_identity::{Digest, Signature};
use serde::{Deserialize, Serialize};

/// A member made a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalMade {
    /// What is proposed.
    pub content: ProposalContent,
    /// The proposer's signature over the content under `Tag::Proposal`.
    #[serde(with = "text")]
    pub signature: Signature,
}

/// A vote begins: weights and delegations are frozen as they were when the voting delay ended.
///
/// Written by the node as soon as it is due, and before anything later: nobody has to ask for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollOpened {
    /// Which proposal.
    #[serde(with = "text")]
    pub proposal: ProposalId,
    /// The entries before this one: whoever replays them finds the same weights.
    pub tree_size: u64,
    /// The root over them.
    #[serde(with = "text")]
    pub root: Digest,
    /// All weight there is.
    #[serde(with = "text")]
    pub supply: u128,
    /// How many members have weight.
    pub holders: u64,
}

/// A member voted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BallotCast {
    /// The ballot.
    pub ballot: Ballot,
    /// The voter's signature over the ballot under `Tag::Ballot`.
    #[serde(with = "text")]
    pub signature: Signature,
}

/// A member voted, and does not tell what yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BallotSealed {
    /// The sealed ballot.
    pub ballot: SealedBallot,
    /// The voter's signature over it under `Tag::SealedBallot`.
    #[serde(with = "text")]
    pub signature: Signature,
}

/// A sealed ballot was opened after the vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BallotRevealed {
    /// The ballot, its signature, and what hid it.
    pub opening: Opening,
}

/// A successful proposal starts its timelock. Written by the node as soon as it is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalQueued {
    /// Which proposal.
    #[serde(with = "text")]
    pub proposal: ProposalId,
}

/// A proposal's actions took effect. Written by the node as soon as it is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalExecuted {
    /// Which proposal.
    #[serde(with = "text")]
    pub proposal: ProposalId,
}

/// The proposer withdrew a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalCanceled {
    /// What the proposer signed.
    pub cancellation: Cancellation,
    /// The proposer's signature over it under `Tag::MemberRequest`.
    #[serde(with = "text")]
    pub signature: Signature,
}

/// The guardian stopped a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalVetoed {
    /// What the guardian signed, with the reason.
    pub veto: Veto,
    /// The guardian's signature over it under `Tag::MemberRequest`.
    #[serde(with = "text")]
    pub signature: Signature,
}

/// A member entrusted its vote to another, or took it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteDelegated {
    /// What the member signed.
    pub delegation: Delegation,
    /// The member's signature over it under `Tag::MemberRequest`.
    #[serde(with = "text")]
    pub signature: Signature,
}

/// Who was nominated is guardian from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardianAccepted {
    /// What the nominated signed.
    pub acceptance: GuardianAcceptance,
    /// The nominated's signature over it under `Tag::MemberRequest`.
    #[serde(with = "text")]
    pub signature: Signature,
}
