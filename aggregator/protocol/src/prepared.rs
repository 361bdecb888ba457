//! What became of a part of an update at the party that it is sealed to.

use privacy_identity::{Decode, DecodeError, Digest, Encode, Reader, VerifyingKey, Writer};

use crate::Refusal;

/// Most bytes of a verifier share: it grows with the square root of the dimension (PINE), and is
/// 154 kB at a million parameters.
pub(crate) const VERIFIER_BYTES_MAX: usize = 4 << 20;

/// What became of one part at another party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedPart {
    /// Whose.
    pub member: VerifyingKey,
    /// The digest of the update.
    pub update: Digest,
    /// The party's verifier share of its proof (verified MPC mode; empty in the others), or why the
    /// part is refused.
    pub held: Result<Vec<u8>, Refusal>,
}

impl Encode for PreparedPart {
    fn encode(&self, writer: &mut Writer) {
        self.member.encode(writer);
        self.update.encode(writer);
        match &self.held {
            Ok(verifier) => {
                writer.u8(0);
                writer.bytes(verifier);
            }
            Err(refusal) => {
                writer.u8(1);
                refusal.encode(writer);
            }
        }
    }
}

impl Decode for PreparedPart {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            member: Decode::decode(reader)?,
            update: Decode::decode(reader)?,
            held: match reader.u8()? {
                0 => Ok(reader.bytes("verifier share", VERIFIER_BYTES_MAX)?.to_vec()),
                1 => Err(Decode::decode(reader)?),
                other => return Err(DecodeError::invalid("prepared part", other)),
            },
        })
    }
}
