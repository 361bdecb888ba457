//! Why a cohort refused something.

use privacy_identity::{DecodeError, Digest, VerifyingKey};
use thiserror::Error;

/// Why a cohort refused an operation. Whatever is refused leaves the cohort as it was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CohortError {
    /// A message is larger than [`crate::MESSAGE_BYTES_MAX`].
    #[error("message of {got} bytes exceeds the bound of {bound}")]
    TooLong {
        /// Bytes of the message.
        got: usize,
        /// The most that is read.
        bound: usize,
    },
    /// The bytes are not an MLS message (RFC 9420 §6).
    #[error("not an MLS message: {reason}")]
    Malformed {
        /// What the decoder found.
        reason: String,
    },
    /// It is an MLS message, but not of the kind that belongs here. Public messages (and with them
    /// external commits and external proposals) and standalone proposals belong nowhere.
    #[error("expected {expected}, got {got}")]
    WrongKind {
        /// What belongs here.
        expected: &'static str,
        /// What came.
        got: &'static str,
    },
    /// The message belongs to another group.
    #[error("message is for group {got}, not for federation {expected}")]
    OtherFederation {
        /// This cohort's federation.
        expected: Digest,
        /// The message's group id, in hexadecimal.
        got: String,
    },
    /// The message belongs to another epoch: replayed, late, or ahead of a commit not yet processed.
    #[error("message is for epoch {got}, not for epoch {expected}")]
    OtherEpoch {
        /// This cohort's epoch.
        expected: u64,
        /// The message's.
        got: u64,
    },
    /// The message does not decrypt, verify or apply.
    #[error("message is not authentic: {reason}")]
    NotAuthentic {
        /// What openmls found.
        reason: String,
    },
    /// A key package does not verify.
    #[error("key package does not verify: {reason}")]
    BadKeyPackage {
        /// What openmls found.
        reason: String,
    },
    /// A key package's time has passed.
    #[error("key package of {member} was valid until {not_after_s}, now is {now_s}")]
    Expired {
        /// Whose it is.
        member: VerifyingKey,
        /// Its end, in seconds since 1970.
        not_after_s: u64,
        /// The caller's time, in seconds since 1970.
        now_s: u64,
    },
    /// A leaf's credential is not the key that signs for it.
    #[error("bad credential: {reason}")]
    BadCredential {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Somebody would be, or is, in the cohort who is not on the DAO's list.
    #[error("{member} is not on the list")]
    NotListed {
        /// Who.
        member: VerifyingKey,
    },
    /// Somebody would be removed who is on the DAO's list.
    #[error("{member} is on the list and cannot be removed")]
    StillListed {
        /// Who.
        member: VerifyingKey,
    },
    /// Somebody would be added a second time.
    #[error("{member} is already in the cohort, or added twice")]
    AlreadyMember {
        /// Who.
        member: VerifyingKey,
    },
    /// Somebody would be removed who is not there.
    #[error("{member} is not in the cohort")]
    NotAMember {
        /// Who.
        member: VerifyingKey,
    },
    /// A committer's new leaf names another key.
    #[error("{member} would change its key to {new}")]
    KeyChanged {
        /// The committer.
        member: VerifyingKey,
        /// The key of its new leaf.
        new: VerifyingKey,
    },
    /// A commit carries a proposal that is neither an addition nor a removal.
    #[error("commit carries a {kind} proposal")]
    ForbiddenProposal {
        /// Which.
        kind: String,
    },
    /// The cohort would have more than [`crate::COHORT_MEMBERS_MAX`] members.
    #[error("cohort would have {got} members, more than {bound}")]
    TooManyMembers {
        /// How many.
        got: usize,
        /// The most.
        bound: usize,
    },
    /// Nobody was named.
    #[error("nobody to admit or remove")]
    Nobody,
    /// A commit of one's own waits for the delivery's answer.
    #[error("a commit of epoch {epoch} is pending")]
    CommitPending {
        /// The epoch that it would end.
        epoch: u64,
    },
    /// One was removed.
    #[error("no longer a member since epoch {epoch}")]
    Removed {
        /// The last epoch that this cohort's state knows.
        epoch: u64,
    },
    /// Stored state does not open under this key, for this member and federation, or was altered.
    #[error("stored state does not open")]
    StateDoesNotOpen,
    /// Stored state opens but is not the state of a cohort.
    #[error("stored state is malformed")]
    StateMalformed(#[source] DecodeError),
    /// Stored state opens but lacks a part.
    #[error("stored state is incomplete: {reason}")]
    StateIncomplete {
        /// What is missing.
        reason: &'static str,
    },
    /// openmls failed where it should not.
    #[error("openmls failed: {reason}")]
    Library {
        /// What it said.
        reason: String,
    },
}

impl CohortError {
    pub(crate) fn library(error: impl std::fmt::Display) -> Self {
        Self::Library { reason: error.to_string() }
    }

    pub(crate) fn not_authentic(error: impl std::fmt::Display) -> Self {
        Self::NotAuthentic { reason: error.to_string() }
    }
}
