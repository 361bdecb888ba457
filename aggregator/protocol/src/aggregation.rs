//! Between the coordinator and the other parties of a round: the other aggregators in MPC mode, the
//! custodians in FHE mode. Both are named by their place: 0 is the coordinator.

use privacy_identity::{
    Decode, DecodeError, Digest, Encode, MerkleTree, Reader, Signed, VerifyingKey, Writer,
    list_from_reader, list_to_writer,
};
use privacy_secagg::{AGGREGATORS_MAX, Delivery, EncodingParameters, QuantizedProbe};

use crate::{
    GroupProbes, MESSAGE_BYTES_MAX, PreparedPart, Refusal, RoundId, RoundOrder,
    group::{probes_from_reader, probes_to_writer, several_from_reader, several_to_writer},
    prepared::VERIFIER_BYTES_MAX,
};

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

/// A custodian's word that this set, and no other, is the round's: [`CustodyTerms::agreement`] of
/// them let a sum be opened.
///
/// [`CustodyTerms::agreement`]: crate::CustodyTerms::agreement
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetEcho {
    /// The federation's id.
    pub federation: Digest,
    /// The round.
    pub round: RoundId,
    /// Root of the accepted set.
    pub set_root: Digest,
}

impl Encode for SetEcho {
    fn encode(&self, writer: &mut Writer) {
        self.federation.encode(writer);
        self.round.encode(writer);
        self.set_root.encode(writer);
    }
}

impl Decode for SetEcho {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            federation: Decode::decode(reader)?,
            round: Decode::decode(reader)?,
            set_root: Decode::decode(reader)?,
        })
    }
}

/// Why a party may open its share of the sum over a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// MPC mode: the set itself is enough.
    None,
    /// Verified MPC mode: per member of the set, the verifier shares of all aggregators in their
    /// order. Each aggregator decides for itself that the proof holds.
    Verifiers(Vec<Vec<Vec<u8>>>),
    /// FHE mode: what the custodians echoed.
    Echoes(Vec<Signed<SetEcho>>),
}

fn blobs_to_writer(blobs: &[Vec<u8>], writer: &mut Writer) {
    writer.u32(u32::try_from(blobs.len()).expect("at most CONTRIBUTORS_MAX"));
    for blob in blobs {
        writer.bytes(blob);
    }
}

fn blobs_from_reader(reader: &mut Reader<'_>, most: usize) -> Result<Vec<Vec<u8>>, DecodeError> {
    let length = reader.length("verifier shares", most)?;
    let blob = |_| Ok(reader.bytes("verifier share", VERIFIER_BYTES_MAX)?.to_vec());
    (0..length).map(blob).collect()
}

impl Encode for Evidence {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::None => writer.u8(0),
            Self::Verifiers(members) => {
                writer.u8(1);
                writer.u32(u32::try_from(members.len()).expect("at most CONTRIBUTORS_MAX"));
                for shares in members {
                    blobs_to_writer(shares, writer);
                }
            }
            Self::Echoes(echoes) => {
                writer.u8(2);
                list_to_writer(echoes, writer);
            }
        }
    }
}

impl Decode for Evidence {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::None,
            1 => {
                let length = reader.length("verified members", CONTRIBUTORS_MAX)?;
                let shares = |_| blobs_from_reader(reader, AGGREGATORS_MAX);
                Self::Verifiers((0..length).map(shares).collect::<Result<_, DecodeError>>()?)
            }
            2 => Self::Echoes(list_from_reader(reader, "echoes", AGGREGATORS_MAX)?),
            other => return Err(DecodeError::invalid("evidence", other)),
        })
    }
}

/// What a party signs when it opens its share of a sum: one set per round, for ever.
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
    /// The value probe with signs that the validation set's shards take in turns: what it reads says how far a value
    /// is off because that set is a sample.
    pub contrast: QuantizedProbe,
    /// Where there are groups, those above are of the first, and these of the others, in their order.
    pub others: Vec<GroupProbes>,
}

/// Scalars that are opened of each contribution: value, innovation, contrast.
pub const SCALARS: usize = 3;

impl ProbeOrder {
    /// The probes, in the order of their scalars; where there are groups, those of the first.
    #[must_use]
    pub const fn probes(&self) -> [&QuantizedProbe; SCALARS] {
        [&self.value, &self.innovation, &self.contrast]
    }

    /// How many groups it has probes for, at least 1.
    #[must_use]
    pub const fn groups(&self) -> usize {
        self.others.len() + 1
    }

    /// The probes of a group, 0-based, in the order of their scalars; none if there is no such group.
    #[must_use]
    pub fn probes_of(&self, group: usize) -> Option<[&QuantizedProbe; SCALARS]> {
        let Some(place) = group.checked_sub(1) else { return Some(self.probes()) };
        self.others.get(place).map(|probes| [&probes.value, &self.innovation, &probes.contrast])
    }
}

impl Encode for ProbeOrder {
    fn encode(&self, writer: &mut Writer) {
        self.federation.encode(writer);
        self.round.encode(writer);
        self.set_root.encode(writer);
        self.model_after.encode(writer);
        several_to_writer(&self.others, writer);
        self.value.encode(writer);
        self.innovation.encode(writer);
        self.contrast.encode(writer);
        probes_to_writer(&self.others, writer);
    }
}

impl Decode for ProbeOrder {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (federation, round) = (Decode::decode(reader)?, Decode::decode(reader)?);
        let (set_root, model_after) = (Decode::decode(reader)?, Decode::decode(reader)?);
        let several = several_from_reader(reader)?;
        Ok(Self {
            federation,
            round,
            set_root,
            model_after,
            value: Decode::decode(reader)?,
            innovation: Decode::decode(reader)?,
            contrast: Decode::decode(reader)?,
            others: if several { probes_from_reader(reader)? } else { Vec::new() },
        })
    }
}

/// A party's shares of the scalars of a round, in the order of the accepted set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalarShares {
    /// The federation's id.
    pub federation: Digest,
    /// The round.
    pub round: RoundId,
    /// Digest of the probe order that they answer.
    pub probe: Digest,
    /// Per contributor: the share of its value, innovation and contrast, each in the ring or field of
    /// the federation's mode.
    pub shares: Vec<[u64; SCALARS]>,
}

impl Encode for ScalarShares {
    fn encode(&self, writer: &mut Writer) {
        self.federation.encode(writer);
        self.round.encode(writer);
        self.probe.encode(writer);
        writer.u32(u32::try_from(self.shares.len()).expect("at most CONTRIBUTORS_MAX"));
        for share in self.shares.as_flattened() {
            writer.u64(*share);
        }
    }
}

impl Decode for ScalarShares {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let federation = Decode::decode(reader)?;
        let round = Decode::decode(reader)?;
        let probe = Decode::decode(reader)?;
        let length = reader.length("scalar shares", CONTRIBUTORS_MAX)?;
        let mut scalars = || Ok([reader.u64()?, reader.u64()?, reader.u64()?]);
        let shares = (0..length).map(|_| scalars()).collect::<Result<_, DecodeError>>()?;
        Ok(Self { federation, round, probe, shares })
    }
}

/// What the coordinator asks of another party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AggregatorRequest {
    /// To check and keep its parts of these updates of a round. The parts of a large round come in
    /// several such requests, in any order and as often as it takes: what a party took it keeps.
    Prepare {
        /// The order that the updates answer.
        order: Box<Signed<RoundOrder>>,
        /// Its parts of some of the round's updates.
        deliveries: Vec<Delivery>,
        /// Seeds what verified MPC mode checks proofs with. Made by the coordinator after the last
        /// update was taken, so that no contributor can have known it.
        challenge: Digest,
    },
    /// FHE mode: to say that this set, and no other, is the round's.
    Agree {
        /// The round.
        round: RoundId,
        /// The set.
        set: AcceptedSet,
    },
    /// To open its share of the sum over exactly this set.
    Sum {
        /// The round.
        round: RoundId,
        /// The set.
        set: AcceptedSet,
        /// Why it may.
        evidence: Evidence,
    },
    /// To open its shares of the scalars of exactly these probes.
    Score(Box<Signed<ProbeOrder>>),
}

impl AggregatorRequest {
    /// The round that it is about.
    #[must_use]
    pub fn round(&self) -> RoundId {
        match self {
            Self::Prepare { order, .. } => order.unverified_body().grant.unverified_body().round,
            Self::Agree { round, .. } | Self::Sum { round, .. } => *round,
            Self::Score(probes) => probes.unverified_body().round,
        }
    }
}

/// What the other party answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AggregatorReply {
    /// What became of the parts of one request.
    Prepared {
        /// The round.
        round: RoundId,
        /// Each part of the request.
        parts: Vec<PreparedPart>,
    },
    /// The set is the round's.
    Agreed(Signed<SetEcho>),
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
    Refused {
        /// The round of the request; none if it could not be read.
        round: Option<RoundId>,
        /// Why.
        refusal: Refusal,
    },
}

impl Encode for AggregatorRequest {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Prepare { order, deliveries, challenge } => {
                writer.u8(0);
                order.encode(writer);
                list_to_writer(deliveries, writer);
                challenge.encode(writer);
            }
            Self::Sum { round, set, evidence } => {
                writer.u8(1);
                round.encode(writer);
                set.encode(writer);
                evidence.encode(writer);
            }
            Self::Agree { round, set } => {
                writer.u8(3);
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
                challenge: Decode::decode(reader)?,
            },
            1 => Self::Sum {
                round: Decode::decode(reader)?,
                set: Decode::decode(reader)?,
                evidence: Decode::decode(reader)?,
            },
            2 => Self::Score(Box::new(Decode::decode(reader)?)),
            3 => Self::Agree { round: Decode::decode(reader)?, set: Decode::decode(reader)? },
            other => return Err(DecodeError::invalid("aggregator request", other)),
        })
    }
}

impl Encode for AggregatorReply {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Prepared { round, parts } => {
                writer.u8(0);
                round.encode(writer);
                list_to_writer(parts, writer);
            }
            Self::Agreed(echo) => {
                writer.u8(4);
                echo.encode(writer);
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
            Self::Refused { round, refusal } => {
                writer.u8(3);
                writer.u8(u8::from(round.is_some()));
                if let Some(round) = round {
                    round.encode(writer);
                }
                refusal.encode(writer);
            }
        }
    }
}

impl Decode for AggregatorReply {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Prepared {
                round: Decode::decode(reader)?,
                parts: list_from_reader(reader, "prepared parts", CONTRIBUTORS_MAX)?,
            },
            1 => Self::Sum {
                commitment: Decode::decode(reader)?,
                share: reader.bytes("share of the sum", MESSAGE_BYTES_MAX)?.to_vec(),
            },
            2 => Self::Scalars(Box::new(Decode::decode(reader)?)),
            3 => Self::Refused {
                round: match reader.u8()? {
                    0 => None,
                    1 => Some(Decode::decode(reader)?),
                    other => return Err(DecodeError::invalid("round of a refusal", other)),
                },
                refusal: Decode::decode(reader)?,
            },
            4 => Self::Agreed(Decode::decode(reader)?),
            other => return Err(DecodeError::invalid("aggregator reply", other)),
        })
    }
}
