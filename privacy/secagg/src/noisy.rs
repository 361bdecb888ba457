//! What is sealed: integers with noise, and their tag.

use privacy_identity::VerifyingKey;
use zeroize::Zeroize as _;

use crate::{LinearTag, ParameterError, QuantizedUpdate, TagKey};

/// A quantised update with the contributor's share of the federation's noise: what is sealed, in
/// whichever mode. In the clear; zeroised on drop.
pub struct NoisyUpdate {
    values: Vec<i32>,
    tag: Option<LinearTag>,
}

impl NoisyUpdate {
    /// Adds nothing: a federation without differential privacy, whose ε is unbounded and reported so.
    #[must_use]
    pub fn without_noise(update: &QuantizedUpdate) -> Self {
        Self { values: update.values().to_vec(), tag: None }
    }

    /// Adds a draw of `noise`, in integer units, to each coordinate, extra coordinates included.
    ///
    /// `noise` has the deviation that the parameters state
    /// ([`crate::EncodingOptions::noise_deviation`]): a wider one could wrap the sum around.
    ///
    /// # Errors
    /// [`ParameterError::Range`] if a coordinate leaves 32 bits: that is no noise of such a deviation.
    pub fn with_noise(
        update: &QuantizedUpdate,
        mut noise: impl FnMut() -> i64,
    ) -> Result<Self, ParameterError> {
        // Made first, so that an early return zeroises what was written.
        let mut noisy = Self { values: Vec::with_capacity(update.values().len()), tag: None };
        for value in update.values() {
            let sum = i64::from(*value).saturating_add(noise());
            let value = i32::try_from(sum).map_err(|_source| ParameterError::Range {
                name: "magnitude of a noised coordinate",
                min: 0,
                max: u64::from(i32::MAX.unsigned_abs()),
                got: sum.unsigned_abs(),
            })?;
            noisy.values.push(value);
        }
        Ok(noisy)
    }

    /// The same with the tag that `member` owes its cohort: noise included, as the sum will be.
    #[must_use]
    pub fn tagged(mut self, key: &TagKey, member: &VerifyingKey) -> Self {
        self.tag = Some(key.tag(&self.values, member));
        self
    }

    /// The integers, `[vector_len]`.
    #[must_use]
    pub fn values(&self) -> &[i32] {
        &self.values
    }

    /// The tag, in a federation with a cohort key.
    #[must_use]
    pub const fn tag(&self) -> Option<LinearTag> {
        self.tag
    }
}

impl Drop for NoisyUpdate {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}
