//! How updates of a federation are sealed, and who has to collude to read one.

use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Reader, SealingPublicKey, Signed, Tag, VerifyingKey,
    Writer,
};
use privacy_secagg::AGGREGATORS_MAX;

/// The mode in which updates are sealed (DESIGN §4). Part of the signed terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealingTerms {
    /// Additive shares for two aggregators or more: all of them together could read an update.
    Mpc,
    /// As [`Self::Mpc`], with a zero-knowledge proof that the update's norm is within bound (PINE).
    MpcVerified,
    /// Key-additive ring-LWE: one aggregator, which together with the threshold of custodians could
    /// read an update.
    Fhe(CustodyTerms),
}

impl SealingTerms {
    /// Its name on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mpc => "mpc",
            Self::MpcVerified => "mpc-verified",
            Self::Fhe(_) => "fhe",
        }
    }

    /// How the key shares are kept, in FHE mode.
    #[must_use]
    pub const fn custody(self) -> Option<CustodyTerms> {
        match self {
            Self::Fhe(custody) => Some(custody),
            Self::Mpc | Self::MpcVerified => None,
        }
    }
}

/// How many custodians hold shares of each contributor's key, and how many of them open a sum.
///
/// Threat: an aggregator that asks some custodians to open one set and others another: the difference
/// of the sums is a person. A custodian therefore answers only when `agreement` custodians echoed the
/// same set. Two sets would need 2 · `agreement` echoes of `custodians` + (those who echo twice); with
/// at most `threshold` − 1 dishonest custodians that is impossible if
/// 2 · `agreement` > `custodians` + `threshold` − 1 (quorum intersection, Malkhi & Reiter 1998).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CustodyTerms {
    custodians: u8,
    threshold: u8,
}

impl CustodyTerms {
    /// `threshold` of `custodians`.
    ///
    /// # Errors
    /// [`DecodeError::Invalid`] unless 2 ≤ `threshold` and there can be agreement.
    pub fn new(custodians: u8, threshold: u8) -> Result<Self, DecodeError> {
        let terms = Self { custodians, threshold };
        let most = AGGREGATORS_MAX - 1;
        if usize::from(custodians) > most {
            let why = format!("at most {most}, got {custodians}");
            return Err(DecodeError::invalid("custodians", why));
        }
        if threshold < 2 || threshold > custodians || terms.agreement() > terms.custodians() {
            let why = format!("2..={custodians} are needed, got {threshold}");
            return Err(DecodeError::invalid("threshold of custodians", why));
        }
        Ok(terms)
    }

    /// c: how many hold a share of each key.
    #[must_use]
    pub const fn custodians(self) -> usize {
        self.custodians as usize
    }

    /// t: how many open a sum; one fewer learn nothing.
    #[must_use]
    pub const fn threshold(self) -> usize {
        self.threshold as usize
    }

    /// q: how many have to echo a set before any of them opens it: ⌊(c + t − 1) / 2⌋ + 1.
    #[must_use]
    pub const fn agreement(self) -> usize {
        (self.custodians as usize + self.threshold as usize - 1) / 2 + 1
    }
}

impl Encode for SealingTerms {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Mpc => writer.u8(0),
            Self::MpcVerified => writer.u8(1),
            Self::Fhe(custody) => {
                writer.u8(2);
                writer.u8(custody.custodians);
                writer.u8(custody.threshold);
            }
        }
    }
}

impl Decode for SealingTerms {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Mpc,
            1 => Self::MpcVerified,
            2 => Self::Fhe(CustodyTerms::new(reader.u8()?, reader.u8()?)?),
            other => return Err(DecodeError::invalid("sealing", other)),
        })
    }
}

/// The key to which shares for a member are sealed, when it is a custodian. Signed by the member, so
/// that nobody, the DAO node included, can put another key in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CustodyKey {
    /// The federation's id.
    pub federation: Digest,
    /// The key.
    pub sealing: SealingPublicKey,
}

impl Encode for CustodyKey {
    fn encode(&self, writer: &mut Writer) {
        self.federation.encode(writer);
        self.sealing.encode(writer);
    }
}

impl Decode for CustodyKey {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { federation: Decode::decode(reader)?, sealing: Decode::decode(reader)? })
    }
}

/// A member that holds shares of keys in one round, with the key that it signed itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Custodian {
    /// The member.
    pub member: VerifyingKey,
    /// Its key, signed by itself.
    pub key: Signed<CustodyKey>,
}

impl Custodian {
    /// The key to which its shares are sealed, if the member signed it for this federation.
    #[must_use]
    pub fn sealing(&self, federation: &Digest) -> Option<SealingPublicKey> {
        let key = self.key.clone().verify_by(Tag::CustodyKey, &self.member).ok()?;
        (key.body().federation == *federation).then_some(key.body().sealing)
    }
}

impl Encode for Custodian {
    fn encode(&self, writer: &mut Writer) {
        self.member.encode(writer);
        self.key.encode(writer);
    }
}

impl Decode for Custodian {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { member: Decode::decode(reader)?, key: Decode::decode(reader)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sets_never_both_find_agreement() {
        for custodians in 2..=15_u8 {
            for threshold in 2..=custodians {
                let Ok(terms) = CustodyTerms::new(custodians, threshold) else { continue };
                // The dishonest echo both sets, the honest one of them.
                let dishonest = terms.threshold() - 1;
                let honest = terms.custodians() - dishonest;
                assert!(2 * terms.agreement() > honest + 2 * dishonest, "{terms:?}");
            }
        }
        assert!(CustodyTerms::new(5, 3).is_ok_and(|terms| terms.agreement() == 4));
        assert!(CustodyTerms::new(3, 1).is_err());
        assert!(CustodyTerms::new(3, 4).is_err());
        assert!(CustodyTerms::new(16, 3).is_err());
    }
}
