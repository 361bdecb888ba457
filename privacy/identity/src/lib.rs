//! Keys, digests, canonical encoding, sealing envelopes and Merkle proofs that every context shares.
//!
//! The lowest layer: it imports nothing of ours and every other crate may import it. It knows no
//! protocol; it only fixes what a key, a digest, a signature and a byte string are, so that two
//! contexts that speak of "the same" member or model mean the same bytes.

mod age_file;
mod consistency;
mod digest;
mod encoding;
mod envelope;
mod frontier;
mod hex_text;
mod keys;
mod known_points;
mod merkle;
mod passphrase;
mod signed;
mod tag;

pub use age_file::{
    AGE_FILE_BYTES_MAX, AGE_PLAINTEXT_BYTES_MAX, AgeError, WorkFactor, decrypt_age_file,
    encrypt_age_file, is_age_file,
};
pub use consistency::{ConsistencyProof, TreeHead};
pub use digest::{Digest, DigestBuilder};
pub use encoding::{Decode, DecodeError, Encode, Reader, Writer, list_from_reader, list_to_writer};
pub use envelope::{Envelope, EnvelopeError, SealingKey, SealingPublicKey};
pub use frontier::{Frontier, leaf_hash};
pub use keys::{KeyError, Signature, SigningKey, VerifyingKey};
pub use merkle::{InclusionProof, MerkleTree, ProofError};
pub use passphrase::{Passphrase, PassphraseError};
pub use signed::{Signed, Verified};
pub use tag::Tag;
