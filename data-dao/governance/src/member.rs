//! Membership: roles, invitations signed by a member, consent, leaving.

use privacy_identity::{
    Digest, Encode, KeyError, Signature, SigningKey, Tag, VerifyingKey, Writer,
};
use serde::{Deserialize, Serialize};

use crate::{GovernanceError, request::request_of, text};

/// Longest label of a member, in bytes.
pub const MEMBER_LABEL_BYTES_MAX: usize = 200;

/// What a member does in the co-operative, as members agreed to call it: a public label, which grants nothing.
///
/// Deliberately so. What somebody may do follows from what it has and signed, not from what it is called: to vote, from
/// credits earned; to train, from being admitted to a federation and consenting to its policy; to buy, from an API key;
/// to be a custodian, from a draw that everybody can recompute. A role that was asked for as
/// well would be a second register of the same rights, and one that a vote or an invitation could set wrong: a custodian
/// by role could be invited by whoever wants to have the shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Votes with what it has earned, and may invite. Every other role has that, too.
    Member,
    /// Trains on its own data.
    Contributor,
    /// Keeps shares of keys.
    Custodian,
    /// Buys predictions.
    Buyer,
    /// Adds up updates that it cannot read. Which keys do so is in the genesis entry and in the terms that every device
    /// signs up to; the label makes no key one of them. It is given by a vote or at the founding only, since people would
    /// trust who bears it, and one member's word must not lend that trust.
    Aggregator,
}

impl Role {
    /// The name, as the wire form spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Contributor => "contributor",
            Self::Custodian => "custodian",
            Self::Buyer => "buyer",
            Self::Aggregator => "aggregator",
        }
    }

    /// Checks that there is a role, and that each stands once, in order: one list for each set.
    ///
    /// # Errors
    /// [`GovernanceError::Roles`].
    pub fn check(roles: &[Self]) -> Result<(), GovernanceError> {
        if !roles.is_empty() && roles.is_sorted_by(|a, b| a < b) {
            Ok(())
        } else {
            Err(GovernanceError::Roles)
        }
    }

    pub(crate) fn list_to_writer(roles: &[Self], writer: &mut Writer) {
        writer.u32(u32::try_from(roles.len()).unwrap_or(u32::MAX));
        for role in roles {
            writer.text(role.as_str());
        }
    }
}

/// A member's word that somebody may join. It is handed over outside the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// The DAO: the leaf hash of its genesis entry.
    #[serde(with = "text")]
    pub dao: Digest,
    /// Who invites.
    #[serde(with = "text")]
    pub inviter: VerifyingKey,
    /// Who is invited: nobody else can use the invitation.
    #[serde(with = "text")]
    pub member: VerifyingKey,
    /// As what: at least one role, ascending, and not as an aggregator.
    pub roles: Vec<Role>,
    /// The last moment at which it can be accepted, in ledger time.
    #[serde(with = "text")]
    pub expires_ms: u64,
}

impl Invitation {
    /// Checks what the invitation says about itself.
    ///
    /// # Errors
    /// [`GovernanceError::Roles`], [`GovernanceError::RoleNeedsVote`] or
    /// [`GovernanceError::RequestExpired`].
    pub fn check(&self, now_ms: u64) -> Result<(), GovernanceError> {
        Role::check(&self.roles)?;
        if self.roles.contains(&Role::Aggregator) {
            return Err(GovernanceError::RoleNeedsVote { role: Role::Aggregator });
        }
        let expires_ms = self.expires_ms;
        if now_ms > expires_ms {
            return Err(GovernanceError::RequestExpired { expires_ms, now_ms });
        }
        Ok(())
    }

    /// Signs the invitation; `key` must be the inviter's.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Signature {
        key.sign(Tag::MemberRequest, &self.to_bytes())
    }

    /// Checks that the inviter signed, by `key`: the one that signs for it now ([`crate::Keyring::current`]).
    ///
    /// # Errors
    /// [`KeyError::BadSignature`].
    pub fn verify_by(&self, key: &VerifyingKey, signature: &Signature) -> Result<(), KeyError> {
        key.verify(Tag::MemberRequest, &self.to_bytes(), signature)
    }
}

impl Encode for Invitation {
    fn encode(&self, writer: &mut Writer) {
        writer.text("invite-member");
        self.dao.encode(writer);
        self.inviter.encode(writer);
        self.member.encode(writer);
        Role::list_to_writer(&self.roles, writer);
        writer.u64(self.expires_ms);
    }
}

/// The invited's word that it joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Joining {
    /// The DAO: the leaf hash of its genesis entry.
    #[serde(with = "text")]
    pub dao: Digest,
    /// Who joins.
    #[serde(with = "text")]
    pub member: VerifyingKey,
    /// What the member wants to be called. Public, and for ever: a pseudonym.
    pub label: String,
    /// See [`crate::Request::nonce`].
    #[serde(with = "text")]
    pub nonce: u64,
    /// See [`crate::Request::expires_ms`].
    #[serde(with = "text")]
    pub expires_ms: u64,
}

request_of!(Joining, Tag::MemberRequest, signed by member);

impl Encode for Joining {
    fn encode(&self, writer: &mut Writer) {
        writer.text("join-dao");
        self.dao.encode(writer);
        self.member.encode(writer);
        writer.text(&self.label);
        writer.u64(self.nonce);
        writer.u64(self.expires_ms);
    }
}

/// A member's word that it leaves: its votes end, and what it is owed is paid out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Departure {
    /// The DAO: the leaf hash of its genesis entry.
    #[serde(with = "text")]
    pub dao: Digest,
    /// Who leaves.
    #[serde(with = "text")]
    pub member: VerifyingKey,
    /// See [`crate::Request::nonce`].
    #[serde(with = "text")]
    pub nonce: u64,
    /// See [`crate::Request::expires_ms`].
    #[serde(with = "text")]
    pub expires_ms: u64,
}

request_of!(Departure, Tag::MemberRequest, signed by member);

impl Encode for Departure {
    fn encode(&self, writer: &mut Writer) {
        writer.text("leave-dao");
        self.dao.encode(writer);
        self.member.encode(writer);
        writer.u64(self.nonce);
        writer.u64(self.expires_ms);
    }
}

/// A device's word that its data may be used under other terms and another policy than those it
/// joined under.
///
/// Threat (promise 7): a majority that lowers the protection of data that is already enrolled.
/// Nothing but this signature, made on the device, lets a weaker policy reach its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The DAO: the leaf hash of its genesis entry.
    #[serde(with = "text")]
    pub dao: Digest,
    /// The federation's name.
    pub federation: String,
    /// Digest of the policy ([`crate::PrivacyPolicy::digest`]), which names the terms' digest.
    #[serde(with = "text")]
    pub policy: Digest,
    /// Whose data.
    #[serde(with = "text")]
    pub member: VerifyingKey,
    /// See [`crate::Request::nonce`].
    #[serde(with = "text")]
    pub nonce: u64,
    /// See [`crate::Request::expires_ms`].
    #[serde(with = "text")]
    pub expires_ms: u64,
}

request_of!(Consent, Tag::MemberRequest, signed by member);

impl Encode for Consent {
    fn encode(&self, writer: &mut Writer) {
        writer.text("consent-to-policy");
        self.dao.encode(writer);
        writer.text(&self.federation);
        self.policy.encode(writer);
        self.member.encode(writer);
        writer.u64(self.nonce);
        writer.u64(self.expires_ms);
    }
}
