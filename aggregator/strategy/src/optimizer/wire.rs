//! The bytes of a server optimiser's settings, as the terms of a federation hold them: a kind, then the
//! settings in the order of their fields. Append kinds, never change one.

use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};

use super::{AdaptiveStep, BiasCorrection, SecondMomentStart, ServerOptimizer};
use crate::{Fraction, Positive};

impl Encode for ServerOptimizer {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::FedAvg { learning_rate } => {
                writer.u8(0);
                learning_rate.encode(writer);
            }
            Self::FedAvgM { learning_rate, momentum } => {
                writer.u8(1);
                learning_rate.encode(writer);
                momentum.encode(writer);
            }
            Self::FedAdagrad { step } => {
                writer.u8(2);
                step.encode(writer);
            }
            Self::FedAdam { step, beta2, correction } => {
                writer.u8(3);
                step.encode(writer);
                beta2.encode(writer);
                writer.u8(u8::from(*correction == BiasCorrection::KingmaBa));
            }
            Self::FedYogi { step, beta2 } => {
                writer.u8(4);
                step.encode(writer);
                beta2.encode(writer);
            }
        }
    }
}

impl Decode for ServerOptimizer {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let rate = |reader: &mut Reader<'_>| Positive::decode(reader, "learning rate");
        Ok(match reader.u8()? {
            0 => Self::FedAvg { learning_rate: rate(reader)? },
            1 => Self::FedAvgM {
                learning_rate: rate(reader)?,
                momentum: Fraction::decode(reader, "momentum")?,
            },
            2 => Self::FedAdagrad { step: AdaptiveStep::decode(reader)? },
            3 => Self::FedAdam {
                step: AdaptiveStep::decode(reader)?,
                beta2: Fraction::decode(reader, "beta2")?,
                correction: match reader.u8()? {
                    0 => BiasCorrection::Absent,
                    1 => BiasCorrection::KingmaBa,
                    other => return Err(DecodeError::invalid("bias correction", other)),
                },
            },
            4 => Self::FedYogi {
                step: AdaptiveStep::decode(reader)?,
                beta2: Fraction::decode(reader, "beta2")?,
            },
            other => return Err(DecodeError::invalid("server optimiser", other)),
        })
    }
}

impl AdaptiveStep {
    fn encode(&self, writer: &mut Writer) {
        self.learning_rate.encode(writer);
        self.beta1.encode(writer);
        self.tau.encode(writer);
        writer.u8(u8::from(self.start == SecondMomentStart::TauSquared));
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            learning_rate: Positive::decode(reader, "learning rate")?,
            beta1: Fraction::decode(reader, "beta1")?,
            tau: Positive::decode(reader, "tau")?,
            start: match reader.u8()? {
                0 => SecondMomentStart::Zero,
                1 => SecondMomentStart::TauSquared,
                other => return Err(DecodeError::invalid("start of the second moment", other)),
            },
        })
    }
}
