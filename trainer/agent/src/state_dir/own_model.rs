//! What the contributor learns for itself: its own model, its control variate, what waits for its round.

use aggregator_protocol::RoundId;
use trainer_model::{Parameters, UpdateLayout};
use zeroize::Zeroizing;

use super::{CONTROL, PERSONAL, PERSONAL_BEFORE, PERSONAL_ROUND, StateDir};
use crate::{AgentError, control::Control, private_file::replace, trained::Trained};

const TRAINED: &str = "trained.bin";

impl StateDir {
    /// The contributor's own model as it was before `round`: a round that is trained again after a crash starts from what it
    /// started from before it.
    pub(crate) fn personal(
        &self,
        round: RoundId,
        layout: &UpdateLayout,
    ) -> Result<Option<Parameters>, AgentError> {
        let again = self.load(PERSONAL_ROUND)? == Some(round);
        let name = if again { PERSONAL_BEFORE } else { PERSONAL };
        let read = |bytes: Zeroizing<Vec<u8>>| {
            let path = self.path.join(name);
            Parameters::from_safetensors(layout, &bytes).map_err(AgentError::damaged(&path))
        };
        self.bytes(name)?.map(read).transpose()
    }

    /// Keeps the contributor's own model after `round`, and the one before it beside it.
    pub(crate) fn store_personal(
        &self,
        round: RoundId,
        layout: &UpdateLayout,
        model: &Parameters,
    ) -> Result<(), AgentError> {
        if self.load(PERSONAL_ROUND)? != Some(round) {
            let before = self.path.join(PERSONAL_BEFORE);
            match self.bytes(PERSONAL)? {
                Some(bytes) => {
                    replace(&self.path, &before, &bytes).map_err(AgentError::state(&before))?;
                }
                None => self.remove(PERSONAL_BEFORE)?,
            }
            // From here on the one before is the one to start from, until another round begins.
            self.store(PERSONAL_ROUND, &round)?;
        }
        let path = self.path.join(PERSONAL);
        let bytes = model.to_safetensors(layout).map_err(AgentError::damaged(&path))?;
        replace(&self.path, &path, &bytes).map_err(AgentError::state(&path))
    }

    /// The contributor's control variate.
    pub(crate) fn control(&self) -> Result<Option<Control>, AgentError> {
        self.load(CONTROL)
    }

    /// Keeps the contributor's control variate.
    pub(crate) fn store_control(&self, control: &Control) -> Result<(), AgentError> {
        self.store(CONTROL, control)
    }

    /// What was trained and waits for its round.
    pub(crate) fn trained(&self) -> Result<Option<Trained>, AgentError> {
        let read = |bytes: Zeroizing<Vec<u8>>| {
            let bytes = Zeroizing::new(bytes);
            Trained::from_disk(&bytes).map_err(AgentError::damaged(&self.path.join(TRAINED)))
        };
        self.bytes(TRAINED)?.map(read).transpose()
    }

    /// Keeps what was trained until its round comes. The directory is its owner's alone.
    pub(crate) fn store_trained(&self, trained: &Trained) -> Result<(), AgentError> {
        let path = self.path.join(TRAINED);
        replace(&self.path, &path, &trained.to_disk()).map_err(AgentError::state(&path))
    }

    /// Deletes it: it was sealed, or is too old.
    pub(crate) fn forget_trained(&self) -> Result<(), AgentError> {
        self.remove(TRAINED)
    }
}
