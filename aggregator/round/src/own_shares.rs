//! What a contributor keeps of the update that it sealed, until it has checked what was made of it.

use std::fmt;

use aggregator_protocol::{FederationTerms, Refusal, RoundReceipt, ValueRecord};
use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};
use privacy_secagg::{Binding, Payloads, RECIPIENTS_MAX, SealedUpdate};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::{ShareDisclosure, ValueFault, mode};

/// Largest payload: that of a message.
const PAYLOAD_BYTES_MAX: usize = aggregator_protocol::MESSAGE_BYTES_MAX;

/// Bytes of the seed of an envelope.
const SEED_BYTES: usize = 32;

/// The parts of one's own update, and the seeds of the envelopes around them. All together they are the
/// update: they never leave the machine, are zeroised on drop, and are deleted once the round was checked.
pub struct OwnShares {
    binding: Binding,
    payloads: Vec<Zeroizing<Vec<u8>>>,
    seeds: Vec<Zeroizing<[u8; SEED_BYTES]>>,
}

impl OwnShares {
    pub(crate) fn of(payloads: &Payloads, binding: Binding, rng: &mut impl CryptoRng) -> Self {
        let payloads: Vec<_> = payloads.iter().map(|part| Zeroizing::new(part.to_vec())).collect();
        let mut seeds = Vec::with_capacity(payloads.len());
        for _ in 0..payloads.len() {
            let mut seed = Zeroizing::new([0; SEED_BYTES]);
            rng.fill_bytes(&mut *seed);
            seeds.push(seed);
        }
        Self { binding, payloads, seeds }
    }

    pub(crate) fn seeds(&self) -> &[Zeroizing<[u8; SEED_BYTES]>] {
        &self.seeds
    }

    /// Where the update counts.
    #[must_use]
    pub const fn binding(&self) -> &Binding {
        &self.binding
    }

    /// Checks what each party answered of this very update, exactly: the owner knows every part, so that it
    /// knows every answer. Together with [`crate::check_values`], which checks what everybody can.
    ///
    /// **Soundness.** Deterministic: a share of this member's scalar that differs from the true one in any bit
    /// is found, and its signer named. What is found is the answer that the receipt counts, as the receipt names
    /// the digest of the record, and the record is signed by each party.
    ///
    /// # Errors
    /// [`ValueFault::Share`], or [`ValueFault::Own`] if these are not the parts of an update of this round.
    pub fn check(
        &self,
        terms: &FederationTerms,
        receipt: &RoundReceipt,
        record: &ValueRecord,
    ) -> Result<(), ValueFault> {
        let member = self.binding.member;
        let set = &receipt.accepted;
        let index = set.contributions().binary_search_by_key(&member, |(key, _)| *key);
        let index = index.map_err(|_at| ValueFault::Own { refusal: Refusal::BadSet })?;
        let grant = receipt.grant.unverified_body();
        if grant.binding(member) != self.binding {
            return Err(ValueFault::Own { refusal: Refusal::WrongRound });
        }
        let parties = record.opening.parties();
        let part = |place: u8| {
            let payload = self.payloads.get(usize::from(place));
            payload.map(|payload| (usize::from(place), payload.as_slice()))
        };
        let payloads: Option<Vec<_>> = parties.iter().map(|party| part(party.place)).collect();
        let payloads = payloads.ok_or(ValueFault::Own { refusal: Refusal::Stranger })?;
        let order = record.probes.unverified_body();
        let own = (&self.binding, payloads.as_slice());
        let expected = mode::scalars_of_payloads(terms, grant, set, order, own)
            .map_err(|refusal| ValueFault::Own { refusal })?;
        for (party, expected) in parties.iter().zip(expected) {
            let got = party.shares.unverified_body().shares.get(index).copied();
            if got != Some(expected) {
                let place = usize::from(party.place);
                return Err(ValueFault::Share { member, place, expected, got });
            }
        }
        Ok(())
    }

    /// What the owner shows a judge to prove that the party at `place` lied about its part: that part alone.
    ///
    /// Whoever sees it and has all the other parts has the update. The judge is the DAO node, which has none:
    /// to show it to another aggregator of two would be to show the update.
    #[must_use]
    pub fn disclose(&self, update: &SealedUpdate, place: usize) -> Option<ShareDisclosure> {
        let (payload, seed) = (self.payloads.get(place)?, self.seeds.get(place)?);
        Some(ShareDisclosure::new(update.header().clone(), place, payload.clone(), seed.clone()))
    }
}

impl fmt::Debug for OwnShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnShares(round {})", self.binding.round)
    }
}

impl Encode for OwnShares {
    fn encode(&self, writer: &mut Writer) {
        self.binding.encode(writer);
        writer.u32(u32::try_from(self.payloads.len()).expect("at most RECIPIENTS_MAX"));
        for (payload, seed) in self.payloads.iter().zip(&self.seeds) {
            writer.bytes(payload);
            writer.array(&**seed);
        }
    }
}

impl Decode for OwnShares {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let binding = Decode::decode(reader)?;
        let length = reader.length("own shares", RECIPIENTS_MAX)?;
        let (mut payloads, mut seeds) = (Vec::new(), Vec::new());
        for _ in 0..length {
            payloads.push(Zeroizing::new(reader.bytes("own share", PAYLOAD_BYTES_MAX)?.to_vec()));
            seeds.push(Zeroizing::new(reader.array()?));
        }
        Ok(Self { binding, payloads, seeds })
    }
}
