//! The parts of a set that one party holds, one at a time.

use aggregator_protocol::{Refusal, RoundGrant};
use privacy_identity::{Digest, VerifyingKey};
use privacy_secagg::VerifiedDelivery;

use crate::{
    AggregatorContext, PartFault, UpdateId, UpdateStore,
    update_store::{OWN_PART, read_delivery},
};

/// Why work on parts ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartError {
    /// A part that was held cannot be had.
    Fault {
        /// Of which update.
        update: Digest,
        /// Why.
        fault: PartFault,
    },
    /// A part does not fit.
    Refused(Refusal),
}

impl From<Refusal> for PartError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<PartError> for Refusal {
    fn from(error: PartError) -> Self {
        match error {
            PartError::Fault { .. } => Self::Lost,
            PartError::Refused(refusal) => refusal,
        }
    }
}

/// What the party at `place` holds of the updates of `set`: never more than one of them in memory.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) context: &'a AggregatorContext,
    pub(crate) grant: &'a RoundGrant,
    pub(crate) place: usize,
    pub(crate) set: &'a [(VerifyingKey, Digest)],
    pub(crate) store: &'a dyn UpdateStore,
}

impl<'a> Parts<'a> {
    /// Each part, in the order of the set.
    pub(crate) fn each(self) -> impl Iterator<Item = Result<VerifiedDelivery, PartError>> + 'a {
        self.set.iter().map(move |(_, update)| self.read(*update))
    }

    fn read(&self, update: Digest) -> Result<VerifiedDelivery, PartError> {
        let id = UpdateId { round: self.grant.round, update };
        read_delivery(self.store, id, OWN_PART, self.place)
            .map_err(|fault| PartError::Fault { update, fault })
    }
}
