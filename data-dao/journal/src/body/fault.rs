//! That a party of a round is proven to have lied about a member's update.

use data_dao_governance::text;
use privacy_identity::{Encode as _, KeyError, Signature, SigningKey, Tag, VerifyingKey, Writer};
use serde::{Deserialize, Serialize};

use crate::Dispute;

/// What a judgement is signed as. A dispute begins with the DAO's digest, which is checked, so that nothing signed as one
/// reads as the other.
const JUDGEMENT: &str = "a party is at fault";

/// A party signed another answer about a member's update than follows from its part of it. The member showed the DAO node that
/// part, whose digest is the evidence; the node judged it. Nobody else can: the part is for the node's eyes alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultProven {
    /// The member's objection to the pay of the whole round.
    pub dispute: Dispute,
    /// The member's signature over it under `Tag::Dispute`.
    #[serde(with = "text")]
    pub signature: Signature,
    /// Who lied.
    #[serde(with = "text")]
    pub party: VerifyingKey,
    /// The DAO node's signature over objection and party.
    #[serde(with = "text")]
    pub judgement: Signature,
}

impl FaultProven {
    /// The entry, as the owner of the DAO node's `key` judged.
    #[must_use]
    pub fn judged(
        dispute: Dispute,
        signature: Signature,
        party: VerifyingKey,
        key: &SigningKey,
    ) -> Self {
        let judgement = key.sign(Tag::Dispute, &judgement_bytes(&dispute, &party));
        Self { dispute, signature, party, judgement }
    }

    /// Checks that the DAO node judged so.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`].
    pub fn verify_judgement(&self, dao_node: &VerifyingKey) -> Result<(), KeyError> {
        let bytes = judgement_bytes(&self.dispute, &self.party);
        dao_node.verify(Tag::Dispute, &bytes, &self.judgement)
    }
}

fn judgement_bytes(dispute: &Dispute, party: &VerifyingKey) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.text(JUDGEMENT);
    dispute.encode(&mut writer);
    party.encode(&mut writer);
    writer.into_bytes()
}
