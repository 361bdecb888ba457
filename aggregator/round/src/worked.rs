//! What came of the coordinator's work on its own parts, as it is persisted.

use aggregator_protocol::{MESSAGE_BYTES_MAX, Refusal, SCALARS};
use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Reader, VerifyingKey, Writer, list_from_reader,
    list_to_writer,
};
use privacy_secagg::EncodingParameters;

use crate::mode::Proof;

const CONTRIBUTORS_MAX: usize = EncodingParameters::CONTRIBUTORS_MAX as usize;
/// Most bytes of a prep message: two seeds of at most 32 bytes.
const PROOF_MESSAGE_BYTES_MAX: usize = 64;

/// The result of a [`Work`]. Never from outside: only the shell of the same process feeds it.
///
/// [`Work`]: crate::Work
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Worked {
    /// What the coordinator's parts say of these proofs.
    Prepared(Vec<OwnProof>),
    /// The sum of its parts, in the form of its mode.
    Summed(Vec<u8>),
    /// Its part of the three scalars of each contributor, in the order of the set.
    Scored(Vec<[u64; SCALARS]>),
    /// An update that was taken is gone: the round cannot go on.
    Lost {
        /// Which.
        update: Digest,
        /// Whether other bytes are in its place.
        altered: bool,
    },
    /// The parts do not fit together.
    Failed(Refusal),
}

impl Worked {
    /// What a party answers of which this came instead of what it was asked for.
    pub(crate) const fn refusal(&self) -> Refusal {
        match self {
            Self::Lost { .. } => Refusal::Lost,
            Self::Failed(refusal) => *refusal,
            _ => Refusal::Unexpected,
        }
    }
}

/// The coordinator's part of one proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnProof {
    /// Whose.
    pub(crate) member: VerifyingKey,
    /// The digest of the update.
    pub(crate) update: Digest,
    /// None if the proof cannot be queried.
    pub(crate) held: Option<Proof>,
}

impl Encode for OwnProof {
    fn encode(&self, writer: &mut Writer) {
        self.member.encode(writer);
        self.update.encode(writer);
        writer.u8(u8::from(self.held.is_some()));
        if let Some(proof) = &self.held {
            writer.bytes(&proof.verifier);
            writer.bytes(&proof.message);
        }
    }
}

impl Decode for OwnProof {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            member: Decode::decode(reader)?,
            update: Decode::decode(reader)?,
            held: match reader.u8()? {
                0 => None,
                1 => Some(Proof {
                    verifier: reader.bytes("verifier share", MESSAGE_BYTES_MAX)?.to_vec(),
                    message: reader.bytes("prep message", PROOF_MESSAGE_BYTES_MAX)?.to_vec(),
                }),
                other => return Err(DecodeError::invalid("own proof", other)),
            },
        })
    }
}

impl Encode for Worked {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Prepared(proofs) => {
                writer.u8(0);
                list_to_writer(proofs, writer);
            }
            Self::Summed(share) => {
                writer.u8(1);
                writer.bytes(share);
            }
            Self::Scored(shares) => {
                writer.u8(2);
                writer.u32(u32::try_from(shares.len()).expect("at most CONTRIBUTORS_MAX"));
                shares.as_flattened().iter().for_each(|element| writer.u64(*element));
            }
            Self::Lost { update, altered } => {
                writer.u8(3);
                update.encode(writer);
                writer.u8(u8::from(*altered));
            }
            Self::Failed(refusal) => {
                writer.u8(4);
                refusal.encode(writer);
            }
        }
    }
}

impl Decode for Worked {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Prepared(list_from_reader(reader, "own proofs", CONTRIBUTORS_MAX)?),
            1 => Self::Summed(reader.bytes("own sum", MESSAGE_BYTES_MAX)?.to_vec()),
            2 => {
                let length = reader.length("own scalars", CONTRIBUTORS_MAX)?;
                let mut scalars = || Ok([reader.u64()?, reader.u64()?, reader.u64()?]);
                Self::Scored((0..length).map(|_| scalars()).collect::<Result<_, DecodeError>>()?)
            }
            3 => Self::Lost {
                update: Decode::decode(reader)?,
                altered: match reader.u8()? {
                    0 => false,
                    1 => true,
                    other => return Err(DecodeError::invalid("altered", other)),
                },
            },
            4 => Self::Failed(Decode::decode(reader)?),
            other => return Err(DecodeError::invalid("work", other)),
        })
    }
}
