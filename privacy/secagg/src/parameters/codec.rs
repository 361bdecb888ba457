//! Parameters as bytes of the signed terms.

use privacy_dp::ClipNorm;
use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};

use super::EncodingParameters;
use crate::{EncodingOptions, Ring, Tagging};

impl Encode for EncodingParameters {
    fn encode(&self, writer: &mut Writer) {
        writer.f64(self.clip_norm.get());
        writer.u8(self.update_norm_bits);
        writer.u8(self.probe_norm_bits);
        writer.u8(self.ring.bits());
        writer.u32(self.dimension);
        writer.u32(self.contributors_max);
        self.options.encode(writer);
    }
}

impl Decode for EncodingParameters {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let invalid = |e| DecodeError::invalid("encoding parameters", e);
        let clip_norm = ClipNorm::new(reader.f64("clip norm")?);
        let clip_norm = clip_norm.map_err(|e| DecodeError::invalid("clip norm", e))?;
        let [update_norm_bits, probe_norm_bits, ring_bits] = reader.array()?;
        let ring = Ring::new(ring_bits).map_err(|e| DecodeError::invalid("ring", e))?;
        let (dimension, contributors_max) = (reader.u32()?, reader.u32()?);
        let options = EncodingOptions::decode(reader)?;
        let parameters = Self {
            clip_norm,
            update_norm_bits,
            probe_norm_bits,
            ring,
            dimension,
            contributors_max,
            options,
        };
        parameters.checked().map_err(invalid)
    }
}

impl Encode for EncodingOptions {
    fn encode(&self, writer: &mut Writer) {
        writer.u32(self.weight_max);
        writer.u32(self.clip_indicator);
        writer.f64(self.noise_deviation);
        writer.u8(match self.tagging {
            Tagging::Absent => 0,
            Tagging::Linear => 1,
        });
    }
}

impl Decode for EncodingOptions {
    /// The ranges are checked with the parameters that they belong to.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            weight_max: reader.u32()?,
            clip_indicator: reader.u32()?,
            noise_deviation: canonical_zero(reader.f64("noise deviation")?)?,
            tagging: match reader.u8()? {
                0 => Tagging::Absent,
                1 => Tagging::Linear,
                other => return Err(DecodeError::invalid("tagging", other)),
            },
        })
    }
}

/// −0 equals 0 but has other bytes: there is one encoding of a value.
fn canonical_zero(value: f64) -> Result<f64, DecodeError> {
    if value.is_sign_negative() {
        Err(DecodeError::invalid("noise deviation", "negative"))
    } else {
        Ok(value)
    }
}
