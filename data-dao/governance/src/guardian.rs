//! Somebody who can stop a proposal, and nothing else, until a date.
//!
//! Threat: a majority that was bought or deceived, with the timelock as the only time left. The
//! guardian can only cancel, says why in the log, cannot stop proposals about itself, and its
//! office ends by itself. It is handed over in two steps, so that no key gets it that nobody holds.

use privacy_identity::{Digest, Encode, Tag, VerifyingKey, Writer};
use serde::{Deserialize, Serialize};

use crate::{GovernanceError, ProposalId, request::request_of, text};

/// Longest reason of a veto, in bytes.
pub const VETO_REASON_BYTES_MAX: usize = 1_000;

/// A guardian in office.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guardian {
    /// Who.
    pub key: VerifyingKey,
    /// When the office ends by itself, in ledger time.
    pub sunset_ms: u64,
}

/// Who is guardian, and who was asked to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guardianship {
    guardian: Option<Guardian>,
    nominated: Option<(VerifyingKey, u64)>,
}

impl Guardianship {
    /// The guardian at `now_ms`.
    #[must_use]
    pub fn live(&self, now_ms: u64) -> Option<Guardian> {
        self.guardian.filter(|guardian| now_ms < guardian.sunset_ms)
    }

    /// Who was asked, and for how long.
    #[must_use]
    pub const fn nominated(&self) -> Option<(VerifyingKey, u64)> {
        self.nominated
    }

    /// Asks `key` to serve for `term_ms` from its acceptance on. Until then the guardian stays.
    #[must_use]
    pub const fn nominate(self, key: VerifyingKey, term_ms: u64) -> Self {
        Self { nominated: Some((key, term_ms)), ..self }
    }

    /// Nobody any more.
    #[must_use]
    pub const fn dismissed() -> Self {
        Self { guardian: None, nominated: None }
    }

    /// Puts the nominated in office.
    ///
    /// # Errors
    /// [`GovernanceError::NotNominated`].
    pub fn accept(self, by: VerifyingKey, now_ms: u64) -> Result<Self, GovernanceError> {
        match self.nominated {
            Some((key, term_ms)) if key == by => {
                let guardian = Guardian { key, sunset_ms: now_ms.saturating_add(term_ms) };
                Ok(Self { guardian: Some(guardian), nominated: None })
            }
            _ => Err(GovernanceError::NotNominated { by }),
        }
    }
}

/// The guardian's word against a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Veto {
    /// The DAO: the leaf hash of its genesis entry.
    #[serde(with = "text")]
    pub dao: Digest,
    /// The proposal.
    #[serde(with = "text")]
    pub proposal: ProposalId,
    /// The guardian.
    #[serde(with = "text")]
    pub guardian: VerifyingKey,
    /// Why: it is written into the log.
    pub reason: String,
    /// See [`crate::Request::nonce`].
    #[serde(with = "text")]
    pub nonce: u64,
    /// See [`crate::Request::expires_ms`].
    #[serde(with = "text")]
    pub expires_ms: u64,
}

request_of!(Veto, Tag::MemberRequest, signed by guardian);

impl Encode for Veto {
    fn encode(&self, writer: &mut Writer) {
        writer.text("veto-proposal");
        self.dao.encode(writer);
        self.proposal.0.encode(writer);
        self.guardian.encode(writer);
        writer.text(&self.reason);
        writer.u64(self.nonce);
        writer.u64(self.expires_ms);
    }
}

/// The nominated's word that it holds the key and will serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardianAcceptance {
    /// The DAO: the leaf hash of its genesis entry.
    #[serde(with = "text")]
    pub dao: Digest,
    /// The nominated.
    #[serde(with = "text")]
    pub guardian: VerifyingKey,
    /// See [`crate::Request::nonce`].
    #[serde(with = "text")]
    pub nonce: u64,
    /// See [`crate::Request::expires_ms`].
    #[serde(with = "text")]
    pub expires_ms: u64,
}

request_of!(GuardianAcceptance, Tag::MemberRequest, signed by guardian);

impl Encode for GuardianAcceptance {
    fn encode(&self, writer: &mut Writer) {
        writer.text("accept-guardianship");
        self.dao.encode(writer);
        self.guardian.encode(writer);
        writer.u64(self.nonce);
        writer.u64(self.expires_ms);
    }
}

#[cfg(test)]
mod tests {
    use privacy_identity::SigningKey;

    use super::*;

    fn key(number: u8) -> VerifyingKey {
        SigningKey::from_seed(&[number; 32]).verifying_key()
    }

    #[test]
    fn a_guardian_is_handed_over_in_two_steps_and_ends_by_itself() {
        let first = Guardianship::default().nominate(key(1), 100).accept(key(1), 10).unwrap();
        assert_eq!(first.live(109).map(|guardian| guardian.key), Some(key(1)));
        assert_eq!(first.live(110), None);
        let asked = first.nominate(key(2), 50);
        assert_eq!(asked.live(20).map(|guardian| guardian.key), Some(key(1)));
        assert_eq!(asked.accept(key(3), 20), Err(GovernanceError::NotNominated { by: key(3) }));
        let second = asked.accept(key(2), 20).unwrap();
        assert_eq!(second.live(20), Some(Guardian { key: key(2), sunset_ms: 70 }));
        assert_eq!(second.accept(key(2), 20), Err(GovernanceError::NotNominated { by: key(2) }));
        assert_eq!(Guardianship::dismissed().live(20), None);
    }
}
