//! What is measured of one scheme in one cell of the grid.

use serde::{Deserialize, Serialize};

/// Times are the least CPU milliseconds of one thread, for the whole vector; absent parts are not measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Row {
    /// What is measured.
    pub(crate) scheme: String,
    /// Coordinates.
    pub(crate) dimension: u32,
    /// Contributors for which the ring or the lanes have room.
    pub(crate) contributors: u32,
    /// How many of them were added.
    pub(crate) added: usize,
    /// Contributor: clip, rotate, round.
    pub(crate) encode_ms: Option<f64>,
    /// Contributor: from integers to the signed message.
    pub(crate) seal_ms: f64,
    /// First recipient, per contributor: signature, digest, decryption, parsing.
    pub(crate) receive_ms: Option<f64>,
    /// First recipient, per contributor: the proof.
    pub(crate) verify_ms: Option<f64>,
    /// First recipient, per contributor: addition.
    pub(crate) add_ms: Option<f64>,
    /// Another recipient, per contributor, all in all: seed, helper or custodian.
    pub(crate) other_ms: Option<f64>,
    /// Once a round.
    pub(crate) open_ms: Option<f64>,
    /// Bytes that a contributor sends.
    pub(crate) bytes: u64,
    /// AES-256-CTR keystream of those bytes.
    pub(crate) aes_ms: Option<f64>,
    /// `ChaCha20` keystream of those bytes.
    pub(crate) chacha_ms: Option<f64>,
}

impl Row {
    /// `ms` per million coordinates.
    pub(crate) fn per_million(&self, ms: f64) -> f64 {
        ms * 1e6 / f64::from(self.dimension)
    }

    /// Bytes per coordinate.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub(crate) fn bytes_per_parameter(&self) -> f64 {
        self.bytes as f64 / f64::from(self.dimension)
    }
}

/// The limits of the machine for a plain f32 vector.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Limits {
    /// Coordinates.
    pub(crate) dimension: u32,
    /// `sum[i] += x[i]`.
    pub(crate) f32_add_ms: f64,
    /// A copy of the vector.
    pub(crate) copy_ms: f64,
    /// AES-256-CTR keystream of four bytes per coordinate: what a seed share expands.
    pub(crate) aes_of_words_ms: f64,
}
