//! Why a charter, a proposal, a ballot or a step was refused.

use privacy_identity::VerifyingKey;
use thiserror::Error;

use crate::ProposalState;

/// Why a charter was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CharterError {
    /// A parameter is outside its bounds.
    #[error("{parameter} is {got}, allowed are {low} to {high}")]
    OutOfBounds {
        /// Which parameter.
        parameter: &'static str,
        /// Its value.
        got: u64,
        /// Least allowed value.
        low: u64,
        /// Greatest allowed value.
        high: u64,
    },
}

/// Why a governance step was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GovernanceError {
    /// The step does not exist in this state.
    #[error("the proposal is {state:?}, but {step} needs {needed}")]
    WrongState {
        /// What was tried.
        step: &'static str,
        /// The state it needs.
        needed: &'static str,
        /// The state the proposal is in.
        state: ProposalState,
    },
    /// The timelock still runs.
    #[error("the timelock ends at {eta_ms}, now is {now_ms}")]
    TimelockRuns {
        /// When it ends, in ledger time.
        eta_ms: u64,
        /// Now, in ledger time.
        now_ms: u64,
    },
    /// The voter had no weight when the proposal was made.
    #[error("{voter} has no vote in this proposal")]
    NoWeight {
        /// Who tried to vote.
        voter: VerifyingKey,
    },
    /// The voter has voted already.
    #[error("{voter} has voted already")]
    AlreadyVoted {
        /// Who tried to vote again.
        voter: VerifyingKey,
    },
    /// The proposer has too little weight.
    #[error("the proposer's weight is {got}, the threshold is {needed}")]
    BelowThreshold {
        /// The proposer's weight.
        got: u128,
        /// The least weight that may propose.
        needed: u128,
    },
    /// Only the proposer may do this.
    #[error("{by} is not the proposer {proposer}")]
    NotTheProposer {
        /// Who tried.
        by: VerifyingKey,
        /// Who made the proposal.
        proposer: VerifyingKey,
    },
    /// A part of the content is empty or too long.
    #[error("{field} has length {got}, allowed are 1 to {max}")]
    Length {
        /// Which part.
        field: &'static str,
        /// Its length.
        got: usize,
        /// Its bound.
        max: usize,
    },
    /// The weights do not fit 128 bits together.
    #[error("the sum of weights exceeds 128 bits")]
    WeightOverflow,
    /// A time does not fit 64 bits.
    #[error("a time of the proposal exceeds 64 bits")]
    TimeOverflow,
    /// The content is no longer what was voted on.
    #[error("the content's digest is {got}, voted on was {expected}")]
    ContentChanged {
        /// Digest that was voted on.
        expected: crate::ProposalId,
        /// Digest of the content now.
        got: crate::ProposalId,
    },
}
