//! The only form of an update that can be encoded: its shares, encrypted and signed.
//!
//! ```text
//!  contributor ── SealedUpdate { signed header, envelope 0, envelope 1, … } ──► first aggregator
//!  first aggregator ── Delivery { signed header, j, envelope j } ──► aggregator j
//! ```
//!
//! In MPC mode the recipients are aggregators; in the other modes custodians may be among them
//! ([`Payloads`]).
//!
//! The header names the binding and the digest of each envelope, and the contributor signs the header:
//! a relay can neither swap an envelope nor move one to another round.

use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Envelope, EnvelopeError, KeyError, Reader, SealingKey,
    SealingPublicKey, Signed, SigningKey, Tag, VerifyingKey, Writer, list_from_reader,
    list_to_writer,
};
use rand::CryptoRng;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    Binding, EncodingParameters, LinearTag, NoisyUpdate, OpenShare, Payloads, RingVector, Share,
    ShareError, Tagging, share::ShareView,
};

/// Most aggregators of a federation: each adds an envelope of 116 bytes to every update.
pub const AGGREGATORS_MAX: usize = 16;

/// Most recipients of a sealed update in any mode: aggregators, or an aggregator and custodians.
pub const RECIPIENTS_MAX: usize = 64;

/// Why a sealed update was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SealError {
    /// Fewer than two aggregators, or too many.
    #[error("an update is sealed to 2..={AGGREGATORS_MAX} aggregators, got {got}")]
    Aggregators {
        /// How many.
        got: usize,
    },
    /// Another number of payloads than recipients, none, or too many.
    #[error("{payloads} payloads for {recipients} recipients, of whom 1..={RECIPIENTS_MAX} may be")]
    Recipients {
        /// Payloads.
        payloads: usize,
        /// Recipients.
        recipients: usize,
    },
    /// Another number of coordinates than the federation's sealed vectors have.
    #[error("update has {got} coordinates, sealed vectors have {expected}")]
    Length {
        /// Coordinates of a sealed vector.
        expected: usize,
        /// Coordinates of the update.
        got: usize,
    },
    /// A tag in a federation without tags, or none in one with.
    #[error("federation expects tagging {expected:?}, the update has {got:?}")]
    Tagging {
        /// The federation's.
        expected: Tagging,
        /// The update's.
        got: Tagging,
    },
    /// An envelope could not be made or opened.
    #[error("envelope of aggregator {index}")]
    Envelope {
        /// Which aggregator.
        index: usize,
        /// What was wrong.
        #[source]
        source: EnvelopeError,
    },
    /// A share of the wrong form.
    #[error("share of aggregator {index} is malformed")]
    Share {
        /// Which aggregator.
        index: usize,
        /// What was wrong.
        #[source]
        source: ShareError,
    },
    /// Not signed by the member that it names.
    #[error("signature")]
    Signature(#[from] KeyError),
    /// The header names another number of envelopes, or another envelope.
    #[error("envelope {index} is not the one that was signed")]
    EnvelopeMismatch {
        /// Which envelope.
        index: usize,
    },
    /// Bound to something else than what is expected.
    #[error("update is bound to another dao, federation, round or model")]
    Binding,
}

/// The public keys of one aggregator, part of the signed terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AggregatorKeys {
    /// Under which it signs and is known on the network.
    pub verifying: VerifyingKey,
    /// To which shares are encrypted.
    pub sealing: SealingPublicKey,
}

impl Encode for AggregatorKeys {
    fn encode(&self, writer: &mut Writer) {
        self.verifying.encode(writer);
        self.sealing.encode(writer);
    }
}

impl Decode for AggregatorKeys {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { verifying: Decode::decode(reader)?, sealing: Decode::decode(reader)? })
    }
}

/// What a contributor signs: where the update counts and which envelopes belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedHeader {
    /// The one place where it counts.
    pub binding: Binding,
    /// Digest of each aggregator's envelope, in the order of the terms.
    pub envelopes: Vec<Digest>,
}

impl SealedHeader {
    /// Whether envelope `index` is the one that `payload`, sealed to `recipient` with the randomness of `seed`,
    /// gives: what a judge asks when the owner shows one part of its update, and only that.
    ///
    /// Sound: the key of an envelope is a function of its encapsulated key, which the digest covers, and of the
    /// recipient's (RFC 9180 §4.1), so that although AES-GCM does not commit to keys no envelope opens to two
    /// payloads; and another (payload, seed) gives another digest but for a collision of SHA-256.
    #[must_use]
    pub fn names_envelope(
        &self,
        index: usize,
        recipient: &SealingPublicKey,
        payload: Zeroizing<Vec<u8>>,
        seed: &[u8; 32],
    ) -> bool {
        let made = enveloped(&self.binding, index, recipient, payload, seed);
        let named = self.envelopes.get(index);
        made.is_ok_and(|envelope| named == Some(&envelope_digest(&envelope)))
    }
}

impl Encode for SealedHeader {
    fn encode(&self, writer: &mut Writer) {
        self.binding.encode(writer);
        list_to_writer(&self.envelopes, writer);
    }
}

impl Decode for SealedHeader {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let binding = Decode::decode(reader)?;
        Ok(Self { binding, envelopes: list_from_reader(reader, "envelopes", RECIPIENTS_MAX)? })
    }
}

/// A contributor's update, sealed: what leaves its machine. Decoded, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedUpdate {
    header: Signed<SealedHeader>,
    envelopes: Vec<Envelope>,
}

/// Shares `update` among `aggregators`, encrypts each share to its aggregator and signs the whole.
///
/// # Errors
/// [`SealError::Aggregators`], [`SealError::Length`] or [`SealError::Tagging`] if the update was not made
/// for these parameters, or [`SealError::Envelope`] (an unusable key in the terms).
pub fn seal(
    update: &NoisyUpdate,
    binding: Binding,
    aggregators: &[AggregatorKeys],
    parameters: &EncodingParameters,
    key: &SigningKey,
    rng: &mut impl CryptoRng,
) -> Result<SealedUpdate, SealError> {
    if !(2..=AGGREGATORS_MAX).contains(&aggregators.len()) {
        return Err(SealError::Aggregators { got: aggregators.len() });
    }
    let (expected, got) = (parameters.vector_len(), update.values().len());
    if expected != got {
        return Err(SealError::Length { expected, got });
    }
    let expected = parameters.options().tagging;
    let got = if update.tag().is_some() { Tagging::Linear } else { Tagging::Absent };
    if expected != got {
        return Err(SealError::Tagging { expected, got });
    }
    let shares = Share::split(update, aggregators.len(), &binding, parameters, rng);
    let recipients: Vec<_> = aggregators.iter().map(|aggregator| aggregator.sealing).collect();
    seal_payloads(Payloads::from_shares(shares), binding, &recipients, key, rng)
}

/// Encrypts each of `payloads` to its recipient, in its own memory, and signs the whole: the part of
/// sealing that all modes share.
///
/// # Errors
/// [`SealError::Recipients`] or [`SealError::Envelope`] (an unusable key among the recipients).
pub fn seal_payloads(
    payloads: Payloads,
    binding: Binding,
    recipients: &[SealingPublicKey],
    key: &SigningKey,
    rng: &mut impl CryptoRng,
) -> Result<SealedUpdate, SealError> {
    let mut seeds = Vec::with_capacity(payloads.len());
    for _ in 0..payloads.len() {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        seeds.push(seed);
    }
    seal_payloads_seeded(payloads, binding, recipients, key, &seeds)
}

/// As [`seal_payloads`], where the randomness of each envelope follows from a seed of its own: whoever keeps
/// the seeds can later show what one envelope holds, and nothing of the others
/// ([`SealedHeader::names_envelope`]).
///
/// * `seeds` — one per recipient, 32 uniform bytes each, used for nothing else.
///
/// # Errors
/// As [`seal_payloads`]; [`SealError::Recipients`] also for another number of seeds.
pub fn seal_payloads_seeded(
    payloads: Payloads,
    binding: Binding,
    recipients: &[SealingPublicKey],
    key: &SigningKey,
    seeds: &[Zeroizing<[u8; 32]>],
) -> Result<SealedUpdate, SealError> {
    let (payload_count, recipient_count) = (payloads.len(), recipients.len());
    let equal = payload_count == recipient_count && seeds.len() == recipient_count;
    if !equal || !(1..=RECIPIENTS_MAX).contains(&recipient_count) {
        return Err(SealError::Recipients { payloads: payload_count, recipients: recipient_count });
    }
    let mut envelopes = Vec::with_capacity(recipient_count);
    let all = payloads.into_plaintexts().into_iter().zip(recipients).zip(seeds);
    for (index, ((payload, recipient), seed)) in all.enumerate() {
        envelopes.push(enveloped(&binding, index, recipient, payload, seed)?);
    }
    let digests = envelopes.iter().map(envelope_digest).collect();
    let header = SealedHeader { binding, envelopes: digests };
    Ok(SealedUpdate { header: Signed::new(header, Tag::SealedUpdate, key), envelopes })
}

/// One envelope: a function of its arguments alone.
fn enveloped(
    binding: &Binding,
    index: usize,
    recipient: &SealingPublicKey,
    payload: Zeroizing<Vec<u8>>,
    seed: &[u8; 32],
) -> Result<Envelope, SealError> {
    let mut rng = ChaCha20Rng::from_seed(*seed);
    recipient
        .seal_in_place(Tag::ShareEnvelope, &binding.to_bytes(), payload, &mut rng)
        .map_err(|source| SealError::Envelope { index, source })
}

fn envelope_digest(envelope: &Envelope) -> Digest {
    envelope.digest(Tag::ShareEnvelope)
}

fn verified_header(header: &Signed<SealedHeader>) -> Result<(), SealError> {
    let member = header.unverified_body().binding.member;
    header.clone().verify_by(Tag::SealedUpdate, &member)?;
    Ok(())
}

impl SealedUpdate {
    /// What the contributor signed.
    #[must_use]
    pub const fn header(&self) -> &Signed<SealedHeader> {
        &self.header
    }

    /// The member that claims to have sent it.
    #[must_use]
    pub const fn claimed_binding(&self) -> &Binding {
        &self.header.unverified_body().binding
    }

    /// The digest under which it stands in the accepted set: of the signed header, which names every
    /// envelope. For its owner, who made it; anybody else verifies first.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_encoded(Tag::SealedUpdate, &self.header)
    }

    /// Checks the signature and that the envelopes are those that were signed.
    ///
    /// # Errors
    /// [`SealError::Signature`] or [`SealError::EnvelopeMismatch`].
    pub fn verify(self) -> Result<VerifiedUpdate, SealError> {
        verified_header(&self.header)?;
        let digests = &self.header.unverified_body().envelopes;
        if digests.len() != self.envelopes.len() {
            return Err(SealError::EnvelopeMismatch {
                index: digests.len().min(self.envelopes.len()),
            });
        }
        for (index, (digest, envelope)) in digests.iter().zip(&self.envelopes).enumerate() {
            if envelope_digest(envelope) != *digest {
                return Err(SealError::EnvelopeMismatch { index });
            }
        }
        Ok(VerifiedUpdate(self))
    }
}

impl Encode for SealedUpdate {
    fn encode(&self, writer: &mut Writer) {
        self.header.encode(writer);
        list_to_writer(&self.envelopes, writer);
    }
}

impl Decode for SealedUpdate {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let header = Decode::decode(reader)?;
        Ok(Self { header, envelopes: list_from_reader(reader, "envelopes", RECIPIENTS_MAX)? })
    }
}

/// A sealed update whose signature and envelopes were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedUpdate(SealedUpdate);

impl VerifiedUpdate {
    /// Where it counts.
    #[must_use]
    pub const fn binding(&self) -> &Binding {
        self.0.claimed_binding()
    }

    /// As [`SealedUpdate::digest`].
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0.digest()
    }

    /// The part that goes to aggregator `index`.
    ///
    /// # Errors
    /// [`SealError::EnvelopeMismatch`] if there is no envelope for that aggregator.
    pub fn delivery(&self, index: usize) -> Result<Delivery, SealError> {
        let envelope = self.0.envelopes.get(index);
        let envelope = envelope.ok_or(SealError::EnvelopeMismatch { index })?.clone();
        Ok(Delivery { header: self.0.header.clone(), index, envelope })
    }

    /// How many aggregators it is sealed to.
    #[must_use]
    pub const fn envelope_count(&self) -> usize {
        self.0.envelopes.len()
    }

    /// The update as it was received.
    #[must_use]
    pub const fn as_sealed(&self) -> &SealedUpdate {
        &self.0
    }
}

/// One aggregator's part of a sealed update. Decoded, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    header: Signed<SealedHeader>,
    index: usize,
    envelope: Envelope,
}

impl Delivery {
    /// Checks the signature, and that this is the envelope that was signed for aggregator `index`.
    ///
    /// # Errors
    /// [`SealError::Signature`] or [`SealError::EnvelopeMismatch`].
    pub fn verify(self, index: usize) -> Result<VerifiedDelivery, SealError> {
        verified_header(&self.header)?;
        let signed = self.header.unverified_body().envelopes.get(index);
        if self.index == index && signed == Some(&envelope_digest(&self.envelope)) {
            Ok(VerifiedDelivery(self))
        } else {
            Err(SealError::EnvelopeMismatch { index })
        }
    }
}

impl Delivery {
    /// Checks that this is the part for aggregator `index` of the update with this digest, whose signature
    /// was checked when it was taken: the digest covers the signed header, which names every envelope.
    ///
    /// # Errors
    /// [`SealError::EnvelopeMismatch`].
    pub fn verify_known(
        self,
        index: usize,
        update: &Digest,
    ) -> Result<VerifiedDelivery, SealError> {
        let known = Digest::of_encoded(Tag::SealedUpdate, &self.header) == *update;
        let signed = self.header.unverified_body().envelopes.get(index);
        if known && self.index == index && signed == Some(&envelope_digest(&self.envelope)) {
            Ok(VerifiedDelivery(self))
        } else {
            Err(SealError::EnvelopeMismatch { index })
        }
    }
}

impl Encode for Delivery {
    fn encode(&self, writer: &mut Writer) {
        self.header.encode(writer);
        writer.u8(u8::try_from(self.index).expect("at most RECIPIENTS_MAX"));
        self.envelope.encode(writer);
    }
}

impl Decode for Delivery {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let header = Decode::decode(reader)?;
        let index = usize::from(reader.u8()?);
        Ok(Self { header, index, envelope: Decode::decode(reader)? })
    }
}

/// One aggregator's part of an update whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedDelivery(Delivery);

impl VerifiedDelivery {
    /// Where the update counts.
    #[must_use]
    pub const fn binding(&self) -> &Binding {
        &self.0.header.unverified_body().binding
    }

    /// The digest of the update, as in [`VerifiedUpdate::digest`].
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_encoded(Tag::SealedUpdate, &self.0.header)
    }

    /// The part as it was received.
    #[must_use]
    pub const fn as_delivery(&self) -> &Delivery {
        &self.0
    }

    /// Decrypts the payload, whichever the mode.
    ///
    /// # Errors
    /// [`SealError::Envelope`].
    pub fn open_payload(&self, key: &SealingKey) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let Delivery { index, envelope, .. } = &self.0;
        key.open(Tag::ShareEnvelope, &self.binding().to_bytes(), envelope)
            .map_err(|source| SealError::Envelope { index: *index, source })
    }

    /// Decrypts the share of MPC mode and expands it to a vector.
    ///
    /// # Errors
    /// [`SealError::Envelope`] or [`SealError::Share`].
    pub fn open(
        &self,
        key: &SealingKey,
        parameters: &EncodingParameters,
    ) -> Result<OpenShare, SealError> {
        let mut vector = RingVector::zero(parameters.ring(), parameters.vector_len());
        let tag = self.open_onto(key, parameters, &mut vector)?;
        Ok(OpenShare { vector, tag })
    }

    /// Decrypts the share of MPC mode and adds it to `vector`, which a refusal leaves unchanged.
    pub(crate) fn open_onto(
        &self,
        key: &SealingKey,
        parameters: &EncodingParameters,
        vector: &mut RingVector,
    ) -> Result<Option<LinearTag>, SealError> {
        let index = self.0.index;
        let plaintext = self.open_payload(key)?;
        ShareView::from_plaintext(index, &plaintext, parameters)
            .and_then(|share| share.add_onto(vector, self.binding(), parameters))
            .map_err(|source| SealError::Share { index, source })
    }
}
