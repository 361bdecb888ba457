//! A new key for a member: what the new key signs, and what the old one does.
//!
//! ```text
//!  new key ── signs ──► KeyClaim ──┬─ and the old key signs Rotation ──────────► the log      (a key that is at hand)
//!                                  └─ Action::RotateKey, passed by vote ────────► the log      (a key that is lost)
//! ```
//! Threats. A key that nobody holds, or that is somebody else's: the new key signs that it wants to be this member's. A claim that is
//! presented again, to another DAO, for another member, or after another rotation: it names the DAO, the member, the key that it
//! replaces and how many were replaced before. Not stopped: whoever holds the old key can rotate it as its owner can. A stolen key
//! is taken from the thief by votes: the member is suspended first (nobody rotates a suspended member's key by itself), then
//! gets the key that its owner claims.

use privacy_identity::{
    Digest, Encode, KeyError, Signature, SigningKey, Tag, VerifyingKey, Writer,
};
use serde::{Deserialize, Serialize};

use crate::{Request, text};

/// A key's word that it is to sign for a member, from its rotation on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyClaim {
    /// The DAO: the leaf hash of its genesis entry.
    #[serde(with = "text")]
    pub dao: Digest,
    /// The member: the key with which it joined, whatever it signs with now.
    #[serde(with = "text")]
    pub member: VerifyingKey,
    /// The key that signs for the member now.
    #[serde(with = "text")]
    pub old: VerifyingKey,
    /// The key that is to.
    #[serde(with = "text")]
    pub new: VerifyingKey,
    /// How many times the member's key was replaced before.
    pub rotations: u32,
}

impl Encode for KeyClaim {
    fn encode(&self, writer: &mut Writer) {
        writer.text("claim-key");
        self.dao.encode(writer);
        self.member.encode(writer);
        self.old.encode(writer);
        self.new.encode(writer);
        writer.u32(self.rotations);
    }
}

/// A claim with the new key's signature. It is handed over outside the log, like an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimedKey {
    /// What is claimed.
    pub claim: KeyClaim,
    /// The new key's signature over it under `Tag::MemberRequest`: whoever claims the key holds it.
    #[serde(with = "text")]
    pub possession: Signature,
}

impl ClaimedKey {
    /// Signs `claim`; `key` must be the new one.
    #[must_use]
    pub fn new(claim: KeyClaim, key: &SigningKey) -> Self {
        let possession = key.sign(Tag::MemberRequest, &claim.to_bytes());
        Self { claim, possession }
    }

    /// Checks that the new key signed.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`].
    pub fn verify(&self) -> Result<(), KeyError> {
        self.claim.new.verify(Tag::MemberRequest, &self.claim.to_bytes(), &self.possession)
    }
}

impl Encode for ClaimedKey {
    fn encode(&self, writer: &mut Writer) {
        self.claim.encode(writer);
        self.possession.encode(writer);
    }
}

/// A member's word that another key signs for it from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The new key, as it claims to be.
    pub claimed: ClaimedKey,
    /// See [`Request::nonce`].
    #[serde(with = "text")]
    pub nonce: u64,
    /// See [`Request::expires_ms`].
    #[serde(with = "text")]
    pub expires_ms: u64,
}

impl Request for Rotation {
    const TAG: Tag = Tag::MemberRequest;

    fn dao(&self) -> Digest {
        self.claimed.claim.dao
    }

    fn signer(&self) -> VerifyingKey {
        self.claimed.claim.member
    }

    fn nonce(&self) -> u64 {
        self.nonce
    }

    fn expires_ms(&self) -> u64 {
        self.expires_ms
    }
}

impl Encode for Rotation {
    fn encode(&self, writer: &mut Writer) {
        writer.text("rotate-key");
        self.claimed.encode(writer);
        writer.u64(self.nonce);
        writer.u64(self.expires_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> SigningKey {
        SigningKey::from_seed(&[number; 32])
    }

    fn claim() -> KeyClaim {
        let (old, new) = (key(1).verifying_key(), key(2).verifying_key());
        KeyClaim { dao: Digest([1; 32]), member: old, old, new, rotations: 0 }
    }

    #[test]
    fn possession_holds_for_every_part_of_its_claim_only() {
        let ClaimedKey { claim, possession } = ClaimedKey::new(claim(), &key(2));
        assert!(ClaimedKey { claim: claim.clone(), possession }.verify().is_ok());
        let other = key(3).verifying_key();
        let others = [
            KeyClaim { dao: Digest([9; 32]), ..claim.clone() },
            KeyClaim { member: other, ..claim.clone() },
            KeyClaim { old: other, ..claim.clone() },
            KeyClaim { new: other, ..claim.clone() },
            KeyClaim { rotations: 1, ..claim.clone() },
        ];
        for claim in others {
            assert!(ClaimedKey { claim: claim.clone(), possession }.verify().is_err(), "{claim:?}");
        }
        assert!(
            ClaimedKey::new(claim, &key(1)).verify().is_err(),
            "the old key holds the new one not"
        );
    }

    #[test]
    fn a_rotation_is_signed_whole_and_is_not_its_claim() {
        let claimed = ClaimedKey::new(claim(), &key(2));
        let rotation = Rotation { claimed, nonce: 1, expires_ms: 2 };
        let (old, signature) = (key(1).verifying_key(), rotation.sign(&key(1)));
        assert!(rotation.verify_by(&old, &signature).is_ok());
        let mut other = rotation.clone();
        other.claimed.possession = signature;
        assert!(other.verify_by(&old, &signature).is_err());
        for other in
            [Rotation { nonce: 2, ..rotation.clone() }, Rotation { expires_ms: 3, ..rotation }]
        {
            assert!(other.verify_by(&old, &signature).is_err());
            let claim = other.claimed.claim;
            assert!(ClaimedKey { claim, possession: signature }.verify().is_err());
        }
    }
}
