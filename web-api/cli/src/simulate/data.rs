//! The data of a simulation: one set in memory, of which contributors take their rows while they train.

use datasets::RowSource;
use privacy_identity::{Digest, Tag};
use trainer_model::{Examples, Features};

use super::population::Kind;

/// Rows to train on, shared by all contributors, and the DAO's own.
pub(crate) struct SimulationData {
    /// A name for people.
    pub(crate) name: String,
    pub(crate) training: Box<dyn RowSource + Send + Sync>,
    /// Rows of the training set on which contributions are measured.
    pub(crate) validation: Examples,
    /// Rows that nothing but the reported accuracy sees.
    pub(crate) test: Examples,
    /// The rows of each contributor.
    pub(crate) parts: Vec<Vec<u32>>,
    /// Channels, height and width, if rows are images.
    pub(crate) image: Option<[usize; 3]>,
}

impl SimulationData {
    /// The rows at `indices`, as somebody of this kind sees them.
    pub(crate) fn examples(&self, indices: &[u32], kind: Kind) -> anyhow::Result<Examples> {
        let _ = kind;
        examples(self.training.as_ref(), indices)
    }
}

impl SimulationData {
    /// The digest of the examples on which contributions are measured.
    pub(crate) fn validation_commitment(&self) -> Digest {
        let values = self.validation.features().values().iter().flat_map(|value| value.to_le_bytes());
        let labels = self.validation.labels().iter().flat_map(|label| (*label as u64).to_le_bytes());
        Digest::of(Tag::Dataset, &values.chain(labels).collect::<Vec<u8>>())
    }
}

/// The rows at `indices` of a set.
pub(crate) fn examples(
    source: &(impl RowSource + ?Sized),
    indices: &[u32],
) -> anyhow::Result<Examples> {
    let taken = source.take(indices)?;
    let features = Features::new(taken.values, source.width())?;
    Ok(Examples::new(features, &taken.labels, source.classes())?)
}
