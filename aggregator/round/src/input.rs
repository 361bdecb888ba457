//! What goes into the coordinator's machine and what comes out.

use std::collections::BTreeMap;

use aggregator_protocol::{
    Acknowledgement, AggregatorReply, AggregatorRequest, DaoRequest, FederationEnd,
    MESSAGE_BYTES_MAX, PreparedPart, ProbeOrder, Refusal, RoundGrant, RoundId, ScalarShares,
    SetEcho, SumCommitment, ticket_from_reader, ticket_to_writer,
};
use aggregator_strategy::Ticket;
use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Reader, Signed, VerifyingKey, Writer, list_from_reader,
    list_to_writer,
};
use privacy_secagg::{AGGREGATORS_MAX, EncodingParameters, SealedUpdate};

use crate::{Batch, Ended, KeptUpdate, RoundEvent, Work, Worked};

const CONTRIBUTORS_MAX: usize = EncodingParameters::CONTRIBUTORS_MAX as usize;

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
    NoMoreRounds(Box<Signed<FederationEnd>>),
    /// A contributor submitted its update. Not persisted itself: of an update that is taken the machine
    /// asks to have the bytes kept ([`Output::Keep`]) and [`Input::Held`] stored.
    Submitted {
        /// The key under which the network authenticated it.
        peer: VerifyingKey,
        /// The update.
        update: Box<SealedUpdate>,
        /// The proof that it was drawn, where members draw in secret.
        ticket: Option<Ticket>,
    },
    /// An update was taken, and its bytes are in the store. Never from outside.
    Held {
        /// To which round.
        round: RoundId,
        /// Whose.
        peer: VerifyingKey,
        /// Its digest.
        update: Digest,
        /// The ticket that came with it.
        ticket: Option<Ticket>,
    },
    /// Time passed.
    Tick,
    /// Another party holds some of its parts.
    Prepared {
        /// Its place.
        party: usize,
        /// Of which round.
        round: RoundId,
        /// What became of each.
        parts: Vec<PreparedPart>,
    },
    /// What came of [`Ask::Own`]. Never from outside.
    Worked {
        /// In which round.
        round: RoundId,
        /// The result.
        worked: Box<Worked>,
    },
    /// A custodian echoed the set.
    Agreed {
        /// Its place.
        party: usize,
        /// What it signed.
        echo: Box<Signed<SetEcho>>,
    },
    /// Another party opened its share of the sum.
    Summed {
        /// Its place.
        party: usize,
        /// What it signed.
        commitment: Box<Signed<SumCommitment>>,
        /// The packed share.
        share: Vec<u8>,
    },
    /// The DAO node named the probes.
    Probed(Box<Signed<ProbeOrder>>),
    /// Another party opened its shares of the scalars.
    Scored {
        /// Its place.
        party: usize,
        /// The shares.
        shares: Box<Signed<ScalarShares>>,
    },
    /// The DAO node logged how the round ended.
    Logged,
    /// Another party refused a step of the round: without an aggregator it cannot go on, without a
    /// custodian it may.
    Declined {
        /// Its place.
        party: usize,
        /// The round in which it was asked; none if it could not read the request.
        round: Option<RoundId>,
        /// Why.
        refusal: Refusal,
    },
    /// The DAO node refused a step of the round, or an answer to it was refused.
    StepRefused(Refusal),
    /// Messages refused so far in the round, by reason. Never from outside: the machine asks to have
    /// it stored ([`Output::PersistInput`]) before it signs the counts, as refused messages are not.
    Counted(BTreeMap<Refusal, u64>),
}

/// What the shell has to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Keep the bytes of an update, durably, before doing anything that follows. What was kept and then
    /// not named by a stored input is garbage ([`Coordinator::needs`]).
    ///
    /// [`Coordinator::needs`]: crate::Coordinator::needs
    Keep(Box<KeptUpdate>),
    /// Store the input with its time before doing anything that follows.
    Persist,
    /// Store this input with the time of the one that was handled: instead of an update, whose bytes are
    /// elsewhere; or in front of it, where without it a replay would sign another receipt than the one that
    /// may already have been logged.
    PersistInput(Box<Input>),
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
    /// To the aggregator with this place.
    Aggregator(usize, Box<AggregatorRequest>),
    /// To the custodian with this place: kept until it asks ([`Coordinator::custody_for`]).
    ///
    /// [`Coordinator::custody_for`]: crate::Coordinator::custody_for
    Custodian(usize, Box<AggregatorRequest>),
    /// To the party with this place, aggregator or custodian: to prepare these parts, which are in the
    /// store.
    Parts(usize, Box<Batch>),
    /// To the process itself, on a thread of its own: the machine goes on taking inputs.
    Own(Box<Work>),
}

impl Input {
    /// What the answer of the party at `party` is to the machine.
    #[must_use]
    pub fn from_party(party: usize, reply: AggregatorReply) -> Self {
        match reply {
            AggregatorReply::Prepared { round, parts } => Self::Prepared { party, round, parts },
            AggregatorReply::Agreed(echo) => Self::Agreed { party, echo: Box::new(echo) },
            AggregatorReply::Sum { commitment, share } => {
                Self::Summed { party, commitment: Box::new(commitment), share }
            }
            AggregatorReply::Scalars(shares) => Self::Scored { party, shares },
            AggregatorReply::Refused { round, refusal } => Self::Declined { party, round, refusal },
        }
    }
}

/// One byte for the kind; 4 and 12 were of forms without rounds, 2 and 13 of forms without tickets.
impl Encode for Input {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Granted { grant, model } => {
                writer.u8(0);
                grant.encode(writer);
                writer.bytes(model);
            }
            Self::NoMoreRounds(end) => {
                writer.u8(1);
                end.encode(writer);
            }
            Self::Submitted { peer, update, ticket } => {
                writer.u8(17);
                peer.encode(writer);
                update.encode(writer);
                ticket_to_writer(ticket.as_ref(), writer);
            }
            Self::Tick => writer.u8(3),
            Self::Held { round, peer, update, ticket } => {
                writer.u8(18);
                round.encode(writer);
                peer.encode(writer);
                update.encode(writer);
                ticket_to_writer(ticket.as_ref(), writer);
            }
            Self::Prepared { party, round, parts } => {
                writer.u8(14);
                place_to_writer(*party, writer);
                round.encode(writer);
                list_to_writer(parts, writer);
            }
            Self::Worked { round, worked } => {
                writer.u8(15);
                round.encode(writer);
                worked.encode(writer);
            }
            Self::Agreed { party, echo } => {
                writer.u8(11);
                place_to_writer(*party, writer);
                echo.encode(writer);
            }
            Self::Summed { party, commitment, share } => {
                writer.u8(5);
                place_to_writer(*party, writer);
                commitment.encode(writer);
                writer.bytes(share);
            }
            Self::Probed(probes) => {
                writer.u8(6);
                probes.encode(writer);
            }
            Self::Scored { party, shares } => {
                writer.u8(7);
                place_to_writer(*party, writer);
                shares.encode(writer);
            }
            Self::Logged => writer.u8(8),
            Self::StepRefused(refusal) => {
                writer.u8(9);
                refusal.encode(writer);
            }
            Self::Declined { party, round, refusal } => {
                writer.u8(16);
                declined_to_writer(*party, *round, *refusal, writer);
            }
            Self::Counted(counts) => {
                writer.u8(10);
                counts_to_writer(counts, writer);
            }
        }
    }
}

fn place_to_writer(party: usize, writer: &mut Writer) {
    writer.u8(u8::try_from(party).expect("at most AGGREGATORS_MAX"));
}

fn counts_to_writer(counts: &BTreeMap<Refusal, u64>, writer: &mut Writer) {
    writer.u32(u32::try_from(counts.len()).expect("fewer than 256 reasons"));
    for (refusal, count) in counts {
        refusal.encode(writer);
        writer.u64(*count);
    }
}

fn place_from_reader(reader: &mut Reader<'_>) -> Result<usize, DecodeError> {
    let place = usize::from(reader.u8()?);
    if place < AGGREGATORS_MAX { Ok(place) } else { Err(DecodeError::invalid("party", place)) }
}

fn declined_to_writer(party: usize, round: Option<RoundId>, refusal: Refusal, writer: &mut Writer) {
    place_to_writer(party, writer);
    writer.u8(u8::from(round.is_some()));
    if let Some(round) = round {
        round.encode(writer);
    }
    refusal.encode(writer);
}

fn declined_from_reader(reader: &mut Reader<'_>) -> Result<Input, DecodeError> {
    let party = place_from_reader(reader)?;
    let round = match reader.u8()? {
        0 => None,
        1 => Some(Decode::decode(reader)?),
        other => return Err(DecodeError::invalid("round of a refusal", other)),
    };
    Ok(Input::Declined { party, round, refusal: Decode::decode(reader)? })
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
            1 => Self::NoMoreRounds(Box::new(Decode::decode(reader)?)),
            17 => Self::Submitted {
                peer: Decode::decode(reader)?,
                update: Box::new(Decode::decode(reader)?),
                ticket: ticket_from_reader(reader)?,
            },
            3 => Self::Tick,
            5 => Self::Summed {
                party: place_from_reader(reader)?,
                commitment: Box::new(Decode::decode(reader)?),
                share: reader.bytes("share", MESSAGE_BYTES_MAX)?.to_vec(),
            },
            6 => Self::Probed(Box::new(Decode::decode(reader)?)),
            7 => Self::Scored {
                party: place_from_reader(reader)?,
                shares: Box::new(Decode::decode(reader)?),
            },
            8 => Self::Logged,
            9 => Self::StepRefused(Decode::decode(reader)?),
            10 => Self::Counted(counts_from_reader(reader)?),
            11 => Self::Agreed {
                party: place_from_reader(reader)?,
                echo: Box::new(Decode::decode(reader)?),
            },
            18 => Self::Held {
                round: Decode::decode(reader)?,
                peer: Decode::decode(reader)?,
                update: Decode::decode(reader)?,
                ticket: ticket_from_reader(reader)?,
            },
            14 => Self::Prepared {
                party: place_from_reader(reader)?,
                round: Decode::decode(reader)?,
                parts: list_from_reader(reader, "prepared parts", CONTRIBUTORS_MAX)?,
            },
            15 => Self::Worked {
                round: Decode::decode(reader)?,
                worked: Box::new(Decode::decode(reader)?),
            },
            16 => declined_from_reader(reader)?,
            other => return Err(DecodeError::invalid("input", other)),
        })
    }
}
