//! Proof that an entry is in the log, to hand to those whom it concerns.

use data_dao_log::{Checkpoint, TlogProof};
use privacy_identity::InclusionProof;

/// An inclusion proof with the checkpoint that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The path from the leaf to the root.
    pub inclusion: InclusionProof,
    /// The signed checkpoint with that root, and the lines of witnesses, if there are any.
    pub checkpoint: Checkpoint,
}

impl Proof {
    /// The proof as a file of C2SP tlog-proof (`.tlog-proof`).
    ///
    /// * `leaf` — what is proven, to be put into the file, so that it needs no other.
    #[must_use]
    pub fn to_tlog_proof(&self, leaf: Option<&[u8]>) -> String {
        let (inclusion, checkpoint) = (self.inclusion.clone(), self.checkpoint.clone());
        TlogProof { extra: leaf.map(<[u8]>::to_vec), inclusion, checkpoint }.to_string()
    }
}
