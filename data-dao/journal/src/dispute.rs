//! A member's objection to what a round is about to pay.

use data_dao_governance::{Accused, text};
use data_dao_ledger::Name;
use privacy_identity::{
    Digest, Encode, KeyError, Signature, SigningKey, Tag, VerifyingKey, Writer,
};
use serde::{Deserialize, Serialize};

/// What a member objects to. There is one per DAO, federation, round and accused, so it needs no
/// nonce: presented again it is refused, presented elsewhere it names another round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dispute {
    /// The DAO: the leaf hash of its genesis entry.
    #[serde(with = "text")]
    pub dao: Digest,
    /// The federation.
    #[serde(with = "text")]
    pub federation: Name,
    /// The round.
    pub round: u64,
    /// Whose pay.
    #[serde(with = "text")]
    pub accused: Accused,
    /// Who objects: a member of the federation.
    #[serde(with = "text")]
    pub complainant: VerifyingKey,
    /// Digest of what the members are shown.
    #[serde(with = "text")]
    pub evidence: Digest,
    /// In words.
    pub reason: String,
}

impl Dispute {
    /// Signs the objection; `key` must be the complainant's for it to count.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Signature {
        key.sign(Tag::Dispute, &self.to_bytes())
    }

    /// Checks that the complainant signed, by `key`: the one that signs for it now ([`crate::State::signing_key`]).
    ///
    /// # Errors
    /// [`KeyError::BadSignature`].
    pub fn verify_by(&self, key: &VerifyingKey, signature: &Signature) -> Result<(), KeyError> {
        key.verify(Tag::Dispute, &self.to_bytes(), signature)
    }
}

impl Encode for Dispute {
    fn encode(&self, writer: &mut Writer) {
        self.dao.encode(writer);
        writer.text(self.federation.as_str());
        writer.u64(self.round);
        self.accused.encode(writer);
        self.complainant.encode(writer);
        self.evidence.encode(writer);
        writer.text(&self.reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_this_objection_only() {
        let key = |number| SigningKey::from_seed(&[number; 32]);
        let dispute = Dispute {
            dao: Digest([1; 32]),
            federation: Name::new("wine").unwrap(),
            round: 3,
            accused: Accused::Round,
            complainant: key(1).verifying_key(),
            evidence: Digest([2; 32]),
            reason: "the sum is not the sum".into(),
        };
        let signature = dispute.sign(&key(1));
        let own = dispute.complainant;
        assert!(dispute.verify_by(&own, &signature).is_ok());
        let others = [
            Dispute { dao: Digest([9; 32]), ..dispute.clone() },
            Dispute { federation: Name::new("beer").unwrap(), ..dispute.clone() },
            Dispute { round: 4, ..dispute.clone() },
            Dispute { accused: Accused::Member(key(3).verifying_key()), ..dispute.clone() },
            Dispute { complainant: key(2).verifying_key(), ..dispute.clone() },
            Dispute { evidence: Digest([9; 32]), ..dispute.clone() },
            Dispute { reason: "other".into(), ..dispute.clone() },
        ];
        for other in others {
            assert!(other.verify_by(&own, &signature).is_err(), "{other:?}");
        }
    }
}
