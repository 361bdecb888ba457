//! Between contributors and the coordinator.

use aggregator_strategy::{Ticket, VrfPublicKey};
use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Envelope, InclusionProof, Reader, Signed, Writer,
};
use privacy_secagg::SealedUpdate;

use crate::{
    AggregatorReply, AggregatorRequest, CohortNews, CohortRequest, CustodyKey, FederationEnd,
    FederationTerms, MESSAGE_BYTES_MAX, ModelOffer, ModelTrained, Refusal, RoundAbort, RoundId,
    RoundOrder, RoundReceipt, RoundSum, ValueRecord,
};

/// A member's request to join, signed by the member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRequest {
    /// The federation's id: the member agrees to these terms and no others.
    pub federation: Digest,
    /// The invitation's secret and the member's name: for the DAO node alone, not for the coordinator that carries them.
    pub admission: Envelope,
    /// The key to which shares for it are sealed when it is a custodian.
    pub custody: Signed<CustodyKey>,
    /// The key by which it draws whether it takes part, in a federation whose members do. The first counts.
    pub draw: VrfPublicKey,
}

impl Encode for JoinRequest {
    fn encode(&self, writer: &mut Writer) {
        self.federation.encode(writer);
        self.admission.encode(writer);
        self.custody.encode(writer);
        self.draw.encode(writer);
    }
}

impl Decode for JoinRequest {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            federation: Decode::decode(reader)?,
            admission: Decode::decode(reader)?,
            custody: Decode::decode(reader)?,
            draw: Decode::decode(reader)?,
        })
    }
}

/// What a contributor asks of the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContributorRequest {
    /// The federation's signed terms.
    Terms,
    /// To be admitted.
    Join(Box<Signed<JoinRequest>>),
    /// The current order, unless it is still that of round `known`.
    Fetch {
        /// The last round whose order the contributor has.
        known: Option<RoundId>,
    },
    /// To take its sealed update.
    Submit {
        /// The update.
        update: Box<SealedUpdate>,
        /// The proof that it was drawn, in a federation whose members draw in secret.
        ticket: Option<Ticket>,
    },
    /// How a round ended, with the proof of the contributor's own part in it.
    Receipt {
        /// The round.
        round: RoundId,
    },
    /// What a custodian answers to what it was asked ([`ContributorReply::Custody`]).
    Custody(Box<AggregatorReply>),
    /// Something of the cohort's delivery.
    Cohort(CohortRequest),
    /// The sum of a settled round.
    Sum {
        /// The round.
        round: RoundId,
    },
    /// What the values of a settled round follow from.
    Values {
        /// The round.
        round: RoundId,
    },
    /// The newest model, to train from at one's own pace, where the terms have a buffer.
    Model,
    /// That it has trained from such a model, and waits for its round.
    Trained(Signed<ModelTrained>),
}

/// An aggregator's promise that it holds an update durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The federation's id.
    pub federation: Digest,
    /// The round.
    pub round: RoundId,
    /// The digest of the update.
    pub update: Digest,
}

impl Encode for Acknowledgement {
    fn encode(&self, writer: &mut Writer) {
        self.federation.encode(writer);
        self.round.encode(writer);
        self.update.encode(writer);
    }
}

impl Decode for Acknowledgement {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            federation: Decode::decode(reader)?,
            round: Decode::decode(reader)?,
            update: Decode::decode(reader)?,
        })
    }
}

/// How a round ended, for one contributor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchedReceipt {
    /// Not ended yet.
    Pending,
    /// Settled.
    Settled {
        /// The coordinator's receipt, which carries the other aggregators' commitments.
        receipt: Box<Signed<RoundReceipt>>,
        /// Where the asking contributor's update stands in the accepted set, if it does.
        proof: Option<InclusionProof>,
    },
    /// Aborted, as the coordinator signs.
    Aborted(Box<Signed<RoundAbort>>),
    /// The coordinator no longer keeps, or never knew, that round.
    Unknown,
}

/// What the coordinator answers.
#[derive(Debug, Clone, PartialEq)]
pub enum ContributorReply {
    /// The terms, signed by the DAO node.
    Terms(Box<Signed<FederationTerms>>),
    /// The member is in the roster from the next grant on.
    Joined,
    /// Nothing new; ask again after that time.
    Wait {
        /// Milliseconds.
        retry_ms: u64,
    },
    /// A round to train for.
    Order {
        /// The order.
        order: Box<Signed<RoundOrder>>,
        /// The model's parameters in canonical bytes, or sealed to the cohort.
        model: Vec<u8>,
    },
    /// No more rounds are run, as the DAO node signs.
    Finished(Box<Signed<FederationEnd>>),
    /// The update is held durably.
    Acknowledged(Signed<Acknowledgement>),
    /// How a round ended.
    Receipt(FetchedReceipt),
    /// Instead of what was asked for: this member is a custodian and a round waits for it. It asks
    /// again after it has answered.
    Custody(Box<AggregatorRequest>),
    /// What the member brought was taken.
    Taken,
    /// What the delivery has for the member.
    Cohort(Box<CohortNews>),
    /// The sum of the round; none if it is not, or no longer, kept.
    Sum(Option<Box<Signed<RoundSum>>>),
    /// What the values of the round follow from; none if it is not, or no longer, kept.
    Values(Option<Box<ValueRecord>>),
    /// A model to train from.
    Model {
        /// What the DAO node signs about it.
        offer: Box<Signed<ModelOffer>>,
        /// Its parameters in canonical bytes, or sealed to the cohort.
        model: Vec<u8>,
    },
    /// Refused, with the reason under which it was counted.
    Refused(Refusal),
}

/// A ticket behind a byte that says whether there is one.
pub fn ticket_to_writer(ticket: Option<&Ticket>, writer: &mut Writer) {
    writer.u8(u8::from(ticket.is_some()));
    if let Some(ticket) = ticket {
        ticket.encode(writer);
    }
}

/// Reads what [`ticket_to_writer`] wrote.
///
/// # Errors
/// [`DecodeError`].
pub fn ticket_from_reader(reader: &mut Reader<'_>) -> Result<Option<Ticket>, DecodeError> {
    Ok(match reader.u8()? {
        0 => None,
        1 => Some(Decode::decode(reader)?),
        other => return Err(DecodeError::invalid("ticket", other)),
    })
}

impl Encode for ContributorRequest {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Terms => writer.u8(0),
            Self::Join(request) => {
                writer.u8(1);
                request.encode(writer);
            }
            Self::Fetch { known } => {
                writer.u8(2);
                writer.u8(u8::from(known.is_some()));
                if let Some(round) = known {
                    round.encode(writer);
                }
            }
            Self::Submit { update, ticket } => {
                writer.u8(3);
                update.encode(writer);
                ticket_to_writer(ticket.as_ref(), writer);
            }
            Self::Receipt { round } => {
                writer.u8(4);
                round.encode(writer);
            }
            Self::Custody(reply) => {
                writer.u8(5);
                reply.encode(writer);
            }
            Self::Cohort(request) => {
                writer.u8(6);
                request.encode(writer);
            }
            Self::Sum { round } => {
                writer.u8(7);
                round.encode(writer);
            }
            Self::Values { round } => {
                writer.u8(8);
                round.encode(writer);
            }
            Self::Model => writer.u8(9),
            Self::Trained(trained) => {
                writer.u8(10);
                trained.encode(writer);
            }
        }
    }
}

impl Decode for ContributorRequest {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Terms,
            1 => Self::Join(Box::new(Decode::decode(reader)?)),
            2 => Self::Fetch {
                known: match reader.u8()? {
                    0 => None,
                    1 => Some(Decode::decode(reader)?),
                    other => return Err(DecodeError::invalid("known round", other)),
                },
            },
            3 => Self::Submit {
                update: Box::new(Decode::decode(reader)?),
                ticket: ticket_from_reader(reader)?,
            },
            4 => Self::Receipt { round: Decode::decode(reader)? },
            5 => Self::Custody(Box::new(Decode::decode(reader)?)),
            6 => Self::Cohort(Decode::decode(reader)?),
            7 => Self::Sum { round: Decode::decode(reader)? },
            8 => Self::Values { round: Decode::decode(reader)? },
            9 => Self::Model,
            10 => Self::Trained(Decode::decode(reader)?),
            other => return Err(DecodeError::invalid("contributor request", other)),
        })
    }
}

impl Encode for FetchedReceipt {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Pending => writer.u8(0),
            Self::Settled { receipt, proof } => {
                writer.u8(1);
                receipt.encode(writer);
                writer.u8(u8::from(proof.is_some()));
                if let Some(proof) = proof {
                    proof.encode(writer);
                }
            }
            Self::Aborted(abort) => {
                writer.u8(2);
                abort.encode(writer);
            }
            Self::Unknown => writer.u8(3),
        }
    }
}

impl Decode for FetchedReceipt {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Pending,
            1 => Self::Settled {
                receipt: Box::new(Decode::decode(reader)?),
                proof: match reader.u8()? {
                    0 => None,
                    1 => Some(Decode::decode(reader)?),
                    other => return Err(DecodeError::invalid("proof", other)),
                },
            },
            2 => Self::Aborted(Box::new(Decode::decode(reader)?)),
            3 => Self::Unknown,
            other => return Err(DecodeError::invalid("receipt", other)),
        })
    }
}

impl Encode for ContributorReply {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Terms(terms) => {
                writer.u8(0);
                terms.encode(writer);
            }
            Self::Joined => writer.u8(1),
            Self::Wait { retry_ms } => {
                writer.u8(2);
                writer.u64(*retry_ms);
            }
            Self::Order { order, model } => {
                writer.u8(3);
                order.encode(writer);
                writer.bytes(model);
            }
            Self::Finished(end) => {
                writer.u8(4);
                end.encode(writer);
            }
            Self::Acknowledged(acknowledgement) => {
                writer.u8(5);
                acknowledgement.encode(writer);
            }
            Self::Receipt(receipt) => {
                writer.u8(6);
                receipt.encode(writer);
            }
            Self::Refused(refusal) => {
                writer.u8(7);
                refusal.encode(writer);
            }
            Self::Custody(request) => {
                writer.u8(8);
                request.encode(writer);
            }
            Self::Taken => writer.u8(9),
            Self::Cohort(news) => {
                writer.u8(10);
                news.encode(writer);
            }
            Self::Sum(sum) => {
                writer.u8(11);
                writer.u8(u8::from(sum.is_some()));
                if let Some(sum) = sum {
                    sum.encode(writer);
                }
            }
            Self::Values(record) => {
                writer.u8(12);
                writer.u8(u8::from(record.is_some()));
                if let Some(record) = record {
                    record.encode(writer);
                }
            }
            Self::Model { offer, model } => {
                writer.u8(13);
                offer.encode(writer);
                writer.bytes(model);
            }
        }
    }
}

impl Decode for ContributorReply {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Terms(Box::new(Decode::decode(reader)?)),
            1 => Self::Joined,
            2 => Self::Wait { retry_ms: reader.u64()? },
            3 => Self::Order {
                order: Box::new(Decode::decode(reader)?),
                model: reader.bytes("model", MESSAGE_BYTES_MAX)?.to_vec(),
            },
            4 => Self::Finished(Box::new(Decode::decode(reader)?)),
            5 => Self::Acknowledged(Decode::decode(reader)?),
            6 => Self::Receipt(Decode::decode(reader)?),
            7 => Self::Refused(Decode::decode(reader)?),
            8 => Self::Custody(Box::new(Decode::decode(reader)?)),
            9 => Self::Taken,
            10 => Self::Cohort(Box::new(Decode::decode(reader)?)),
            11 => Self::Sum(match reader.u8()? {
                0 => None,
                1 => Some(Box::new(Decode::decode(reader)?)),
                other => return Err(DecodeError::invalid("sum", other)),
            }),
            12 => Self::Values(match reader.u8()? {
                0 => None,
                1 => Some(Box::new(Decode::decode(reader)?)),
                other => return Err(DecodeError::invalid("value record", other)),
            }),
            13 => Self::Model {
                offer: Box::new(Decode::decode(reader)?),
                model: reader.bytes("model", MESSAGE_BYTES_MAX)?.to_vec(),
            },
            other => return Err(DecodeError::invalid("contributor reply", other)),
        })
    }
}
