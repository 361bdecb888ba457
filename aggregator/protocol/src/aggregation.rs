//! Between the coordinator and the other aggregators.

use privacy_identity::{
    Decode, DecodeError, Digest, Encode, MerkleTree, Reader, Signed, VerifyingKey, Writer,
    list_from_reader, list_to_writer,
};
use privacy_secagg::{Delivery, EncodingParameters, QuantizedProbe, ScalarShare};

use crate::{MESSAGE_BYTES_MAX, Refusal, RoundId, RoundOrder};

const CONTRIBUTORS_MAX: usize = EncodingParameters::CONTRIBUTORS_MAX as usize;

/// Which contributions a sum covers: members in increasing order, each with its update's digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedSet(Vec<(VerifyingKey, Digest)>);

impl AcceptedSet {
    /// The set of `contributions`, which come in increasing order of members.
    ///
    /// # Errors
    /// [`DecodeError::Invalid`] if a member occurs twice or out of order.
    pub fn new(contributions: Vec<(VerifyingKey, Digest)>) -> Result<Self, DecodeError> {
        if contributions.is_sorted_by(|a, b| a.0 < b.0) {
            Ok(Self(contributions))
        } else {
            Err(DecodeError::invalid("accepted set", "members not in strictly increasing order"))
        }
    }

    /// Its members with their updates' digests.
    #[must_use]
    pub fn contributions(&self) -> &[(VerifyingKey, Digest)] {
        &self.0
    }

    /// The Merkle tree over the updates' digests: its root stands in the receipt, and its proofs show
    /// a contributor that its own sealed update is among the accepted (DESIGN §2, promise 2).
    #[must_use]
    pub fn tree(&self) -> MerkleTree {
        MerkleTree::from_leaves(self.0.iter().map(|(_, digest)| digest.0.as_slice()))
    }
}

impl Encode for AcceptedSet {
    fn encode(&self, writer: &mut Writer) {
        writer.u32(u32::try_from(self.0.len()).expect("at most CONTRIBUTORS_MAX"));
        for (member, digest) in &self.0 {
            member.encode(writer);
            digest.encode(writer);
        }
    }
}

impl Decode for AcceptedSet {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = reader.length("accepted set", CONTRIBUTORS_MAX)?;
        let pair = |_| Ok((Decode::decode(reader)?, Decode::decode(reader)?));
        Self::new((0..length).map(pair).collect::<Result<_, DecodeError>>()?)
    }
}

/// What an aggregator signs when it opens its share of a sum: one set per round, for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SumCommitment {
    /// The federation's id.
    pub federation: Digest,
    /// The round.
    pub round: RoundId,
    /// Root of the accepted set.
    pub set_root: Digest,
    /// How many updates.
    pub count: u32,
    /// Digest of the packed share of the sum.
    pub share: Digest,
}

impl Encode for SumCommitment {
    fn encode(&self, writer: &mut Writer) {
        self.federation.encode(writer);
        self.round.encode(writer);
        self.set_root.encode(writer);
        writer.u32(self.count);
        self.share.encode(writer);
    }
}

impl Decode for SumCommitment {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            federation: Decode::decode(reader)?,
            round: Decode::decode(reader)?,
            set_root: Decode::decode(reader)?,
            count: reader.u32()?,
            share: Decode::decode(reader)?,
        })
    }
}

/// The probes of a round, signed by the DAO node: the only inner products that are opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeOrder {
    /// The federation's id.
    pub federation: Digest,
    /// The round.
    pub round: RoundId,
    /// Root of the accepted set to which the probes apply.
    pub set_root: Digest,
    /// Digest of the model after the round.
    pub model_after: Digest,
    /// The Aumann–Shapley probe of the validation loss (DESIGN §6).
    pub value: QuantizedProbe,
    /// The same, projected off past public updates.
    pub innovation: QuantizedProbe,
}

impl Encode for ProbeOrder {
    fn encode(&self, writer: &mut Writer) {
        self.federation.encode(writer);
        self.round.encode(writer);
        self.set_root.encode(writer);
        self.model_after.encode(writer);
        self.value.encode(writer);
        self.innovation.encode(writer);
    }
}

impl Decode for ProbeOrder {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            federation: Decode::decode(reader)?,
            round: Decode::decode(reader)?,
            set_root: Decode::decode(reader)?,
            model_after: Decode::decode(reader)?,
            value: Decode::decode(reader)?,
            innovation: Decode::decode(reader)?,
        })
    }
}

/// An aggregator's shares of the scalars of a round, in the order of the accepted set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalarShares {
    /// The federation's id.
    pub federation: Digest,
    /// The round.
    pub round: RoundId,
    /// Digest of the probe order that they answer.
    pub probe: Digest,
    /// Per contributor: the share of its value and of its innovation.
    pub shares: Vec<[ScalarShare; 2]>,
}

impl Encode for ScalarShares {
    fn encode(&self, writer: &mut Writer) {
        self.federation.encode(writer);
        self.round.encode(writer);
        self.probe.encode(writer);
        writer.u32(u32::try_from(self.shares.len()).expect("at most CONTRIBUTORS_MAX"));
        for [value, innovation] in &self.shares {
            writer.u32(value.0);
            writer.u32(innovation.0);
        }
    }
}

impl Decode for ScalarShares {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let federation = Decode::decode(reader)?;
        let round = Decode::decode(reader)?;
        let probe = Decode::decode(reader)?;
        let length = reader.length("scalar shares", CONTRIBUTORS_MAX)?;
        let mut pair = || Ok([ScalarShare(reader.u32()?), ScalarShare(reader.u32()?)]);
        let shares = (0..length).map(|_| pair()).collect::<Result<_, DecodeError>>()?;
        Ok(Self { federation, round, probe, shares })
    }
}

/// What the coordinator asks of another aggregator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AggregatorRequest {
    /// To check and keep its parts of the updates of a round.
    Prepare {
        /// The order that the updates answer.
        order: Box<Signed<RoundOrder>>,
        /// Its parts.
        deliveries: Vec<Delivery>,
    },
    /// To open its share of the sum over exactly this set.
    Sum {
        /// The round.
        round: RoundId,
        /// The set.
        set: AcceptedSet,
    },
    /// To open its shares of the scalars of exactly these probes.
    Score(Box<Signed<ProbeOrder>>),
}

/// What the other aggregator answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one at a time, encoded or taken apart at once")]
pub enum AggregatorReply {
    /// It holds all parts but those of these members.
    Prepared {
        /// Whose part it refused, and why.
        refused: Vec<(VerifyingKey, Refusal)>,
    },
    /// Its share of the sum.
    Sum {
        /// What it signed.
        commitment: Signed<SumCommitment>,
        /// The packed share.
        share: Vec<u8>,
    },
    /// Its shares of the scalars.
    Scalars(Box<Signed<ScalarShares>>),
    /// Refused.
    Refused(Refusal),
}

impl Encode for AggregatorRequest {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Prepare { order, deliveries } => {
                writer.u8(0);
                order.encode(writer);
                list_to_writer(deliveries, writer);
            }
            Self::Sum { round, set } => {
                writer.u8(1);
                round.encode(writer);
                set.encode(writer);
            }
            Self::Score(probes) => {
                writer.u8(2);
                probes.encode(writer);
            }
        }
    }
}

impl Decode for AggregatorRequest {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Prepare {
                order: Box::new(Decode::decode(reader)?),
                deliveries: list_from_reader(reader, "deliveries", CONTRIBUTORS_MAX)?,
            },
            1 => Self::Sum { round: Decode::decode(reader)?, set: Decode::decode(reader)? },
            2 => Self::Score(Box::new(Decode::decode(reader)?)),
            other => return Err(DecodeError::invalid("aggregator request", other)),
        })
    }
}

impl Encode for AggregatorReply {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Prepared { refused } => {
                writer.u8(0);
                writer.u32(u32::try_from(refused.len()).expect("at most CONTRIBUTORS_MAX"));
                for (member, refusal) in refused {
                    member.encode(writer);
                    refusal.encode(writer);
                }
            }
            Self::Sum { commitment, share } => {
                writer.u8(1);
                commitment.encode(writer);
                writer.bytes(share);
            }
            Self::Scalars(shares) => {
                writer.u8(2);
                shares.encode(writer);
            }
            Self::Refused(refusal) => {
                writer.u8(3);
                refusal.encode(writer);
            }
        }
    }
}

impl Decode for AggregatorReply {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => {
                let length = reader.length("refused", CONTRIBUTORS_MAX)?;
                let pair = |_| Ok((Decode::decode(reader)?, Decode::decode(reader)?));
                let refused = (0..length).map(pair).collect::<Result<_, DecodeError>>()?;
                Self::Prepared { refused }
            }
            1 => Self::Sum {
                commitment: Decode::decode(reader)?,
                share: reader.bytes("share of the sum", MESSAGE_BYTES_MAX)?.to_vec(),
            },
            2 => Self::Scalars(Box::new(Decode::decode(reader)?)),
            3 => Self::Refused(Decode::decode(reader)?),
            other => return Err(DecodeError::invalid("aggregator reply", other)),
        })
    }
}
