//! Books, and the currencies of money books.

use std::{fmt, str::FromStr};

use crate::AccountError;

/// The active codes of ISO 4217, list one, of 2026 that are money: without precious metals, units
/// of account between banks, test and "no currency" codes.
///
/// Append, never remove: a log that was founded with a code has to replay for ever.
const CODES: &str = "\
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD \
    CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS \
    GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW \
    KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR \
    MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR \
    SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX \
    USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";

/// A currency by its code (ISO 4217).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The code's three letters.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 3] {
        &self.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).expect("three ASCII letters"))
    }
}

impl FromStr for Currency {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let known = CODES.split_ascii_whitespace().any(|code| code == text);
        match text.as_bytes() {
            &[a, b, c] if known => Ok(Self([a, b, c])),
            _ => Err(AccountError::NotACurrency { got: text.to_owned() }),
        }
    }
}

/// What an account counts. Transfers stay within one book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Book {
    /// Credits, earned by measured value.
    Credit,
    /// Votes: earned with the credits, and then nobody's to give away.
    Vote,
    /// Money.
    Money(Currency),
    /// Privacy loss, ε.
    Privacy,
    /// Compute.
    Compute,
}

impl Book {
    /// Decimal places of the book's unit: an amount of 1 is 10^−scale of it.
    ///
    /// Credits and votes are whole. Money has four places, as no currency of ISO 4217 has more. ε
    /// and compute are in millionths.
    #[must_use]
    pub const fn scale(self) -> u8 {
        match self {
            Self::Credit | Self::Vote => 0,
            Self::Money(_) => 4,
            Self::Privacy | Self::Compute => 6,
        }
    }
}

impl fmt::Display for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credit => f.write_str("credit"),
            Self::Vote => f.write_str("vote"),
            Self::Money(currency) => write!(f, "money/{currency}"),
            Self::Privacy => f.write_str("privacy"),
            Self::Compute => f.write_str("compute"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_money_are_taken_and_others_refused() {
        for code in ["EUR", "CHF", "JPY", "BHD", "INR", "XOF", "XCG", "ZWG"] {
            assert_eq!(code.parse::<Currency>().unwrap().to_string(), code);
        }
        // Not a code; withdrawn; a metal; for tests; no currency; a fund; other texts.
        let others =
            ["ABC", "DEM", "XAU", "XTS", "XXX", "CLF", "eur", "EU", "EURO", "EUR ", "", " "];
        for code in others {
            let refusal = AccountError::NotACurrency { got: code.to_owned() };
            assert_eq!(code.parse::<Currency>(), Err(refusal));
        }
    }

    #[test]
    fn the_codes_are_ascending_and_three_letters_each() {
        let codes: Vec<&str> = CODES.split_ascii_whitespace().collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(codes.iter().all(|c| c.len() == 3 && c.bytes().all(|b| b.is_ascii_uppercase())));
    }
}
