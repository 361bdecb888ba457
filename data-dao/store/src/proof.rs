//! Proof that an entry is in the log, to hand to those whom it concerns.

use std::fmt::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use privacy_identity::InclusionProof;

/// An inclusion proof with the checkpoint that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The path from the leaf to the root.
    pub inclusion: InclusionProof,
    /// The signed checkpoint with that root.
    pub checkpoint: String,
}

impl Proof {
    /// The proof as a file of C2SP tlog-proof (`.tlog-proof`).
    #[must_use]
    pub fn to_tlog_proof(&self) -> String {
        let mut text = format!("c2sp.org/tlog-proof@v1\nindex {}\n", self.inclusion.index);
        for hash in &self.inclusion.path {
            writeln!(text, "{}", BASE64_STANDARD.encode(hash.0)).expect("a String takes all");
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }
}
