//! Why a charter, a proposal, a ballot or a step was refused.

use privacy_identity::{Digest, VerifyingKey};
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
    /// The voter had no weight at the snapshot, or all of it was taken back by who entrusted it.
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
    /// A part of a licence has other characters than it may.
    #[error("the licence's {field} has characters that it may not have, or is no https:// address")]
    Licence {
        /// Which part.
        field: &'static str,
    },
    /// The voter's weight is its own: there is nothing to override.
    #[error("{voter} entrusted its weight to nobody: vote without override")]
    NotDelegated {
        /// Who tried to override.
        voter: VerifyingKey,
    },
    /// A ballot spends more than its voter has left.
    #[error("{voter} has {left} weight left, the ballot spends {got}")]
    Overspent {
        /// Who tried to vote.
        voter: VerifyingKey,
        /// What is left.
        left: u128,
        /// What the ballot spends.
        got: u128,
    },
    /// A ballot spends nothing.
    #[error("the ballot of {voter} spends no weight")]
    EmptySplit {
        /// Whose ballot.
        voter: VerifyingKey,
    },
    /// Weight that others entrusted, or that is entrusted to another, is not split.
    #[error("{voter} can split only weight of its own that is entrusted to nobody")]
    SplitOfEntrusted {
        /// Who tried to.
        voter: VerifyingKey,
    },
    /// An overriding ballot spends another weight than all of its voter's.
    #[error("{voter} overrides with {weight} weight, the ballot spends {got}")]
    SplitIsNotAll {
        /// Who tried to override.
        voter: VerifyingKey,
        /// Its weight.
        weight: u128,
        /// What the ballot spends.
        got: u128,
    },
    /// While objections are taken there is only No.
    #[error("only votes against are taken while the proposal can be objected to")]
    OnlyAgainst,
    /// The proposal takes sealed ballots.
    #[error("the proposal's ballots are sealed: commit to yours, and open it after the vote")]
    BallotsAreSealed,
    /// The proposal takes open ballots.
    #[error("the proposal's ballots are open: there is nothing to seal or to open")]
    BallotsAreOpen,
    /// Sealed ballots are no longer taken.
    #[error("sealed ballots were taken until {deadline_ms}, now is {now_ms}")]
    CommittingIsOver {
        /// The last moment, in ledger time.
        deadline_ms: u64,
        /// Now, in ledger time.
        now_ms: u64,
    },
    /// Sealed ballots are still taken.
    #[error("sealed ballots are opened after {deadline_ms}, now is {now_ms}")]
    TooEarlyToReveal {
        /// The last moment of the vote, in ledger time.
        deadline_ms: u64,
        /// Now, in ledger time.
        now_ms: u64,
    },
    /// The voter sealed no ballot, or has opened it.
    #[error("{voter} has no sealed ballot here")]
    NothingSealed {
        /// The voter.
        voter: VerifyingKey,
    },
    /// The opening is not what was sealed.
    #[error("the opening commits to {got}, sealed was {expected}")]
    OpeningDiffers {
        /// What was sealed.
        expected: Digest,
        /// What the opening commits to.
        got: Digest,
    },
    /// Only the guardian may do this.
    #[error("{by} is not the guardian in office")]
    NotTheGuardian {
        /// Who tried.
        by: VerifyingKey,
    },
    /// The guardian does not decide about itself.
    #[error("the guardian cannot stop a proposal that is about the guardian alone")]
    AboutTheGuardian,
    /// Nobody asked this key to be guardian.
    #[error("{by} is not nominated as guardian")]
    NotNominated {
        /// Who tried to accept.
        by: VerifyingKey,
    },
    /// A weight is looked up at a time that is not over.
    #[error("weights at {at_ms} are not final before {now_ms} is over")]
    FutureLookup {
        /// The time asked for, in ledger time.
        at_ms: u64,
        /// Now, in ledger time.
        now_ms: u64,
    },
    /// A signed message is too old.
    #[error("the signed message expired at {expires_ms}, now is {now_ms}: sign it again")]
    RequestExpired {
        /// Its last moment, in ledger time.
        expires_ms: u64,
        /// Now, in ledger time.
        now_ms: u64,
    },
    /// A nonce is not above the last one of its signer.
    #[error("{signer} has used nonce {last}, got {got}: sign again with a higher one")]
    NonceUsed {
        /// Who signed.
        signer: VerifyingKey,
        /// The last nonce.
        last: u64,
        /// The message's nonce.
        got: u64,
    },
    /// Everybody votes for itself by default.
    #[error("{member} cannot entrust its vote to itself: take the delegation back instead")]
    DelegatedToSelf {
        /// Who tried.
        member: VerifyingKey,
    },
    /// A delegation would be over at once, or last too long.
    #[error("a delegation until {until_ms} is outside of {now_ms} to {last_ms}")]
    DelegationLength {
        /// When it would end, in ledger time.
        until_ms: u64,
        /// Now, in ledger time.
        now_ms: u64,
        /// When it may end at the latest, in ledger time.
        last_ms: u64,
    },
    /// A list of roles is empty, not ascending, or names one twice.
    #[error(
        "roles are at least one, each once, in the order member, contributor, custodian, buyer, aggregator"
    )]
    Roles,
    /// An invitation cannot give this role.
    #[error("only a vote makes a member {}", .role.as_str())]
    RoleNeedsVote {
        /// The role.
        role: crate::Role,
    },
    /// A price policy is out of bounds.
    #[error("the price policy's {field} is out of bounds")]
    PricePolicy {
        /// Which part.
        field: &'static str,
    },
    /// Two actions of one proposal change the same.
    #[error("two actions change the {target}: put them into two proposals")]
    SameTarget {
        /// What both change.
        target: String,
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
