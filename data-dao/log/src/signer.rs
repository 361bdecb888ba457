//! The keys that sign: of a log, and of a witness.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ed25519_dalek::Signer as _;
use privacy_identity::{SigningKey, TreeHead};

use crate::checkpoint::cosigned_message;
use crate::text::base64_from_hash;
use crate::{Checkpoint, Kind, Verifier, VerifierError};

/// The key that signs the checkpoints of one log.
///
/// It is the node's own Ed25519 key, so that whoever knows the genesis entry knows it. The node
/// also signs tagged messages with it; those begin with a zero byte, which no note contains.
pub struct LogKey {
    verifier: Verifier,
    key: ed25519_dalek::SigningKey,
}

/// The key with which a witness cosigns the checkpoints of any number of logs.
///
/// It may be the process's own Ed25519 key: what a witness signs begins with `cosignature/v1`, and no other message
/// of that key does. The witness of one key has one name: the name is not in what is signed.
pub struct WitnessKey {
    verifier: Verifier,
    key: ed25519_dalek::SigningKey,
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey(of {})", self.verifier)
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessKey(of {})", self.verifier)
    }
}

/// A signature line of C2SP signed-note.
fn line(verifier: &Verifier, signature: &[u8]) -> String {
    let bytes = [verifier.id().to_be_bytes().as_slice(), signature].concat();
    format!("\u{2014} {} {}\n", verifier.name(), BASE64_STANDARD.encode(bytes))
}

impl LogKey {
    /// The key of the log `origin` (a name like `dao.example/ledger`).
    ///
    /// # Errors
    /// [`VerifierError::Name`].
    pub fn new(origin: &str, key: &SigningKey) -> Result<Self, VerifierError> {
        let verifier = Verifier::new(origin, Kind::Log, key.verifying_key())?;
        // Zeroised on drop by the feature of that name.
        Ok(Self { verifier, key: ed25519_dalek::SigningKey::from_bytes(&key.seed()) })
    }

    /// Who signs.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Signs `head` as a checkpoint.
    #[must_use]
    pub fn sign(&self, head: &TreeHead) -> String {
        let (origin, root) = (self.verifier.name(), base64_from_hash(&head.root));
        let body = format!("{origin}\n{}\n{root}\n", head.size);
        let signature = self.key.sign(body.as_bytes()).to_bytes();
        format!("{body}\n{}", line(&self.verifier, &signature))
    }
}

impl WitnessKey {
    /// The key of the witness `name` (like `dao.example/witness/1`).
    ///
    /// # Errors
    /// [`VerifierError::Name`].
    pub fn new(name: &str, key: &SigningKey) -> Result<Self, VerifierError> {
        let verifier = Verifier::new(name, Kind::Witness, key.verifying_key())?;
        Ok(Self { verifier, key: ed25519_dalek::SigningKey::from_bytes(&key.seed()) })
    }

    /// Who cosigns.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The line that says that the witness saw this checkpoint at `time_s` seconds since 1970, and none that is
    /// inconsistent with it. That it is so is [`crate::Witness`]'s to know.
    pub(crate) fn cosign(&self, checkpoint: &Checkpoint, time_s: u64) -> String {
        let time_s = time_s.clamp(1, i64::MAX.cast_unsigned());
        let message = cosigned_message(time_s, checkpoint.body());
        let signature = self.key.sign(&message).to_bytes();
        line(&self.verifier, &[time_s.to_be_bytes().as_slice(), &signature].concat())
    }
}
