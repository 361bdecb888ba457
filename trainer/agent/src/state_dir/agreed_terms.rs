//! The terms that the owner agreed to, and moving to others.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aggregator_protocol::FederationTerms;
use privacy_identity::{Digest, Signed};

use super::{COHORT, CONTROL, CUSTODY, PERSONAL, PERSONAL_BEFORE, PERSONAL_ROUND, ROUND, StateDir};
use crate::{
    AgentError,
    private_file::{create_dir, sync_dir},
};

const TERMS: &str = "terms.bin";
const NEXT_TERMS: &str = "next-terms.bin";
const FORMER: &str = "terms";

impl StateDir {
    /// The terms that the owner agreed to earlier.
    pub(crate) fn agreed_terms(&self) -> Result<Option<Signed<FederationTerms>>, AgentError> {
        self.load(TERMS)
    }

    /// Stores the terms that the owner agrees to.
    pub(crate) fn agree(&self, terms: &Signed<FederationTerms>) -> Result<(), AgentError> {
        self.store(TERMS, terms)
    }

    /// Puts other terms, which the owner agrees to, in the place of those agreed to before. What belonged to those is set
    /// aside, and the secrets of a round under way under them are deleted. When this returns, a crash does not undo it.
    pub(crate) fn change_terms(&self, terms: &Signed<FederationTerms>) -> Result<(), AgentError> {
        self.store(NEXT_TERMS, terms)?;
        self.finish_change()
    }

    /// Whether the owner once agreed to the terms with this digest, and left them for others.
    pub(crate) fn left(&self, terms: &Digest) -> bool {
        self.former(terms).join(TERMS).exists()
    }

    fn former(&self, terms: &Digest) -> PathBuf {
        self.path.join(FORMER).join(terms.to_string())
    }

    /// Ends a change of terms, also one that a crash cut off. Each step may happen again.
    pub(super) fn finish_change(&self) -> Result<(), AgentError> {
        let Some(next): Option<Signed<FederationTerms>> = self.load(NEXT_TERMS)? else {
            return Ok(());
        };
        let (path, next) = (self.path.join(NEXT_TERMS), next.unverified_body());
        if let Some(agreed) = self.agreed_terms()?
            && agreed.unverified_body().id() != next.id()
        {
            self.remember_answered()?;
            self.forget_round()?;
            self.forget_trained()?;
            let agreed = agreed.unverified_body();
            let same_model = agreed.architecture == next.architecture
                && agreed.training.personal.layers() == next.training.personal.layers();
            let own = if same_model { None } else { Some(PERSONAL) };
            // The terms last: they say what the rest belongs to.
            let names = [ROUND, CUSTODY, COHORT, CONTROL, PERSONAL_ROUND, PERSONAL_BEFORE];
            let names = names.into_iter().chain(own).chain([TERMS]);
            self.set_aside(&self.former(&agreed.id()), names)?;
        }
        let renamed = fs::rename(&path, self.path.join(TERMS));
        renamed.and_then(|()| sync_dir(&self.path)).map_err(AgentError::state(&path))
    }

    /// Moves files to `dir`, in this order, those that are there. May happen again.
    pub(super) fn set_aside(
        &self,
        dir: &Path,
        names: impl Iterator<Item = &'static str>,
    ) -> Result<(), AgentError> {
        create_dir(dir).map_err(AgentError::state(dir))?;
        for name in names {
            let path = self.path.join(name);
            match fs::rename(&path, dir.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(AgentError::state(&path)(error));
                }
                _ => {}
            }
            sync_dir(dir).and_then(|()| sync_dir(&self.path)).map_err(AgentError::state(&path))?;
        }
        Ok(())
    }
}
