//! Why contributors earned what they did, kept between requests.
//!
//! A reason follows from all rounds so far, so that somebody has to replay them; each round is replayed once, by the first
//! page that asks for it. What is kept is of the order of the ledger's own state: one standing and one reason a member.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use data_dao_journal::{Body, Explainer, Explanation};
use data_dao_ledger::Name;
use privacy_identity::VerifyingKey;

use crate::ApiState;
use crate::api_error::ApiError;

/// Most rounds that one request replays; the next one goes on from there.
const ROUNDS_MAX: usize = 1_000;

/// The newest reason of each contributor, by federation. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Reasons(Arc<Mutex<BTreeMap<Name, Arc<Replayed>>>>);

/// How far a federation's rounds were replayed.
#[derive(Debug, Clone)]
pub(super) struct Replayed {
    explainer: Explainer,
    rounds: usize,
    /// Each contributor's last round.
    pub(super) latest: BTreeMap<VerifyingKey, Explanation>,
}

impl Reasons {
    /// The reasons as of the last settled round; nothing if there is no such federation.
    pub(super) async fn of(
        &self,
        state: &ApiState,
        name: &Name,
    ) -> Result<Option<Arc<Replayed>>, ApiError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let done = known.as_ref().map_or(0, |known| known.rounds);
        let wanted = state.store().view(|ledger| {
            let federation = ledger.federation(name)?;
            let settled = federation.settled().iter().skip(done).take(ROUNDS_MAX);
            let entries: Vec<u64> = settled.map(|round| round.index).collect();
            Some((federation.opened().novelty_percent, entries))
        });
        let Some((novelty_percent, entries)) = wanted else { return Ok(None) };
        if let Some(known) = known.as_ref().filter(|_| entries.is_empty()) {
            return Ok(Some(Arc::clone(known)));
        }
        let fresh = || Replayed {
            explainer: Explainer::new(novelty_percent),
            rounds: 0,
            latest: BTreeMap::new(),
        };
        let mut replayed = known.map_or_else(fresh, |known| (*known).clone());
        for index in entries {
            replayed.take(state, index).await?;
        }
        let replayed = Arc::new(replayed);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.entry(name.clone()).or_insert_with(|| Arc::clone(&replayed));
        if kept.rounds < replayed.rounds {
            *kept = Arc::clone(&replayed);
        }
        Ok(Some(replayed))
    }
}

impl Replayed {
    async fn take(&mut self, state: &ApiState, index: u64) -> Result<(), ApiError> {
        self.rounds += 1;
        // A settlement in parts is not explained: its lists stand in other entries.
        if let Some(stored) = state.store().entry(index).await?
            && let Body::RoundSettled(settled) = &stored.entry.body
        {
            self.latest.extend(self.explainer.settle(settled));
        }
        Ok(())
    }
}
