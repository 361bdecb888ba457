//! Under which licence a federation's models are sold.
//!
//! Here only the form is checked. Whether an expression names licences that exist is for whoever writes it to check: the list
//! grows, and what an old program does not know must not decide what the log says.

use std::fmt;

use privacy_identity::{Digest, Encode, Writer};
use serde::{Deserialize, Serialize};

use crate::{GovernanceError, text};

/// Longest expression or name, in bytes.
pub const LICENCE_NAME_BYTES_MAX: usize = 200;
/// Longest address of a licence's text, in bytes.
pub const LICENCE_LINK_BYTES_MAX: usize = 500;

/// A licence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Licence {
    /// One or more of the SPDX list, as an expression (SPDX specification 2.3, annex D): its ids name texts that never change.
    Spdx(String),
    /// Another one.
    Other {
        /// What it is called.
        name: String,
        /// Where its text is.
        link: String,
        /// SHA-256 of that text, byte for byte.
        ///
        /// Threat: a text that is changed behind its address after somebody agreed to it.
        #[serde(with = "text")]
        sha256: Digest,
    },
}

impl Licence {
    /// Checks lengths and characters: one line, no markup in addresses and expressions.
    ///
    /// # Errors
    /// [`GovernanceError::Length`], or [`GovernanceError::Licence`] with the part that has other characters.
    pub fn check(&self) -> Result<(), GovernanceError> {
        let length = |field: &'static str, text: &str, max: usize| match text.len() {
            got if (1..=max).contains(&got) => Ok(()),
            got => Err(GovernanceError::Length { field, got, max }),
        };
        let refused = |field| Err(GovernanceError::Licence { field });
        match self {
            Self::Spdx(expression) => {
                length("spdx", expression, LICENCE_NAME_BYTES_MAX)?;
                let of_expressions = |c: char| c.is_ascii_alphanumeric() || " .-+()/:".contains(c);
                if expression.chars().all(of_expressions) { Ok(()) } else { refused("spdx") }
            }
            Self::Other { name, link, sha256: _ } => {
                length("name", name, LICENCE_NAME_BYTES_MAX)?;
                length("link", link, LICENCE_LINK_BYTES_MAX)?;
                if name.chars().any(char::is_control) {
                    return refused("name");
                }
                let plain = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
                let is_link = link.starts_with("https://") && link.chars().all(plain);
                if is_link { Ok(()) } else { refused("link") }
            }
        }
    }

    /// What it is called: the expression, or the name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Spdx(expression) => expression,
            Self::Other { name, .. } => name,
        }
    }
}

/// All of it in one line.
impl fmt::Display for Licence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spdx(expression) => f.write_str(expression),
            Self::Other { name, link, sha256 } => write!(f, "{name} <{link}> sha256:{sha256}"),
        }
    }
}

impl Encode for Licence {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Spdx(expression) => {
                writer.u8(1);
                writer.text(expression);
            }
            Self::Other { name, link, sha256 } => {
                writer.u8(2);
                writer.text(name);
                writer.text(link);
                sha256.encode(writer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(name: &str, link: &str) -> Licence {
        Licence::Other { name: name.into(), link: link.into(), sha256: Digest([7; 32]) }
    }

    #[test]
    fn a_licence_is_one_line_with_an_address_that_is_one() {
        let good = [
            Licence::Spdx("MIT OR Apache-2.0".into()),
            Licence::Spdx("(GPL-3.0-only WITH Classpath-exception-2.0)".into()),
            other("Kooperative, Fassung 1", "https://dao.example/licence.txt?v=1#top"),
        ];
        for licence in good {
            assert_eq!(licence.check(), Ok(()), "{licence}");
            let json = serde_json::to_string(&licence).unwrap();
            assert_eq!(serde_json::from_str::<Licence>(&json).unwrap(), licence);
        }
        let bad = [
            Licence::Spdx(String::new()),
            Licence::Spdx("MIT\nlicense: other".into()),
            Licence::Spdx("M".repeat(201)),
            other("", "https://dao.example/"),
            other("two\nlines", "https://dao.example/"),
            other("x", "http://dao.example/"),
            other("x", "javascript:alert(1)"),
            other("x", "https://dao.example/)[x](y) z"),
            other("x", "https://dao.example/\"><script>"),
        ];
        for licence in bad {
            assert!(licence.check().is_err(), "{licence}");
        }
    }
}
