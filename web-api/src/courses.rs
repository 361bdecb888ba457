//! The explained courses of federations, kept between requests.
//!
//! ```text
//!  GET ─► as many steps known as the ledger has? ─ yes ─► answer
//!                    └ no ─► a task of its own, one at a time ─► replays the missing ones, each on a thread for work ─► kept
//! ```
//! A step follows from those before it and from the log, both of which stay; steps are only added. So what is kept is never stale if
//! it has as many steps as the ledger. In memory: an explanation for each participation in the first
//! [`ROUNDS_EXPLAINED_MAX`] rounds, of federations that were asked for.
//!
//! Threat: anybody asks for the longest course again and again, and goes away before the answer. Each step is replayed once all the
//! same, and no two requests replay at a time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use data_dao_journal::{Course, ExplainedStep};
use data_dao_ledger::Name;

use crate::ApiState;
use crate::api_error::ApiError;
use crate::routes::{ROUNDS_EXPLAINED_MAX, take_step};

/// What was replayed of federations, from their beginning.
#[derive(Debug, Default)]
pub(crate) struct Courses {
    kept: Mutex<BTreeMap<Name, Arc<Replayed>>>,
    /// Whose turn it is to replay.
    turn: tokio::sync::Mutex<()>,
    replayed: AtomicU64,
}

/// How far a federation's course was replayed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replayed {
    pub(crate) course: Course,
    steps: usize,
}

impl Courses {
    /// The course of a federation's first [`ROUNDS_EXPLAINED_MAX`] rounds; nothing if there is no such federation.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn of(
        state: &ApiState,
        name: &Name,
    ) -> Result<Option<Arc<Replayed>>, ApiError> {
        let Some(steps) = steps(state, name) else { return Ok(None) };
        let known = state.courses().known(name);
        if let Some(known) = known.filter(|known| known.steps >= steps.len()) {
            return Ok(Some(known));
        }
        let (state, name) = (state.clone(), name.clone());
        // Goes on if whoever asked goes away.
        let task = tokio::spawn(async move { replay(&state, name).await });
        task.await.map_err(ApiError::internal)?
    }

    /// How many steps were replayed since the start.
    pub(crate) fn replayed(&self) -> u64 {
        self.replayed.load(Ordering::Relaxed)
    }

    fn known(&self, name: &Name) -> Option<Arc<Replayed>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

fn steps(state: &ApiState, name: &Name) -> Option<Vec<ExplainedStep>> {
    let look = |federation: &data_dao_journal::Federation| {
        federation.explained_steps(ROUNDS_EXPLAINED_MAX)
    };
    state.store().view(|ledger| ledger.federation(name).map(look))
}

async fn replay(state: &ApiState, name: Name) -> Result<Option<Arc<Replayed>>, ApiError> {
    let courses = state.courses();
    let _turn = courses.turn.lock().await;
    // Whoever had the turn before may have done it.
    let Some(steps) = steps(state, &name) else { return Ok(None) };
    let mut replayed = courses.known(&name).map(Arc::unwrap_or_clone).unwrap_or_default();
    for step in steps.iter().skip(replayed.steps) {
        replayed.course = take_step(state, replayed.course, step).await?;
        replayed.steps += 1;
        courses.replayed.fetch_add(1, Ordering::Relaxed);
    }
    let replayed = Arc::new(replayed);
    let mut kept = courses.kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.insert(name, Arc::clone(&replayed));
    Ok(Some(replayed))
}
