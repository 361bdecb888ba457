//! Going on with another key, once it is the member's.
//!
//! ```text
//!   next-key ─written wholly→ what was sealed to or signed by the key: to keys/<n>/ ─→ key, last ─→ next-key becomes key
//! ```
//! A crash anywhere in between: the next opening of the directory ends it.
//!
//! Threat: a state that is neither the old device's nor the new one's. The cohort is encrypted to the key, a sealed update is
//! signed by it, what a custodian answered was answered with its shares: none of it is the new key's, and with it the agent
//! would take its own files for damaged.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{COHORT, CUSTODY, KEY, ROUND, StateDir};
use crate::{
    AgentError,
    private_file::{replace, sync_dir},
};

const NEXT_KEY: &str = "next-key";
const FORMER: &str = "keys";

impl StateDir {
    /// Puts another key file in the place of the directory's, as it is: in the clear, or under its passphrase. Returns where the
    /// former key lies with what belonged to it; nothing if it is this very file. When this returns, a crash does not undo it.
    ///
    /// What was learned stays: the terms agreed to, one's own model, receipts, and the record of what was sent.
    pub(crate) fn adopt_key(&self, file: &[u8]) -> Result<Option<PathBuf>, AgentError> {
        if self.bytes(KEY)?.is_some_and(|kept| *kept == file) {
            return Ok(None);
        }
        let path = self.path.join(NEXT_KEY);
        replace(&self.path, &path, file).map_err(AgentError::state(&path))?;
        self.finish_key()
    }

    /// Ends a change of the key, also one that a crash cut off. Each step may happen again.
    pub(super) fn finish_key(&self) -> Result<Option<PathBuf>, AgentError> {
        let next = self.path.join(NEXT_KEY);
        if !next.exists() {
            return Ok(None);
        }
        let key = self.path.join(KEY);
        let former = self.former_key();
        if key.exists() {
            self.remember_answered()?;
            self.forget_round()?;
            self.forget_trained()?;
            // The key last: where it lies says that all that belonged to it lies there.
            self.set_aside(&former, [ROUND, CUSTODY, COHORT, KEY].into_iter())?;
        }
        let renamed = fs::rename(&next, &key);
        renamed.and_then(|()| sync_dir(&self.path)).map_err(AgentError::state(&next))?;
        Ok(Some(former))
    }

    /// The first folder that has no key yet: one that a crash left half full is filled.
    fn former_key(&self) -> PathBuf {
        let folder = |number: u32| self.path.join(FORMER).join(number.to_string());
        let is_full = |folder: &Path| folder.join(KEY).exists();
        (1..).map(folder).find(|folder| !is_full(folder)).expect("there are more numbers than keys")
    }
}
