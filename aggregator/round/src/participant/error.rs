//! Why a device takes no part, or does not believe what it is told.

use aggregator_protocol::RoundId;
use privacy_identity::Digest;
use thiserror::Error;

/// Why a device does not train for an order.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OrderRefusal {
    /// Not signed by the coordinator, or not granted by the DAO node.
    #[error("order is not signed by the coordinator and granted by the DAO node")]
    Unsigned,
    /// Another federation than the owner agreed to.
    #[error("order is for another federation than the one that was agreed to")]
    WrongFederation,
    /// A round that was already trained for.
    #[error("round {got} was already answered; the last one was {last}")]
    Replayed {
        /// The last round trained for.
        last: RoundId,
        /// The order's round.
        got: RoundId,
    },
    /// This member is not in the cohort.
    #[error("this member is not in the round's cohort")]
    NotInvited,
    /// The model's bytes are not those that were granted.
    #[error("model has digest {got}, the grant names {expected}")]
    WrongModel {
        /// The granted digest.
        expected: Digest,
        /// The digest of what came.
        got: Digest,
    },
    /// The custodians are not members of the cohort who signed their own keys.
    #[error("the round's custodians are not members of its cohort under keys of their own")]
    Custodians,
    /// More are invited than the terms say, or nobody, or not by keys of their own where members draw.
    #[error("the grant does not invite as the terms say")]
    Invited,
    /// The grant names another key by which this member draws than its own.
    #[error("the grant names another key for this member's draw than its own")]
    DrawKey,
    /// This member was not drawn: it has no part in the round, and tells nobody.
    #[error("this member was not drawn for the round")]
    NotDrawn,
    /// An offer of a model that is older than one that this device has seen.
    #[error("version {got} was offered, version {newest} before it")]
    OldOffer {
        /// The newest version seen.
        newest: u64,
        /// The offered one.
        got: u64,
    },
    /// It names no state of the cohort, or one in a federation that has none.
    #[error("the grant does not fit a federation with this cohort")]
    Cohort,
    /// It names no control variate where the terms ask for one, or one where they do not, or another than came.
    #[error("the control variate is not the one that the grant names, or the terms ask for none")]
    Control,
    /// The update could not be encoded or sealed.
    #[error("update cannot be sealed: {reason}")]
    Sealing {
        /// Why.
        reason: String,
    },
}

/// Why a receipt is not believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// Not signed by the coordinator, or for another round.
    #[error("receipt is not the coordinator's for this round")]
    NotOurs,
    /// An aggregator's commitment to the same set is missing or wrong.
    #[error("aggregator {index} did not commit to the accepted set")]
    Commitment {
        /// Which aggregator.
        index: usize,
    },
    /// The update was acknowledged but is not in the accepted set.
    #[error("the acknowledged update is not in the accepted set")]
    LeftOut,
}
