//! Keys: a member's, an Ed25519 seed in a file that only its owner reads; and a buyer's, which the node issues.

mod access;
mod adopting;
mod protecting;
mod words;

use std::path::{Path, PathBuf};

use aggregator_network::{KeyProtection, create_key};
use clap::Subcommand;
use privacy_identity::{SealingKey, SigningKey};
use rand::{rand_core::UnwrapErr, rngs::SysRng};

use super::output::print;
pub use crate::passphrases::read_key_file;
use crate::passphrases::{NewPassphraseArgs, PassphraseArgs};
pub use words::{key_file_from_words, words_of_key_file};

/// `sahakar key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a new key
    New {
        /// Where the seed is written; an existing file is never overwritten
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Under a new passphrase
        #[arg(long)]
        encrypt: bool,
        /// The new passphrase
        #[command(flatten)]
        new: NewPassphraseArgs,
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
        /// What unlocks it
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Put a key file under a passphrase, or under another one
    Encrypt(protecting::EncryptArgs),
    /// Take a key file from under its passphrase: whoever can read the disk then has the key
    Decrypt(protecting::DecryptArgs),
    /// Print the 24 words that are this key (BIP-39): whoever has them has the key
    Words {
        /// The key file
        file: PathBuf,
        /// What unlocks it
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Write the key that 24 words name; they are read from standard input
    Restore(protecting::RestoreArgs),
    /// Let a trainer go on with another key of its member (`sahakar member rotate`)
    Adopt(adopting::AdoptArgs),
}

impl KeyCommand {
    /// Does it.
    ///
    /// # Errors
    /// A file that cannot be read or written, or holds no key; what the node refuses.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::New { out, encrypt, new } => {
                let passphrase = new.passphrase_if(encrypt)?;
                let protection = KeyProtection::under(passphrase.as_ref());
                print(public_keys(&new_key_file_under(&out, protection)?))
            }
            Self::Issue(args) => args.run(),
            Self::List(args) => args.run(),
            Self::Rotate(args) => args.run(),
            Self::Revoke(args) => args.run(),
            Self::Show { file, passphrase } => print(public_keys(&passphrase.key(&file)?)),
            Self::Encrypt(args) => args.run(),
            Self::Decrypt(args) => args.run(),
            Self::Words { file, passphrase } => print(
                words_of_key_file(&file, passphrase.passphrase_for(&file)?.as_ref())?.as_str(),
            ),
            Self::Restore(args) => args.run(),
            Self::Adopt(args) => args.run(),
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
    new_key_file_under(path, KeyProtection::Clear)
}

fn new_key_file_under(path: &Path, protection: KeyProtection<'_>) -> anyhow::Result<SigningKey> {
    Ok(SigningKey::from_seed(&*create_key(path, protection, &mut UnwrapErr(SysRng))?))
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
