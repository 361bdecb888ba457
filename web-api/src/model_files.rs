//! The files by which a model is sold: card, safetensors, ONNX, and the signature over the three.

use std::{collections::BTreeMap, sync::Arc};

use crate::ApiState;
use crate::api_error::ApiError;
use crate::inference::ServedModel;
use crate::model_card::ModelFacts;
use crate::model_signer::sha256;

/// The card.
pub(crate) const CARD: &str = "README.md";
/// The files that are sold.
pub(crate) const MODEL_FILES: [&str; 2] = ["model.onnx", "model.safetensors"];
/// The signature.
pub(crate) const SIGNATURE: &str = "model.sig";

/// The files of a version with their digests, but for the signature. The same version always gives the same bytes.
#[derive(Debug)]
pub(crate) struct ModelFiles {
    /// `NAME-VERSION`: the folder that is signed.
    folder: String,
    /// By name: the order in which they are signed.
    files: BTreeMap<&'static str, (Vec<u8>, [u8; 32])>,
}

impl ModelFiles {
    /// Makes the files, on a blocking thread; at most so many at a time as there are explanations, since they are large.
    pub(crate) async fn of(state: &ApiState, served: &ServedModel) -> Result<Self, ApiError> {
        let facts = state.store().view(|state| {
            ModelFacts::new(state, state.model(&served.name)?.release(served.version)?)
        });
        let facts = facts.ok_or_else(|| ApiError::not_found("model", &served.name))?;
        let permit = state.explanations().acquire_owned().await.map_err(ApiError::internal)?;
        let (model, folder) =
            (Arc::clone(&served.model), format!("{}-{}", served.name, served.version));
        let making = tokio::task::spawn_blocking(move || {
            // Held by the work, which goes on when whoever asked has gone away.
            let _permit = permit;
            let metadata = facts.metadata(&model);
            let (architecture, parameters) = (model.architecture(), model.parameters());
            let onnx = parameters.to_onnx(architecture, model.standardiser(), &metadata);
            let metadata: BTreeMap<_, _> = metadata.into_iter().collect();
            let tensors = parameters.to_described_safetensors(&architecture.layout(), &metadata);
            let [onnx_name, tensors_name] = MODEL_FILES;
            let files = [
                (CARD, facts.card(&model).into_bytes()),
                (onnx_name, onnx.map_err(ApiError::internal)?),
                (tensors_name, tensors.map_err(ApiError::internal)?),
            ];
            let with_digest = |(name, bytes): (_, Vec<u8>)| {
                let digest = sha256(&bytes);
                (name, (bytes, digest))
            };
            Ok(Self { folder, files: files.into_iter().map(with_digest).collect() })
        });
        making.await.map_err(ApiError::internal)?
    }

    /// A file and its SHA-256.
    pub(crate) fn file(&self, name: &str) -> Option<(&[u8], [u8; 32])> {
        self.files.get(name).map(|(bytes, digest)| (bytes.as_slice(), *digest))
    }

    /// The signature over all files.
    pub(crate) fn signature(&self, state: &ApiState) -> Result<String, ApiError> {
        let signer = state.model_signer();
        let signer = signer.ok_or(ApiError::NotEquipped("this node signs no models"))?;
        let digests: Vec<_> =
            self.files.iter().map(|(name, (_, digest))| (*name, *digest)).collect();
        signer.sign(&self.folder, &digests).map_err(ApiError::internal)
    }
}
