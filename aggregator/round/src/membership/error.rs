//! Why a member cannot go on with its cohort.

use privacy_cohort::{BroadcastError, CohortError, Disagreement};
use privacy_identity::EnvelopeError;
use thiserror::Error;

/// Why a member cannot go on with its cohort, now or at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// The federation has no cohort.
    #[error("the federation's terms have no cohort")]
    Absent,
    /// The list did not come from the DAO node, or is an earlier one.
    #[error("the list of members is not the DAO node's newest")]
    Roster,
    /// The delivery no longer keeps the commits that lead on from this member's epoch.
    #[error("at epoch {ours}, the cohort at {theirs}: the commits between are no longer kept")]
    Behind {
        /// This member's epoch.
        ours: u64,
        /// The delivery's.
        theirs: u64,
    },
    /// Not a member, or not yet.
    #[error("not in the cohort yet")]
    Outside,
    /// The cohort refused a commit, a welcome or an offer.
    #[error("the cohort refused: {0}")]
    Cohort(#[from] CohortError),
    /// The round is for another state of the cohort.
    #[error("the round is for another cohort than this member's: {0}")]
    Disagreement(#[from] Disagreement),
    /// The model does not open.
    #[error("the model does not open: {0}")]
    Model(#[from] BroadcastError),
    /// The grant names no state of the cohort, or the model is not one.
    #[error("the round's model is not sealed to the cohort")]
    Unsealed,
    /// The DAO node's key is not usable.
    #[error("the DAO node's sealing key is not usable: {0}")]
    Envelope(#[from] EnvelopeError),
    /// Stored state is not what was stored.
    #[error("the stored cohort is damaged: {reason}")]
    Stored {
        /// What is wrong.
        reason: String,
    },
}
