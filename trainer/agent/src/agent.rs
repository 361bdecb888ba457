//! The contributor as a whole.

use std::{path::PathBuf, sync::Arc};

use aggregator_network::Link;
use aggregator_protocol::FederationTerms;
use aggregator_round::TermsChange;
use privacy_identity::{Digest, Passphrase, SigningKey, Verified, VerifyingKey};
use trainer_model::{ComputeDevice, DeviceChoice};
use zeroize::Zeroizing;

use crate::{
    AgentError, AgentEvent, Behaviour, Brake, Invitation, OwnData,
    absence::Listener,
    brake::Gate,
    caller::Caller,
    contributor::{Contributor, blocking},
    custody::Custody,
    enrolment::{changed_terms, invited_terms, join},
    learner::Learner,
    randomness::Randomness,
    session::{Pacing, Session},
    state_dir::StateDir,
    ways::Ways,
};

/// The longest label, in bytes: what the wire form of a request to join allows.
pub const LABEL_BYTES_MAX: usize = aggregator_round::Admission::LABEL_BYTES_MAX;

/// What a contributor is started with.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// Where this contributor keeps its key, its consent and its progress; made if it is not there.
    pub state_dir: PathBuf,
    /// What unlocks its key, and under which a new one is kept; none: in the clear. A key that is in the clear already stays so.
    pub passphrase: Option<Arc<Passphrase>>,
    /// The federation, its coordinator, and the secret that admits this contributor.
    pub invitation: Invitation,
    /// The examples.
    pub data: OwnData,
    /// What to train on.
    pub device: DeviceChoice,
    /// [`Behaviour::Honest`], except in demonstrations and tests.
    pub behaviour: Behaviour,
    /// How much of what was sealed is kept as it left, for the owner to look at, in bytes: [`SentCopies`](crate::SentCopies).
    pub sent_bytes_max: u64,
    /// A public name, at most [`LABEL_BYTES_MAX`] bytes.
    pub label: String,
    /// Makes what is learned repeatable (never what hides it); none for the operating system's
    /// randomness.
    pub seed: Option<u64>,
    /// Holds its training back and limits it; keep a clone to use it.
    pub brake: Brake,
}

/// What an agent did in one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The contributor's key.
    pub member: VerifyingKey,
    /// The federation's id.
    pub federation: Digest,
    /// Rounds whose sum is proven to hold this contributor's update.
    pub counted: u64,
    /// Rounds that were given up after its update was taken.
    pub aborted: u64,
    /// Rounds in which it had no part, although it was asked to.
    pub refused: u64,
    /// Rounds for which the coordinator broke its promise.
    pub disputed: u64,
    /// Of the counted rounds, those whose record could not be checked in full ([`AgentEvent::Unchecked`]).
    pub unchecked: u64,
    /// The values of the counted rounds, added up, in units of the validation loss.
    pub value: f64,
}

/// A contributor without a face: a library, so that the command line and the desktop share it.
#[derive(Debug)]
pub struct Agent;

impl Agent {
    /// Contributes to a federation until all its rounds were run.
    ///
    /// A coordinator that cannot be reached is tried for ever, with pauses of up to two seconds, and the owner is told
    /// ([`AgentEvent::Unreachable`]); the owner ends that, and everything else, by dropping the future. That is safe at any point: what
    /// was promised or could have been sent is on disk before, and the next run on the same
    /// directory goes on from there with the same bytes. A thread that is training or sealing ends by
    /// itself, and the directory stays locked until it did.
    ///
    /// * `linked` — gets each link that is started, for its metrics; the last one is in use.
    /// * `events` — called from the task that runs the agent; it should return soon.
    ///
    /// # Errors
    /// [`AgentError`]: what does not heal by waiting.
    ///
    /// # Panics
    /// Outside a tokio runtime with IO and time, or if the operating system has no randomness.
    pub async fn run<F>(
        config: AgentConfig,
        linked: impl Fn(Link) + Send + Sync + 'static,
        events: F,
    ) -> Result<Summary, AgentError>
    where
        F: Fn(AgentEvent) + Send + Sync + 'static,
    {
        check(&config)?;
        let state = StateDir::open(&config.state_dir)?;
        let data = config.data.clone();
        blocking(move || data.opened().map(drop)).await??;
        let (state, seed) = unlocked(state, config.passphrase.clone()).await?;
        let key = SigningKey::from_seed(&seed);
        let ways = Ways::to(&config.invitation)?;
        let events: Listener = Arc::new(events);
        let (sent, listener) = (state.sent_log(config.sent_bytes_max)?, Arc::clone(&events));
        let mut caller = Caller::start(seed.clone(), ways, linked, sent, Some(listener)).await?;
        events(AgentEvent::Started { member: key.verifying_key() });

        let agreed_before = state.agreed_terms()?.is_some();
        let terms = invited_terms(&state, &mut caller, &config.invitation).await?;
        if agreed_before && let Some(change) = changed_terms(&mut caller, terms.body()).await? {
            return Err(stopped_by(change, &*events));
        }
        let (gate, progress) = Gate::new(config.brake.clone());
        let learner = prepare(&terms, &config, gate).await?;
        let (samples, device) = (learner.samples(), learner.device().to_owned());
        let federation = terms.body().id();
        events(AgentEvent::Ready { federation, samples, device });

        state.agree(terms.as_signed())?;
        caller.fit(seed, terms.body()).await?;
        join(&mut caller, &key, terms.body(), (&config.invitation, &config.label)).await?;
        tracing::info!(federation = %federation, samples, "joined federation {federation}");
        events(AgentEvent::Joined);

        let randomness = Randomness::new(config.seed, &config.label);
        let terms = terms.body().clone();
        let custody = Custody::open(&terms, &key, &state)?;
        let contributor = Contributor { terms, key, state, custody, learner, randomness };
        let pacing = Pacing { brake: config.brake, progress };
        let telling = move |event| events(event);
        Session::new(Arc::new(contributor), caller, pacing, telling)?.run().await
    }
}

/// Tells that the terms changed, and why the agent stops.
pub(crate) fn stopped_by(
    change: TermsChange,
    events: &(impl Fn(AgentEvent) + ?Sized),
) -> AgentError {
    events(AgentEvent::TermsChanged {
        agreed: change.agreed().id(),
        offered: change.digest(),
        differences: change.differences().to_vec(),
    });
    AgentError::TermsChanged { change: Box::new(change) }
}

fn check(config: &AgentConfig) -> Result<(), AgentError> {
    config.invitation.check()?;
    match config.label.len() {
        0..=LABEL_BYTES_MAX => Ok(()),
        got => Err(AgentError::LabelTooLong { got }),
    }
}

/// The identity: unlocking it takes a while and much memory.
async fn unlocked(
    state: StateDir,
    passphrase: Option<Arc<Passphrase>>,
) -> Result<(StateDir, Zeroizing<[u8; 32]>), AgentError> {
    blocking(move || {
        let seed = state.key(passphrase.as_deref())?;
        Ok((state, seed))
    })
    .await?
}

async fn prepare(
    terms: &Verified<FederationTerms>,
    config: &AgentConfig,
    gate: Gate,
) -> Result<Learner, AgentError> {
    let terms = terms.body().clone();
    let (data, device, behaviour) = (config.data.clone(), config.device, config.behaviour);
    let device = move || Ok(ComputeDevice::open(device)?.watched(Arc::new(gate)));
    blocking(move || Learner::prepare(&terms, &data, device, behaviour)).await?
}
