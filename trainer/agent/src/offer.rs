//! What an invitation is to, before anything is agreed to.

use std::path::Path;

use aggregator_protocol::FederationTerms;
use privacy_identity::Passphrase;

use crate::{
    Agent, AgentError, Invitation, caller::Caller, enrolment::invited_terms, state_dir::StateDir,
    ways::Ways,
};

impl Agent {
    /// Asks for the terms that `invitation` names; agrees to nothing, joins nothing.
    ///
    /// A coordinator that cannot be reached is tried for ever, which the log tells: the owner ends that by dropping the future.
    ///
    /// * `state_dir` — as for [`Agent::run`]: the question is noted there before it leaves, and terms that were
    ///   agreed to earlier are not asked for again.
    ///
    /// # Errors
    /// [`AgentError`]: terms other than the invitation's, unsigned ones, a state directory in use.
    ///
    /// # Panics
    /// Outside a tokio runtime with IO and time, or if the operating system has no randomness.
    pub async fn offer(
        state_dir: &Path,
        passphrase: Option<&Passphrase>,
        invitation: &Invitation,
    ) -> Result<FederationTerms, AgentError> {
        invitation.check()?;
        let state = StateDir::open(state_dir)?;
        let ways = Ways::to(invitation)?;
        let mut caller =
            Caller::start(state.key(passphrase)?, ways, drop, state.sent_log(0)?, None).await?;
        let terms = invited_terms(&state, &mut caller, invitation).await?;
        Ok(terms.body().clone())
    }
}
