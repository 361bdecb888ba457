//! What goes into the coordinator's machine and what comes out.

use std::collections::BTreeMap;

use aggregator_protocol::{
    Acknowledgement, AggregatorRequest, DaoRequest, MESSAGE_BYTES_MAX, ProbeOrder, Refusal,
    RoundGrant, ScalarShares, SumCommitment,
};
use privacy_identity::{Decode, DecodeError, Encode, Reader, Signed, VerifyingKey, Writer};
use privacy_secagg::{AGGREGATORS_MAX, EncodingParameters, SealedUpdate};

use crate::{Ended, RoundEvent};

/// Reasons there are at most.
const REFUSALS_MAX: usize = 256;

/// Something that happened to the coordinator. Accepted inputs are persisted and replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The DAO node granted a round.
    Granted {
        /// The grant.
        grant: Box<Signed<RoundGrant>>,
        /// The model in canonical bytes.
        model: Vec<u8>,
    },
    /// The DAO node has no more rounds to run.
    NoMoreRounds,
    /// A contributor submitted its update.
    Submitted {
        /// The key under which the network authenticated it.
        peer: VerifyingKey,
        /// The update.
        update: Box<SealedUpdate>,
    },
    /// Time passed.
    Tick,
    /// Another aggregator holds its parts.
    Prepared {
        /// Its index in the terms.
        aggregator: usize,
        /// Whose part it refused.
        refused: Vec<(VerifyingKey, Refusal)>,
    },
    /// Another aggregator opened its share of the sum.
    Summed {
        /// Its index in the terms.
        aggregator: usize,
        /// What it signed.
        commitment: Box<Signed<SumCommitment>>,
        /// The packed share.
        share: Vec<u8>,
    },
    /// The DAO node named the probes.
    Probed(Box<Signed<ProbeOrder>>),
    /// Another aggregator opened its shares of the scalars.
    Scored {
        /// Its index in the terms.
        aggregator: usize,
        /// The shares.
        shares: Box<Signed<ScalarShares>>,
    },
    /// The DAO node logged how the round ended.
    Logged,
    /// Another aggregator or the DAO node refused a step of the round.
    StepRefused(Refusal),
    /// Messages refused so far in the round, by reason. Never from outside: the machine asks to have
    /// it stored ([`Output::PersistFirst`]) before it signs the counts, as refused messages are not.
    Counted(BTreeMap<Refusal, u64>),
}

/// What the shell has to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Store the input with its time before doing anything that follows.
    Persist,
    /// Store this input, with the same time, in front of the one that was handled: without it a
    /// replay would sign another receipt than the one that may already have been logged.
    PersistFirst(Box<Input>),
    /// Answer the contributor whose update was the input.
    Acknowledge(Box<Signed<Acknowledgement>>),
    /// Keep how a round ended, and forget the inputs stored before: they are no longer needed.
    Conclude(Box<Ended>),
    /// Tell people.
    Report(RoundEvent),
}

/// A request that the coordinator waits for. Repeated until it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// To the DAO node.
    Dao(Box<DaoRequest>),
    /// To the aggregator with this index in the terms.
    Aggregator(usize, Box<AggregatorRequest>),
}

impl Encode for Input {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Granted { grant, model } => {
                writer.u8(0);
                grant.encode(writer);
                writer.bytes(model);
            }
            Self::NoMoreRounds => writer.u8(1),
            Self::Submitted { peer, update } => {
                writer.u8(2);
                peer.encode(writer);
                update.encode(writer);
            }
            Self::Tick => writer.u8(3),
            Self::Prepared { aggregator, refused } => {
                writer.u8(4);
                index_to_writer(*aggregator, writer);
                writer.u32(u32::try_from(refused.len()).expect("at most CONTRIBUTORS_MAX"));
                for (member, refusal) in refused {
                    member.encode(writer);
                    refusal.encode(writer);
                }
            }
            Self::Summed { aggregator, commitment, share } => {
                writer.u8(5);
                index_to_writer(*aggregator, writer);
                commitment.encode(writer);
                writer.bytes(share);
            }
            Self::Probed(probes) => {
                writer.u8(6);
                probes.encode(writer);
            }
            Self::Scored { aggregator, shares } => {
                writer.u8(7);
                index_to_writer(*aggregator, writer);
                shares.encode(writer);
            }
            Self::Logged => writer.u8(8),
            Self::StepRefused(refusal) => {
                writer.u8(9);
                refusal.encode(writer);
            }
            Self::Counted(counts) => {
                writer.u8(10);
                writer.u32(u32::try_from(counts.len()).expect("fewer than 256 reasons"));
                for (refusal, count) in counts {
                    refusal.encode(writer);
                    writer.u64(*count);
                }
            }
        }
    }
}

fn index_to_writer(aggregator: usize, writer: &mut Writer) {
    writer.u8(u8::try_from(aggregator).expect("at most AGGREGATORS_MAX"));
}

fn index_from_reader(reader: &mut Reader<'_>) -> Result<usize, DecodeError> {
    let index = usize::from(reader.u8()?);
    if index < AGGREGATORS_MAX { Ok(index) } else { Err(DecodeError::invalid("aggregator", index)) }
}

fn counts_from_reader(reader: &mut Reader<'_>) -> Result<BTreeMap<Refusal, u64>, DecodeError> {
    let length = reader.length("counted refusals", REFUSALS_MAX)?;
    let mut counts = BTreeMap::new();
    for _ in 0..length {
        let refusal = Decode::decode(reader)?;
        if counts.last_key_value().is_some_and(|(last, _)| *last >= refusal) {
            return Err(DecodeError::invalid("counted refusals", "not in increasing order"));
        }
        counts.insert(refusal, reader.u64()?);
    }
    Ok(counts)
}

impl Decode for Input {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Granted {
                grant: Box::new(Decode::decode(reader)?),
                model: reader.bytes("model", MESSAGE_BYTES_MAX)?.to_vec(),
            },
            1 => Self::NoMoreRounds,
            2 => Self::Submitted {
                peer: Decode::decode(reader)?,
                update: Box::new(Decode::decode(reader)?),
            },
            3 => Self::Tick,
            4 => Self::Prepared {
                aggregator: index_from_reader(reader)?,
                refused: {
                    let bound = EncodingParameters::CONTRIBUTORS_MAX as usize;
                    let length = reader.length("refused", bound)?;
                    let pair = |_| Ok((Decode::decode(reader)?, Decode::decode(reader)?));
                    (0..length).map(pair).collect::<Result<_, DecodeError>>()?
                },
            },
            5 => Self::Summed {
                aggregator: index_from_reader(reader)?,
                commitment: Box::new(Decode::decode(reader)?),
                share: reader.bytes("share", MESSAGE_BYTES_MAX)?.to_vec(),
            },
            6 => Self::Probed(Box::new(Decode::decode(reader)?)),
            7 => Self::Scored {
                aggregator: index_from_reader(reader)?,
                shares: Box::new(Decode::decode(reader)?),
            },
            8 => Self::Logged,
            9 => Self::StepRefused(Decode::decode(reader)?),
            10 => Self::Counted(counts_from_reader(reader)?),
            other => return Err(DecodeError::invalid("input", other)),
        })
    }
}
