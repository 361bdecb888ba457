//! What contributors have of a model to themselves, and how the drift of their training is corrected.

use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};

use crate::{TermsError, terms::check};

/// Most dense layers that may be contributors' own.
const LAYERS_MAX: u32 = 64;

/// What contributors have of a model to themselves. None of it is uploaded, sealed or not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PersonalTerms {
    /// Nothing: one model for all.
    Absent,
    /// So many of the last dense layers, at least 1: what is shared, sealed and measured are the parameters in front of them.
    ///
    /// Source: Arivazhagan et al. 2019, "Federated Learning with Personalization Layers" (`FedPer`).
    Layers(u32),
    /// A whole model beside the shared one, drawn to it.
    ///
    /// Source: Li, Hu, Beirami & Smith 2021, "Ditto".
    Beside {
        /// λ, the weight of the pull, ≥ 0.
        pull: f64,
    },
}

/// How the drift of local training is corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftTerms {
    /// Not at all, or by the proximal term.
    Absent,
    /// By control variates, which follow from what is uploaded anyway if all take equally many steps.
    ///
    /// Source: Karimireddy et al. 2020, "SCAFFOLD", option II.
    Scaffold,
}

impl PersonalTerms {
    /// Dense layers that are not shared.
    #[must_use]
    pub const fn layers(self) -> usize {
        match self {
            Self::Layers(layers) => layers as usize,
            Self::Absent | Self::Beside { .. } => 0,
        }
    }

    pub(crate) fn check(self) -> Result<(), TermsError> {
        match self {
            Self::Absent => Ok(()),
            Self::Layers(layers) => {
                check("personal_layers", (1..=LAYERS_MAX).contains(&layers), || {
                    format!("must be 1..={LAYERS_MAX}, got {layers}")
                })
            }
            Self::Beside { pull } => check("ditto_lambda", pull.is_finite() && pull >= 0.0, || {
                format!("must be 0 or more and finite, got {pull}")
            }),
        }
    }
}

impl Encode for PersonalTerms {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Absent => writer.u8(0),
            Self::Layers(layers) => {
                writer.u8(1);
                writer.u32(*layers);
            }
            Self::Beside { pull } => {
                writer.u8(2);
                // −0 would have another encoding than 0.
                writer.f64(pull + 0.0);
            }
        }
    }
}

impl Decode for PersonalTerms {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Absent,
            1 => Self::Layers(reader.u32()?),
            2 => {
                let pull = reader.f64("ditto lambda")?;
                if pull.is_sign_negative() {
                    return Err(DecodeError::invalid("ditto lambda", "negative"));
                }
                Self::Beside { pull }
            }
            other => return Err(DecodeError::invalid("personal models", other)),
        })
    }
}

impl Encode for DriftTerms {
    fn encode(&self, writer: &mut Writer) {
        writer.u8(u8::from(*self == Self::Scaffold));
    }
}

impl Decode for DriftTerms {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            0 => Ok(Self::Absent),
            1 => Ok(Self::Scaffold),
            other => Err(DecodeError::invalid("drift correction", other)),
        }
    }
}
