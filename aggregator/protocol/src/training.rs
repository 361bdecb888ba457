//! How contributors train within a round, and what the DAO does with the mean of their updates.

use aggregator_strategy::Schedule;
use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};

use crate::{DriftTerms, PersonalTerms, TermsError, terms::check};

/// How much a contributor trains in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalWork {
    /// Passes over its examples.
    Epochs(u32),
    /// Steps, through as many passes as it takes.
    Steps(u32),
}

/// How contributors train within a round: SGD, as `trainer-model` defines each setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingTerms {
    /// How much.
    pub work: LocalWork,
    /// Examples per step.
    pub batch_size: u32,
    /// Step size before the schedule.
    pub learning_rate: f64,
    /// What it is multiplied by in each round.
    pub schedule: Schedule,
    /// In 0..1; 0: plain SGD.
    pub momentum: f64,
    /// L2 penalty, ≥ 0.
    pub weight_decay: f64,
    /// L2 norm to which the gradient of a step is clipped, > 0; none: it is not.
    pub gradient_clip: Option<f64>,
    /// Weight of `FedProx`'s proximal term, ≥ 0.
    pub proximal: f64,
    /// How drift is corrected.
    pub drift: DriftTerms,
    /// What contributors have to themselves.
    pub personal: PersonalTerms,
}

impl TrainingTerms {
    /// Plain SGD.
    #[must_use]
    pub const fn sgd(local_epochs: u32, batch_size: u32, learning_rate: f64) -> Self {
        Self {
            work: LocalWork::Epochs(local_epochs),
            batch_size,
            learning_rate,
            schedule: Schedule::CONSTANT,
            momentum: 0.0,
            weight_decay: 0.0,
            gradient_clip: None,
            proximal: 0.0,
            drift: DriftTerms::Absent,
            personal: PersonalTerms::Absent,
        }
    }

    /// The step size in a round: a device computes it from the terms and the round that is ordered, and takes nobody's
    /// word for it.
    ///
    /// * `round` — 0-based, rounds that were given up included.
    #[must_use]
    pub fn learning_rate_in(&self, round: u64) -> f64 {
        let round = u32::try_from(round).unwrap_or(u32::MAX);
        self.learning_rate * self.schedule.factor(round).get()
    }

    /// The rounds in which the step size is smallest or largest, of so many: a schedule goes one way before the end of
    /// its warm-up and one way after it.
    #[must_use]
    pub fn decisive_rounds(&self, rounds: u32) -> [u64; 3] {
        let last = rounds.saturating_sub(1);
        [0, self.schedule.warm_up_rounds.min(last), last].map(u64::from)
    }

    /// With which settings control variates follow from what is uploaded, and are mean gradients.
    fn check_drift(self) -> Result<(), TermsError> {
        if self.drift == DriftTerms::Absent {
            return Ok(());
        }
        check("drift", matches!(self.work, LocalWork::Steps(_)), || {
            "control variates follow from the sum if everybody takes equally many steps: set local_steps".to_owned()
        })?;
        check("drift", self.momentum == 0.0, || {
            "control variates need steps without momentum".to_owned()
        })?;
        check("drift", self.personal == PersonalTerms::Absent, || {
            "control variates are of a model that is shared as a whole, without models of one's own"
                .to_owned()
        })
    }

    /// * `rounds` — of the federation.
    pub(crate) fn check(self, rounds: u32) -> Result<(), TermsError> {
        let (field, work) = match self.work {
            LocalWork::Epochs(epochs) => ("local_epochs", epochs),
            LocalWork::Steps(steps) => ("local_steps", steps),
        };
        check(field, work > 0, || "must be positive".to_owned())?;
        check("batch_size", self.batch_size > 0, || "must be positive".to_owned())?;
        let rate = self.learning_rate;
        check("learning_rate", rate.is_finite() && rate > 0.0, || {
            format!("must be positive and finite, got {rate}")
        })?;
        for round in self.decisive_rounds(rounds) {
            let rate = self.learning_rate_in(round);
            check("schedule", rate.is_finite() && rate > 0.0, || {
                format!("makes the learning rate {rate} in round {round}")
            })?;
        }
        check("momentum", (0.0..1.0).contains(&self.momentum), || {
            format!("must be in 0..1, got {}", self.momentum)
        })?;
        for (field, value) in [("weight_decay", self.weight_decay), ("proximal", self.proximal)] {
            check(field, value.is_finite() && value >= 0.0, || {
                format!("must be 0 or more and finite, got {value}")
            })?;
        }
        self.personal.check()?;
        self.check_drift()?;
        let clip = self.gradient_clip;
        check("gradient_clip", clip.is_none_or(|clip| clip.is_finite() && clip > 0.0), || {
            format!("must be positive and finite, got {clip:?}")
        })
    }
}

/// Kind of work (u8: 0 epochs, 1 steps), how much, batch size (u32 each), rate, momentum, decay, proximal weight
/// (f64 each), whether gradients are clipped (u8) and to what (f64), schedule, drift, personal models.
impl Encode for TrainingTerms {
    fn encode(&self, writer: &mut Writer) {
        let (kind, work) = match self.work {
            LocalWork::Epochs(epochs) => (0, epochs),
            LocalWork::Steps(steps) => (1, steps),
        };
        writer.u8(kind);
        writer.u32(work);
        writer.u32(self.batch_size);
        for value in [self.learning_rate, self.momentum, self.weight_decay, self.proximal] {
            // −0 would have another encoding than 0.
            writer.f64(value + 0.0);
        }
        writer.u8(u8::from(self.gradient_clip.is_some()));
        if let Some(clip) = self.gradient_clip {
            writer.f64(clip);
        }
        self.schedule.encode(writer);
        self.drift.encode(writer);
        self.personal.encode(writer);
    }
}

impl Decode for TrainingTerms {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let work = match reader.u8()? {
            0 => LocalWork::Epochs(reader.u32()?),
            1 => LocalWork::Steps(reader.u32()?),
            other => return Err(DecodeError::invalid("kind of local work", other)),
        };
        let batch_size = reader.u32()?;
        let mut number = |field| {
            let value = reader.f64(field)?;
            if value == 0.0 && value.is_sign_negative() {
                return Err(DecodeError::invalid(field, "negative zero"));
            }
            Ok(value)
        };
        let learning_rate = number("learning rate")?;
        let momentum = number("momentum")?;
        let weight_decay = number("weight decay")?;
        let proximal = number("proximal weight")?;
        let gradient_clip = match reader.u8()? {
            0 => None,
            1 => Some(reader.f64("gradient clip")?),
            other => return Err(DecodeError::invalid("gradient clip", other)),
        };
        let schedule = Schedule::decode(reader)?;
        let (drift, personal) = (Decode::decode(reader)?, Decode::decode(reader)?);
        Ok(Self {
            work,
            batch_size,
            learning_rate,
            schedule,
            momentum,
            weight_decay,
            gradient_clip,
            proximal,
            drift,
            personal,
        })
    }
}
