//! What a person or a service keeps in mind to open a file.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

/// The longest passphrase, in bytes: a line of a file.
const BYTES_MAX: usize = 1_024;

/// Why a text is no passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// There is nothing in it.
    #[error("the passphrase is empty")]
    Empty,
    /// It is longer than anybody types.
    #[error("the passphrase is longer than {BYTES_MAX} bytes")]
    TooLong,
    /// It has a line feed or another character that no keyboard gives back.
    #[error("the passphrase has a control character, such as a line feed")]
    Control,
    /// For a new file it is too short to withstand guessing.
    #[error("the passphrase has {got} characters, a new one needs {}", Passphrase::NEW_CHARS_MIN)]
    TooShort {
        /// Its characters.
        got: usize,
    },
}

/// A secret text under which files are encrypted. Zeroised on drop, never printed, taken as it is: no spaces are trimmed and
/// no characters are normalised.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// The fewest characters of a passphrase for a new file.
    ///
    /// Who has the file guesses at leisure, at one [`crate::WorkFactor::DEFAULT`] a guess. Twelve random lower-case letters are 56
    /// bits; what people choose is less, so that windows recommend five words of a list. A floor, no measure of quality.
    pub const NEW_CHARS_MIN: usize = 12;

    /// Takes `text`, which opens a file that is there already.
    ///
    /// # Errors
    /// [`PassphraseError`], but never `TooShort`.
    pub fn new(text: Zeroizing<String>) -> Result<Self, PassphraseError> {
        if text.is_empty() {
            Err(PassphraseError::Empty)
        } else if text.len() > BYTES_MAX {
            Err(PassphraseError::TooLong)
        } else if text.chars().any(char::is_control) {
            Err(PassphraseError::Control)
        } else {
            Ok(Self(text))
        }
    }

    /// This passphrase, if it is long enough for a new file.
    ///
    /// # Errors
    /// [`PassphraseError::TooShort`].
    pub fn for_new_file(self) -> Result<Self, PassphraseError> {
        match self.0.chars().count() {
            got if got < Self::NEW_CHARS_MIN => Err(PassphraseError::TooShort { got }),
            _ => Ok(self),
        }
    }

    /// The text.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Result<Passphrase, PassphraseError> {
        Passphrase::new(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn what_no_keyboard_gives_is_no_passphrase() {
        let check = |text: &str, expected| {
            assert_eq!(
                passphrase(text).and_then(Passphrase::for_new_file).err(),
                expected,
                "{text:?}"
            );
        };
        check("", Some(PassphraseError::Empty));
        check("one line\n", Some(PassphraseError::Control));
        check(&"a".repeat(BYTES_MAX + 1), Some(PassphraseError::TooLong));
        check("elevenchars", Some(PassphraseError::TooShort { got: 11 }));
        check("बारहअक्षरहैं१२३", None);
        check(" spaces count", None);
        assert!(passphrase("short").is_ok(), "an old file may have any");
    }

    #[test]
    fn a_passphrase_is_not_printed() {
        assert_eq!(format!("{:?}", passphrase("correct horse").unwrap()), "Passphrase");
    }
}
