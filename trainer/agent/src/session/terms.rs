//! Whether the federation still has the terms that the owner agreed to.
//!
//! Threat (promise 7): members vote for terms that protect less, and the DAO node, the coordinator or both have devices train
//! under them. An order of other terms is refused wherever it comes from; here the device finds out why, and stops with a word
//! to its owner instead of waiting for orders that it would refuse. Terms change when a coordinator is started again, so that is
//! when they are looked at; and now and then, in case that was not seen.

use super::Session;
use crate::{
    AgentError, AgentEvent, agent::stopped_by, clock::Stopwatch, enrolment::changed_terms,
};

/// How often terms are looked at while nothing happens, in seconds.
const WATCH_SECONDS: f64 = 60.0;

impl<F: Fn(AgentEvent) + Send> Session<F> {
    /// Looks at the terms if the coordinator was away, or after a while.
    pub(super) async fn watch_terms(&mut self) -> Result<(), AgentError> {
        if self.caller.take_interrupted() || self.terms_seen.seconds() > WATCH_SECONDS {
            self.look_at_terms().await?;
        }
        Ok(())
    }

    /// Asks for the terms; an error if they are others than those agreed to.
    pub(super) async fn look_at_terms(&mut self) -> Result<(), AgentError> {
        let changed = changed_terms(&mut self.caller, &self.contributor.terms).await?;
        self.terms_seen = Stopwatch::start();
        changed.map_or(Ok(()), |change| Err(stopped_by(change, &self.events)))
    }
}
