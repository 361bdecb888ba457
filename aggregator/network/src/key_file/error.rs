//! Why a key file was refused or not made.

use std::io;

use privacy_identity::AgeError;

/// Why a key file was refused or not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// There is one already, and a key is never overwritten: it may hold somebody's credits.
    #[error("{path} exists already and a key is never overwritten")]
    Exists {
        /// The file.
        path: String,
    },
    /// Others than the owner may read or write it.
    #[error("{path} is open to others (mode {mode:o}): run `chmod 600 {path}`")]
    OpenToOthers {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// It does not hold a key.
    #[error("{path} does not hold a key: expected 64 hexadecimal digits")]
    Malformed {
        /// The file.
        path: String,
    },
    /// It is under a passphrase, and none was given.
    #[error("{path} is under a passphrase, and none was given")]
    Locked {
        /// The file.
        path: String,
    },
    /// It is under another passphrase.
    #[error("the passphrase is not the one of {path}; nothing was changed")]
    WrongPassphrase {
        /// The file.
        path: String,
    },
    /// It is under a passphrase and was cut off or altered.
    #[error("{path} is damaged: restore the key from its back-up")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        #[source]
        source: AgeError,
    },
    /// Another process uses it, or changes how it is protected.
    #[error("{path} is in use: stop the trainer that runs on it first")]
    InUse {
        /// The file.
        path: String,
    },
    /// What was written is not what can be read back. The file is as it was.
    #[error("{path} was left as it was: what was written beside it does not give the same key")]
    Unproven {
        /// The file.
        path: String,
    },
    /// It could not be read.
    #[error("cannot read the key file {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It could not be written.
    #[error("cannot write the key file {path}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The key is under its new protection, and what the file held before may still lie on the disk.
    #[error(
        "the key in {path} was changed, but what the file held before could not be overwritten"
    )]
    NotOverwritten {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}
