//! Early stopping under way, in a simulation or at a DAO node.

use aggregator_strategy::{Better, EarlyStopping, Progress, StoppingError};
use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};
use serde_json::{Value, json};
use trainer_model::Evaluation;

/// Early stopping under way, and which round's model is the best so far.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stopping {
    progress: EarlyStopping,
    best_round: Option<u64>,
    exhausted: bool,
}

impl Stopping {
    pub(crate) const fn new(settings: EarlyStopping) -> Self {
        Self { progress: settings, best_round: None, exhausted: false }
    }

    /// Takes what the model after `round` does on the validation rows; returns what was looked at.
    ///
    /// # Errors
    /// A loss that is no number.
    pub(crate) fn observe(
        &mut self,
        round: u64,
        validated: &Evaluation,
    ) -> Result<f64, StoppingError> {
        let value = match self.progress.better() {
            Better::Higher => validated.accuracy,
            Better::Lower => validated.loss,
        };
        let (progress, came_of_it) = self.progress.observe(value)?;
        self.progress = progress;
        match came_of_it {
            Progress::Improved => self.best_round = Some(round),
            Progress::Waiting => {}
            Progress::Exhausted => self.exhausted = true,
        }
        Ok(value)
    }

    /// Whether it was begun with these settings.
    pub(crate) fn has_settings(&self, settings: &EarlyStopping) -> bool {
        // Shown are the settings alone.
        self.progress.to_string() == settings.to_string()
    }

    /// Whether there is nothing more to be waited for.
    pub(crate) const fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// The round whose model is the best so far.
    pub(crate) const fn best_round(&self) -> Option<u64> {
        self.best_round
    }

    /// What came of it, for people; none before anything was measured.
    pub(crate) fn sentence(&self) -> Option<String> {
        let (round, best) = (self.best_round? + 1, self.progress.best()?);
        let why =
            if self.exhausted { "no improvement since: ended early" } else { "not ended early" };
        Some(format!("best on the validation rows after round {round}: {best:.4}; {why}"))
    }

    /// As the report states it.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "stopped": self.exhausted,
            "best_round": self.best_round,
            "best": self.progress.best(),
        })
    }
}

impl Encode for Stopping {
    fn encode(&self, writer: &mut Writer) {
        self.progress.encode(writer);
        writer.u8(u8::from(self.exhausted));
        writer.u8(u8::from(self.best_round.is_some()));
        writer.u64(self.best_round.unwrap_or(0));
    }
}

impl Decode for Stopping {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let progress = EarlyStopping::decode(reader)?;
        let exhausted = reader.u8()? != 0;
        let known = reader.u8()? != 0;
        let best_round = Some(reader.u64()?).filter(|_| known);
        Ok(Self { progress, best_round, exhausted })
    }
}
