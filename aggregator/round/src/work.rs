//! What a party does with its own parts: the work that takes bytes and time.
//!
//! The machine only says what is to be done ([`Ask::Own`]); the shell does it on a thread of its own and
//! feeds the result back, which is persisted like any other input. A replay therefore reads no update,
//! and a store that lost one after the sum was opened changes nothing.
//!
//! [`Ask::Own`]: crate::Ask::Own

use aggregator_protocol::{AcceptedSet, ProbeOrder, Refusal, RoundGrant, RoundId, RoundOrder};
use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Reader, Signed, Tag, VerifyingKey, Writer,
};

use crate::{
    AggregatorContext, Input, PartFault, UpdateStore, mode,
    parts::{PartError, Parts},
    worked::{OwnProof, Worked},
};

/// Work on a party's own parts of some updates of a round. The same work always has the same
/// result, so that it may be done twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    pub(crate) order: Signed<RoundOrder>,
    pub(crate) updates: Vec<(VerifyingKey, Digest)>,
    pub(crate) task: Task,
    /// The party's place.
    pub(crate) place: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Task {
    /// Verified MPC mode: to query the proofs.
    Prepare { challenge: Digest },
    /// To add.
    Sum,
    /// To take inner products.
    Score(Box<Signed<ProbeOrder>>),
}

impl Work {
    /// The round that it is for.
    #[must_use]
    pub fn round(&self) -> RoundId {
        self.grant().round
    }

    fn grant(&self) -> &RoundGrant {
        self.order.unverified_body().grant.unverified_body()
    }

    /// What tells this work from other work: its bytes.
    #[must_use]
    pub fn name(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.round().encode(&mut writer);
        match &self.task {
            Task::Prepare { challenge } => {
                writer.u8(0);
                challenge.encode(&mut writer);
            }
            Task::Sum => writer.u8(1),
            Task::Score(probes) => {
                writer.u8(2);
                Digest::of_encoded(Tag::Probe, probes.as_ref()).encode(&mut writer);
            }
        }
        self.updates.iter().for_each(|(_, update)| update.encode(&mut writer));
        writer.into_bytes()
    }

    /// Does it, in the memory of one update and one sum. Takes seconds for large rounds.
    ///
    /// # Errors
    /// [`PartFault::Unavailable`]: to be tried again. An update that is lost is a result.
    pub fn run(
        &self,
        context: &AggregatorContext,
        store: &dyn UpdateStore,
    ) -> Result<Input, PartFault> {
        Ok(Input::Worked { round: self.round(), worked: Box::new(self.worked(context, store)?) })
    }

    /// As [`Work::run`], without the coordinator's machine in mind.
    pub(crate) fn worked(
        &self,
        context: &AggregatorContext,
        store: &dyn UpdateStore,
    ) -> Result<Worked, PartFault> {
        let (grant, place) = (self.grant(), self.place);
        let parts = Parts { context, grant, place, set: &self.updates, store };
        let worked = match &self.task {
            Task::Prepare { challenge } => prepared(&parts, challenge).map(Worked::Prepared),
            Task::Sum => mode::partial_sum(&parts).map(Worked::Summed),
            Task::Score(probes) => {
                mode::scalar_shares(&parts, probes.unverified_body()).map(Worked::Scored)
            }
        };
        Ok(match worked {
            Ok(worked) => worked,
            Err(PartError::Fault { fault: PartFault::Unavailable, .. }) => {
                return Err(PartFault::Unavailable);
            }
            Err(PartError::Fault { update, fault }) => {
                Worked::Lost { update, altered: fault == PartFault::Altered }
            }
            Err(PartError::Refused(refusal)) => Worked::Failed(refusal),
        })
    }

    /// What came of this work, given what came of its updates up to some place, in order, and of the next ones.
    ///
    /// The first thing that went wrong is what came of the whole: as if one process had gone through all.
    pub(crate) fn joined(
        &self,
        context: &AggregatorContext,
        whole: Worked,
        next: Worked,
    ) -> Worked {
        match (whole, next) {
            (Worked::Prepared(mut whole), Worked::Prepared(next)) => {
                whole.extend(next);
                Worked::Prepared(whole)
            }
            (Worked::Scored(mut whole), Worked::Scored(next)) => {
                whole.extend(next);
                Worked::Scored(whole)
            }
            (Worked::Summed(whole), Worked::Summed(next)) => {
                match mode::merged_sums(context, self.grant(), &whole, &next) {
                    Ok(sum) => Worked::Summed(sum),
                    Err(refusal) => Worked::Failed(refusal),
                }
            }
            (wrong @ (Worked::Lost { .. } | Worked::Failed(_)), _)
            | (_, wrong @ (Worked::Lost { .. } | Worked::Failed(_))) => wrong,
            // What a batch of this task never comes to.
            _ => Worked::Failed(Refusal::Unexpected),
        }
    }
}

impl Encode for Work {
    fn encode(&self, writer: &mut Writer) {
        self.order.encode(writer);
        writer.u32(u32::try_from(self.place).expect("at most RECIPIENTS_MAX"));
        match &self.task {
            Task::Prepare { challenge } => {
                writer.u8(0);
                challenge.encode(writer);
            }
            Task::Sum => writer.u8(1),
            Task::Score(probes) => {
                writer.u8(2);
                probes.encode(writer);
            }
        }
        AcceptedSet::new(self.updates.clone()).expect("taken from a map").encode(writer);
    }
}

impl Decode for Work {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            order: Decode::decode(reader)?,
            place: reader.u32()? as usize,
            task: match reader.u8()? {
                0 => Task::Prepare { challenge: Decode::decode(reader)? },
                1 => Task::Sum,
                2 => Task::Score(Box::new(Decode::decode(reader)?)),
                other => return Err(DecodeError::invalid("task", other)),
            },
            updates: AcceptedSet::decode(reader)?.contributions().to_vec(),
        })
    }
}

/// Queries the proofs of all parts. One that does not open any more was altered.
fn prepared(parts: &Parts<'_>, challenge: &Digest) -> Result<Vec<OwnProof>, PartError> {
    let mut proofs = Vec::new();
    for (part, (member, update)) in parts.each().zip(parts.set) {
        let held = match mode::prepare(parts.context, parts.place, &part?, challenge) {
            Ok(proof) => Some(proof),
            Err(Refusal::BadProof) => None,
            Err(refusal) => return Err(refusal.into()),
        };
        proofs.push(OwnProof { member: *member, update: *update, held });
    }
    Ok(proofs)
}
