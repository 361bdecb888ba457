//! This member as a custodian: it holds shares of the keys of a round and answers what it is asked.
//!
//! What may be answered is decided in `aggregator-round` ([`PeerAggregator`]); here it is made sure that
//! what was answered is on disk before the answer leaves, so that a restart cannot make this member
//! answer a second set.

use std::sync::Mutex;

use aggregator_protocol::{
    AggregatorReply, AggregatorRequest, FederationTerms, MESSAGE_BYTES_MAX, Refusal, RoundId,
};
use aggregator_round::{AggregatorContext, MemoryUpdates, PeerAggregator, PeerInput};
use privacy_identity::{Decode, DecodeError, Encode, Reader, SealingKey, SigningKey, Writer};

use crate::{AgentError, state_dir::StateDir};

/// Most answered requests of one round as they are stored: to prepare, which is one however many parts come at a time, to
/// agree, to sum and to score. Files of former versions have one for each 248 parts.
const INPUTS_MAX: usize = 64;

/// What a custodian answered in the newest round, in order, and the shares of keys that it holds: 31 kB of
/// each contributor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct StoredCustody {
    inputs: Vec<PeerInput>,
    updates: MemoryUpdates,
}

impl StoredCustody {
    /// What was stored after one answer.
    #[cfg(test)]
    pub(crate) fn of(input: PeerInput) -> Self {
        Self { inputs: vec![input], updates: MemoryUpdates::default() }
    }

    /// The newest round of which something was answered.
    pub(crate) fn round(&self) -> Option<RoundId> {
        let of = |input: &PeerInput| match input {
            PeerInput::Prepared { order, .. } => {
                order.unverified_body().grant.unverified_body().round
            }
            PeerInput::Agreed { round, .. } | PeerInput::Summed { round, .. } => *round,
            PeerInput::Scored(probes) => probes.unverified_body().round,
        };
        self.inputs.iter().map(of).max()
    }

    fn push(&mut self, input: PeerInput) {
        match self.inputs.pop() {
            None => self.inputs.push(input),
            Some(last) => {
                let (last, next) = last.followed_by(input);
                self.inputs.push(last);
                self.inputs.extend(next);
            }
        }
    }
}

impl Encode for StoredCustody {
    fn encode(&self, writer: &mut Writer) {
        writer.u32(u32::try_from(self.inputs.len()).expect("at most INPUTS_MAX"));
        for input in &self.inputs {
            writer.bytes(&input.to_bytes());
        }
        self.updates.encode(writer);
    }
}

impl Decode for StoredCustody {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = reader.length("custody inputs", INPUTS_MAX)?;
        let input = |_| PeerInput::from_bytes(reader.bytes("custody input", MESSAGE_BYTES_MAX)?);
        let inputs = (0..length).map(input).collect::<Result<_, DecodeError>>()?;
        Ok(Self { inputs, updates: Decode::decode(reader)? })
    }
}

/// A custodian between requests.
pub(crate) struct Custody {
    context: AggregatorContext,
    state: Mutex<(PeerAggregator, StoredCustody)>,
    /// Nothing at or below it is answered: it was, under terms that its owner left.
    floor: Option<RoundId>,
}

impl Custody {
    /// Takes up what was answered before a restart.
    pub(crate) fn open(
        terms: &FederationTerms,
        key: &SigningKey,
        state: &StateDir,
    ) -> Result<Self, AgentError> {
        let signing = SigningKey::from_seed(&key.seed());
        let sealing = SealingKey::derived_from(&signing);
        let context = AggregatorContext::custodian(terms.clone(), signing, sealing);
        let stored = state.custody()?.unwrap_or_default();
        let mut machine = PeerAggregator::default();
        for input in &stored.inputs {
            let (next, taken) = machine.replay(&context, input.clone());
            taken.map_err(state.custody_damaged())?;
            machine = next;
        }
        let floor = state.answered_before()?;
        Ok(Self { context, state: Mutex::new((machine, stored)), floor })
    }

    /// Answers one request; stored before this returns. Needs as long as opening all its shares does.
    ///
    /// # Panics
    /// If an earlier call panicked.
    pub(crate) fn answer(
        &self,
        request: AggregatorRequest,
        state: &StateDir,
    ) -> Result<AggregatorReply, AgentError> {
        let mut guard = self.state.lock().expect("no call panics while it holds the lock");
        let round = request.round();
        if self.floor.is_some_and(|floor| round <= floor) {
            let refusal = Refusal::AlreadyAnswered;
            return Ok(AggregatorReply::Refused { round: Some(round), refusal });
        }
        let (machine, mut stored) = std::mem::take(&mut *guard);
        let (machine, result) = machine.handle(&self.context, &stored.updates, request);
        let step = match result {
            Ok(step) => step,
            Err(refusal) => {
                *guard = (machine, stored);
                return Ok(AggregatorReply::Refused { round: Some(round), refusal });
            }
        };
        let changed = step.persist.is_some();
        if let Some(input) = step.persist {
            if step.forget_earlier {
                stored = StoredCustody::default();
            }
            step.keep.iter().for_each(|kept| stored.updates.keep(kept));
            stored.push(*input);
        }
        *guard = (machine, stored);
        if changed {
            state.store_custody(&guard.1)?;
        }
        Ok(step.reply)
    }
}
