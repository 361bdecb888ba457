//! How it is decided who lied about a scalar, without opening the update.

use std::fmt;

use aggregator_protocol::{FederationTerms, RoundReceipt, SCALARS, ValueRecord};
use privacy_identity::{Decode, DecodeError, Encode, Reader, Signed, Tag, VerifyingKey, Writer};
use privacy_secagg::{Binding, RECIPIENTS_MAX, SealedHeader};
use zeroize::Zeroizing;

use crate::{
    context::{parties, recipients},
    mode,
};

/// What a judge finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The party at this place signed another share than the one that follows from its part: it lied.
    Lied {
        /// Its place.
        place: usize,
        /// What follows from its part, of value, innovation and contrast.
        expected: [u64; SCALARS],
        /// What it signed.
        signed: [u64; SCALARS],
    },
    /// It signed what follows from its part.
    Truthful,
    /// What is shown is not what was sealed, or not of this round: the accuser proves nothing.
    Unfounded {
        /// What does not fit.
        reason: &'static str,
    },
}

/// One part of a sealed update with the seed of its envelope, shown by its owner to a judge. Zeroised on
/// drop, never printed.
///
/// The signed header, whose digest stands in the accepted set, names the digest of each envelope; from part
/// and seed the judge makes the envelope again. So the part that is judged by is the part that was sealed,
/// before anybody knew a probe.
///
/// **What the judge learns**: one share out of m (in FHE mode the ciphertext, which the aggregator has, or one
/// share of the key). Alone that is uniform; with all others it is the update.
pub struct ShareDisclosure {
    header: Signed<SealedHeader>,
    place: usize,
    payload: Zeroizing<Vec<u8>>,
    seed: Zeroizing<[u8; 32]>,
}

impl ShareDisclosure {
    /// A claim, not yet judged.
    #[must_use]
    pub const fn new(
        header: Signed<SealedHeader>,
        place: usize,
        payload: Zeroizing<Vec<u8>>,
        seed: Zeroizing<[u8; 32]>,
    ) -> Self {
        Self { header, place, payload, seed }
    }

    /// Where the update counts, as its owner says: what the judge looks the round up by.
    #[must_use]
    pub const fn binding(&self) -> &Binding {
        &self.header.unverified_body().binding
    }

    /// The place of the accused party; 0 is the coordinator.
    #[must_use]
    pub const fn place(&self) -> usize {
        self.place
    }

    /// The accused, in the round of `receipt`; none if there is no such party.
    #[must_use]
    pub fn accused(&self, terms: &FederationTerms, receipt: &RoundReceipt) -> Option<VerifyingKey> {
        parties(terms, receipt.grant.unverified_body()).get(self.place).copied()
    }

    /// Decides. `receipt` and `record` were checked before ([`crate::check_values`]).
    ///
    /// **Soundness.** A truthful party is found to have lied only by a collision of SHA-256; one that signed
    /// anything else than what follows from its part is always found.
    #[must_use]
    pub fn judge(
        &self,
        terms: &FederationTerms,
        receipt: &RoundReceipt,
        record: &ValueRecord,
    ) -> Verdict {
        let unfounded = |reason| Verdict::Unfounded { reason };
        let header = self.header.unverified_body();
        let (binding, grant) = (&header.binding, receipt.grant.unverified_body());
        let set = &receipt.accepted;
        if self.header.clone().verify_by(Tag::SealedUpdate, &binding.member).is_err()
            || grant.binding(binding.member) != *binding
        {
            return unfounded("the update is not one of this round");
        }
        let digest = privacy_identity::Digest::of_encoded(Tag::SealedUpdate, &self.header);
        let index = set.contributions().binary_search(&(binding.member, digest));
        let Ok(index) = index else { return unfounded("the update was not accepted") };
        let party = record.opening.parties().iter();
        let party = party.into_iter().find(|party| usize::from(party.place) == self.place);
        let Some(party) = party else { return unfounded("that party did not answer") };
        let keys = recipients(terms, grant).unwrap_or_default();
        let Some(recipient) = keys.get(self.place) else {
            return unfounded("there is no such party");
        };
        if !header.names_envelope(self.place, recipient, self.payload.clone(), &self.seed) {
            return unfounded("the part is not the one that was sealed");
        }
        let payloads = [(self.place, self.payload.as_slice())];
        let order = record.probes.unverified_body();
        let expected =
            mode::scalars_of_payloads(terms, grant, set, order, (binding, payloads.as_slice()));
        // A part that does not open was refused by its party, or is the owner's fault.
        let Ok([expected]) = expected.as_deref() else {
            return unfounded("the part that was sealed does not open");
        };
        match party.shares.unverified_body().shares.get(index) {
            Some(signed) if signed == expected => Verdict::Truthful,
            Some(signed) => {
                Verdict::Lied { place: self.place, expected: *expected, signed: *signed }
            }
            None => unfounded("that party answered for fewer contributions"),
        }
    }
}

/// What its owner hands to the judge, and to nobody else: a member keeps it as a file.
impl Encode for ShareDisclosure {
    fn encode(&self, writer: &mut Writer) {
        self.header.encode(writer);
        writer.u32(u32::try_from(self.place).expect("at most RECIPIENTS_MAX"));
        writer.bytes(&self.payload);
        writer.array(&*self.seed);
    }
}

impl Decode for ShareDisclosure {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let header = Decode::decode(reader)?;
        let place = reader.length("place of a disclosure", RECIPIENTS_MAX - 1)?;
        let payload = reader.bytes("disclosed part", aggregator_protocol::MESSAGE_BYTES_MAX)?;
        let payload = Zeroizing::new(payload.to_vec());
        Ok(Self { header, place, payload, seed: Zeroizing::new(reader.array()?) })
    }
}

impl fmt::Debug for ShareDisclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShareDisclosure(place {})", self.place)
    }
}
