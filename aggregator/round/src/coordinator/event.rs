//! How rounds end, and what people are told meanwhile.

use std::fmt;

use aggregator_protocol::{
    EndReason, FetchedReceipt, Refusal, RoundAbort, RoundId, RoundReceipt, RoundSum, ValueRecord,
};
use privacy_identity::{Decode, DecodeError, Digest, Encode, Reader, Signed, VerifyingKey, Writer};

/// Why a round was given up. Nothing is paid for it, and no sum is opened unless it was given up
/// after that step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbortReason {
    /// The deadline passed with too few contributions.
    TooFew {
        /// How many came.
        got: usize,
        /// The federation's minimum cohort.
        needed: usize,
    },
    /// Another party did not answer within the step's deadline.
    StepTimedOut {
        /// What was waited for.
        step: &'static str,
    },
    /// Another party refused a step.
    StepRefused {
        /// Why.
        refusal: Refusal,
    },
    /// The parties' shares do not open to a sum, or to scalars.
    Unopenable {
        /// What was wrong, and whose fault it is if that can be told.
        reason: String,
    },
    /// An update that was taken is missing from the store or altered there.
    Lost {
        /// Its digest.
        update: Digest,
        /// Whether other bytes are in its place.
        altered: bool,
    },
}

impl fmt::Display for AbortReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew { got, needed } => {
                write!(f, "{got} contributions came in time, {needed} are needed")
            }
            Self::StepTimedOut { step } => write!(f, "no answer in time to {step}"),
            Self::StepRefused { refusal } => write!(f, "a step was refused: {refusal}"),
            Self::Unopenable { reason } => write!(f, "shares do not open: {reason}"),
            Self::Lost { update, altered } => {
                let what = if *altered { "altered in" } else { "missing from" };
                write!(f, "update {update} was taken, and is {what} the coordinator's store")
            }
        }
    }
}

/// How a round ended. Kept to answer contributors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Settled.
    Settled {
        /// The signed receipt.
        receipt: Box<Signed<RoundReceipt>>,
        /// The sum, while it is kept.
        sum: Option<Box<Signed<RoundSum>>>,
        /// What the values follow from, as long as the sum.
        values: Option<Box<ValueRecord>>,
    },
    /// Given up, as contributors are shown.
    Aborted(Box<Signed<RoundAbort>>),
}

impl Ended {
    /// The round.
    #[must_use]
    pub fn round(&self) -> RoundId {
        match self {
            Self::Settled { receipt, .. } => receipt.unverified_body().round,
            Self::Aborted(abort) => abort.unverified_body().round,
        }
    }

    /// What `member` is answered: the receipt, and where its own update stands in the accepted set.
    ///
    /// # Panics
    /// Never: the proof is of an index that was found in the same set.
    #[must_use]
    pub fn fetched(&self, member: &VerifyingKey) -> FetchedReceipt {
        match self {
            Self::Settled { receipt, .. } => {
                let set = &receipt.unverified_body().accepted;
                let index = set.contributions().binary_search_by_key(member, |(key, _)| *key);
                let proof = index.ok().map(|index| {
                    set.tree().prove(index as u64).expect("the index comes from the same set")
                });
                FetchedReceipt::Settled { receipt: receipt.clone(), proof }
            }
            Self::Aborted(abort) => FetchedReceipt::Aborted(abort.clone()),
        }
    }

    /// The sum, for a member that was invited.
    ///
    /// Threat: a stranger that reads along what the cohort learns.
    pub(super) fn sum_for(&self, member: &VerifyingKey) -> Option<Box<Signed<RoundSum>>> {
        let Self::Settled { sum, .. } = self else { return None };
        sum.clone().filter(|_| self.invited(member))
    }

    /// What the values follow from, for a member that was invited.
    pub(super) fn values_for(&self, member: &VerifyingKey) -> Option<Box<ValueRecord>> {
        let Self::Settled { values, .. } = self else { return None };
        values.clone().filter(|_| self.invited(member))
    }

    fn invited(&self, member: &VerifyingKey) -> bool {
        let Self::Settled { receipt, .. } = self else { return false };
        let grant = receipt.unverified_body().grant.unverified_body();
        grant.cohort.binary_search(member).is_ok()
    }

    /// Lets go of the sum, and of what the values follow from.
    pub fn forget_sum(&mut self) {
        if let Self::Settled { sum, values, .. } = self {
            (*sum, *values) = (None, None);
        }
    }

    pub(super) fn event(&self) -> RoundEvent {
        match self {
            Self::Settled { receipt, .. } => {
                let body = receipt.unverified_body();
                RoundEvent::Settled {
                    round: body.round,
                    participants: body.accepted.contributions().len(),
                    dropped: body.dropped.clone(),
                }
            }
            Self::Aborted(abort) => {
                let RoundAbort { round, reason, .. } = abort.unverified_body();
                RoundEvent::Aborted { round: *round, reason: reason.clone() }
            }
        }
    }
}

impl Encode for Ended {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Settled { receipt, sum, values } => {
                writer.u8(0);
                receipt.encode(writer);
                writer.u8(u8::from(sum.is_some()));
                if let Some(sum) = sum {
                    sum.encode(writer);
                }
                writer.u8(u8::from(values.is_some()));
                if let Some(values) = values {
                    values.encode(writer);
                }
            }
            Self::Aborted(abort) => {
                writer.u8(1);
                abort.encode(writer);
            }
        }
    }
}

impl Decode for Ended {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Settled {
                receipt: Box::new(Decode::decode(reader)?),
                sum: match reader.u8()? {
                    0 => None,
                    1 => Some(Box::new(Decode::decode(reader)?)),
                    other => return Err(DecodeError::invalid("sum", other)),
                },
                values: match reader.u8()? {
                    0 => None,
                    1 => Some(Box::new(Decode::decode(reader)?)),
                    other => return Err(DecodeError::invalid("value record", other)),
                },
            },
            1 => Self::Aborted(Box::new(Decode::decode(reader)?)),
            other => return Err(DecodeError::invalid("ended round", other)),
        })
    }
}

/// What a round does, for logs and progress.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoundEvent {
    /// A round takes updates.
    Started {
        /// The round.
        round: RoundId,
        /// Members of the cohort.
        cohort: usize,
    },
    /// A round no longer takes updates.
    Collected {
        /// The round.
        round: RoundId,
        /// Updates taken.
        accepted: usize,
        /// Members that sent nothing.
        dropped: Vec<VerifyingKey>,
    },
    /// The sum is open.
    Opened {
        /// The round.
        round: RoundId,
    },
    /// Custodians answered with false shares of keys; the others were enough to tell.
    Lied {
        /// The round.
        round: RoundId,
        /// Who.
        custodians: Vec<VerifyingKey>,
    },
    /// The round is logged and paid.
    Settled {
        /// The round.
        round: RoundId,
        /// Contributions in the sum.
        participants: usize,
        /// Members that sent nothing.
        dropped: Vec<VerifyingKey>,
    },
    /// The round was given up.
    Aborted {
        /// The round.
        round: RoundId,
        /// Why.
        reason: String,
    },
    /// No more rounds are run.
    Finished {
        /// Why.
        reason: EndReason,
    },
}
