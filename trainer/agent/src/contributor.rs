//! A contributor that agreed to the terms, and what it does on blocking threads.

use std::sync::Arc;

use aggregator_protocol::{
    AggregatorReply, AggregatorRequest, ContributorRequest, FederationTerms, RoundId, from_wire,
    to_wire,
};
use aggregator_round::{Ordered, RoundSecret, Sealed};
use privacy_dp::LocalUpdate;
use privacy_identity::SigningKey;
use trainer_model::{ControlVariates, ModelError, Parameters};

use crate::{
    AgentError,
    control::Control,
    custody::Custody,
    learner::{Learned, Learner, Start},
    randomness::{self, Randomness},
    state_dir::StateDir,
    stored_round::StoredRound,
};

/// A contributor that agreed to the terms. Shared with the threads that train and seal: as long as
/// one of them is at work, the state directory stays locked.
pub(crate) struct Contributor {
    pub(crate) terms: FederationTerms,
    pub(crate) key: SigningKey,
    pub(crate) state: StateDir,
    pub(crate) custody: Custody,
    pub(crate) learner: Learner,
    pub(crate) randomness: Randomness,
}

/// An update on its way, with the request that carries it as it travels.
#[derive(Clone)]
pub(crate) struct Submission {
    pub(crate) sealed: Sealed,
    pub(crate) wire: Vec<u8>,
}

impl Contributor {
    /// Trains on a blocking thread, and keeps what stays here of it: on disk when this returns.
    ///
    /// * `control` — the common control variate, where the terms ask for one.
    pub(crate) async fn learn(
        self: &Arc<Self>,
        round: RoundId,
        model: Parameters,
        last_global: Option<Vec<f32>>,
        control: Option<Vec<f32>>,
    ) -> Result<Result<Learned, ModelError>, AgentError> {
        let own = Arc::clone(self);
        blocking(move || own.learn_and_keep(round, &model, last_global, control)).await?
    }

    fn learn_and_keep(
        &self,
        round: RoundId,
        model: &Parameters,
        last_global: Option<Vec<f32>>,
        control: Option<Vec<f32>>,
    ) -> Result<Result<Learned, ModelError>, AgentError> {
        let Self { learner, state, .. } = self;
        let layout = learner.architecture().layout();
        let kept = if learner.is_personal() { state.personal(round, &layout)? } else { None };
        let before = match &control {
            Some(common) => Some(state.control()?.unwrap_or_else(|| Control::fresh(common.len()))),
            None => None,
        };
        let pair = control.as_ref().zip(before.as_ref());
        let controls = pair.map(|(server, before)| ControlVariates { server, own: before.own() });
        let start = Start { model, last_global, kept, controls };
        let learned = match learner.learn(round, start, &self.randomness) {
            Ok(learned) => learned,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(personal) = &learned.personal {
            state.store_personal(round, &layout, &personal.parameters)?;
        }
        if let (Some(before), Some(change)) = (before, &learned.control_change) {
            state.store_control(&before.pending(round, change.clone()))?;
        }
        Ok(Ok(learned))
    }

    /// Lets what follows from a counted update become part of the control variate.
    pub(crate) fn count_control(&self, round: RoundId) -> Result<(), AgentError> {
        match self.state.control()? {
            Some(control) => self.state.store_control(&control.counted(round)),
            None => Ok(()),
        }
    }

    /// Seals `update` and stores it, both on a blocking thread: when this returns, a crash does not
    /// make this contributor send another one for the same round.
    pub(crate) async fn seal(
        self: &Arc<Self>,
        ordered: Ordered,
        update: LocalUpdate,
        secret: Option<RoundSecret>,
    ) -> Result<Submission, AgentError> {
        let own = Arc::clone(self);
        blocking(move || own.seal_and_store(ordered, update, secret.as_ref())).await?
    }

    /// Answers as a custodian, on a blocking thread.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        request: AggregatorRequest,
    ) -> Result<AggregatorReply, AgentError> {
        let own = Arc::clone(self);
        blocking(move || own.custody.answer(request, &own.state)).await?
    }

    fn seal_and_store(
        &self,
        ordered: Ordered,
        update: LocalUpdate,
        secret: Option<&RoundSecret>,
    ) -> Result<Submission, AgentError> {
        let round = ordered.round();
        let mut rounding = self.randomness.rounding(round);
        if let Some(secret) = secret {
            self.state.store_round_secret(round, secret)?;
        }
        let generators = (&mut rounding, &mut randomness::sealing());
        let (sealed, own) = ordered
            .seal_kept(update, &self.terms, &self.key, secret, generators)
            .map_err(AgentError::Sealing)?;
        self.state.store_own_shares(&own)?;
        let wire = to_wire(&sealed.request());
        self.state.store_round(&StoredRound::Sealed { wire: wire.clone() })?;
        Ok(Submission { sealed, wire })
    }

    /// Takes up a stored update.
    pub(crate) fn resume(&self, wire: Vec<u8>) -> Result<Submission, AgentError> {
        let request = from_wire(&wire).map_err(self.state.round_damaged())?;
        let ContributorRequest::Submit { update, .. } = request else {
            return Err(self.state.round_damaged()("it does not hold an update"));
        };
        let sealed = Sealed::resume(*update, &self.terms, &self.key);
        Ok(Submission { sealed: sealed.map_err(self.state.round_damaged())?, wire })
    }
}

/// Runs `work` on a thread that may block. Dropping the future does not stop the work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AgentError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Not started: the runtime is shutting down.
            Err(_) => Err(AgentError::Stopped),
        },
    }
}
