//! How much noise a federation adds, and what its privacy loss is stated for.

use privacy_dp::{NoiseError, NoiseShare};
use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};
use privacy_secagg::{EncodingParameters, NoisePlan};

use crate::{TermsError, terms::check};

/// Noise multipliers for which there is accounting (`privacy-dp`): below, ε is beyond 10³ for one round;
/// above, noise drowns every model.
const MULTIPLIER_MIN: f64 = 0.01;
const MULTIPLIER_MAX: f64 = 1e6;

/// The noise that contributors add inside the sealed form. Part of the signed terms: a device adds what
/// its owner agreed to, and nobody can lower it later.
///
/// Threat: a coordinator, or the DAO node, that asks for less noise than the stated ε needs. The
/// deviation is in the encoding, and terms whose encoding has any other than the one that follows from
/// these numbers are refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseTerms {
    /// z: standard deviation of the noise of `honest_minimum` contributors over the sensitivity
    /// ([`EncodingParameters::sensitivity_l2`]), in 0.01..=10^6; 0: no noise, and no bound on ε.
    pub multiplier: f64,
    /// Contributors of every accepted set who are counted on to add their share of the noise, in
    /// 1..=`minimum_cohort`. Those who drop out are not in the set; those who lie or collude are not counted.
    pub honest_minimum: u32,
    /// δ for which ε is stated, in 0..1; far below one over the number of contributors.
    pub delta: f64,
}

impl NoiseTerms {
    /// No noise: ε is unbounded and reported so.
    pub const ABSENT: Self = Self { multiplier: 0.0, honest_minimum: 1, delta: 1e-5 };

    /// Whether noise is added at all.
    #[must_use]
    pub const fn is_present(&self) -> bool {
        self.multiplier > 0.0
    }

    /// What [`EncodingParameters::valued_with_noise`] makes an encoding from; absent without noise.
    #[must_use]
    pub fn plan(&self) -> Option<NoisePlan> {
        let Self { multiplier, honest_minimum, .. } = *self;
        self.is_present().then_some(NoisePlan { multiplier, honest_minimum })
    }

    /// What each contributor adds under `encoding`; absent without noise.
    ///
    /// # Errors
    /// [`NoiseError`] for numbers that are no noise.
    pub fn share(&self, encoding: &EncodingParameters) -> Result<Option<NoiseShare>, NoiseError> {
        if !self.is_present() {
            return Ok(None);
        }
        NoiseShare::new(self.multiplier, encoding.sensitivity_l2(), self.honest_minimum).map(Some)
    }

    /// Checks the numbers, and that `encoding` has the deviation that follows from them: exactly, as the
    /// same f64 operations give the same bits everywhere.
    pub(crate) fn check(
        &self,
        encoding: &EncodingParameters,
        minimum_cohort: u32,
    ) -> Result<(), TermsError> {
        let Self { multiplier, honest_minimum, delta } = *self;
        let positive = (MULTIPLIER_MIN..=MULTIPLIER_MAX).contains(&multiplier);
        // Of the two zeros one: there is one encoding of a value.
        check("noise.multiplier", positive || multiplier.to_bits() == 0, || {
            format!("must be 0 or {MULTIPLIER_MIN}..={MULTIPLIER_MAX}, got {multiplier}")
        })?;
        check("noise.honest_minimum", (1..=minimum_cohort).contains(&honest_minimum), || {
            format!("must be 1..={minimum_cohort}, got {honest_minimum}: no larger set is certain")
        })?;
        check("noise.delta", delta > 0.0 && delta < 1.0, || {
            format!("must be above 0 and below 1, got {delta}")
        })?;
        let unusable = |error: NoiseError| TermsError::Field {
            field: "noise.multiplier",
            reason: error.to_string(),
        };
        let share = self.share(encoding).map_err(unusable)?;
        // Within what the samplers cover.
        share.map(NoiseShare::discrete_gaussian).transpose().map_err(unusable)?;
        let (expected, got) =
            (share.map_or(0.0, NoiseShare::std), encoding.options().noise_deviation);
        check("encoding.noise_deviation", expected.to_bits() == got.to_bits(), || {
            format!("must be {expected}, which the noise terms give, got {got}")
        })
    }
}

impl Encode for NoiseTerms {
    fn encode(&self, writer: &mut Writer) {
        writer.f64(self.multiplier);
        writer.u32(self.honest_minimum);
        writer.f64(self.delta);
    }
}

impl Decode for NoiseTerms {
    /// The ranges are checked with the terms that they belong to.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            multiplier: reader.f64("noise multiplier")?,
            honest_minimum: reader.u32()?,
            delta: reader.f64("delta")?,
        })
    }
}
