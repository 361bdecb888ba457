//! Between the coordinator and the DAO node.

use aggregator_strategy::Ticket;
use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Reader, Signed, Writer, list_from_reader, list_to_writer,
};
use privacy_secagg::AGGREGATORS_MAX;

use crate::{
    AcceptedSet, FederationEnd, FederationTerms, GroupSum, JoinRequest, KeyHandOver,
    MESSAGE_BYTES_MAX, ModelOffer, ModelTrained, ProbeOrder, Refusal, Roster, RoundGrant, RoundId,
    RoundReceipt, ScalarOpening, SumCommitment,
    group::{sums_from_reader, sums_to_writer},
};

/// Longest reason of an abort, in bytes.
const REASON_BYTES_MAX: usize = 512;

/// Longest evidence of a vote, in bytes: an entry of 64 KiB in base64, its proof and a checkpoint with all its cosignatures,
/// and the content that was voted on.
pub const EVIDENCE_BYTES_MAX: usize = 512 << 10;

/// The opened sum of a round, signed by the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundSum {
    /// The federation's id.
    pub federation: Digest,
    /// The round.
    pub round: RoundId,
    /// The set that was summed.
    pub accepted: AcceptedSet,
    /// The proofs that its members were drawn, in their order, where members draw in secret; else none.
    pub tickets: Vec<Ticket>,
    /// The sum, as integers, `[vector_len]`; that of the first group, where there are groups.
    pub sum: Vec<i64>,
    /// The sum of the linear tags, where the cohort has a key: any member checks the sum against it.
    pub tag: Option<[u64; 2]>,
    /// The sums of the other groups, in their order; none where a round has one sum.
    pub others: Vec<GroupSum>,
    /// The other parties' commitments to the same set.
    pub commitments: Vec<Signed<SumCommitment>>,
}

impl RoundSum {
    /// How many groups it has sums of, at least 1.
    #[must_use]
    pub const fn groups(&self) -> usize {
        self.others.len() + 1
    }

    /// The sum of each group and of its tags, in their order.
    pub fn sums(&self) -> impl Iterator<Item = (&[i64], Option<[u64; 2]>)> {
        let others = self.others.iter().map(|group| (group.sum.as_slice(), group.tag));
        std::iter::once((self.sum.as_slice(), self.tag)).chain(others)
    }
}

impl Encode for RoundSum {
    fn encode(&self, writer: &mut Writer) {
        self.federation.encode(writer);
        self.round.encode(writer);
        self.accepted.encode(writer);
        list_to_writer(&self.tickets, writer);
        sums_to_writer((&self.sum, self.tag), &self.others, writer);
        list_to_writer(&self.commitments, writer);
    }
}

impl Decode for RoundSum {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (federation, round) = (Decode::decode(reader)?, Decode::decode(reader)?);
        let accepted: AcceptedSet = Decode::decode(reader)?;
        let tickets: Vec<Ticket> =
            list_from_reader(reader, "tickets", accepted.contributions().len())?;
        if !tickets.is_empty() && tickets.len() != accepted.contributions().len() {
            return Err(DecodeError::invalid("tickets", "one per contribution is needed, or none"));
        }
        let (GroupSum { sum, tag }, others) = sums_from_reader(reader)?;
        let commitments = list_from_reader(reader, "commitments", AGGREGATORS_MAX)?;
        Ok(Self { federation, round, accepted, tickets, sum, tag, others, commitments })
    }
}

/// What the coordinator asks of the DAO node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DaoRequest {
    /// The federation's signed terms.
    Terms,
    /// To admit a member.
    Join(Box<Signed<JoinRequest>>),
    /// Leave to run the next round.
    Grant,
    /// The probes for an opened sum.
    Measure(Box<Signed<RoundSum>>),
    /// To log and pay a round.
    Settle {
        /// Its record.
        receipt: Box<Signed<RoundReceipt>>,
        /// From what its scalars were opened.
        opening: Box<ScalarOpening>,
    },
    /// To log that a round was given up.
    Abort {
        /// The round.
        round: RoundId,
        /// Why.
        reason: String,
    },
    /// Whom it admitted.
    Roster,
    /// To keep the key under which it seals models to the cohort.
    HandKey(Box<Signed<KeyHandOver>>),
    /// The newest model, for a member that trains at its own pace.
    Model,
    /// A member's word that it has trained from such a model.
    Trained(Signed<ModelTrained>),
    /// The terms that members voted for since, with the evidence.
    Voted {
        /// Those that are known: their digest.
        known: Digest,
    },
}

/// What the DAO node answers.
#[derive(Debug, Clone, PartialEq)]
pub enum DaoReply {
    /// The terms.
    Terms(Box<Signed<FederationTerms>>),
    /// The member is admitted.
    Joined,
    /// A round may be run.
    Granted {
        /// The grant.
        grant: Box<Signed<RoundGrant>>,
        /// The model from which the cohort trains: in canonical bytes, or sealed to the cohort.
        model: Vec<u8>,
    },
    /// Not now; ask again.
    Wait {
        /// Milliseconds.
        retry_ms: u64,
    },
    /// No more rounds are run.
    Finished(Box<Signed<FederationEnd>>),
    /// The probes.
    Probes(Box<Signed<ProbeOrder>>),
    /// The round is logged.
    Settled {
        /// Index of its ledger entry.
        entry: u64,
    },
    /// Whom it admitted.
    Roster(Box<Signed<Roster>>),
    /// The key is kept.
    KeyTaken,
    /// A model to train from.
    Model {
        /// What it is.
        offer: Box<Signed<ModelOffer>>,
        /// Its parameters in canonical bytes, or sealed to the cohort.
        model: Vec<u8>,
    },
    /// The member is waited with until enough are done.
    TrainedTaken,
    /// The terms that are known are in force.
    TermsStand,
    /// Members voted for other terms.
    Voted {
        /// Those in force now.
        terms: Box<Signed<FederationTerms>>,
        /// That members voted for them: opaque here, as it is of the ledger. Whoever acts on it has it checked.
        evidence: Vec<u8>,
    },
    /// Refused.
    Refused(Refusal),
}

impl Encode for DaoRequest {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Terms => writer.u8(0),
            Self::Join(request) => {
                writer.u8(1);
                request.encode(writer);
            }
            Self::Grant => writer.u8(2),
            Self::Measure(sum) => {
                writer.u8(3);
                sum.encode(writer);
            }
            Self::Settle { receipt, opening } => {
                writer.u8(4);
                receipt.encode(writer);
                opening.encode(writer);
            }
            Self::Abort { round, reason } => {
                writer.u8(5);
                round.encode(writer);
                writer.text(reason);
            }
            Self::Roster => writer.u8(6),
            Self::HandKey(key) => {
                writer.u8(7);
                key.encode(writer);
            }
            Self::Model => writer.u8(8),
            Self::Trained(trained) => {
                writer.u8(9);
                trained.encode(writer);
            }
            Self::Voted { known } => {
                writer.u8(10);
                known.encode(writer);
            }
        }
    }
}

impl Decode for DaoRequest {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Terms,
            1 => Self::Join(Box::new(Decode::decode(reader)?)),
            2 => Self::Grant,
            3 => Self::Measure(Box::new(Decode::decode(reader)?)),
            4 => Self::Settle {
                receipt: Box::new(Decode::decode(reader)?),
                opening: Box::new(Decode::decode(reader)?),
            },
            5 => Self::Abort {
                round: Decode::decode(reader)?,
                reason: reader.text("reason", REASON_BYTES_MAX)?,
            },
            6 => Self::Roster,
            7 => Self::HandKey(Box::new(Decode::decode(reader)?)),
            8 => Self::Model,
            9 => Self::Trained(Decode::decode(reader)?),
            10 => Self::Voted { known: Decode::decode(reader)? },
            other => return Err(DecodeError::invalid("dao request", other)),
        })
    }
}

impl Encode for DaoReply {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Terms(terms) => {
                writer.u8(0);
                terms.encode(writer);
            }
            Self::Joined => writer.u8(1),
            Self::Granted { grant, model } => {
                writer.u8(2);
                grant.encode(writer);
                writer.bytes(model);
            }
            Self::Wait { retry_ms } => {
                writer.u8(3);
                writer.u64(*retry_ms);
            }
            Self::Finished(end) => {
                writer.u8(4);
                end.encode(writer);
            }
            Self::Probes(probes) => {
                writer.u8(5);
                probes.encode(writer);
            }
            Self::Settled { entry } => {
                writer.u8(6);
                writer.u64(*entry);
            }
            Self::Refused(refusal) => {
                writer.u8(7);
                refusal.encode(writer);
            }
            Self::Roster(roster) => {
                writer.u8(8);
                roster.encode(writer);
            }
            Self::KeyTaken => writer.u8(9),
            Self::Model { offer, model } => {
                writer.u8(10);
                offer.encode(writer);
                writer.bytes(model);
            }
            Self::TrainedTaken => writer.u8(11),
            Self::TermsStand => writer.u8(12),
            Self::Voted { terms, evidence } => {
                writer.u8(13);
                terms.encode(writer);
                writer.bytes(evidence);
            }
        }
    }
}

impl Decode for DaoReply {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Terms(Box::new(Decode::decode(reader)?)),
            1 => Self::Joined,
            2 => Self::Granted {
                grant: Box::new(Decode::decode(reader)?),
                model: reader.bytes("model", MESSAGE_BYTES_MAX)?.to_vec(),
            },
            3 => Self::Wait { retry_ms: reader.u64()? },
            4 => Self::Finished(Box::new(Decode::decode(reader)?)),
            5 => Self::Probes(Box::new(Decode::decode(reader)?)),
            6 => Self::Settled { entry: reader.u64()? },
            7 => Self::Refused(Decode::decode(reader)?),
            8 => Self::Roster(Box::new(Decode::decode(reader)?)),
            9 => Self::KeyTaken,
            10 => Self::Model {
                offer: Box::new(Decode::decode(reader)?),
                model: reader.bytes("model", MESSAGE_BYTES_MAX)?.to_vec(),
            },
            11 => Self::TrainedTaken,
            12 => Self::TermsStand,
            13 => Self::Voted {
                terms: Box::new(Decode::decode(reader)?),
                evidence: reader.bytes("evidence", EVIDENCE_BYTES_MAX)?.to_vec(),
            },
            other => return Err(DecodeError::invalid("dao reply", other)),
        })
    }
}
