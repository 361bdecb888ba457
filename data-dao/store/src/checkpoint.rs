//! The log's checkpoints, as `data-dao-log` reads them, with keys as texts.

use data_dao_journal::TreeHead;
use data_dao_log::{Checkpoint, Kind, Verifier, VerifierError};
use privacy_identity::VerifyingKey;
use thiserror::Error;

/// Why a checkpoint or the key of a log was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The text is no verifier key, or the name none of a log.
    #[error(transparent)]
    Key(#[from] VerifierError),
    /// The checkpoint is none, or not by this key.
    #[error(transparent)]
    Checkpoint(#[from] data_dao_log::CheckpointError),
}

/// The verifier key of the log `origin` whose node has this key.
///
/// # Errors
/// [`CheckpointError::Key`]: no such name.
pub fn log_vkey(origin: &str, key: &VerifyingKey) -> Result<String, CheckpointError> {
    Ok(Verifier::new(origin, Kind::Log, *key)?.to_string())
}

/// The tree head of a checkpoint, if the owner of `vkey` signed it for the log of that name.
///
/// # Errors
/// [`CheckpointError`].
pub fn checkpoint_head(text: &str, vkey: &str) -> Result<TreeHead, CheckpointError> {
    let checkpoint = Checkpoint::parse(text)?;
    checkpoint.signed_by(&vkey.parse()?)?;
    Ok(*checkpoint.head())
}

/// The tree head that a checkpoint claims, whoever signed it.
///
/// # Errors
/// [`CheckpointError::Checkpoint`] if it is none.
pub(crate) fn checkpoint_body(text: &str) -> Result<TreeHead, CheckpointError> {
    Ok(*Checkpoint::parse(text)?.head())
}
