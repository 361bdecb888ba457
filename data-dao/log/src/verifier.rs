//! Who signed: the keys of logs and witnesses (C2SP signed-note, "verifier keys").

use std::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use privacy_identity::VerifyingKey;
use thiserror::Error;

/// Longest name of a key, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Checkpoints of its own log: Ed25519 over the text.
    Log,
    /// Cosignatures: Ed25519 over a time and the text (C2SP tlog-cosignature).
    Witness,
}

/// A name and the key that goes with it, spelled `<name>+<id>+<key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    kind: Kind,
    key: VerifyingKey,
}

/// Why a text is not a verifier key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifierError {
    /// The name is empty, too long, or has spaces, control characters or a plus.
    #[error("{got:?} cannot be the name of a key")]
    Name {
        /// The name.
        got: String,
    },
    /// Not `<name>+<id>+<key>`.
    #[error("{got:?} is not a verifier key")]
    Malformed {
        /// The text.
        got: String,
    },
    /// The id is not the one that follows from name and key.
    #[error("the id of {name} is {got:08x}, its key has {expected:08x}")]
    Id {
        /// The name.
        name: String,
        /// What follows.
        expected: u32,
        /// What stands there.
        got: u32,
    },
    /// An algorithm that is not known here.
    #[error(
        "{name} signs with algorithm {got:#04x}; only Ed25519 (0x01) and its cosignatures (0x04) are known"
    )]
    Algorithm {
        /// The name.
        name: String,
        /// The algorithm's byte.
        got: u8,
    },
}

impl Kind {
    /// The byte before the key (C2SP signed-note, "signature types").
    const fn byte(self) -> u8 {
        match self {
            Self::Log => 0x01,
            Self::Witness => 0x04,
        }
    }
}

impl Verifier {
    /// The verifier of `name` with this key.
    ///
    /// # Errors
    /// [`VerifierError::Name`].
    pub fn new(name: &str, kind: Kind, key: VerifyingKey) -> Result<Self, VerifierError> {
        let fits = signed_note::is_key_name_valid(name)
            && name.len() <= NAME_BYTES_MAX
            && !name.chars().any(char::is_control);
        if fits {
            Ok(Self { name: name.to_owned(), kind, key })
        } else {
            Err(VerifierError::Name { got: name.to_owned() })
        }
    }

    /// The name; of a log, its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the key signs.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// What signatures name the key by.
    #[must_use]
    pub fn id(&self) -> u32 {
        signed_note::key_id(&self.name, &self.typed())
    }

    fn typed(&self) -> Vec<u8> {
        [&[self.kind.byte()], self.key.as_bytes().as_slice()].concat()
    }

    /// Strict verification of RFC 8032: no small-order keys, one encoding.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else { return false };
        let key = ed25519_dalek::VerifyingKey::from_bytes(self.key.as_bytes());
        key.is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, self.id(), BASE64_STANDARD.encode(self.typed()))
    }
}

impl FromStr for Verifier {
    type Err = VerifierError;

    fn from_str(text: &str) -> Result<Self, VerifierError> {
        let malformed = || VerifierError::Malformed { got: text.to_owned() };
        let (name, rest) = text.split_once('+').ok_or_else(malformed)?;
        // The key may have a plus in it, the id has not.
        let (id, key) = rest.split_once('+').ok_or_else(malformed)?;
        if id.len() != 8 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(malformed());
        }
        let got = u32::from_str_radix(id, 16).map_err(|_source| malformed())?;
        let typed = BASE64_STANDARD.decode(key).map_err(|_source| malformed())?;
        let (algorithm, key) = typed.split_first().ok_or_else(malformed)?;
        let kind = match algorithm {
            0x01 => Kind::Log,
            0x04 => Kind::Witness,
            got => return Err(VerifierError::Algorithm { name: name.to_owned(), got: *got }),
        };
        let key = key.try_into().map_err(|_source| malformed())?;
        let key = VerifyingKey::from_bytes(key).map_err(|_source| malformed())?;
        let verifier = Self::new(name, kind, key)?;
        if verifier.id() != got {
            let (name, expected) = (name.to_owned(), verifier.id());
            return Err(VerifierError::Id { name, expected, got });
        }
        Ok(verifier)
    }
}
