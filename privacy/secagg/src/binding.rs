//! What one contribution is bound to.

use privacy_identity::{Decode, DecodeError, Digest, Encode, Reader, VerifyingKey, Writer};

/// The one place where a contribution counts: dao, federation, round, model and member.
///
/// Threat: a contribution presented a second time, to another round, another pool or under another
/// name, and paid again (DESIGN §2, promise 4). The binding is signed by the contributor, is the
/// associated data of each share's encryption and enters the key of each seed's keystream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// Digest of the DAO's genesis.
    pub dao: Digest,
    /// Digest of the federation's terms.
    pub federation: Digest,
    /// The round, 0-based.
    pub round: u64,
    /// Digest of the model from which training starts.
    pub model: Digest,
    /// Who contributes.
    pub member: VerifyingKey,
}

impl Encode for Binding {
    fn encode(&self, writer: &mut Writer) {
        self.dao.encode(writer);
        self.federation.encode(writer);
        writer.u64(self.round);
        self.model.encode(writer);
        self.member.encode(writer);
    }
}

impl Decode for Binding {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            dao: Decode::decode(reader)?,
            federation: Decode::decode(reader)?,
            round: reader.u64()?,
            model: Decode::decode(reader)?,
            member: Decode::decode(reader)?,
        })
    }
}
