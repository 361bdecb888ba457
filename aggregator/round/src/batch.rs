//! The parts of some updates on their way to another party.

use aggregator_protocol::{AggregatorRequest, RoundOrder};
use privacy_identity::{Digest, Encode as _, Signed, Writer};

use crate::{Input, PartFault, UpdateId, UpdateStore, update_store::read_delivery, worked::Worked};

/// A request to prepare, without the parts: they are read from the store when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub(crate) order: Signed<RoundOrder>,
    pub(crate) place: usize,
    pub(crate) custody: bool,
    pub(crate) challenge: Digest,
    pub(crate) updates: Vec<Digest>,
}

/// Why a batch cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsendable {
    /// An update is lost: this input tells the machine.
    Lost(Box<Input>),
    /// The store cannot be read now: to be tried again.
    Unavailable,
}

impl Batch {
    /// Whether it is for a custodian, who comes for it.
    #[must_use]
    pub const fn custody(&self) -> bool {
        self.custody
    }

    /// What tells this batch from others: its bytes.
    #[must_use]
    pub fn name(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.challenge.encode(&mut writer);
        self.updates.iter().for_each(|update| update.encode(&mut writer));
        writer.into_bytes()
    }

    /// The request with the parts.
    ///
    /// # Errors
    /// [`Unsendable`].
    pub fn request(&self, store: &dyn UpdateStore) -> Result<AggregatorRequest, Unsendable> {
        let round = self.order.unverified_body().grant.unverified_body().round;
        let mut deliveries = Vec::with_capacity(self.updates.len());
        for &update in &self.updates {
            let part = read_delivery(store, UpdateId { round, update }, self.place, self.place);
            match part {
                Ok(part) => deliveries.push(part.as_delivery().clone()),
                Err(PartFault::Unavailable) => return Err(Unsendable::Unavailable),
                Err(fault) => {
                    let altered = fault == PartFault::Altered;
                    let worked = Box::new(Worked::Lost { update, altered });
                    return Err(Unsendable::Lost(Box::new(Input::Worked { round, worked })));
                }
            }
        }
        Ok(AggregatorRequest::Prepare {
            order: Box::new(self.order.clone()),
            deliveries,
            challenge: self.challenge,
        })
    }
}
