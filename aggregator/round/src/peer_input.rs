//! What a party beside the coordinator stores of what it answered: enough to answer the same again, and
//! nothing else for ever. The bytes of its parts are in the store.

use aggregator_protocol::{AcceptedSet, ProbeOrder, Refusal, RoundId, RoundOrder};
use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Reader, Signed, VerifyingKey, Writer, list_from_reader,
    list_to_writer,
};
use privacy_secagg::EncodingParameters;

const CONTRIBUTORS_MAX: usize = EncodingParameters::CONTRIBUTORS_MAX as usize;
/// Most bytes of a prep message: two seeds of at most 32 bytes.
const PROOF_MESSAGE_BYTES_MAX: usize = 64;

/// A part that a party took, or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPart {
    /// Whose.
    pub(crate) member: VerifyingKey,
    /// The digest of the update.
    pub(crate) update: Digest,
    /// What it keeps of the proof, or why it refused the part.
    pub(crate) held: Result<HeldProof, Refusal>,
}

/// What a party keeps of a proof that it queried: its verifier share is with the part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldProof {
    /// Digest of its verifier share.
    pub(crate) verifier: Digest,
    /// What must come of the verifier shares of all.
    pub(crate) message: Vec<u8>,
}

/// An accepted request of the coordinator, as it is stored before the answer leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerInput {
    /// Parts were checked and kept.
    Prepared {
        /// The order that they answer.
        order: Box<Signed<RoundOrder>>,
        /// Under which proofs were queried.
        challenge: Digest,
        /// Which, and with what result.
        parts: Vec<HeldPart>,
    },
    /// This set, and no other, is the round's.
    Agreed {
        /// The round.
        round: RoundId,
        /// The set.
        set: AcceptedSet,
    },
    /// The sum over this set was opened.
    Summed {
        /// The round.
        round: RoundId,
        /// The set.
        set: AcceptedSet,
    },
    /// The scalars of these probes were opened.
    Scored(Box<Signed<ProbeOrder>>),
}

impl PeerInput {
    /// The same as this one and then `later`, in one where both are parts of one order; else `later` is given back.
    ///
    /// Threat: a coordinator that sends parts one by one, each of which is stored with its order: as many orders as
    /// contributors, and each names all of them.
    #[must_use]
    pub fn followed_by(self, later: Self) -> (Self, Option<Self>) {
        match (self, later) {
            (
                Self::Prepared { order, challenge, mut parts },
                Self::Prepared { order: of, challenge: under, parts: more },
            ) if order == of && challenge == under => {
                parts.extend(more);
                (Self::Prepared { order, challenge, parts }, None)
            }
            (first, second) => (first, Some(second)),
        }
    }
}

impl Encode for HeldPart {
    fn encode(&self, writer: &mut Writer) {
        self.member.encode(writer);
        self.update.encode(writer);
        match &self.held {
            Ok(proof) => {
                writer.u8(0);
                proof.verifier.encode(writer);
                writer.bytes(&proof.message);
            }
            Err(refusal) => {
                writer.u8(1);
                refusal.encode(writer);
            }
        }
    }
}

impl Decode for HeldPart {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            member: Decode::decode(reader)?,
            update: Decode::decode(reader)?,
            held: match reader.u8()? {
                0 => Ok(HeldProof {
                    verifier: Decode::decode(reader)?,
                    message: reader.bytes("prep message", PROOF_MESSAGE_BYTES_MAX)?.to_vec(),
                }),
                1 => Err(Decode::decode(reader)?),
                other => return Err(DecodeError::invalid("held part", other)),
            },
        })
    }
}

impl Encode for PeerInput {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Prepared { order, challenge, parts } => {
                writer.u8(0);
                order.encode(writer);
                challenge.encode(writer);
                list_to_writer(parts, writer);
            }
            Self::Agreed { round, set } => {
                writer.u8(1);
                round.encode(writer);
                set.encode(writer);
            }
            Self::Summed { round, set } => {
                writer.u8(2);
                round.encode(writer);
                set.encode(writer);
            }
            Self::Scored(probes) => {
                writer.u8(3);
                probes.encode(writer);
            }
        }
    }
}

impl Decode for PeerInput {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Prepared {
                order: Box::new(Decode::decode(reader)?),
                challenge: Decode::decode(reader)?,
                parts: list_from_reader(reader, "held parts", CONTRIBUTORS_MAX)?,
            },
            1 => Self::Agreed { round: Decode::decode(reader)?, set: Decode::decode(reader)? },
            2 => Self::Summed { round: Decode::decode(reader)?, set: Decode::decode(reader)? },
            3 => Self::Scored(Box::new(Decode::decode(reader)?)),
            other => return Err(DecodeError::invalid("stored request", other)),
        })
    }
}
