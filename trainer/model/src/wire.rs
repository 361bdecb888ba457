//! A model as it travels: exactly the bytes whose digest names it.

use privacy_identity::Encode as _;

use crate::{Architecture, Parameters, ParametersError};

/// Why bytes are not a model of an architecture.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelWireError {
    /// They do not start with the architecture's canonical bytes.
    #[error("the model is of another architecture than the one expected")]
    Architecture,
    /// What follows is not its parameters.
    #[error("the model's parameters are unfit")]
    Parameters(#[from] ParametersError),
}

/// The bytes of a model: its architecture's canonical bytes, then its parameters' bytes.
///
/// [`model_digest`](crate::model_digest) is the digest of these bytes under `Tag::Model`.
#[must_use]
pub fn model_to_wire(architecture: &Architecture, parameters: &Parameters) -> Vec<u8> {
    let mut bytes = architecture.to_bytes();
    bytes.extend(parameters.to_bytes());
    bytes
}

/// Reads the parameters of a model of `architecture` from [`model_to_wire`].
///
/// # Errors
/// [`ModelWireError`] if the bytes name another architecture, are too few or too many, or hold a
/// value that is not finite.
pub fn model_from_wire(
    architecture: &Architecture,
    bytes: &[u8],
) -> Result<Parameters, ModelWireError> {
    let parameters = bytes.strip_prefix(architecture.to_bytes().as_slice());
    let parameters = parameters.ok_or(ModelWireError::Architecture)?;
    Ok(Parameters::from_bytes(&architecture.layout(), parameters)?)
}

#[cfg(test)]
mod tests {
    use privacy_identity::{Digest, Tag};

    use super::*;
    use crate::{MlpShape, model_digest};

    fn architecture(hidden: &[usize]) -> Architecture {
        let shape = MlpShape { inputs: 2, hidden: hidden.to_vec(), classes: 2 };
        Architecture::mlp(shape).unwrap()
    }

    fn parameters(architecture: &Architecture) -> Parameters {
        let values = (0_i16..).map(f32::from).take(architecture.parameter_count()).collect();
        Parameters::new(&architecture.layout(), values).unwrap()
    }

    #[test]
    fn a_model_is_read_back_from_the_bytes_that_its_digest_names() {
        for architecture in [architecture(&[]), architecture(&[3])] {
            let parameters = parameters(&architecture);
            let bytes = model_to_wire(&architecture, &parameters);
            assert_eq!(Digest::of(Tag::Model, &bytes), model_digest(&architecture, &parameters));
            assert_eq!(model_from_wire(&architecture, &bytes).unwrap(), parameters);
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let (logistic, deep) = (architecture(&[]), architecture(&[3]));
        let bytes = model_to_wire(&deep, &parameters(&deep));
        assert_eq!(model_from_wire(&logistic, &bytes), Err(ModelWireError::Architecture));
        assert_eq!(model_from_wire(&deep, &bytes[..8]), Err(ModelWireError::Architecture));
        let short = model_from_wire(&deep, &bytes[..bytes.len() - 1]);
        assert!(matches!(short, Err(ModelWireError::Parameters(_))));
        let mut long = bytes.clone();
        long.push(0);
        assert!(matches!(model_from_wire(&deep, &long), Err(ModelWireError::Parameters(_))));
        let mut infinite = bytes;
        let at = infinite.len() - 4;
        infinite[at..].copy_from_slice(&f32::INFINITY.to_le_bytes());
        let expected = ModelWireError::Parameters(ParametersError::NotFinite { index: 16 });
        assert_eq!(model_from_wire(&deep, &infinite), Err(expected));
    }
}
