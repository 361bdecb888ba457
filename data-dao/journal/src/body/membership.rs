//! Who belongs to the co-operative.

use data_dao_governance::{
    Consent, Departure, Invitation, Joining, Role, Rotation, optional_text, text,
};
use privacy_identity::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

/// A member of the first hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Founder {
    /// The member's pseudonym.
    #[serde(with = "text")]
    pub member: VerifyingKey,
    /// What the member wants to be called.
    pub label: String,
    /// As what: at least one role, ascending.
    pub roles: Vec<Role>,
}

/// Who founds the DAO: the second entry, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MembersFounded {
    /// The founders, strictly ascending by key.
    pub members: Vec<Founder>,
    /// Who can stop proposals, once it has accepted.
    #[serde(default, with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub guardian: Option<VerifyingKey>,
    /// For how long the guardian serves; 0 if there is none.
    pub guardian_term_ms: u64,
}

/// Somebody joined at a member's invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberJoined {
    /// What the inviting member signed.
    pub invitation: Invitation,
    /// Its signature over the invitation under `Tag::MemberRequest`.
    #[serde(with = "text")]
    pub invitation_signature: Signature,
    /// What the invited signed.
    pub joining: Joining,
    /// Its signature under `Tag::MemberRequest`.
    #[serde(with = "text")]
    pub signature: Signature,
}

/// A member left, or one that left before or is suspended was paid out what it earned since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberLeft {
    /// What the member signed.
    pub departure: Departure,
    /// The member's signature over it under `Tag::MemberRequest`.
    #[serde(with = "text")]
    pub signature: Signature,
    /// The money paid out, in 10⁻⁴ of the currency's unit: recomputed, all that the member had.
    #[serde(with = "text")]
    pub paid_out: u128,
}

/// A device agreed to a federation's present policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentGiven {
    /// What the device signed.
    pub consent: Consent,
    /// Its signature over it under `Tag::MemberRequest`.
    #[serde(with = "text")]
    pub signature: Signature,
}

/// Another key signs for a member from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberKeyRotated {
    /// What the member's old key signed, the new key's proof in it.
    pub rotation: Rotation,
    /// The old key's signature over it under `Tag::MemberRequest`.
    #[serde(with = "text")]
    pub signature: Signature,
}
