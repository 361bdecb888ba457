//! Short readable names: of federations, models and API keys.

use std::{fmt, str::FromStr, sync::Arc};

use thiserror::Error;

/// Longest name.
const NAME_BYTES_MAX: usize = 64;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{got:?} is not a name: 1 to 64 of a-z, 0-9, '-', '_', '.', and first a letter or digit")]
pub struct NameError {
    /// The text.
    pub got: String,
}

/// 1 to 64 lower-case letters, digits, `-`, `_` and `.`, beginning with a letter or digit: safe
/// as a part of an account id, a URL and a file name.
///
/// Clones share the text: an account's id is named by every transfer and every prediction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// Checks and takes `text`.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let first = text.bytes().next().is_some_and(is_letter_or_digit);
        let rest = text.bytes().all(|b| is_letter_or_digit(b) || b"-_.".contains(&b));
        if first && rest && text.len() <= NAME_BYTES_MAX {
            Ok(Self(text.into()))
        } else {
            Err(NameError { got: text })
        }
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn is_letter_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_mistaken_in_a_path_or_query_is_refused() {
        for good in ["wine", "wine-quality_2.1", "0", &"x".repeat(64)] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "..", ".x", "a/b", "A", "a b", "é", "x';--", "a\n", &"x".repeat(65)] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
    }
}
