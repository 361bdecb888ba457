//! How long and how fast a contributor trains in a round.

/// The most passes over the data in one round.
pub const LOCAL_EPOCHS_MAX: u32 = 1_000;

/// The most examples of one step.
pub const BATCH_SIZE_MAX: u32 = 65_536;

/// The largest learning rate; plain SGD on standardised inputs diverges well below it.
pub const LEARNING_RATE_MAX: f32 = 10.0;

/// Why a plan was refused.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum TrainingPlanError {
    /// A count is out of bounds.
    #[error("{what} must lie between 1 and {max}, got {got}")]
    CountOutOfRange {
        /// `local epochs` or `batch size`.
        what: &'static str,
        /// The largest allowed.
        max: u32,
        /// The count given.
        got: u32,
    },
    /// The learning rate is not above zero and at most [`LEARNING_RATE_MAX`].
    #[error("the learning rate must be above 0 and at most {LEARNING_RATE_MAX}, got {got}")]
    LearningRateOutOfRange {
        /// The rate given.
        got: f32,
    },
}

/// The settings of a plan, unchecked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingSettings {
    /// Passes over the data, 1 to [`LOCAL_EPOCHS_MAX`].
    pub local_epochs: u32,
    /// Examples of one step, 1 to [`BATCH_SIZE_MAX`]; the last step of an epoch takes what is left.
    pub batch_size: u32,
    /// Step size of plain SGD on the mean loss, in (0, [`LEARNING_RATE_MAX`]].
    pub learning_rate: f32,
}

/// How a contributor trains in one round: plain SGD without momentum or decay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingPlan(TrainingSettings);

impl TrainingPlan {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`TrainingPlanError`] if one is out of bounds.
    pub fn new(settings: TrainingSettings) -> Result<Self, TrainingPlanError> {
        check("local epochs", LOCAL_EPOCHS_MAX, settings.local_epochs)?;
        check("batch size", BATCH_SIZE_MAX, settings.batch_size)?;
        let got = settings.learning_rate;
        if !(got > 0.0 && got <= LEARNING_RATE_MAX) {
            return Err(TrainingPlanError::LearningRateOutOfRange { got });
        }
        Ok(Self(settings))
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> TrainingSettings {
        self.0
    }
}

const fn check(what: &'static str, max: u32, got: u32) -> Result<(), TrainingPlanError> {
    if 1 <= got && got <= max {
        Ok(())
    } else {
        Err(TrainingPlanError::CountOutOfRange { what, max, got })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_bounds_are_refused() {
        let good = TrainingSettings { local_epochs: 1, batch_size: 16, learning_rate: 0.1 };
        let refused = |settings| TrainingPlan::new(settings).is_err();
        assert_eq!(TrainingPlan::new(good).unwrap().settings(), good);
        for local_epochs in [0, LOCAL_EPOCHS_MAX + 1] {
            assert!(refused(TrainingSettings { local_epochs, ..good }));
        }
        for batch_size in [0, BATCH_SIZE_MAX + 1] {
            assert!(refused(TrainingSettings { batch_size, ..good }));
        }
        for learning_rate in [0.0, -0.1, 10.1, f32::NAN, f32::INFINITY] {
            assert!(refused(TrainingSettings { learning_rate, ..good }));
        }
    }
}
