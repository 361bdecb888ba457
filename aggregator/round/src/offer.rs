//! What a device trains from where it trains at its own pace, and which round may take what it trained.
//!
//! ```text
//!   Signed<ModelOffer>, model ─checked─► trained from ─► ModelTrained ─► RoundOrder of the same model ─► Ordered
//! ```
//!
//! Threats: a model that the DAO node did not offer, from which an update would tell more; an old offer brought again, so
//! that a member's work is always too late; a round that takes the update for another version than it was trained from,
//! where it would weigh more and its value would be another's. The last is refused by the device here, by the coordinator
//! and every aggregator in the update's [`Binding`](privacy_secagg::Binding), and by the ledger.

use aggregator_protocol::{FederationTerms, ModelOffer, ModelTrained, RoundId, RoundOrder};
use privacy_identity::{Digest, Signed, SigningKey, Tag};

use crate::{OrderRefusal, Ordered, participant::checked_grant};

/// Checks what the DAO node signs about a model, before the model itself can be opened.
///
/// * `newest` — the newest version that this device has seen.
///
/// # Errors
/// [`OrderRefusal`].
pub fn checked_offer(
    terms: &FederationTerms,
    offer: &Signed<ModelOffer>,
    newest: Option<u64>,
) -> Result<ModelOffer, OrderRefusal> {
    let offer = offer.clone().verify_by(Tag::ModelOffer, &terms.dao_node);
    let offer = offer.map_err(|_source| OrderRefusal::Unsigned)?.body().clone();
    if offer.federation != terms.id() || offer.dao != terms.dao {
        return Err(OrderRefusal::WrongFederation);
    }
    if terms.buffer.is_none() || offer.cohort_epoch.is_some() != terms.cohort.is_present() {
        return Err(OrderRefusal::Cohort);
    }
    match newest.filter(|newest| offer.version < *newest) {
        Some(newest) => Err(OrderRefusal::OldOffer { newest, got: offer.version }),
        None => Ok(offer),
    }
}

/// Checks that a model is the one that is offered.
///
/// # Errors
/// [`OrderRefusal::WrongModel`].
pub fn check_offered(offer: &ModelOffer, model: &[u8]) -> Result<(), OrderRefusal> {
    let got = Digest::of(Tag::Model, model);
    if got == offer.model {
        Ok(())
    } else {
        Err(OrderRefusal::WrongModel { expected: offer.model, got })
    }
}

/// The word of the owner of `key` that it has trained from a version.
#[must_use]
pub fn trained_from(
    terms: &FederationTerms,
    (version, model): (u64, Digest),
    key: &SigningKey,
) -> Signed<ModelTrained> {
    let body = ModelTrained { federation: terms.id(), version, model };
    Signed::new(body, Tag::ModelTrained, key)
}

impl Ordered {
    /// As [`Ordered::accept`] for an update that was trained before the order came: the model of the round has to be
    /// the one that it was trained from.
    ///
    /// * `trained` — the digest of that model.
    ///
    /// # Errors
    /// [`OrderRefusal`].
    pub fn accept_trained(
        terms: &FederationTerms,
        key: &SigningKey,
        last: Option<RoundId>,
        order: &Signed<RoundOrder>,
        trained: &Digest,
    ) -> Result<Self, OrderRefusal> {
        let grant = checked_grant(terms, order)?;
        if grant.model != *trained {
            return Err(OrderRefusal::WrongModel { expected: grant.model, got: *trained });
        }
        Self::of_member(terms, grant, key, last)
    }
}
