//! What the coordinator does with its own parts: the work that takes bytes and time.
//!
//! The machine only says what is to be done ([`Ask::Own`]); the shell does it on a thread of its own and
//! feeds the result back, which is persisted like any other input. A replay therefore reads no update,
//! and a store that lost one after the sum was opened changes nothing.
//!
//! [`Ask::Own`]: crate::Ask::Own

use aggregator_protocol::{ProbeOrder, Refusal, RoundGrant, RoundId, RoundOrder};
use privacy_identity::{Digest, Encode as _, Signed, Tag, VerifyingKey, Writer};

use crate::{
    AggregatorContext, Input, PartFault, UpdateStore, mode,
    parts::{PartError, Parts},
    worked::{OwnProof, Worked},
};

/// Work on the coordinator's own parts of some updates of a round. The same work always has the same
/// result, so that it may be done twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    pub(crate) order: Signed<RoundOrder>,
    pub(crate) updates: Vec<(VerifyingKey, Digest)>,
    pub(crate) task: Task,
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
        let parts = Parts { context, grant: self.grant(), place: 0, set: &self.updates, store };
        let worked = match &self.task {
            Task::Prepare { challenge } => prepared(&parts, challenge).map(Worked::Prepared),
            Task::Sum => mode::partial_sum(&parts).map(Worked::Summed),
            Task::Score(probes) => {
                mode::scalar_shares(&parts, probes.unverified_body()).map(Worked::Scored)
            }
        };
        let worked = match worked {
            Ok(worked) => worked,
            Err(PartError::Fault { fault: PartFault::Unavailable, .. }) => {
                return Err(PartFault::Unavailable);
            }
            Err(PartError::Fault { update, fault }) => {
                Worked::Lost { update, altered: fault == PartFault::Altered }
            }
            Err(PartError::Refused(refusal)) => Worked::Failed(refusal),
        };
        Ok(Input::Worked { round: self.round(), worked: Box::new(worked) })
    }
}

/// Queries the proofs of all parts. One that does not open any more was altered.
fn prepared(parts: &Parts<'_>, challenge: &Digest) -> Result<Vec<OwnProof>, PartError> {
    let mut proofs = Vec::new();
    for (part, (member, update)) in parts.each().zip(parts.set) {
        let held = match mode::prepare(parts.context, 0, &part?, challenge) {
            Ok(proof) => Some(proof),
            Err(Refusal::BadProof) => None,
            Err(refusal) => return Err(refusal.into()),
        };
        proofs.push(OwnProof { member: *member, update: *update, held });
    }
    Ok(proofs)
}
