//! Checkpoints: signed tree heads of C2SP tlog-checkpoint.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use data_dao_journal::TreeHead;
use privacy_identity::{Digest, SigningKey, VerifyingKey};
use signed_note::{Note, NoteError, Signer as _, StandardSigner, StandardVerifier, VerifierList};
use thiserror::Error;
use tlog_tiles::{Checkpoint, Hash};

/// The byte before an Ed25519 key in C2SP signed-note.
const ALGORITHM_ED25519: u8 = 1;

/// Why a checkpoint or the key of a log was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The log's name is empty or has spaces, control characters or a plus.
    #[error("{got:?} cannot be the origin of a log")]
    Origin {
        /// The name.
        got: String,
    },
    /// The text is not a verifier key of C2SP signed-note.
    #[error("{got:?} is not a verifier key")]
    VerifierKey {
        /// The text.
        got: String,
    },
    /// The text is not a signed note, or not by this key.
    #[error("the checkpoint's signature does not hold")]
    Note(#[source] NoteError),
    /// The note is not a checkpoint.
    #[error("the note is not a checkpoint")]
    Malformed,
    /// The checkpoint is of another log.
    #[error("the checkpoint is of {got:?}, not of {expected:?}")]
    OtherLog {
        /// The log's own name.
        expected: String,
        /// The checkpoint's.
        got: String,
    },
}

/// The key that signs the checkpoints of one log.
///
/// It is the node's own Ed25519 key, so that whoever knows the genesis entry knows it. The node
/// also signs tagged messages with it; those begin with a zero byte, which no note contains.
pub struct LogKey {
    origin: String,
    vkey: String,
    signer: StandardSigner,
}

impl std::fmt::Debug for LogKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LogKey(of {})", self.vkey)
    }
}

impl LogKey {
    /// The key of the log `origin` (a name like `dao.example/ledger`).
    ///
    /// # Errors
    /// [`CheckpointError::Origin`].
    ///
    /// # Panics
    /// Never: the text of the key is built to the form that its parser reads.
    pub fn new(origin: &str, key: &SigningKey) -> Result<Self, CheckpointError> {
        let vkey = log_vkey(origin, &key.verifying_key())?;
        let mut secret = vec![ALGORITHM_ED25519];
        secret.extend_from_slice(key.seed().as_slice());
        let id = note_key_id(origin, &key.verifying_key());
        let text = format!("PRIVATE+KEY+{origin}+{id:08x}+{}", BASE64_STANDARD.encode(secret));
        let signer = StandardSigner::new(&text).expect("built to the form that is read");
        Ok(Self { origin: origin.to_owned(), vkey, signer })
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The verifier key to hand to auditors: `<origin>+<id>+<key>`.
    #[must_use]
    pub fn vkey(&self) -> &str {
        &self.vkey
    }

    /// Signs `head` as a checkpoint.
    ///
    /// # Panics
    /// Never: the origin was checked and signing with Ed25519 does not fail.
    #[must_use]
    pub fn sign(&self, head: &TreeHead) -> String {
        let checkpoint = Checkpoint::new(self.signer.name(), head.size, Hash(head.root.0), "")
            .expect("the origin is not empty");
        let mut note = Note::new(&checkpoint.to_bytes(), &[]).expect("a checkpoint is a note text");
        note.add_sigs(&[&self.signer]).expect("signing with Ed25519 does not fail");
        String::from_utf8(note.to_bytes()).expect("a note is text")
    }
}

fn note_key_id(origin: &str, key: &VerifyingKey) -> u32 {
    let typed = [&[ALGORITHM_ED25519], key.as_bytes().as_slice()].concat();
    signed_note::key_id(origin, &typed)
}

/// The verifier key of the log `origin` whose node has this key.
///
/// # Errors
/// [`CheckpointError::Origin`].
pub fn log_vkey(origin: &str, key: &VerifyingKey) -> Result<String, CheckpointError> {
    if !signed_note::is_key_name_valid(origin) || origin.chars().any(char::is_control) {
        return Err(CheckpointError::Origin { got: origin.to_owned() });
    }
    let typed = [&[ALGORITHM_ED25519], key.as_bytes().as_slice()].concat();
    let id = note_key_id(origin, key);
    Ok(format!("{origin}+{id:08x}+{}", BASE64_STANDARD.encode(typed)))
}

/// The tree head of a checkpoint, if the owner of `vkey` signed it for the log of that name.
///
/// # Errors
/// [`CheckpointError`].
pub fn checkpoint_head(text: &str, vkey: &str) -> Result<TreeHead, CheckpointError> {
    let malformed_key = || CheckpointError::VerifierKey { got: vkey.to_owned() };
    let verifier = StandardVerifier::new(vkey).map_err(|_source| malformed_key())?;
    let (origin, _) = vkey.split_once('+').ok_or_else(malformed_key)?;
    let note = Note::from_bytes(text.as_bytes()).map_err(CheckpointError::Note)?;
    note.verify(&VerifierList::new(vec![Box::new(verifier)])).map_err(CheckpointError::Note)?;
    let checkpoint = checkpoint_of(&note)?;
    if checkpoint.origin() != origin {
        let (expected, got) = (origin.to_owned(), checkpoint.origin().to_owned());
        return Err(CheckpointError::OtherLog { expected, got });
    }
    Ok(TreeHead { size: checkpoint.size(), root: Digest(checkpoint.hash().0) })
}

/// The tree head that a checkpoint claims, whoever signed it.
///
/// # Errors
/// [`CheckpointError`] if it is none.
pub fn checkpoint_body(text: &str) -> Result<TreeHead, CheckpointError> {
    let note = Note::from_bytes(text.as_bytes()).map_err(CheckpointError::Note)?;
    let checkpoint = checkpoint_of(&note)?;
    Ok(TreeHead { size: checkpoint.size(), root: Digest(checkpoint.hash().0) })
}

fn checkpoint_of(note: &Note) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::from_bytes(note.text()).map_err(|_source| CheckpointError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> TreeHead {
        TreeHead { size: 7, root: Digest([3; 32]) }
    }

    #[test]
    fn a_checkpoint_is_read_with_the_logs_key_only() {
        let key = SigningKey::from_seed(&[1; 32]);
        let log = LogKey::new("dao.example/ledger", &key).unwrap();
        let text = log.sign(&head());
        let expected_body =
            format!("dao.example/ledger\n7\n{}\n\n", BASE64_STANDARD.encode([3; 32]));
        assert!(text.starts_with(&expected_body), "{text}");
        assert_eq!(checkpoint_head(&text, log.vkey()).unwrap(), head());
        assert_eq!(log.vkey(), log_vkey("dao.example/ledger", &key.verifying_key()).unwrap());

        let stranger = SigningKey::from_seed(&[2; 32]).verifying_key();
        let other = log_vkey("dao.example/ledger", &stranger).unwrap();
        assert!(matches!(checkpoint_head(&text, &other), Err(CheckpointError::Note(_))));
        let altered = text.replacen("\n7\n", "\n8\n", 1);
        assert!(matches!(checkpoint_head(&altered, log.vkey()), Err(CheckpointError::Note(_))));
        assert!(checkpoint_head("", log.vkey()).is_err());
    }

    #[test]
    fn names_that_cannot_be_an_origin_are_refused() {
        let key = SigningKey::from_seed(&[1; 32]);
        for origin in ["", "a b", "a+b", "a\nb", "a\0b"] {
            assert!(LogKey::new(origin, &key).is_err(), "{origin:?}");
        }
    }
}
