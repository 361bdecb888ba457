//! Where a coordinator can be reached.

use aggregator_network::{Address, Link};

use crate::{Invitation, InvitationError};

/// The coordinator's addresses, and the relays at which it has a place.
#[derive(Debug, Clone)]
pub(crate) struct Ways {
    /// The first address; what it does not reach, the others may.
    pub(crate) coordinator: Address,
    others: Vec<Address>,
    relays: Vec<Address>,
}

impl Ways {
    /// The ways that an invitation names.
    pub(crate) fn to(invitation: &Invitation) -> Result<Self, InvitationError> {
        let Some((&coordinator, others)) = invitation.coordinator.split_first() else {
            return Err(InvitationError::Missing { name: "coordinator" });
        };
        Ok(Self { coordinator, others: others.to_vec(), relays: invitation.relays.clone() })
    }

    /// Tells them to a link, which tries what worked last, QUIC before TCP, and relays last.
    pub(crate) async fn teach(&self, link: &Link) {
        for &address in &self.others {
            link.add_address(address).await;
        }
        for &relay in &self.relays {
            link.add_relay(self.coordinator.peer(), relay).await;
        }
    }
}
