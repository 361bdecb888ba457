//! The bytes of a robust rule, as the terms of a federation with groups hold them: a kind, then its settings in
//! the order of their fields. Append kinds, never change one.

use std::num::NonZeroU32;

use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};

use super::{RobustRule, TrimmedShare, Weiszfeld};
use crate::Positive;

impl Encode for RobustRule {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Mean => writer.u8(0),
            Self::Median => writer.u8(1),
            Self::TrimmedMean { beta } => {
                writer.u8(2);
                writer.f64(beta.0);
            }
            Self::Krum { byzantine } => {
                writer.u8(3);
                writer.u32(*byzantine);
            }
            Self::MultiKrum { byzantine, selected } => {
                writer.u8(4);
                writer.u32(*byzantine);
                writer.u32(*selected);
            }
            Self::GeometricMedian(Weiszfeld { smoothing, tolerance, iterations_max }) => {
                writer.u8(5);
                smoothing.encode(writer);
                tolerance.encode(writer);
                writer.u32(iterations_max.get());
            }
            Self::NormBound { bound } => {
                writer.u8(6);
                bound.encode(writer);
            }
        }
    }
}

impl Decode for RobustRule {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Mean,
            1 => Self::Median,
            2 => Self::TrimmedMean { beta: trimmed_share(reader)? },
            3 => Self::Krum { byzantine: reader.u32()? },
            4 => Self::MultiKrum { byzantine: reader.u32()?, selected: reader.u32()? },
            5 => Self::GeometricMedian(Weiszfeld {
                smoothing: Positive::decode(reader, "smoothing")?,
                tolerance: Positive::decode(reader, "tolerance")?,
                iterations_max: NonZeroU32::new(reader.u32()?)
                    .ok_or_else(|| DecodeError::invalid("iterations", "0"))?,
            }),
            6 => Self::NormBound { bound: Positive::decode(reader, "norm bound")? },
            other => return Err(DecodeError::invalid("robust rule", other)),
        })
    }
}

fn trimmed_share(reader: &mut Reader<'_>) -> Result<TrimmedShare, DecodeError> {
    let field = "trimmed share";
    let share = reader.f64(field)?;
    if share.is_sign_negative() {
        return Err(DecodeError::invalid(field, "negative"));
    }
    TrimmedShare::new(share).map_err(|e| DecodeError::invalid(field, e))
}
