//! Learning-rate schedules: a factor for each round.

use std::{fmt, num::NonZeroU32, str::FromStr};

use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};

use crate::{NotationError, NumberError, Positive, notation::Notation, number::power};

/// What a learning rate is multiplied by in each round: a shape behind an optional linear warm-up.
///
/// Written `constant`, `step:every=K,factor=G`, `exponential:factor=G`, `cosine:rounds=R,floor=F`, each with
/// `warmup=W`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// How the factor goes on after the warm-up.
    pub shape: ScheduleShape,
    /// W: rounds over which the factor rises, (r + 1)/(W + 1) in round r (Goyal et al. 2017, §2.2).
    pub warm_up_rounds: u32,
}

/// How a learning rate goes on. r counts from 0 at the end of the warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ScheduleShape {
    /// 1.
    Constant,
    /// gᵏ with k = ⌊r/every⌋.
    Step {
        /// Rounds between steps, at least 1.
        every: NonZeroU32,
        /// g.
        factor: Positive,
    },
    /// gʳ.
    Exponential {
        /// g.
        factor: Positive,
    },
    /// F + (1 - F)·(1 + cos(πr/R))/2 up to round R, then F (Loshchilov & Hutter 2017, §3, one period).
    Cosine {
        /// R, at least 1.
        rounds: NonZeroU32,
        /// F, at most 1.
        floor: Positive,
    },
}

impl Schedule {
    /// No schedule.
    pub const CONSTANT: Self = Self { shape: ScheduleShape::Constant, warm_up_rounds: 0 };

    const NAMES: &'static str = "constant, step, exponential, cosine";

    /// The factor in `round`, 0-based. The same bits on every machine; never zero, and at most `f64::MAX`.
    #[must_use]
    pub fn factor(&self, round: u32) -> Positive {
        let Some(after) = round.checked_sub(self.warm_up_rounds) else {
            let warm_up = f64::from(self.warm_up_rounds) + 1.0;
            return Positive((f64::from(round) + 1.0) / warm_up);
        };
        let factor = match self.shape {
            ScheduleShape::Constant => 1.0,
            ScheduleShape::Step { every, factor } => power(factor.0, u64::from(after / every)),
            ScheduleShape::Exponential { factor } => power(factor.0, u64::from(after)),
            ScheduleShape::Cosine { rounds, floor } => {
                let progress = f64::from(after) / f64::from(rounds.get());
                let wave = (1.0 + libm::cos(std::f64::consts::PI * progress.min(1.0))) / 2.0;
                floor.0 + (1.0 - floor.0) * wave
            }
        };
        Positive(factor.clamp(f64::MIN_POSITIVE, f64::MAX))
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::CONSTANT
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape {
            ScheduleShape::Constant => f.write_str("constant:")?,
            ScheduleShape::Step { every, factor } => {
                write!(f, "step:every={every},factor={},", factor.0)?;
            }
            ScheduleShape::Exponential { factor } => write!(f, "exponential:factor={},", factor.0)?,
            ScheduleShape::Cosine { rounds, floor } => {
                write!(f, "cosine:rounds={rounds},floor={},", floor.0)?;
            }
        }
        write!(f, "warmup={}", self.warm_up_rounds)
    }
}

impl FromStr for Schedule {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        let mut read = Notation::parse(text)?;
        let shape = match read.name {
            "constant" => ScheduleShape::Constant,
            "step" => ScheduleShape::Step {
                every: read.need("every")?,
                factor: read.need_positive("factor")?,
            },
            "exponential" => ScheduleShape::Exponential { factor: read.need_positive("factor")? },
            "cosine" => ScheduleShape::Cosine {
                rounds: read.need("rounds")?,
                floor: floor(read.need("floor")?)?,
            },
            _ => return Err(read.unknown(Self::NAMES)),
        };
        let warm_up_rounds = read.take("warmup")?.unwrap_or(0);
        read.finish(Self { shape, warm_up_rounds })
    }
}

fn floor(value: f64) -> Result<Positive, NumberError> {
    let floor = Positive::new("floor", value)?;
    if value <= 1.0 { Ok(floor) } else { Err(NumberError::AboveOne { name: "floor", got: value }) }
}

impl Encode for Schedule {
    fn encode(&self, writer: &mut Writer) {
        writer.u32(self.warm_up_rounds);
        match self.shape {
            ScheduleShape::Constant => writer.u8(0),
            ScheduleShape::Step { every, factor } => {
                writer.u8(1);
                writer.u32(every.get());
                factor.encode(writer);
            }
            ScheduleShape::Exponential { factor } => {
                writer.u8(2);
                factor.encode(writer);
            }
            ScheduleShape::Cosine { rounds, floor } => {
                writer.u8(3);
                writer.u32(rounds.get());
                floor.encode(writer);
            }
        }
    }
}

impl Decode for Schedule {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let rounds = |reader: &mut Reader<'_>| {
            NonZeroU32::new(reader.u32()?).ok_or_else(|| DecodeError::invalid("rounds", "0"))
        };
        let warm_up_rounds = reader.u32()?;
        let shape = match reader.u8()? {
            0 => ScheduleShape::Constant,
            1 => ScheduleShape::Step {
                every: rounds(reader)?,
                factor: Positive::decode(reader, "factor")?,
            },
            2 => ScheduleShape::Exponential { factor: Positive::decode(reader, "factor")? },
            3 => ScheduleShape::Cosine {
                rounds: rounds(reader)?,
                floor: floor(reader.f64("floor")?).map_err(|e| DecodeError::invalid("floor", e))?,
            },
            other => return Err(DecodeError::invalid("schedule", other)),
        };
        Ok(Self { shape, warm_up_rounds })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WRITTEN: [&str; 6] = [
        "constant",
        "constant:warmup=3",
        "step:every=10,factor=0.5",
        "exponential:factor=0.9,warmup=2",
        "cosine:rounds=40,floor=0.01",
        "cosine:rounds=1,floor=1,warmup=1",
    ];

    fn schedule(text: &str) -> Schedule {
        text.parse().unwrap()
    }

    #[test]
    fn factors_are_those_done_by_hand() {
        let check = |text: &str, round: u32, expected: f64| {
            let got = schedule(text).factor(round).get();
            assert!((got - expected).abs() < 1e-12, "{text} in round {round}: {got}");
        };
        check("constant", 1000, 1.0);
        check("constant:warmup=3", 0, 0.25);
        check("constant:warmup=3", 2, 0.75);
        check("constant:warmup=3", 3, 1.0);
        check("step:every=10,factor=0.5", 9, 1.0);
        check("step:every=10,factor=0.5", 25, 0.25);
        check("exponential:factor=0.9,warmup=2", 4, 0.81);
        check("cosine:rounds=40,floor=0.01", 0, 1.0);
        check("cosine:rounds=40,floor=0.01", 20, 0.505);
        check("cosine:rounds=40,floor=0.01", 40, 0.01);
        check("cosine:rounds=40,floor=0.01", u32::MAX, 0.01);
    }

    #[test]
    fn a_factor_is_never_zero_or_infinite() {
        assert!(schedule("exponential:factor=0.1").factor(u32::MAX).get() > 0.0);
        assert!(schedule("exponential:factor=10").factor(u32::MAX).get().is_finite());
    }

    #[test]
    fn bad_schedules_are_refused_with_a_sentence() {
        let check = |text: &str, expected: &str| {
            assert_eq!(text.parse::<Schedule>().unwrap_err().to_string(), expected);
        };
        check("cos", "\"cos\" is none of: constant, step, exponential, cosine");
        check(
            "step:every=0,factor=1",
            "every=0 cannot be read: number would be zero for non-zero type",
        );
        check("step:every=5", "step needs factor=VALUE");
        check("cosine:rounds=5,floor=2", "floor must be at most 1, got 2");
        check("exponential:factor=-1", "factor must be positive and finite, got -1");
    }

    #[test]
    fn schedules_are_read_as_they_are_written_and_encoded() {
        for text in WRITTEN {
            let schedule = schedule(text);
            assert_eq!(schedule.to_string().parse::<Schedule>().unwrap(), schedule);
            assert_eq!(Schedule::from_bytes(&schedule.to_bytes()).unwrap(), schedule);
        }
    }

    /// A changed byte is a new version of a federation's terms.
    #[test]
    fn bytes_are_pinned() {
        let bytes = schedule("step:every=10,factor=0.5,warmup=3").to_bytes();
        assert_eq!(bytes, [0, 0, 0, 3, 1, 0, 0, 0, 10, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(schedule("constant").to_bytes(), [0; 5]);
        let cosine = schedule("cosine:rounds=2,floor=1").to_bytes();
        assert_eq!(cosine, [0, 0, 0, 0, 3, 0, 0, 0, 2, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]);
        let exponential = schedule("exponential:factor=1").to_bytes();
        assert_eq!(exponential, [0, 0, 0, 0, 2, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(schedule) = Schedule::from_bytes(&bytes) {
                prop_assert_eq!(schedule.to_bytes(), bytes);
            }
        }
    }
}
