//! This member as a custodian: it holds shares of the keys of a round and answers what it is asked.
//!
//! What may be answered is decided in `aggregator-round` ([`PeerAggregator`]); here it is made sure that
//! what was answered is on disk before the answer leaves, so that a restart cannot make this member
//! answer a second set.

use std::sync::Mutex;

use aggregator_protocol::{AggregatorReply, AggregatorRequest, FederationTerms, MESSAGE_BYTES_MAX};
use aggregator_round::{AggregatorContext, PeerAggregator};
use privacy_identity::{Decode, DecodeError, Encode, Reader, SealingKey, SigningKey, Writer};

use crate::{AgentError, state_dir::StateDir};

/// Most requests of one round: to prepare, to agree, to sum, to score.
const REQUESTS_MAX: usize = 4;

/// What a custodian was asked in the newest round, in order, as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct StoredCustody {
    requests: Vec<Vec<u8>>,
}

impl Encode for StoredCustody {
    fn encode(&self, writer: &mut Writer) {
        writer.u32(u32::try_from(self.requests.len()).expect("at most REQUESTS_MAX"));
        for request in &self.requests {
            writer.bytes(request);
        }
    }
}

impl Decode for StoredCustody {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = reader.length("custody requests", REQUESTS_MAX)?;
        let request = |_| Ok(reader.bytes("custody request", MESSAGE_BYTES_MAX)?.to_vec());
        Ok(Self { requests: (0..length).map(request).collect::<Result<_, DecodeError>>()? })
    }
}

/// A custodian between requests.
pub(crate) struct Custody {
    context: AggregatorContext,
    state: Mutex<(PeerAggregator, StoredCustody)>,
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
        for bytes in &stored.requests {
            let request = AggregatorRequest::from_bytes(bytes).map_err(state.custody_damaged())?;
            let (next, result) = machine.handle(&context, request);
            result.map_err(state.custody_damaged())?;
            machine = next;
        }
        Ok(Self { context, state: Mutex::new((machine, stored)) })
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
        let bytes = request.to_bytes();
        let (machine, stored) = std::mem::take(&mut *guard);
        let (machine, result) = machine.handle(&self.context, request);
        guard.0 = machine;
        let step = match result {
            Ok(step) => step,
            Err(refusal) => {
                guard.1 = stored;
                return Ok(AggregatorReply::Refused(refusal));
            }
        };
        guard.1 = stored;
        if step.persist {
            if step.forget_earlier {
                guard.1.requests.clear();
            }
            guard.1.requests.push(bytes);
            state.store_custody(&guard.1)?;
        }
        Ok(step.reply)
    }
}
