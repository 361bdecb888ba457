//! Proposals and ballots, with the signatures that make them count.

use data_dao_governance::{Ballot, ProposalContent, ProposalId, text};
use privacy_identity::Signature;
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

/// A successful proposal starts its timelock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalQueued {
    /// Which proposal.
    #[serde(with = "text")]
    pub proposal: ProposalId,
}

/// A proposal's actions took effect.
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
    /// Which proposal.
    #[serde(with = "text")]
    pub proposal: ProposalId,
    /// The proposer's signature over the cancellation (see `Cancellation`).
    #[serde(with = "text")]
    pub signature: Signature,
}
