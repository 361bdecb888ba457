//! Where the bytes of sealed updates are while a round needs them.
//!
//! The machines keep of an update only whose it is and its digest. The bytes are the shell's: it keeps
//! them durably when it is told to ([`KeptUpdate`]), before it stores the input that names them, and
//! hands them back part by part. What is read is checked against the digest, so that a store that loses
//! or alters a byte can end a round and never change a sum.

use std::collections::BTreeMap;

use aggregator_protocol::{MESSAGE_BYTES_MAX, RoundId};
use privacy_identity::{Decode, DecodeError, Digest, Encode, Reader, Writer};
use privacy_secagg::{Delivery, EncodingParameters, RECIPIENTS_MAX, VerifiedDelivery};
use thiserror::Error;

/// Most updates that are read from a stored list: those of one round.
const UPDATES_MAX: usize = EncodingParameters::CONTRIBUTORS_MAX as usize;

/// The place of the part that is the party's own, among those that it keeps of an update. The
/// coordinator keeps the parts of the others after it, in the order of the parties.
pub(crate) const OWN_PART: usize = 0;
/// Where a party beside the coordinator keeps its verifier share of a proof (verified MPC mode).
pub(crate) const VERIFIER_PART: usize = 1;

/// Which update: the bytes under it never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UpdateId {
    /// The round to which it belongs.
    pub round: RoundId,
    /// The digest under which it stands in the accepted set.
    pub update: Digest,
}

/// What a shell is told to keep of an update, in parts that are read one at a time.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptUpdate {
    /// Under which name.
    pub id: UpdateId,
    /// The parts, at most [`privacy_secagg::RECIPIENTS_MAX`].
    pub parts: Vec<Vec<u8>>,
}

impl std::fmt::Debug for KeptUpdate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes: usize = self.parts.iter().map(Vec::len).sum();
        write!(f, "KeptUpdate({:?}, {} parts, {bytes} bytes)", self.id, self.parts.len())
    }
}

/// Why a part cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PartFault {
    /// The store does not have it.
    #[error("missing from the store")]
    Missing,
    /// The store has other bytes under its name.
    #[error("altered in the store")]
    Altered,
    /// The store cannot be read now: the same question may be answered later.
    #[error("out of reach, as the store cannot be read")]
    Unavailable,
}

/// The parts of sealed updates that a party holds.
///
/// Reading is all that a machine does with it. A part may be read twice or never; what was kept under a
/// name is what is read under it, or a fault.
pub trait UpdateStore {
    /// The part of `id` with this index.
    ///
    /// # Errors
    /// [`PartFault::Missing`] or [`PartFault::Unavailable`].
    fn part(&self, id: UpdateId, index: usize) -> Result<Vec<u8>, PartFault>;
}

/// A store in memory: for parties that hold little (custodians), and for tests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemoryUpdates(BTreeMap<UpdateId, Vec<Vec<u8>>>);

impl MemoryUpdates {
    /// Keeps the parts of an update. To keep the same again changes nothing.
    pub fn keep(&mut self, kept: &KeptUpdate) {
        self.0.insert(kept.id, kept.parts.clone());
    }

    /// Forgets all that `needed` does not name.
    pub fn retain(&mut self, needed: impl Fn(&UpdateId) -> bool) {
        self.0.retain(|id, _| needed(id));
    }

    /// What it holds, in order.
    pub fn ids(&self) -> impl Iterator<Item = &UpdateId> {
        self.0.keys()
    }

    /// The parts of `id`, to be looked at or, in a test, altered.
    pub fn parts_mut(&mut self, id: &UpdateId) -> Option<&mut Vec<Vec<u8>>> {
        self.0.get_mut(id)
    }
}

impl UpdateStore for MemoryUpdates {
    fn part(&self, id: UpdateId, index: usize) -> Result<Vec<u8>, PartFault> {
        self.0.get(&id).and_then(|parts| parts.get(index)).cloned().ok_or(PartFault::Missing)
    }
}

/// In order; the list of updates, each with the list of its parts.
impl Encode for MemoryUpdates {
    fn encode(&self, writer: &mut Writer) {
        writer.u32(u32::try_from(self.0.len()).expect("at most CONTRIBUTORS_MAX a round"));
        for (id, parts) in &self.0 {
            id.round.encode(writer);
            id.update.encode(writer);
            writer.u32(u32::try_from(parts.len()).expect("at most RECIPIENTS_MAX"));
            parts.iter().for_each(|part| writer.bytes(part));
        }
    }
}

impl Decode for MemoryUpdates {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut updates = BTreeMap::new();
        for _ in 0..reader.length("kept updates", UPDATES_MAX)? {
            let id = UpdateId { round: Decode::decode(reader)?, update: Decode::decode(reader)? };
            if updates.last_key_value().is_some_and(|(last, _)| *last >= id) {
                return Err(DecodeError::invalid("kept updates", "not in increasing order"));
            }
            let length = reader.length("parts of an update", RECIPIENTS_MAX)?;
            let part = |_| Ok(reader.bytes("part of an update", MESSAGE_BYTES_MAX)?.to_vec());
            updates.insert(id, (0..length).map(part).collect::<Result<_, DecodeError>>()?);
        }
        Ok(Self(updates))
    }
}

/// Reads part `index` of `id`, which must be what was sealed to the party at `place`.
///
/// Threat: a store that was tampered with. Anybody can seal an envelope to a public key, so that one that
/// opens proves nothing: the digest does, under which the update was taken and its signature checked.
pub(crate) fn read_delivery(
    store: &dyn UpdateStore,
    id: UpdateId,
    index: usize,
    place: usize,
) -> Result<VerifiedDelivery, PartFault> {
    let bytes = store.part(id, index)?;
    let delivery = Delivery::from_bytes(&bytes).map_err(|_source| PartFault::Altered)?;
    drop(bytes);
    delivery.verify_known(place, &id.update).map_err(|_source| PartFault::Altered)
}
