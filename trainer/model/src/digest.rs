//! The digest by which orders, receipts and the catalogue name a model.

use privacy_identity::{Digest, DigestBuilder, Encode as _, Tag};

use crate::{Architecture, Parameters};

/// The digest of a model: its architecture's canonical bytes, then its parameters' bytes.
///
/// The architecture's bytes end by themselves and fix the number of parameters, so the two parts
/// need no delimiter.
#[must_use]
pub fn model_digest(architecture: &Architecture, parameters: &Parameters) -> Digest {
    DigestBuilder::new(Tag::Model)
        .chain(&architecture.to_bytes())
        .chain(&parameters.to_bytes())
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MlpShape;

    #[test]
    fn a_digest_tells_any_change_of_a_model() {
        let shape = |hidden: &[usize]| MlpShape { inputs: 1, hidden: hidden.to_vec(), classes: 2 };
        let logistic = Architecture::mlp(shape(&[])).unwrap();
        let zero = Parameters::new(&logistic.layout(), vec![0.0; 4]).unwrap();
        let other = zero.plus(&[0.0, 0.0, 0.0, 1e-9]).unwrap();
        let digest = model_digest(&logistic, &zero);
        assert_eq!(digest, model_digest(&logistic, &zero));
        assert_ne!(digest, model_digest(&logistic, &other));
        assert_ne!(digest, model_digest(&Architecture::mlp(shape(&[1])).unwrap(), &zero));
    }
}
