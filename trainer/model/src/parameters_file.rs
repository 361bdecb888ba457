//! Parameters in the safetensors format, by which models are kept and sold.

use std::collections::BTreeMap;

use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};

use crate::{
    Parameters, ParametersError, UpdateLayout,
    parameters::{PARAMETER_BYTES, bytes_from_values, values_from_bytes},
};

/// The longest header that is read: a thousand tensors at a kilobyte each.
const HEADER_BYTES_MAX: usize = 1 << 20;

/// Why a file is not the parameters of a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParametersFileError {
    /// The file is too long for the model.
    #[error("expected at most {max} bytes, got {got}")]
    TooLong {
        /// The parameters and a header.
        max: usize,
        /// The bytes given.
        got: usize,
    },
    /// The bytes are not in the safetensors format.
    #[error("not a safetensors file")]
    Malformed(#[source] SafeTensorError),
    /// A tensor of the layout is not in the file.
    #[error("the file lacks the tensor {name:?}")]
    TensorMissing {
        /// The tensor.
        name: String,
    },
    /// The file has a tensor that the layout does not know.
    #[error("the file has the tensor {name:?}, which the model does not")]
    TensorUnknown {
        /// The tensor.
        name: String,
    },
    /// A tensor has other dimensions.
    #[error("the tensor {name:?} has the shape {got:?}, expected {expected:?}")]
    ShapeMismatch {
        /// The tensor.
        name: String,
        /// The dimensions of the layout.
        expected: Vec<usize>,
        /// The dimensions in the file.
        got: Vec<usize>,
    },
    /// A tensor is not of 32-bit floats.
    #[error("the tensor {name:?} has elements of type {got}, expected F32")]
    TypeMismatch {
        /// The tensor.
        name: String,
        /// The element type in the file.
        got: String,
    },
    /// A value is not finite.
    #[error("the values are not parameters")]
    Values(#[from] ParametersError),
}

impl Parameters {
    /// The parameters as a safetensors file, one tensor for each entry of `layout`, under its name.
    ///
    /// The same parameters always give the same bytes.
    ///
    /// # Errors
    /// [`ParametersFileError::Values`] if `layout` is of another model.
    ///
    /// # Panics
    /// Never: every tensor has as many bytes as its shape says.
    pub fn to_safetensors(&self, layout: &UpdateLayout) -> Result<Vec<u8>, ParametersFileError> {
        let (expected, got) = (layout.parameter_count(), self.count());
        if got != expected {
            return Err(ParametersError::LengthMismatch { expected, got }.into());
        }
        let bytes: Vec<Vec<u8>> = layout
            .entries()
            .iter()
            .map(|entry| bytes_from_values(entry.slice(self.values())))
            .collect();
        let views = layout.entries().iter().zip(&bytes).map(|(entry, bytes)| {
            let view = TensorView::new(Dtype::F32, entry.shape.clone(), bytes)
                .expect("a tensor has four bytes for each element of its shape");
            (entry.name.as_str(), view)
        });
        Ok(safetensors::serialize(views, None).expect("names and shapes always serialise"))
    }

    /// As [`Parameters::to_safetensors`], with what the file says about itself. The same arguments give the same bytes, so
    /// that the file can be signed and made again.
    ///
    /// # Errors
    /// [`ParametersFileError::Values`] if `layout` is of another model.
    pub fn to_described_safetensors(
        &self,
        layout: &UpdateLayout,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Vec<u8>, ParametersFileError> {
        let (expected, got) = (layout.parameter_count(), self.count());
        if got != expected {
            return Err(ParametersError::LengthMismatch { expected, got }.into());
        }
        // Ours and not the library's: that one writes metadata in the order of a hash map.
        let mut header = serde_json::Map::new();
        header.insert("__metadata__".to_owned(), serde_json::json!(metadata));
        for entry in layout.entries() {
            let start = PARAMETER_BYTES * entry.offset;
            let end = start + PARAMETER_BYTES * entry.element_count();
            let tensor = serde_json::json!({
                "dtype": "F32", "shape": entry.shape, "data_offsets": [start, end],
            });
            header.insert(entry.name.clone(), tensor);
        }
        let mut header = serde_json::Value::Object(header).to_string();
        // The data begin at a multiple of eight.
        header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.into_bytes());
        file.extend(bytes_from_values(self.values()));
        Ok(file)
    }

    /// Reads parameters from a safetensors file.
    ///
    /// # Errors
    /// [`ParametersFileError`] unless the file holds exactly the tensors of `layout`, finite.
    pub fn from_safetensors(
        layout: &UpdateLayout,
        bytes: &[u8],
    ) -> Result<Self, ParametersFileError> {
        let max = layout.parameter_count() * size_of::<f32>() + HEADER_BYTES_MAX;
        if bytes.len() > max {
            return Err(ParametersFileError::TooLong { max, got: bytes.len() });
        }
        let file = SafeTensors::deserialize(bytes).map_err(ParametersFileError::Malformed)?;
        let known = |name: &str| layout.entries().iter().any(|entry| entry.name == name);
        if let Some(name) = file.names().into_iter().filter(|name| !known(name)).min() {
            return Err(ParametersFileError::TensorUnknown { name: name.to_string() });
        }
        let mut values = Vec::with_capacity(layout.parameter_count());
        for entry in layout.entries() {
            let view = file.tensor(&entry.name);
            let Ok(view) = view else {
                return Err(ParametersFileError::TensorMissing { name: entry.name.clone() });
            };
            check_view(&entry.name, &entry.shape, &view)?;
            values.extend(values_from_bytes(view.data()));
        }
        Ok(Self::new(layout, values)?)
    }
}

fn check_view(
    name: &str,
    expected: &[usize],
    view: &TensorView<'_>,
) -> Result<(), ParametersFileError> {
    let name = name.to_string();
    if view.dtype() != Dtype::F32 {
        return Err(ParametersFileError::TypeMismatch { name, got: view.dtype().to_string() });
    }
    if view.shape() != expected {
        let (expected, got) = (expected.to_vec(), view.shape().to_vec());
        return Err(ParametersFileError::ShapeMismatch { name, expected, got });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Architecture, MlpShape};

    fn layout(hidden: &[usize]) -> UpdateLayout {
        let shape = MlpShape { inputs: 3, hidden: hidden.to_vec(), classes: 2 };
        Architecture::mlp(shape).unwrap().layout()
    }

    fn file(tensors: &[(&str, Dtype, &[usize])]) -> Vec<u8> {
        let bytes = vec![0; 1 << 10];
        let views = tensors.iter().map(|(name, dtype, shape)| {
            let count = shape.iter().product::<usize>() * dtype.bitsize() / 8;
            (*name, TensorView::new(*dtype, shape.to_vec(), &bytes[..count]).unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    }

    fn check_refused(tensors: &[(&str, Dtype, &[usize])], expected: &str) {
        let error = Parameters::from_safetensors(&layout(&[]), &file(tensors)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_file_with_other_tensors_is_refused() {
        let weight: (&str, Dtype, &[usize]) = ("layers.0.weight", Dtype::F32, &[3, 2]);
        let bias: (&str, Dtype, &[usize]) = ("layers.0.bias", Dtype::F32, &[2]);
        assert!(Parameters::from_safetensors(&layout(&[]), &file(&[weight, bias])).is_ok());
        check_refused(&[weight], "the file lacks the tensor \"layers.0.bias\"");
        let extra = ("extra", Dtype::F32, &[2][..]);
        let unknown = "the file has the tensor \"extra\", which the model does not";
        check_refused(&[weight, bias, extra], unknown);
        let transposed = ("layers.0.weight", Dtype::F32, &[2, 3][..]);
        let shape = "the tensor \"layers.0.weight\" has the shape [2, 3], expected [3, 2]";
        check_refused(&[transposed, bias], shape);
        let half = ("layers.0.bias", Dtype::F16, &[2][..]);
        let dtype = "the tensor \"layers.0.bias\" has elements of type F16, expected F32";
        check_refused(&[weight, half], dtype);
    }

    #[test]
    fn a_file_that_is_not_safetensors_or_too_long_is_refused() {
        let refused = |bytes: &[u8]| Parameters::from_safetensors(&layout(&[]), bytes).unwrap_err();
        assert!(matches!(refused(b"not a model"), ParametersFileError::Malformed(_)));
        let long = refused(&vec![0; HEADER_BYTES_MAX + 33]);
        assert!(matches!(long, ParametersFileError::TooLong { .. }));
    }

    #[test]
    fn a_layout_of_another_model_is_refused() {
        let parameters = Parameters::new(&layout(&[]), vec![0.0; 8]).unwrap();
        let error = parameters.to_safetensors(&layout(&[4])).unwrap_err();
        assert!(matches!(error, ParametersFileError::Values(_)));
    }

    #[test]
    fn a_value_that_is_not_finite_is_refused() {
        let layout = layout(&[]);
        let mut bytes =
            Parameters::new(&layout, vec![1.0; 8]).unwrap().to_safetensors(&layout).unwrap();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        let error = Parameters::from_safetensors(&layout, &bytes).unwrap_err();
        assert!(matches!(error, ParametersFileError::Values(_)));
    }

    #[test]
    fn a_described_file_is_read_back_with_its_metadata() {
        let layout = layout(&[4]);
        let values: Vec<f32> = (0_u8..26).map(f32::from).collect();
        let parameters = Parameters::new(&layout, values).unwrap();
        let pairs = [("licence", "CC-BY-4.0"), ("a", "\"é\"")];
        let metadata: BTreeMap<_, _> =
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let file = parameters.to_described_safetensors(&layout, &metadata).unwrap();
        assert_eq!(file, parameters.to_described_safetensors(&layout, &metadata).unwrap());
        assert_eq!(Parameters::from_safetensors(&layout, &file).unwrap(), parameters);
        let (_, header) = SafeTensors::read_metadata(&file).unwrap();
        let read = header.metadata().clone().unwrap();
        assert_eq!(read.into_iter().collect::<BTreeMap<_, _>>(), metadata);
    }

    proptest! {
        #[test]
        fn a_file_gives_the_parameters_back_bit_for_bit(
            values in proptest::collection::vec(proptest::num::f32::NORMAL, 26),
        ) {
            let layout = layout(&[4]);
            let parameters = Parameters::new(&layout, values).unwrap();
            let file = parameters.to_safetensors(&layout).unwrap();
            let read = Parameters::from_safetensors(&layout, &file).unwrap();
            prop_assert_eq!(read.to_bytes(), parameters.to_bytes());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            at in 0_usize..200,
        ) {
            let layout = layout(&[]);
            let parameters = Parameters::new(&layout, vec![0.5; 8]).unwrap();
            let mut file = parameters.to_safetensors(&layout).unwrap();
            let at = at.min(file.len());
            file.splice(at.., bytes.iter().copied());
            for bytes in [&bytes, &file] {
                prop_assert!(Parameters::from_safetensors(&layout, bytes).map_or(true, |p| p.count() == 8));
            }
        }
    }
}
