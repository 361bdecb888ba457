//! Checkpoints, cosignatures, proofs, policies and the witness of a transparency log. Pure.
//!
//! ```text
//!  log ──signs──► Checkpoint ──add-checkpoint──► Witness ──cosigns──► Checkpoint with more lines
//!                     │                             │                        │
//!                     └── TlogProof: an entry       └── ForkProof            └── Policy: enough witnesses?
//! ```
//! The forms are those of C2SP: signed-note, tlog-checkpoint, tlog-cosignature (Ed25519), tlog-proof,
//! tlog-witness, tlog-policy. What no specification has, the file of a fork, is described at [`ForkProof`].

mod checkpoint;
mod fork;
mod policy;
mod proof;
mod signer;
mod text;
mod verifier;
mod witness;

pub use checkpoint::{Checkpoint, CheckpointError, Cosignature, LINES_MAX};
pub use fork::{ForkError, ForkProof};
pub use policy::{Policy, PolicyError, Witnessed};
pub use proof::{TlogProof, TlogProofError};
pub use signer::{LogKey, WitnessKey};
pub use text::origin_digest;
pub use verifier::{Kind, Verifier, VerifierError};
pub use witness::{Cosigned, Rejected, Reply, Witness, add_checkpoint_body};
