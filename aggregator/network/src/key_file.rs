//! The file that holds a process's identity: its Ed25519 seed.
//!
//! 64 hexadecimal digits and a line feed, readable by its owner alone. Whoever reads it *is* this
//! process to everybody else.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
};

use rand::CryptoRng;
use zeroize::Zeroizing;

/// Bytes of a seed.
const SEED_BYTES: usize = 32;

/// Bytes of the file: the digits and a line feed. One more is read, so that a longer file shows.
const FILE_BYTES: usize = 2 * SEED_BYTES + 1;

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
}

/// Reads the seed in the file at `path`, or makes one if there is no file.
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
    match load_key(path) {
        Err(KeyFileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create_key(path, rng)
        }
        loaded => loaded,
    }
}

/// Reads the seed in the file at `path`.
///
/// # Errors
/// [`KeyFileError::Read`], [`KeyFileError::OpenToOthers`] (on Unix) or [`KeyFileError::Malformed`].
pub fn load_key(path: &Path) -> Result<Zeroizing<[u8; SEED_BYTES]>, KeyFileError> {
    let text_of = |path: &Path| path.display().to_string();
    let read = |source| KeyFileError::Read { path: text_of(path), source };
    let mut file = File::open(path).map_err(read)?;
    check_owner_alone(path, &file)?;
    let mut text = Zeroizing::new([0; FILE_BYTES + 1]);
    let length = read_up_to(&mut file, text.as_mut()).map_err(read)?;
    let digits = text[..length].strip_suffix(b"\n").unwrap_or(&text[..length]);
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    match hex::decode_to_slice(digits, seed.as_mut()) {
        Ok(()) => Ok(seed),
        // What was found there may be most of a key: it is not repeated.
        Err(_) => Err(KeyFileError::Malformed { path: text_of(path) }),
    }
}

/// Draws a seed from `rng` and writes it to a new file at `path`, which only its owner may read.
///
/// # Errors
/// [`KeyFileError::Exists`] if there is a file already, [`KeyFileError::Write`] otherwise.
///
/// # Panics
/// Never: hexadecimal of a seed fits its buffer.
pub fn create_key(
    path: &Path,
    rng: &mut impl CryptoRng,
) -> Result<Zeroizing<[u8; SEED_BYTES]>, KeyFileError> {
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    rng.fill_bytes(seed.as_mut());
    restore_key(path, &seed)?;
    Ok(seed)
}

/// Writes a seed that was there before to a new file at `path`, which only its owner may read.
///
/// # Errors
/// [`KeyFileError::Exists`] if there is a file already, [`KeyFileError::Write`] otherwise.
///
/// # Panics
/// Never: hexadecimal of a seed fits its buffer.
pub fn restore_key(path: &Path, seed: &[u8; SEED_BYTES]) -> Result<(), KeyFileError> {
    let text_of = |path: &Path| path.display().to_string();
    let mut file = new_file(path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: text_of(path) },
        _ => KeyFileError::Write { path: text_of(path), source },
    })?;
    let mut text = Zeroizing::new([b'\n'; FILE_BYTES]);
    hex::encode_to_slice(seed, &mut text[..2 * SEED_BYTES]).expect("two digits for each byte fit");
    file.write_all(text.as_ref()).and_then(|()| file.sync_all()).map_err(|source| {
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

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..])? {
            0 => break,
            count => length += count,
        }
    }
    Ok(length)
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
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
    use tempfile::tempdir;

    use super::*;

    fn rng(seed: u64) -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(seed)
    }

    #[test]
    fn a_created_key_is_loaded_again_and_never_overwritten() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("key");
        let created = load_or_create_key(&path, &mut rng(1)).unwrap();
        assert_eq!(*load_key(&path).unwrap(), *created);
        assert_eq!(*load_or_create_key(&path, &mut rng(2)).unwrap(), *created);
        let refused = create_key(&path, &mut rng(3));
        assert!(matches!(refused, Err(KeyFileError::Exists { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", hex::encode(*created)));
    }

    #[test]
    fn a_missing_key_is_not_made_by_loading() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(matches!(load_key(&path), Err(KeyFileError::Read { .. })));
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_open_to_others_is_refused_with_the_remedy() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempdir().unwrap();
        let path = dir.path().join("key");
        create_key(&path, &mut rng(1)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = load_or_create_key(&path, &mut rng(2)).unwrap_err().to_string();
            assert!(refused.contains(&format!("mode {mode:o}")), "{refused}");
            assert!(refused.contains("chmod 600"), "{refused}");
        }
    }

    #[test]
    fn other_contents_are_refused_and_not_repeated() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("key");
        create_key(&path, &mut rng(1)).unwrap();
        let good = hex::encode([0xab; SEED_BYTES]);
        for text in ["", "\n", &good[1..], &format!("{good}0"), &format!("{good}\n\n")] {
            fs::write(&path, text).unwrap();
            let refused = load_key(&path).unwrap_err();
            assert!(matches!(refused, KeyFileError::Malformed { .. }), "{text:?}");
            assert!(!refused.to_string().contains("abab"));
        }
        fs::write(&path, &good).unwrap();
        assert_eq!(*load_key(&path).unwrap(), [0xab; SEED_BYTES]);
    }
}
