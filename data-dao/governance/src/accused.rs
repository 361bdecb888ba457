//! Whom a dispute over the pay of a round is about.

use std::{fmt, str::FromStr};

use privacy_identity::{Encode, KeyError, VerifyingKey, Writer};

/// Whose pay is objected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Accused {
    /// Everybody's: the sum or the probes were wrong.
    Round,
    /// One participant's.
    Member(VerifyingKey),
}

impl fmt::Display for Accused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Round => f.write_str("round"),
            Self::Member(key) => key.fmt(f),
        }
    }
}

impl FromStr for Accused {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text == "round" { Ok(Self::Round) } else { text.parse().map(Self::Member) }
    }
}

impl Encode for Accused {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Round => writer.u8(0),
            Self::Member(key) => {
                writer.u8(1);
                key.encode(writer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use privacy_identity::SigningKey;

    use super::*;

    #[test]
    fn the_accused_have_a_readable_form() {
        let key = SigningKey::from_seed(&[1; 32]).verifying_key();
        for accused in [Accused::Round, Accused::Member(key)] {
            assert_eq!(accused.to_string().parse::<Accused>().unwrap(), accused);
        }
        assert!("everybody".parse::<Accused>().is_err());
    }
}
