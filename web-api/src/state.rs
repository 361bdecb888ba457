//! What the routes share.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex as StdMutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use data_dao_governance::ProposalId;
use data_dao_journal::{Administered, Body, Roll, State};
use data_dao_store::{AppendError, Appended, Store, TilesError};
use privacy_identity::Digest;
use tokio::sync::{Mutex, Semaphore, watch};
use trainer_model::ComputeDevice;

use crate::api_error::ApiError;
use crate::appender::Appender;
use crate::batcher::Batcher;
use crate::courses::Courses;
use crate::http_policy::HttpPolicy;
use crate::http_signature::Nonces;
use crate::inference::EXPLANATIONS_MAX;
use crate::metrics::Metrics;
use crate::rate_limit::RateLimits;
use crate::{Judge, ModelShelf, ModelSigner, Standstill};

/// Where the time comes from: the process that starts the routers reads it, nobody else.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// A clock that asks `now_ms` for the milliseconds since 1970.
    pub fn new(now_ms: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_ms))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// What [`ApiState`] is made of.
#[derive(Debug)]
pub struct ApiParts {
    /// The ledger.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The hash of the operator's token ([`crate::secret_hash`]).
    pub operator: Digest,
    /// The models that can be computed here.
    pub shelf: ModelShelf,
    /// Where the tiles are; [`ApiState::export_tiles`] writes them, and nobody else.
    pub tiles_dir: PathBuf,
    /// On what predictions are computed.
    pub device: ComputeDevice,
}

/// What the routes share. Clones are the same.
#[derive(Debug, Clone)]
pub struct ApiState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: ApiParts,
    policy: HttpPolicy,
    rate_limits: RateLimits,
    nonces: Nonces,
    explanations: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    batcher: Batcher,
    appender: Appender,
    /// Whether the node is about to stop.
    stopping: AtomicBool,
    /// Whether the database did not answer when it was asked last.
    out_of_reach: AtomicBool,
    signer: OnceLock<ModelSigner>,
    judge: OnceLock<Judge>,
    standstill: Standstill,
    courses: Courses,
    /// The votes as they were counted last.
    roll: StdMutex<Option<Arc<Roll>>>,
    failed: watch::Sender<bool>,
    /// Entries that the tiles have; held while they are written.
    exported: Mutex<u64>,
}

impl ApiState {
    /// Shares `parts`, under the default policy.
    #[must_use]
    pub fn new(parts: ApiParts) -> Self {
        Self::with_policy(parts, HttpPolicy::default())
    }

    /// Shares `parts`.
    ///
    /// * `policy` — what the operator decides about the interface.
    #[must_use]
    pub fn with_policy(parts: ApiParts, policy: HttpPolicy) -> Self {
        let explanations = Arc::new(Semaphore::new(EXPLANATIONS_MAX));
        let metrics = Arc::new(Metrics::default());
        let batcher = Batcher::start(parts.device.clone(), Arc::clone(&metrics));
        let (store, clock) = (parts.store.clone(), parts.clock.clone());
        let appender = Appender::new(store, clock, Arc::clone(&metrics));
        Self(Arc::new(Inner {
            parts,
            policy,
            rate_limits: RateLimits::default(),
            nonces: Nonces::default(),
            explanations,
            metrics,
            batcher,
            appender,
            stopping: AtomicBool::new(false),
            out_of_reach: AtomicBool::new(false),
            signer: OnceLock::new(),
            judge: OnceLock::new(),
            standstill: Standstill::default(),
            courses: Courses::default(),
            roll: StdMutex::default(),
            failed: watch::Sender::new(false),
            exported: Mutex::new(0),
        }))
    }

    /// The ledger.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.parts.store
    }

    /// Why federations stand still: whoever grants rounds says it there.
    #[must_use]
    pub fn standstill(&self) -> &Standstill {
        &self.0.standstill
    }

    /// The models that can be computed here.
    #[must_use]
    pub fn shelf(&self) -> &ModelShelf {
        &self.0.parts.shelf
    }

    /// Resolves when an append could not be stored: the process must stop then, since nobody
    /// knows what is on disk. May be dropped.
    pub async fn storage_failed(&self) {
        let mut failed = self.0.failed.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        failed.wait_for(|failed| *failed).await.map(|_| ()).unwrap_or(());
    }

    /// Brings the tiles on disk up to date, for whoever copies files. Over HTTP they are served from the ledger itself.
    ///
    /// # Errors
    /// As [`Store::export_tiles`].
    pub async fn export_tiles(&self) -> Result<(), TilesError> {
        let mut exported = self.0.exported.lock().await;
        // With witnesses, what they have cosigned.
        let cosigned = self.store().cosigned().map(|cosigned| cosigned.head().size);
        let size = cosigned.unwrap_or_else(|| self.store().size());
        if *exported < size {
            self.store().export_tiles(&self.parts().tiles_dir).await?;
            *exported = size;
        }
        Ok(())
    }

    /// Lets what falls due by itself happen: snapshots, queueing and execution of proposals. Whoever runs the node
    /// calls it now and then; every other append does so, too.
    ///
    /// # Errors
    /// As [`Store::append`]. A clock that is too far ahead is refused whether or not anything is due.
    pub async fn keep_time(&self) -> Result<(), AppendError> {
        let now_ms = self.now_ms();
        self.store().check_clock(now_ms)?;
        // Nobody who heeds that the node is not ready asks it for anything, so that nothing else would find the database again.
        if self.0.out_of_reach.load(Ordering::Relaxed) && self.store().follow().await.is_ok() {
            self.0.out_of_reach.store(false, Ordering::Relaxed);
        }
        if self.store().view(|state| state.due(now_ms).is_some()) {
            self.append(Vec::new()).await?;
        }
        while let Some(ended) = self.store().view(|state| state.month_over(now_ms)) {
            match self.append(vec![ended.into()]).await {
                Ok(_) => {}
                // Another node on the same ledger was faster, or a call is still in progress: the next time tells.
                Err(AppendError::Refused { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Has the files of models signed with this key from now on. False if there is a key already: it stays.
    #[must_use]
    pub fn sign_models_with(&self, signer: ModelSigner) -> bool {
        self.0.signer.set(signer).is_ok()
    }

    /// Has disclosures of members judged from now on; false if they were before.
    pub fn judge_with(&self, judge: Judge) -> bool {
        self.0.judge.set(judge).is_ok()
    }

    pub(crate) fn judge(&self) -> Option<&Judge> {
        self.0.judge.get()
    }

    pub(crate) fn model_signer(&self) -> Option<&ModelSigner> {
        self.0.signer.get()
    }

    /// Says that the node is about to stop: it is not ready any more, so that nobody sends it new work.
    pub fn begin_stopping(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether [`ApiState::begin_stopping`] was called: what lasts for as long as nobody ends it, ends now.
    pub(crate) fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Relaxed)
    }

    /// Whether the node can serve: the DAO is founded, the ledger takes entries, its database answers, predictions are computed, and it is not
    /// about to stop.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.storage_has_failed()
            && !self.is_stopping()
            && !self.0.out_of_reach.load(Ordering::Relaxed)
            && self.0.batcher.is_alive()
            && self.store().view(|state| state.dao_id().is_some())
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn courses(&self) -> &Courses {
        &self.0.courses
    }

    pub(crate) fn batcher(&self) -> &Batcher {
        &self.0.batcher
    }

    pub(crate) fn storage_has_failed(&self) -> bool {
        *self.0.failed.borrow()
    }

    pub(crate) fn parts(&self) -> &ApiParts {
        &self.0.parts
    }

    pub(crate) fn policy(&self) -> &HttpPolicy {
        &self.0.policy
    }

    pub(crate) fn rate_limits(&self) -> &RateLimits {
        &self.0.rate_limits
    }

    pub(crate) fn nonces(&self) -> &Nonces {
        &self.0.nonces
    }

    pub(crate) fn explanations(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.explanations)
    }

    /// Ledger time now: never before the last entry's.
    pub(crate) fn now_ms(&self) -> u64 {
        let now_ms = self.parts().clock.now_ms();
        now_ms.max(self.store().view(State::time_ms))
    }

    /// Everybody's votes at `now_ms`, counted anew only when they may have become others.
    ///
    /// Threat: anybody asks for the members again and again; without this each time replays what everybody ever earned.
    pub(crate) fn roll(&self, now_ms: u64) -> Arc<Roll> {
        let kept = || self.0.roll.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept().clone();
        self.store().view(|state| match known {
            Some(roll) if roll.holds(state, now_ms) => roll,
            _ => {
                let counted = Arc::new(Roll::new(state, now_ms));
                *kept() = Some(Arc::clone(&counted));
                counted
            }
        })
    }

    /// Appends what somebody did at the node, and behind it who did it.
    ///
    /// * `by` — who, as [`crate::auth::Operator`] has it.
    /// * `act` — what, as the interface names it.
    pub(crate) async fn append_act(
        &self,
        by: &str,
        (act, subject): (&str, &str),
        mut bodies: Vec<Body>,
    ) -> Result<Appended, AppendError> {
        let [by, act, subject] = [by, act, subject].map(str::to_owned);
        bodies.push(Administered { by, act, subject }.into());
        self.append(bodies).await
    }

    /// Appends entries now.
    pub(crate) async fn append(&self, bodies: Vec<Body>) -> Result<Appended, AppendError> {
        let appended = self.0.appender.append(bodies).await;
        match &appended {
            Err(AppendError::Storage(_)) => drop(self.0.failed.send_replace(true)),
            Err(AppendError::Unavailable(_)) => self.0.out_of_reach.store(true, Ordering::Relaxed),
            Ok(_) => self.0.out_of_reach.store(false, Ordering::Relaxed),
            Err(_) => {}
        }
        appended
    }

    /// The id of a proposal that exists.
    pub(crate) fn proposal_id(&self, text: &str) -> Result<ProposalId, ApiError> {
        let id: ProposalId =
            text.parse().map_err(|_source| ApiError::not_found("proposal", text))?;
        let exists = self.store().view(|state| state.proposal(id).is_some());
        if exists { Ok(id) } else { Err(ApiError::not_found("proposal", text)) }
    }
}
