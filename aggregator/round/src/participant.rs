//! A contributor's way through one round: consuming steps, so that none can be left out or repeated.
//!
//! Threat: an order outside what the owner agreed to, a model swapped on the way, a coordinator that
//! claims to have counted an update and did not. The device checks the order against the terms that
//! its owner pinned, the model against its digest, and the receipt against its own update.

mod error;

use std::sync::Arc;

use aggregator_protocol::{
    Acknowledgement, ContributorRequest, DriftTerms, FederationTerms, FetchedReceipt, RoundAbort,
    RoundGrant, RoundId, RoundOrder, RoundReceipt,
};
use aggregator_strategy::{Draw, Ticket};
use privacy_dp::LocalUpdate;
use privacy_identity::{Digest, Signed, SigningKey, Tag};
use privacy_secagg::{Binding, NoisyUpdate, QuantizedUpdate, SealedUpdate};
use rand::CryptoRng;

pub use error::{OrderRefusal, ReceiptError};

use crate::{
    OwnShares, RoundSecret,
    context::recipients,
    missing_commitment, mode,
    noise::noised,
    participation::{check_invited, drawn, drawn_before},
};

/// An order whose signatures, federation, custodians and model were checked: what does not depend on who
/// asks. A process with many members checks once.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedOrder {
    grant: Arc<RoundGrant>,
    terms: Arc<FederationTerms>,
}

impl CheckedOrder {
    /// Checks an order against the terms that the owner agreed to.
    ///
    /// * `model` — the bytes that came with the order.
    ///
    /// # Errors
    /// [`OrderRefusal`].
    pub fn new(
        terms: &FederationTerms,
        order: &Signed<RoundOrder>,
        model: &[u8],
    ) -> Result<Self, OrderRefusal> {
        let grant = checked_grant(terms, order)?;
        let got = Digest::of(Tag::Model, model);
        if got != grant.model {
            return Err(OrderRefusal::WrongModel { expected: grant.model, got });
        }
        Ok(Self { grant: Arc::new(grant), terms: Arc::new(terms.clone()) })
    }

    /// The order for one member.
    ///
    /// * `last` — the last round it trained for.
    ///
    /// # Errors
    /// [`OrderRefusal::Replayed`], [`OrderRefusal::NotInvited`], and where members draw in secret
    /// [`OrderRefusal::DrawKey`] or [`OrderRefusal::NotDrawn`].
    pub fn for_member(
        &self,
        key: &SigningKey,
        last: Option<RoundId>,
    ) -> Result<Ordered, OrderRefusal> {
        let ticket = check_member(&self.terms, &self.grant, key, last)?;
        let binding = self.grant.binding(key.verifying_key());
        Ok(Ordered { binding, grant: Arc::clone(&self.grant), ticket })
    }
}

/// What the DAO node granted: signed by both, of this federation, with custodians and cohort as the terms
/// say.
pub(crate) fn checked_grant(
    terms: &FederationTerms,
    order: &Signed<RoundOrder>,
) -> Result<RoundGrant, OrderRefusal> {
    let order = order.clone().verify_by(Tag::RoundOrder, &terms.coordinator().verifying);
    let order = order.map_err(|_source| OrderRefusal::Unsigned)?;
    let grant = order.body().grant.clone().verify_by(Tag::RoundGrant, &terms.dao_node);
    let grant = grant.map_err(|_source| OrderRefusal::Unsigned)?;
    let grant = grant.body();
    if grant.federation != terms.id() || grant.dao != terms.dao {
        return Err(OrderRefusal::WrongFederation);
    }
    check_invited(terms, grant).map_err(|_refusal| OrderRefusal::Invited)?;
    recipients(terms, grant).map_err(|_refusal| OrderRefusal::Custodians)?;
    if grant.cohort_epoch.is_some() != terms.cohort.is_present() {
        return Err(OrderRefusal::Cohort);
    }
    if grant.control.is_some() != (terms.training.drift == DriftTerms::Scaffold) {
        return Err(OrderRefusal::Control);
    }
    Ok(grant.clone())
}

fn check_member(
    terms: &FederationTerms,
    grant: &RoundGrant,
    key: &SigningKey,
    last: Option<RoundId>,
) -> Result<Option<Ticket>, OrderRefusal> {
    if let Some(last) = last
        && grant.round <= last
    {
        return Err(OrderRefusal::Replayed { last, got: grant.round });
    }
    match grant.cohort.binary_search(&key.verifying_key()) {
        Ok(_) => drawn(terms, grant, key),
        Err(_) => Err(OrderRefusal::NotInvited),
    }
}

/// An order that this device may train for.
#[derive(Debug, Clone, PartialEq)]
pub struct Ordered {
    binding: Binding,
    grant: Arc<RoundGrant>,
    ticket: Option<Ticket>,
}

impl Ordered {
    /// Checks an order against the terms that the owner agreed to.
    ///
    /// * `last` — the last round this device trained for.
    /// * `model` — the bytes that came with the order.
    ///
    /// # Errors
    /// [`OrderRefusal`].
    pub fn accept(
        terms: &FederationTerms,
        key: &SigningKey,
        last: Option<RoundId>,
        order: &Signed<RoundOrder>,
        model: &[u8],
    ) -> Result<Self, OrderRefusal> {
        CheckedOrder::new(terms, order, model)?.for_member(key, last)
    }

    pub(crate) fn of_member(
        terms: &FederationTerms,
        grant: RoundGrant,
        key: &SigningKey,
        last: Option<RoundId>,
    ) -> Result<Self, OrderRefusal> {
        let ticket = check_member(terms, &grant, key, last)?;
        Ok(Self { binding: grant.binding(key.verifying_key()), grant: Arc::new(grant), ticket })
    }

    /// As [`Ordered::accept`], before the model could be opened: what the DAO node granted.
    ///
    /// # Errors
    /// [`OrderRefusal`].
    pub fn check(
        terms: &FederationTerms,
        key: &SigningKey,
        last: Option<RoundId>,
        order: &Signed<RoundOrder>,
    ) -> Result<RoundGrant, OrderRefusal> {
        let grant = checked_grant(terms, order)?;
        check_member(terms, &grant, key, last)?;
        Ok(grant)
    }

    /// The round.
    #[must_use]
    pub const fn round(&self) -> RoundId {
        RoundId(self.binding.round)
    }

    /// Clips, quantises, shares, encrypts and signs what training changed. Nothing else leaves.
    ///
    /// * `rounding_rng` — draws the stochastic rounding; seeded where training is to be repeatable.
    /// * `rng` — draws the noise, the shares and the encryption; never seeded outside tests.
    ///
    /// # Errors
    /// [`OrderRefusal::Sealing`].
    pub fn seal(
        self,
        update: LocalUpdate,
        terms: &FederationTerms,
        key: &SigningKey,
        rounding_rng: &mut impl CryptoRng,
        rng: &mut impl CryptoRng,
    ) -> Result<Sealed, OrderRefusal> {
        self.seal_tagged(update, terms, key, None, (rounding_rng, rng))
    }

    /// As [`Ordered::seal`], with the tag that the member owes its cohort where the terms ask for one.
    ///
    /// * `secret` — the cohort's of this round.
    /// * the generators — of the rounding, and of the shares and the encryption.
    ///
    /// # Errors
    /// [`OrderRefusal::Sealing`], also if the terms ask for tags and there is no secret.
    pub fn seal_tagged(
        self,
        update: LocalUpdate,
        terms: &FederationTerms,
        key: &SigningKey,
        secret: Option<&RoundSecret>,
        (rounding_rng, rng): (&mut impl CryptoRng, &mut impl CryptoRng),
    ) -> Result<Sealed, OrderRefusal> {
        let noisy = self.encoded(update, terms, secret, (rounding_rng, &mut *rng))?;
        let update = mode::seal(&noisy, terms, &self.grant, key, rng).map_err(unsealed)?;
        let digest = update.digest();
        Ok(Sealed { update, digest, binding: self.binding, ticket: self.ticket })
    }

    /// As [`Ordered::seal_tagged`], with what the member keeps to check later what was made of its update.
    ///
    /// # Errors
    /// As [`Ordered::seal_tagged`].
    pub fn seal_kept(
        self,
        update: LocalUpdate,
        terms: &FederationTerms,
        key: &SigningKey,
        secret: Option<&RoundSecret>,
        (rounding_rng, rng): (&mut impl CryptoRng, &mut impl CryptoRng),
    ) -> Result<(Sealed, OwnShares), OrderRefusal> {
        let noisy = self.encoded(update, terms, secret, (rounding_rng, &mut *rng))?;
        let (update, own) =
            mode::seal_kept(&noisy, terms, &self.grant, key, rng).map_err(unsealed)?;
        let digest = update.digest();
        Ok((Sealed { update, digest, binding: self.binding, ticket: self.ticket }, own))
    }

    /// What is sealed: clipped, rotated, rounded, noised and tagged.
    fn encoded(
        &self,
        update: LocalUpdate,
        terms: &FederationTerms,
        secret: Option<&RoundSecret>,
        (rounding_rng, rng): (&mut impl CryptoRng, &mut impl CryptoRng),
    ) -> Result<NoisyUpdate, OrderRefusal> {
        let encoding = &terms.encoding;
        let clipped = update.clip(encoding.clip_norm());
        let rotation = encoding.rotation(&self.binding.federation, self.binding.round);
        let quantised = QuantizedUpdate::quantise(&clipped, &rotation, encoding, rounding_rng)
            .map_err(|error| unsealed(error.to_string()))?;
        let noisy = noised(&quantised, encoding, rng).map_err(unsealed)?;
        RoundSecret::tag(secret, noisy, terms, &self.binding)
            .ok_or_else(|| unsealed("the cohort's secret of the round is needed".to_owned()))
    }
}

const fn unsealed(reason: String) -> OrderRefusal {
    OrderRefusal::Sealing { reason }
}

/// An update that may leave the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    update: SealedUpdate,
    digest: Digest,
    binding: Binding,
    ticket: Option<Ticket>,
}

impl Sealed {
    /// Takes up an update that this member sealed and stored before it was sent: after a crash the
    /// very same one is sent again, never a second one for the same round.
    ///
    /// # Errors
    /// [`OrderRefusal::WrongFederation`] if it is bound elsewhere, [`OrderRefusal::Sealing`] if it is
    /// not whole or not this member's.
    pub fn resume(
        update: SealedUpdate,
        terms: &FederationTerms,
        key: &SigningKey,
    ) -> Result<Self, OrderRefusal> {
        let sealing = |reason: String| OrderRefusal::Sealing { reason };
        let verified = update.verify().map_err(|error| sealing(error.to_string()))?;
        let binding = *verified.binding();
        if binding.federation != terms.id() || binding.dao != terms.dao {
            return Err(OrderRefusal::WrongFederation);
        }
        if binding.member != key.verifying_key() {
            return Err(sealing(format!("it was sealed by {}", binding.member)));
        }
        let digest = verified.digest();
        let Binding { federation, round, model: beacon, .. } = binding;
        let ticket = drawn_before(terms, &Draw { federation, round, beacon }, key);
        Ok(Self { update: verified.as_sealed().clone(), digest, binding, ticket })
    }

    /// The round.
    #[must_use]
    pub const fn round(&self) -> RoundId {
        RoundId(self.binding.round)
    }

    /// As [`Acknowledged::check`], for an update whose acknowledgement did not arrive. Here
    /// [`ReceiptError::LeftOut`] accuses nobody: the coordinator promised nothing.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn check(
        &self,
        terms: &FederationTerms,
        fetched: FetchedReceipt,
    ) -> Result<Outcome, ReceiptError> {
        Acknowledged { digest: self.digest, binding: self.binding }.check(terms, fetched)
    }

    /// The request by which it is sent.
    #[must_use]
    pub fn request(&self) -> ContributorRequest {
        let update = Box::new(self.update.clone());
        ContributorRequest::Submit { update, ticket: self.ticket }
    }

    /// The proof that this member was drawn, where members draw in secret.
    #[must_use]
    pub const fn ticket(&self) -> Option<Ticket> {
        self.ticket
    }

    /// What is sealed.
    #[must_use]
    pub const fn update(&self) -> &SealedUpdate {
        &self.update
    }

    /// The digest under which it must appear in the accepted set.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Checks the coordinator's promise to hold the update.
    ///
    /// # Errors
    /// [`ReceiptError::NotOurs`].
    pub fn acknowledged(
        self,
        terms: &FederationTerms,
        acknowledgement: Signed<Acknowledgement>,
    ) -> Result<Acknowledged, ReceiptError> {
        let coordinator = &terms.coordinator().verifying;
        let verified = acknowledgement
            .verify_by(Tag::Acknowledgement, coordinator)
            .map_err(|_source| ReceiptError::NotOurs)?;
        let expected = Acknowledgement {
            federation: self.binding.federation,
            round: RoundId(self.binding.round),
            update: self.digest,
        };
        if *verified.body() != expected {
            return Err(ReceiptError::NotOurs);
        }
        Ok(Acknowledged { digest: self.digest, binding: self.binding })
    }
}

/// An update that the coordinator promised to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    digest: Digest,
    binding: Binding,
}

/// How a round ended for this contributor, proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Not ended yet.
    Pending,
    /// The update is in the sum; the receipt says with which value.
    Counted(Box<RoundReceipt>),
    /// The round was given up: nothing is paid for it.
    Aborted {
        /// Why.
        reason: String,
    },
    /// The coordinator no longer answers for this round.
    Unknown,
}

impl Acknowledged {
    /// An update with this digest and binding.
    pub(crate) const fn of(digest: Digest, binding: Binding) -> Self {
        Self { digest, binding }
    }

    /// The round.
    #[must_use]
    pub const fn round(&self) -> RoundId {
        RoundId(self.binding.round)
    }

    /// Checks a receipt offline: signed by the coordinator, every other aggregator committed to the
    /// same set, and this very update in it (DESIGN §2, promise 2).
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn check(
        &self,
        terms: &FederationTerms,
        fetched: FetchedReceipt,
    ) -> Result<Outcome, ReceiptError> {
        let (receipt, proof) = match fetched {
            FetchedReceipt::Pending => return Ok(Outcome::Pending),
            FetchedReceipt::Unknown => return Ok(Outcome::Unknown),
            FetchedReceipt::Aborted(abort) => return self.aborted(terms, *abort),
            FetchedReceipt::Settled { receipt, proof } => (receipt, proof),
        };
        let verified = receipt
            .verify_by(Tag::RoundReceipt, &terms.coordinator().verifying)
            .map_err(|_source| ReceiptError::NotOurs)?;
        let body = verified.body();
        if body.federation != self.binding.federation || body.round.0 != self.binding.round {
            return Err(ReceiptError::NotOurs);
        }
        let grant = body.grant.clone().verify_by(Tag::RoundGrant, &terms.dao_node);
        let grant = grant.map_err(|_source| ReceiptError::NotOurs)?;
        if grant.body().binding(self.binding.member) != self.binding {
            return Err(ReceiptError::NotOurs);
        }
        let root = body.accepted.tree().root();
        let missing = missing_commitment(terms, grant.body(), &root, &body.commitments);
        if let Some(index) = missing {
            return Err(ReceiptError::Commitment { index });
        }
        let proof = proof.ok_or(ReceiptError::LeftOut)?;
        let at = usize::try_from(proof.index).unwrap_or(usize::MAX);
        let entry = body.accepted.contributions().get(at);
        if entry != Some(&(self.binding.member, self.digest)) {
            return Err(ReceiptError::LeftOut);
        }
        proof.verify(&self.digest.0, &root).map_err(|_source| ReceiptError::LeftOut)?;
        Ok(Outcome::Counted(Box::new(body.clone())))
    }

    /// Threat: somebody who carries messages, and says that a round was given up which was not.
    fn aborted(
        &self,
        terms: &FederationTerms,
        abort: Signed<RoundAbort>,
    ) -> Result<Outcome, ReceiptError> {
        let verified = abort
            .verify_by(Tag::RoundAbort, &terms.coordinator().verifying)
            .map_err(|_source| ReceiptError::NotOurs)?;
        let RoundAbort { federation, round, reason } = verified.body().clone();
        if federation != self.binding.federation || round.0 != self.binding.round {
            return Err(ReceiptError::NotOurs);
        }
        Ok(Outcome::Aborted { reason })
    }
}
