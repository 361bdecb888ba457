//! A model's parameters as one flat vector.

use std::fmt;

use crate::{Architecture, UpdateLayout};

/// Bytes of one parameter.
pub(crate) const PARAMETER_BYTES: usize = size_of::<f32>();

/// Why a vector is not the parameters of a model.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParametersError {
    /// The vector has another length than the layout.
    #[error("expected {expected} parameters, got {got}")]
    LengthMismatch {
        /// The length of the layout, or of the other vector.
        expected: usize,
        /// The length given.
        got: usize,
    },
    /// The bytes have another length than the layout.
    #[error("expected {expected} bytes, got {got}")]
    ByteLengthMismatch {
        /// Four bytes a parameter.
        expected: usize,
        /// The bytes given.
        got: usize,
    },
    /// A value is NaN or infinite.
    #[error("the value at index {index} is not a finite number")]
    NotFinite {
        /// 0-based index in the flat vector.
        index: usize,
    },
}

/// The parameters of a model, in the order of its [`UpdateLayout`].
///
/// Invariant: every value is finite, and there are as many as the layout says.
#[derive(Clone, PartialEq)]
pub struct Parameters(Vec<f32>);

impl Parameters {
    /// Checks a flat vector.
    ///
    /// # Errors
    /// [`ParametersError::LengthMismatch`] or [`ParametersError::NotFinite`].
    pub fn new(layout: &UpdateLayout, values: Vec<f32>) -> Result<Self, ParametersError> {
        let expected = layout.parameter_count();
        if values.len() != expected {
            return Err(ParametersError::LengthMismatch { expected, got: values.len() });
        }
        check_finite(&values)?;
        Ok(Self(values))
    }

    /// Reads [`Parameters::to_bytes`] back.
    ///
    /// # Errors
    /// [`ParametersError::ByteLengthMismatch`] or [`ParametersError::NotFinite`].
    pub fn from_bytes(layout: &UpdateLayout, bytes: &[u8]) -> Result<Self, ParametersError> {
        let expected = layout.parameter_count() * PARAMETER_BYTES;
        if bytes.len() != expected {
            return Err(ParametersError::ByteLengthMismatch { expected, got: bytes.len() });
        }
        Self::new(layout, values_from_bytes(bytes))
    }

    /// The values as little-endian IEEE-754 `f32`, four bytes each.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        bytes_from_values(&self.0)
    }

    /// The flat vector, `[parameter_count]`.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// The flat vector, `[parameter_count]`, given away.
    #[must_use]
    pub fn into_values(self) -> Vec<f32> {
        self.0
    }

    /// The number of parameters.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// `self - base`, element by element: what training added to `base`.
    ///
    /// # Errors
    /// [`ParametersError::LengthMismatch`] if `base` is of another model,
    /// [`ParametersError::NotFinite`] if a difference overflows.
    pub fn difference(&self, base: &Self) -> Result<Vec<f32>, ParametersError> {
        self.combined(&base.0, |value, base| value - base)
    }

    /// `self + delta`, element by element: the model after an update.
    ///
    /// * `delta` — `[parameter_count]`, in the same layout.
    ///
    /// # Errors
    /// [`ParametersError::LengthMismatch`] if `delta` is of another model,
    /// [`ParametersError::NotFinite`] if it is not finite or a sum overflows.
    pub fn plus(&self, delta: &[f32]) -> Result<Self, ParametersError> {
        self.combined(delta, |value, delta| value + delta).map(Self)
    }

    /// Whether the number of parameters is that of `architecture`.
    pub(crate) fn fit(&self, architecture: &Architecture) -> Result<(), ParametersError> {
        let expected = architecture.parameter_count();
        if self.count() == expected {
            Ok(())
        } else {
            Err(ParametersError::LengthMismatch { expected, got: self.count() })
        }
    }

    fn combined(
        &self,
        other: &[f32],
        combine: impl Fn(f32, f32) -> f32,
    ) -> Result<Vec<f32>, ParametersError> {
        if other.len() != self.count() {
            let (expected, got) = (self.count(), other.len());
            return Err(ParametersError::LengthMismatch { expected, got });
        }
        let values: Vec<f32> = self.0.iter().zip(other).map(|(a, b)| combine(*a, *b)).collect();
        check_finite(&values)?;
        Ok(values)
    }
}

/// Shows the number of parameters alone: values have no place in a log.
impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parameters({})", self.count())
    }
}

/// The bytes of `values`, little-endian.
pub(crate) fn bytes_from_values(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The values of `bytes`, whose length is a multiple of four.
pub(crate) fn values_from_bytes(bytes: &[u8]) -> Vec<f32> {
    let (chunks, _) = bytes.as_chunks();
    chunks.iter().copied().map(f32::from_le_bytes).collect()
}

fn check_finite(values: &[f32]) -> Result<(), ParametersError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(ParametersError::NotFinite { index }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::MlpShape;

    fn layout() -> UpdateLayout {
        let shape = MlpShape { inputs: 1, hidden: vec![], classes: 2 };
        Architecture::mlp(shape).unwrap().layout()
    }

    fn parameters(values: [f32; 4]) -> Parameters {
        Parameters::new(&layout(), values.to_vec()).unwrap()
    }

    #[test]
    fn a_vector_of_another_length_or_not_finite_is_refused() {
        let mismatch = ParametersError::LengthMismatch { expected: 4, got: 3 };
        assert_eq!(Parameters::new(&layout(), vec![0.0; 3]).unwrap_err(), mismatch);
        for bad in [f32::NAN, f32::INFINITY] {
            let got = Parameters::new(&layout(), vec![0.0, 0.0, bad, 0.0]).unwrap_err();
            assert_eq!(got, ParametersError::NotFinite { index: 2 });
        }
        let mismatch = ParametersError::ByteLengthMismatch { expected: 16, got: 15 };
        assert_eq!(Parameters::from_bytes(&layout(), &[0; 15]).unwrap_err(), mismatch);
    }

    #[test]
    fn the_bytes_are_little_endian() {
        let bytes = parameters([1.0, -2.0, 0.0, 0.5]).to_bytes();
        assert_eq!(bytes, [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0x3f]);
    }

    #[test]
    fn a_difference_added_to_its_base_gives_the_parameters_back() {
        let (before, after) = (parameters([1.0, 2.0, 3.0, 4.0]), parameters([1.5, 1.0, 3.0, 8.0]));
        let delta = after.difference(&before).unwrap();
        assert_eq!(delta, [0.5, -1.0, 0.0, 4.0]);
        assert_eq!(before.plus(&delta).unwrap(), after);
    }

    #[test]
    fn a_delta_of_another_model_or_one_that_overflows_is_refused() {
        let large = parameters([f32::MAX; 4]);
        let mismatch = ParametersError::LengthMismatch { expected: 4, got: 5 };
        assert_eq!(large.plus(&[0.0; 5]).unwrap_err(), mismatch);
        let overflow = ParametersError::NotFinite { index: 0 };
        assert_eq!(large.plus(&[f32::MAX; 4]).unwrap_err(), overflow);
        assert_eq!(large.difference(&parameters([-f32::MAX; 4])).unwrap_err(), overflow);
    }

    #[test]
    fn debug_output_shows_no_value() {
        assert_eq!(format!("{:?}", parameters([1.0; 4])), "Parameters(4)");
    }

    proptest! {
        #[test]
        fn bytes_are_read_back_or_refused(bytes: [u8; 16]) {
            if let Ok(read) = Parameters::from_bytes(&layout(), &bytes) {
                prop_assert_eq!(read.to_bytes(), bytes);
            }
        }
    }
}
