//! Why contributors earned what they did, kept between requests.
//!
//! A reason follows from all rounds so far and from what was voided of their pay, so that somebody has to replay them; each is
//! replayed once, by the first page that asks for it. What is kept is of the order of the ledger's own state: one standing and one reason a member.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use data_dao_journal::{Course, Explained};
use data_dao_ledger::Name;
use privacy_identity::VerifyingKey;

use crate::ApiState;
use crate::api_error::ApiError;
use crate::routes::take_step;

/// Most settlements and voided pays that one request replays; the next one goes on from there.
const STEPS_MAX: usize = 1_000;

/// The newest reason of each contributor, by federation. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Reasons(Arc<Mutex<BTreeMap<Name, Arc<Replayed>>>>);

/// How far a federation's course was replayed.
#[derive(Debug, Clone)]
pub(super) struct Replayed {
    course: Course,
    steps: usize,
}

impl Reasons {
    /// The reasons as of the last settled round; nothing if there is no such federation.
    pub(super) async fn of(
        &self,
        state: &ApiState,
        name: &Name,
    ) -> Result<Option<Arc<Replayed>>, ApiError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let done = known.as_ref().map_or(0, |known| known.steps);
        let wanted = state.store().view(|ledger| {
            // Steps are only ever added after the others: each is younger than all before it.
            let steps = ledger.federation(name)?.explained_steps(usize::MAX).into_iter();
            Some(steps.skip(done).take(STEPS_MAX).collect::<Vec<_>>())
        });
        let Some(steps) = wanted else { return Ok(None) };
        if let Some(known) = known.as_ref().filter(|_| steps.is_empty()) {
            return Ok(Some(Arc::clone(known)));
        }
        let fresh = || Replayed { course: Course::newest_only(), steps: 0 };
        let mut replayed = known.map_or_else(fresh, |known| (*known).clone());
        for step in &steps {
            replayed.course = take_step(state, replayed.course, step).await?;
            replayed.steps += 1;
        }
        let replayed = Arc::new(replayed);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.entry(name.clone()).or_insert_with(|| Arc::clone(&replayed));
        if kept.steps < replayed.steps {
            *kept = Arc::clone(&replayed);
        }
        Ok(Some(replayed))
    }
}

impl Replayed {
    /// Why the contributor earned what it did in its last round.
    pub(super) fn latest(&self, member: &VerifyingKey) -> Option<&Explained> {
        self.course.of(member).last()
    }
}
