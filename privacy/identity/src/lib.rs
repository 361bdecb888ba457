//! Keys, digests, canonical encoding, sealing envelopes and Merkle proofs that every context shares.
//!
//! The lowest layer: it imports nothing of ours and every other crate may import it. It knows no
//! protocol; it only fixes what a key, a digest, a signature and a byte string are, so that two
//! contexts that speak of "the same" member or model mean the same bytes.

mod consistency;
mod digest;
mod encoding;
mod envelope;
mod frontier;
mod hex_text;
mod keys;
mod known_points;
mod merkle;
mod signed;
mod tag;

pub use consistency::{ConsistencyProof, TreeHead};
pub use digest::{Digest, DigestBuilder};
pub use encoding::{Decode, DecodeError, Encode, Reader, Writer, list_from_reader, list_to_writer};
pub use envelope::{Envelope, EnvelopeError, SealingKey, SealingPublicKey};
pub use frontier::{Frontier, leaf_hash};
pub use keys::{KeyError, Signature, SigningKey, VerifyingKey};
pub use merkle::{InclusionProof, MerkleTree, ProofError};
pub use signed::{Signed, Verified};
pub use tag::Tag;
