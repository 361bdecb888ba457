//! Moving to terms that took the place of those agreed to: only the owner does that, to one digest.

use std::path::{Path, PathBuf};

use aggregator_round::TermsChange;
use privacy_identity::{Digest, Passphrase, SigningKey};
use zeroize::Zeroizing;

use crate::{
    Agent, AgentError, Invitation, caller::Caller, enrolment::changed_terms, state_dir::StateDir,
    ways::Ways,
};

impl Agent {
    /// Asks whether the terms with the digest `terms` are offered in the place of those agreed to; nothing if they were agreed
    /// to already. Agrees to nothing.
    ///
    /// A coordinator that cannot be reached is tried for ever, which the log tells: the owner ends that by dropping the future.
    ///
    /// # Errors
    /// [`AgentError::ConsentOther`] if other terms are offered, or none; [`AgentError`].
    ///
    /// # Panics
    /// Outside a tokio runtime with IO and time, or if the operating system has no randomness.
    pub async fn offered_change(
        state_dir: &Path,
        passphrase: Option<&Passphrase>,
        invitation: &Invitation,
        terms: Digest,
    ) -> Result<Option<TermsChange>, AgentError> {
        invitation.check()?;
        let state = StateDir::open(state_dir)?;
        let Some(agreed) = state.agreed_terms()? else {
            // Nothing was agreed to yet: joining is the consent, to what the invitation pins.
            return match invitation.federation == terms {
                true => Ok(None),
                false => Err(other(terms, invitation.federation)),
            };
        };
        let agreed = agreed.unverified_body();
        if agreed.id() == terms {
            return Ok(None);
        }
        let ways = Ways::to(invitation)?;
        let mut caller =
            Caller::start(state.key(passphrase)?, ways, drop, state.sent_log(0)?, None).await?;
        let change = changed_terms(&mut caller, agreed).await?;
        match change {
            Some(change) if change.digest() == terms => Ok(Some(change)),
            Some(change) => Err(other(terms, change.digest())),
            None => Err(other(terms, agreed.id())),
        }
    }

    /// The key with which the owner of a state directory signs, drawn if there is none.
    ///
    /// # Errors
    /// [`AgentError`]: a directory in use or unreadable, a key under another passphrase.
    pub fn key(
        state_dir: &Path,
        passphrase: Option<&Passphrase>,
    ) -> Result<SigningKey, AgentError> {
        Ok(SigningKey::from_seed(&*StateDir::open(state_dir)?.key(passphrase)?))
    }

    /// Puts the key file at `new` in the place of a state directory's, for a contributor that signs with it from now on: the
    /// same protection, and the same member (whether it is, the ledger says, and the caller asks). Returns the folder in which
    /// the former key lies with what was sealed to it; nothing if the directory has this very file already.
    ///
    /// A round under way is not followed any more: what the former key sent counts for the member nevertheless.
    ///
    /// # Errors
    /// [`AgentError`]: a directory in use or without a key, a key file that cannot be read.
    pub fn adopt_key(state_dir: &Path, new: &Path) -> Result<Option<PathBuf>, AgentError> {
        let kept = state_dir.join("key");
        std::fs::metadata(&kept).map_err(AgentError::state(&kept))?;
        let file = std::fs::read(new).map(Zeroizing::new).map_err(AgentError::state(new))?;
        StateDir::open(state_dir)?.adopt_key(&file)
    }

    /// Agrees to changed terms: from now on they are those of the state directory. What belonged to the former is kept in
    /// `terms/<digest>/`; a round that is under way under them is not followed any more.
    ///
    /// # Errors
    /// [`AgentError::ConsentOther`] if the directory has other terms than those from which `change` leads; [`AgentError`].
    pub fn consent(state_dir: &Path, change: &TermsChange) -> Result<(), AgentError> {
        let state = StateDir::open(state_dir)?;
        let agreed = state.agreed_terms()?.map(|terms| terms.unverified_body().id());
        match agreed {
            Some(agreed) if agreed == change.digest() => Ok(()),
            Some(agreed) if agreed != change.agreed().id() => Err(other(change.digest(), agreed)),
            _ => state.change_terms(change.offered()),
        }
    }
}

const fn other(agreed: Digest, offered: Digest) -> AgentError {
    AgentError::ConsentOther { agreed, offered }
}
