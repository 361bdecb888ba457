//! Keys: a member's, an Ed25519 seed in a file that only its owner reads; and a buyer's, which the node issues.

mod access;

mod words;

use std::path::{Path, PathBuf};

use aggregator_network::{create_key, load_key};
use clap::Subcommand;
use privacy_identity::{SealingKey, SigningKey};
use rand::{rand_core::UnwrapErr, rngs::SysRng};

use super::output::print;
pub use words::{key_file_from_words, words_of_key_file};

/// `sahakar key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a new key
    New {
        /// Where the seed is written; an existing file is never overwritten
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Issue an API key to a buyer, or to one's own till
    Issue(Box<access::IssueArgs>),
    /// List API keys
    List(access::ListArgs),
    /// Give an API key a new secret
    Rotate(access::RotateArgs),
    /// End an API key
    Revoke(access::RevokeArgs),
    /// Print the public keys of a key file: to verify signatures and, of an aggregator, to seal to
    Show {
        /// The key file
        file: PathBuf,
    },
    /// Print the 24 words that are this key (BIP-39): whoever has them has the key
    Words {
        /// The key file
        file: PathBuf,
    },
    /// Write the key that 24 words name; they are read from standard input
    Restore {
        /// Where the seed is written; an existing file is never overwritten
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

impl KeyCommand {
    /// Does it.
    ///
    /// # Errors
    /// A file that cannot be read or written, or holds no key; what the node refuses.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::New { out } => print(public_keys(&new_key_file(&out)?)),
            Self::Issue(args) => args.run(),
            Self::List(args) => args.run(),
            Self::Rotate(args) => args.run(),
            Self::Revoke(args) => args.run(),
            Self::Show { file } => print(public_keys(&read_key_file(&file)?)),
            Self::Words { file } => print(words_of_key_file(&file)?.as_str()),
            Self::Restore { out } => {
                print(public_keys(&key_file_from_words(std::io::stdin().lock(), &out)?))
            }
        }
    }
}

fn public_keys(key: &SigningKey) -> String {
    let sealing = hex::encode(SealingKey::derived_from(key).public().0);
    format!("verifying {}\nsealing   {sealing}", key.verifying_key())
}

/// Draws a key and writes its seed to `path`, readable by its owner alone.
///
/// # Errors
/// If the file exists or cannot be written.
pub fn new_key_file(path: &Path) -> anyhow::Result<SigningKey> {
    Ok(SigningKey::from_seed(&*create_key(path, &mut UnwrapErr(SysRng))?))
}

/// Reads a key from the file of its seed.
///
/// # Errors
/// If the file cannot be read, is open to others, or holds no seed.
pub fn read_key_file(path: &Path) -> anyhow::Result<SigningKey> {
    Ok(SigningKey::from_seed(&*load_key(path)?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_key_is_read_back_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("member.key");
        let public = new_key_file(&path).unwrap().verifying_key();
        assert_eq!(read_key_file(&path).unwrap().verifying_key(), public);
        let before = fs::read(&path).unwrap();
        assert!(new_key_file(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn both_public_keys_are_shown_and_the_seed_is_not() {
        let shown = public_keys(&SigningKey::from_seed(&[7; 32]));
        assert_eq!(shown.lines().count(), 2);
        assert!(!shown.contains(&hex::encode([7; 32])));
    }
}
