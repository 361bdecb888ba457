//! A key as 24 words, and back.
//!
//! Source: BIP-39, "Mnemonic code for generating deterministic keys", English word list, 256 bits of entropy: the words
//! are the Ed25519 seed itself with a checksum of 8 bits. BIP-39's own derivation (PBKDF2 with a passphrase) is not used,
//! so that words and key file say exactly the same.

use std::{io::Read as _, path::Path};

use aggregator_network::{KeyProtection, restore_key, unlock_key};
use anyhow::Context as _;
use bip39::{Language, Mnemonic};
use privacy_identity::{Passphrase, SigningKey};
use rand::{rand_core::UnwrapErr, rngs::SysRng};
use zeroize::Zeroizing;

/// Longest text that is read: 24 words of at most eight letters, with room for line feeds.
const TEXT_BYTES_MAX: u64 = 1_024;

/// Words of a key.
const WORDS: usize = 24;

/// The words of the key in `path`.
///
/// # Errors
/// If the file cannot be read, is open to others, or holds no seed.
///
/// # Panics
/// Never: 32 bytes have a mnemonic.
pub fn words_of_key_file(
    path: &Path,
    passphrase: Option<&Passphrase>,
) -> anyhow::Result<Zeroizing<String>> {
    let seed = unlock_key(path, passphrase)?;
    let words = Mnemonic::from_entropy_in(Language::English, &*seed).expect("32 bytes have words");
    Ok(Zeroizing::new(words.to_string()))
}

/// Writes the key that the words on `input` name to a new file at `path`.
///
/// # Errors
/// Words that are not 24 of the list with a right checksum; a file that exists already.
pub fn key_file_from_words(
    input: impl std::io::Read,
    path: &Path,
    protection: KeyProtection<'_>,
) -> anyhow::Result<SigningKey> {
    let mut text = Zeroizing::new(String::new());
    input.take(TEXT_BYTES_MAX).read_to_string(&mut text).context("reading the words")?;
    let text = Zeroizing::new(text.trim().to_lowercase());
    let count = text.split_whitespace().count();
    anyhow::ensure!(count == WORDS, "{count} words were given, a key has {WORDS}");
    let words = Mnemonic::parse_in_normalized(Language::English, &text)
        // The error names a word by its place, and never says a word.
        .map_err(|error| anyhow::anyhow!("these are not the words of a key: {error}"))?;
    let mut seed = Zeroizing::new([0; 32]);
    seed.copy_from_slice(&Zeroizing::new(words.to_entropy()));
    restore_key(path, &seed, protection, &mut UnwrapErr(SysRng))?;
    Ok(SigningKey::from_seed(&seed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::key::{new_key_file, read_key_file};

    #[test]
    fn a_key_comes_back_from_its_words() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("first"), dir.path().join("second"));
        let public = new_key_file(&first).unwrap().verifying_key();
        let words = words_of_key_file(&first, None).unwrap();
        assert_eq!(words.split_whitespace().count(), WORDS);
        let spaced = format!("\n {}\n", words.to_uppercase().replace(' ', "\n"));
        key_file_from_words(spaced.as_bytes(), &second, KeyProtection::Clear).unwrap();
        assert_eq!(read_key_file(&second).unwrap().verifying_key(), public);
        assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
        assert!(
            key_file_from_words(words.as_bytes(), &second, KeyProtection::Clear).is_err(),
            "never overwritten"
        );
    }

    /// Source: BIP-39's test vectors (trezor/python-mnemonic, vectors.json): 32 zero bytes.
    #[test]
    fn the_words_are_those_of_the_standard() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("zero");
        restore_key(&path, &[0; 32], KeyProtection::Clear, &mut UnwrapErr(SysRng)).unwrap();
        let expected = format!("{} art", ["abandon"; 23].join(" "));
        assert_eq!(*words_of_key_file(&path, None).unwrap(), expected);
    }

    #[test]
    fn wrong_words_are_refused_and_not_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let refused = |text: &str| {
            format!(
                "{:#}",
                key_file_from_words(text.as_bytes(), &path, KeyProtection::Clear).err().unwrap()
            )
        };
        assert_eq!(refused("abandon art"), "2 words were given, a key has 24");
        let wrong = [["abandon"; 23].join(" "), "zebra".to_owned()].join(" ");
        assert!(!refused(&wrong).contains("zebra"));
        let unknown = [["abandon"; 23].join(" "), "sahakar".to_owned()].join(" ");
        assert!(!refused(&unknown).contains("sahakar"));
        assert!(!path.exists());
    }
}
