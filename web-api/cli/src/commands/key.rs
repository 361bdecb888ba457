//! A member's key: an Ed25519 seed in a file that only its owner reads.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use privacy_identity::{SigningKey, VerifyingKey};

use super::output::print;

/// Bytes of a seed (RFC 8032 §5.1.5).
const SEED_BYTES: usize = 32;

/// `sahakar key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a new key
    New {
        /// Where the seed is written; an existing file is never overwritten
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Print the public key of a key file
    Show {
        /// The key file
        file: PathBuf,
    },
}

impl KeyCommand {
    /// Does it.
    ///
    /// # Errors
    /// A file that cannot be read or written, or holds no key.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::New { out } => print(new_key_file(&out)?),
            Self::Show { file } => print(read_key_file(&file)?.verifying_key()),
        }
    }
}

/// Draws a key and writes its seed to `path`, readable by its owner alone.
///
/// Returns the public key.
///
/// # Errors
/// If the file exists or cannot be written.
pub fn new_key_file(path: &Path) -> anyhow::Result<VerifyingKey> {
    let key = SigningKey::generate(&mut rand::rng());
    write_key_file(path, &key)?;
    Ok(key.verifying_key())
}

/// Writes a key's seed to `path`, readable by its owner alone.
///
/// # Errors
/// If the file exists or cannot be written.
pub fn write_key_file(path: &Path, key: &SigningKey) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{} exists: choose another file, a key is never overwritten", path.display());
        }
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be made", path.display()));
        }
    };
    let seed = hex::encode(key.seed().as_slice());
    let written = writeln!(file, "{seed}").and_then(|()| file.sync_all());
    written.with_context(|| format!("{} cannot be written", path.display()))
}

/// Reads a key from the file of its seed.
///
/// # Errors
/// If the file cannot be read or holds no seed.
pub fn read_key_file(path: &Path) -> anyhow::Result<SigningKey> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| {
        format!("the key file {shown} cannot be read: make one with `sahakar key new`")
    })?;
    let mut seed = [0; SEED_BYTES];
    hex::decode_to_slice(text.trim(), &mut seed).with_context(|| {
        format!("{shown} is no key file: expected {SEED_BYTES} bytes in hexadecimal")
    })?;
    Ok(SigningKey::from_seed(&seed))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_key_is_read_back_and_never_overwritten() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("member.key");
        let public = new_key_file(&path).unwrap();
        assert_eq!(read_key_file(&path).unwrap().verifying_key(), public);
        let before = fs::read(&path).unwrap();
        assert!(new_key_file(&path).unwrap_err().to_string().contains("never overwritten"));
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_a_key() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("member.key");
        new_key_file(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("other");
        assert!(read_key_file(&path).is_err());
        for text in ["", "abcd", &"0".repeat(66), &"g".repeat(64)] {
            fs::write(&path, text).unwrap();
            assert!(
                read_key_file(&path).unwrap_err().to_string().contains("no key file"),
                "{text}"
            );
        }
    }
}
