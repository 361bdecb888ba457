//! Ending a federation when the model no longer improves.

use std::{fmt, num::NonZeroU32, str::FromStr};

use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};
use thiserror::Error;

use crate::{NotationError, NumberError, notation::Notation};

/// Why a setting or a measurement was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum StoppingError {
    /// A least improvement that is negative or no number.
    #[error("the least improvement must be at least 0 and finite, got {got}")]
    Improvement {
        /// What was given.
        got: f64,
    },
    /// A measurement that is no number.
    #[error("the measured value must be finite, got {got}")]
    NotFinite {
        /// What was given.
        got: f64,
    },
}

/// Which values are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Higher, as with accuracy.
    Higher,
    /// Lower, as with loss.
    Lower,
}

/// What a measurement means for the federation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The best so far.
    Improved,
    /// No improvement, and patience left.
    Waiting,
    /// No improvement in as many measurements as there is patience: stop, and keep the best model.
    Exhausted,
}

/// Early stopping under way. To be persisted with the model.
///
/// Its settings are written `loss:patience=P,improvement=X` or `accuracy:patience=P,improvement=X`; without
/// `improvement` any is enough.
///
/// Threat: the value has to be measured on data that no contributor trains on (the DAO's validation set), else
/// whoever overfits it ends or prolongs the federation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyStopping {
    better: Better,
    patience: NonZeroU32,
    improvement_min: f64,
    best: Option<f64>,
    without_improvement: u32,
}

impl EarlyStopping {
    /// Starts with nothing measured.
    ///
    /// * `patience` — measurements without improvement after which it is over.
    /// * `improvement_min` — by how much more than this a value has to be better than the best, ≥ 0.
    ///
    /// # Errors
    /// [`StoppingError::Improvement`].
    pub fn new(
        better: Better,
        patience: NonZeroU32,
        improvement_min: f64,
    ) -> Result<Self, StoppingError> {
        if improvement_min.is_finite() && improvement_min >= 0.0 {
            let improvement_min = improvement_min + 0.0;
            Ok(Self { better, patience, improvement_min, best: None, without_improvement: 0 })
        } else {
            Err(StoppingError::Improvement { got: improvement_min })
        }
    }

    /// Which values are better.
    #[must_use]
    pub const fn better(&self) -> Better {
        self.better
    }

    /// Whether nothing was measured yet: settings alone.
    #[must_use]
    pub const fn is_fresh(&self) -> bool {
        self.best.is_none() && self.without_improvement == 0
    }

    /// The best value so far.
    #[must_use]
    pub const fn best(&self) -> Option<f64> {
        self.best
    }

    /// Takes the value measured after a round and returns what comes next.
    ///
    /// # Errors
    /// [`StoppingError::NotFinite`] for NaN and infinity: the model diverged; the state is as it was.
    pub fn observe(self, value: f64) -> Result<(Self, Progress), StoppingError> {
        if !value.is_finite() {
            return Err(StoppingError::NotFinite { got: value });
        }
        let improved = self.best.is_none_or(|best| match self.better {
            Better::Higher => value > best + self.improvement_min,
            Better::Lower => value < best - self.improvement_min,
        });
        if improved {
            let next = Self { best: Some(value), without_improvement: 0, ..self };
            return Ok((next, Progress::Improved));
        }
        let without_improvement = self.without_improvement.saturating_add(1);
        let exhausted = without_improvement >= self.patience.get();
        let progress = if exhausted { Progress::Exhausted } else { Progress::Waiting };
        Ok((Self { without_improvement, ..self }, progress))
    }
}

/// The settings alone, as they are read.
impl fmt::Display for EarlyStopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let measure = match self.better {
            Better::Higher => "accuracy",
            Better::Lower => "loss",
        };
        write!(f, "{measure}:patience={},improvement={}", self.patience, self.improvement_min)
    }
}

impl FromStr for EarlyStopping {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        let mut read = Notation::parse(text)?;
        let better = match read.name {
            "accuracy" => Better::Higher,
            "loss" => Better::Lower,
            _ => return Err(read.unknown("accuracy, loss")),
        };
        let patience = read.need("patience")?;
        let got: f64 = read.take("improvement")?.unwrap_or(0.0);
        let stopping = Self::new(better, patience, got);
        read.finish(
            stopping.map_err(|_refused| NumberError::Negative { name: "improvement", got })?,
        )
    }
}

impl Encode for EarlyStopping {
    fn encode(&self, writer: &mut Writer) {
        writer.u8(u8::from(self.better == Better::Lower));
        writer.u32(self.patience.get());
        writer.f64(self.improvement_min);
        writer.u32(self.without_improvement);
        writer.u8(u8::from(self.best.is_some()));
        if let Some(best) = self.best {
            writer.f64(best);
        }
    }
}

impl Decode for EarlyStopping {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let better = match reader.u8()? {
            0 => Better::Higher,
            1 => Better::Lower,
            other => return Err(DecodeError::invalid("direction", other)),
        };
        let patience = NonZeroU32::new(reader.u32()?);
        let patience = patience.ok_or_else(|| DecodeError::invalid("patience", "0"))?;
        let improvement_min = reader.f64("least improvement")?;
        if improvement_min.is_sign_negative() {
            return Err(DecodeError::invalid("least improvement", "negative"));
        }
        let without_improvement = reader.u32()?;
        let best = match reader.u8()? {
            0 => None,
            1 => Some(reader.f64("best value")?),
            other => return Err(DecodeError::invalid("best value", other)),
        };
        Ok(Self { better, patience, improvement_min, best, without_improvement })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(better: Better, patience: u32, improvement_min: f64, values: &[f64]) -> Vec<Progress> {
        let patience = NonZeroU32::new(patience).unwrap();
        let mut stopping = EarlyStopping::new(better, patience, improvement_min).unwrap();
        let step = |value: &f64| {
            let (next, progress) = stopping.observe(*value).unwrap();
            stopping = EarlyStopping::from_bytes(&next.to_bytes()).unwrap();
            assert_eq!(stopping, next);
            progress
        };
        values.iter().map(step).collect()
    }

    #[test]
    fn patience_counts_measurements_without_improvement() {
        use Progress::{Exhausted, Improved, Waiting};
        let got = run(Better::Higher, 2, 0.0, &[0.5, 0.5, 0.6, 0.6, 0.4, 0.4]);
        assert_eq!(got, [Improved, Waiting, Improved, Waiting, Exhausted, Exhausted]);
        let got = run(Better::Lower, 1, 0.1, &[1.0, 0.95, 0.85, -5.0]);
        assert_eq!(got, [Improved, Exhausted, Improved, Improved]);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let patience = NonZeroU32::new(1).unwrap();
        for got in [-0.1, f64::NAN, f64::INFINITY] {
            assert!(EarlyStopping::new(Better::Lower, patience, got).is_err());
        }
        let stopping = EarlyStopping::new(Better::Lower, patience, 0.0).unwrap();
        let refused = stopping.observe(f64::NAN).unwrap_err();
        assert_eq!(refused.to_string(), "the measured value must be finite, got NaN");
    }

    #[test]
    fn settings_are_read_as_they_are_written_and_bad_ones_refused() {
        for text in ["loss:patience=3,improvement=0.001", "accuracy:patience=1,improvement=0"] {
            assert_eq!(text.parse::<EarlyStopping>().unwrap().to_string(), text);
        }
        let short: EarlyStopping = "accuracy:patience=2".parse().unwrap();
        let patience = NonZeroU32::new(2).unwrap();
        assert_eq!(Ok(short), EarlyStopping::new(Better::Higher, patience, 0.0));
        for (text, expected) in [
            ("patience=2", "\"patience=2\" is none of: accuracy, loss"),
            ("loss", "loss needs patience=VALUE"),
            ("loss:patience=0", "number would be zero"),
            ("loss:patience=1,improvement=-1", "improvement must be at least 0 and finite, got -1"),
            ("loss:patience=1,best=1", "loss takes no \"best\""),
        ] {
            let refused = text.parse::<EarlyStopping>().unwrap_err().to_string();
            assert!(refused.contains(expected), "{text}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(stopping) = EarlyStopping::from_bytes(&bytes) {
                prop_assert_eq!(stopping.to_bytes(), bytes);
            }
        }
    }
}
