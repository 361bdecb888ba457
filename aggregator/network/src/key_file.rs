//! The file that holds a process's identity: its Ed25519 seed.
//!
//! ```text
//!   in the clear        64 hexadecimal digits and a line feed
//!   under a passphrase  the same, as a file of age (`age --decrypt key` prints it)
//! ```
//! In the clear it is read only if nobody but its owner can read it. Under a passphrase it may lie open, as it does on a stick whose
//! file system knows no owners. It is written for its owner alone in either form. Whoever reads the seed *is* this process to
//! everybody else.
//!
//! Threat: in the clear, whoever gets hold of the disk or of a back-up of it. Under a passphrase that is a guess at the
//! passphrase ([`privacy_identity::WorkFactor`]). Neither form withstands a process of the same user while the key is in use: it can
//! read this process's memory, or wait for the passphrase.

mod error;
mod protection;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
};

use privacy_identity::{
    AGE_FILE_BYTES_MAX, AgeError, Passphrase, WorkFactor, decrypt_age_file, encrypt_age_file,
    is_age_file,
};
use rand::CryptoRng;
use zeroize::Zeroizing;

pub use error::KeyFileError;
pub use protection::{change_key_protection, forget_unfinished_change};

/// Bytes of a seed.
const SEED_BYTES: usize = 32;

/// Bytes of the file in the clear: the digits and a line feed.
const FILE_BYTES: usize = 2 * SEED_BYTES + 1;

/// How a key's file is written.
#[derive(Debug, Clone, Copy)]
pub enum KeyProtection<'a> {
    /// In the clear: its permissions alone protect it.
    Clear,
    /// Under a passphrase, which costs so much to guess at.
    Passphrase(&'a Passphrase, WorkFactor),
}

impl<'a> KeyProtection<'a> {
    /// Under the passphrase, if there is one.
    #[must_use]
    pub fn under(passphrase: Option<&'a Passphrase>) -> Self {
        passphrase
            .map_or(Self::Clear, |passphrase| Self::Passphrase(passphrase, WorkFactor::DEFAULT))
    }

    const fn passphrase(self) -> Option<&'a Passphrase> {
        match self {
            Self::Clear => None,
            Self::Passphrase(passphrase, _) => Some(passphrase),
        }
    }
}

/// Reads the seed in the file at `path`, or makes one in the clear if there is no file.
///
/// Two processes must not do so at once for the same file: hold a lock on its directory.
///
/// * `rng` — the operating system's, outside tests.
///
/// # Errors
/// [`KeyFileError`].
pub fn load_or_create_key(
    path: &Path,
    rng: &mut impl CryptoRng,
) -> Result<Zeroizing<[u8; SEED_BYTES]>, KeyFileError> {
    unlock_or_create_key(path, None, rng)
}

/// As [`load_or_create_key`], with the passphrase under which it is, or comes to be.
///
/// A key that is in the clear is read whether there is a passphrase or not.
///
/// # Errors
/// [`KeyFileError`].
pub fn unlock_or_create_key(
    path: &Path,
    passphrase: Option<&Passphrase>,
    rng: &mut impl CryptoRng,
) -> Result<Zeroizing<[u8; SEED_BYTES]>, KeyFileError> {
    match unlock_key(path, passphrase) {
        Err(KeyFileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create_key(path, KeyProtection::under(passphrase), rng)
        }
        loaded => loaded,
    }
}

/// Reads the seed in the file at `path`, which is in the clear.
///
/// # Errors
/// [`KeyFileError::Read`], [`KeyFileError::OpenToOthers`] (on Unix, in the clear), [`KeyFileError::Locked`] or
/// [`KeyFileError::Malformed`].
pub fn load_key(path: &Path) -> Result<Zeroizing<[u8; SEED_BYTES]>, KeyFileError> {
    unlock_key(path, None)
}

/// Reads the seed in the file at `path`, which is in the clear or under `passphrase`.
///
/// # Errors
/// As [`load_key`], and [`KeyFileError::WrongPassphrase`] or [`KeyFileError::Damaged`]. The file stays as it is.
pub fn unlock_key(
    path: &Path,
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<[u8; SEED_BYTES]>, KeyFileError> {
    let bytes = bytes_of(path)?;
    seed_from_bytes(path, &bytes, passphrase)
}

/// Whether the key at `path` is under a passphrase.
///
/// # Errors
/// [`KeyFileError::Read`] or [`KeyFileError::OpenToOthers`].
pub fn is_key_encrypted(path: &Path) -> Result<bool, KeyFileError> {
    Ok(is_age_file(&bytes_of(path)?))
}

/// Draws a seed from `rng` and writes it to a new file at `path`, which only its owner may read.
///
/// # Errors
/// [`KeyFileError::Exists`] if there is a file already, [`KeyFileError::Write`] otherwise.
pub fn create_key(
    path: &Path,
    protection: KeyProtection<'_>,
    rng: &mut impl CryptoRng,
) -> Result<Zeroizing<[u8; SEED_BYTES]>, KeyFileError> {
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    rng.fill_bytes(seed.as_mut());
    restore_key(path, &seed, protection, rng)?;
    Ok(seed)
}

/// Writes a seed that was there before to a new file at `path`, which only its owner may read.
///
/// # Errors
/// [`KeyFileError::Exists`] if there is a file already, [`KeyFileError::Write`] otherwise.
pub fn restore_key(
    path: &Path,
    seed: &[u8; SEED_BYTES],
    protection: KeyProtection<'_>,
    rng: &mut impl CryptoRng,
) -> Result<(), KeyFileError> {
    let bytes = bytes_from_seed(seed, protection, rng);
    write_new(path, &bytes)
}

/// What a file holds: read no further than the longest key goes, and one byte more, so that a longer file shows.
fn bytes_of(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let read = |source| KeyFileError::Read { path: path.display().to_string(), source };
    let file = File::open(path).map_err(read)?;
    // Room from the start: a buffer that grows would leave the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(AGE_FILE_BYTES_MAX + 1));
    (&file).take(AGE_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(read)?;
    if !is_age_file(&bytes) {
        check_owner_alone(path, &file)?;
    }
    Ok(bytes)
}

fn seed_from_bytes(
    path: &Path,
    bytes: &[u8],
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<[u8; SEED_BYTES]>, KeyFileError> {
    let path = || path.display().to_string();
    if !is_age_file(bytes) {
        // What was found there may be most of a key: it is not repeated.
        return seed_from_text(bytes).ok_or_else(|| KeyFileError::Malformed { path: path() });
    }
    let passphrase = passphrase.ok_or_else(|| KeyFileError::Locked { path: path() })?;
    let text = decrypt_age_file(bytes, passphrase).map_err(|source| match source {
        AgeError::WrongPassphrase => KeyFileError::WrongPassphrase { path: path() },
        source => KeyFileError::Damaged { path: path(), source },
    })?;
    seed_from_text(&text).ok_or_else(|| KeyFileError::Malformed { path: path() })
}

fn seed_from_text(text: &[u8]) -> Option<Zeroizing<[u8; SEED_BYTES]>> {
    let digits = text.strip_suffix(b"\n").unwrap_or(text);
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    hex::decode_to_slice(digits, seed.as_mut()).ok().map(|()| seed)
}

fn bytes_from_seed(
    seed: &[u8; SEED_BYTES],
    protection: KeyProtection<'_>,
    rng: &mut impl CryptoRng,
) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(vec![b'\n'; FILE_BYTES]);
    hex::encode_to_slice(seed, &mut text[..2 * SEED_BYTES]).expect("two digits for each byte fit");
    match protection {
        KeyProtection::Clear => text,
        KeyProtection::Passphrase(passphrase, work) => Zeroizing::new(
            encrypt_age_file(&text, passphrase, work, rng).expect("65 bytes are not too long"),
        ),
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), KeyFileError> {
    let text_of = |path: &Path| path.display().to_string();
    let mut file = new_file(path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: text_of(path) },
        _ => KeyFileError::Write { path: text_of(path), source },
    })?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|source| {
        // Half a key would stand in the way of the next attempt; that it may stay is no worse.
        let _removed = fs::remove_file(path).is_ok();
        KeyFileError::Write { path: text_of(path), source }
    })
}

fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(unix)]
fn check_owner_alone(path: &Path, file: &File) -> Result<(), KeyFileError> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = path.display().to_string();
    match file.metadata() {
        Ok(metadata) => match metadata.permissions().mode() & 0o777 {
            mode if mode & 0o077 == 0 => Ok(()),
            mode => Err(KeyFileError::OpenToOthers { path, mode }),
        },
        Err(source) => Err(KeyFileError::Read { path, source }),
    }
}

/// Elsewhere access lists rule, and a file of the user's own folder is the user's.
#[cfg(not(unix))]
fn check_owner_alone(_path: &Path, _file: &File) -> Result<(), KeyFileError> {
    Ok(())
}

#[cfg(test)]
mod tests;
