//! What is proposed: the draft, its id, and the proposer's wish to withdraw it.

use std::{fmt, str::FromStr};

use privacy_identity::{
    Digest, Encode, KeyError, Signature, SigningKey, Tag, VerifyingKey, Writer, list_to_writer,
};
use serde::{Deserialize, Serialize};

use crate::action::checked_class;
use crate::{
    ACTIONS_MAX, Action, Class, GovernanceError, ProposalState, request::request_of, text,
};

/// Longest title, in bytes.
pub const TITLE_BYTES_MAX: usize = 200;
/// Longest description, in bytes: an entry fits 64 KiB with room to spare.
pub const DESCRIPTION_BYTES_MAX: usize = 16_384;

/// Names a proposal: the digest of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProposalId(pub Digest);

impl fmt::Display for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ProposalId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        text.parse().map(Self)
    }
}

/// When choices become known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BallotSecrecy {
    /// With each ballot.
    #[default]
    Open,
    /// After the vote (see [`crate::SealedBallot`]).
    Sealed,
}

/// What is proposed, by whom: all that the id and signature cover. This is the wire form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalContent {
    /// The DAO: the leaf hash of its genesis entry.
    #[serde(with = "text")]
    pub dao: Digest,
    /// One line.
    pub title: String,
    /// Why.
    pub description: String,
    /// What happens on execution, all or nothing, in this order.
    pub actions: Vec<Action>,
    /// When choices become known.
    pub ballots: BallotSecrecy,
    /// Who proposes.
    #[serde(with = "text")]
    pub proposer: VerifyingKey,
    /// Makes the same proposal possible again.
    #[serde(with = "text")]
    pub salt: u64,
}

impl ProposalContent {
    /// The content's digest under [`Tag::Proposal`].
    #[must_use]
    pub fn id(&self) -> ProposalId {
        ProposalId(Digest::of_encoded(Tag::Proposal, self))
    }

    /// Signs the content; `key` must be the proposer's.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Signature {
        key.sign(Tag::Proposal, &self.to_bytes())
    }

    /// Checks that the proposer signed, by `key`: the one that signs for it now ([`crate::Keyring::current`]).
    ///
    /// # Errors
    /// [`KeyError::BadSignature`].
    pub fn verify_by(&self, key: &VerifyingKey, signature: &Signature) -> Result<(), KeyError> {
        key.verify(Tag::Proposal, &self.to_bytes(), signature)
    }

    fn check_lengths(&self) -> Result<(), GovernanceError> {
        let lengths = [
            ("title", self.title.len(), TITLE_BYTES_MAX),
            ("description", self.description.len(), DESCRIPTION_BYTES_MAX),
            ("actions", self.actions.len(), ACTIONS_MAX),
        ];
        for (field, got, max) in lengths {
            if !(1..=max).contains(&got) {
                return Err(GovernanceError::Length { field, got, max });
            }
        }
        Ok(())
    }
}

impl Encode for ProposalContent {
    fn encode(&self, writer: &mut Writer) {
        self.dao.encode(writer);
        writer.text(&self.title);
        writer.text(&self.description);
        list_to_writer(&self.actions, writer);
        writer.u8(match self.ballots {
            BallotSecrecy::Open => 0,
            BallotSecrecy::Sealed => 1,
        });
        self.proposer.encode(writer);
        writer.u64(self.salt);
    }
}

/// Content that was checked and is not in the log yet: on its author's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    id: ProposalId,
    content: ProposalContent,
    class: Class,
}

impl Draft {
    /// Checks lengths and actions.
    ///
    /// # Errors
    /// [`GovernanceError`] naming what is empty, too long or twice.
    pub fn new(content: ProposalContent) -> Result<Self, GovernanceError> {
        content.check_lengths()?;
        let class = checked_class(&content.actions)?;
        Ok(Self { id: content.id(), content, class })
    }

    /// [`ProposalState::Draft`], whatever the time.
    #[must_use]
    pub const fn state(&self) -> ProposalState {
        ProposalState::Draft
    }

    /// The digest of the content.
    #[must_use]
    pub const fn id(&self) -> ProposalId {
        self.id
    }

    /// What is to be proposed.
    #[must_use]
    pub const fn content(&self) -> &ProposalContent {
        &self.content
    }

    /// How hard it will be to pass.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    pub(crate) fn into_parts(self) -> (ProposalId, ProposalContent, Class) {
        (self.id, self.content, self.class)
    }
}

/// The proposer's wish to withdraw a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancellation {
    /// The DAO: the leaf hash of its genesis entry.
    #[serde(with = "text")]
    pub dao: Digest,
    /// The proposal to withdraw.
    #[serde(with = "text")]
    pub proposal: ProposalId,
    /// Its proposer.
    #[serde(with = "text")]
    pub proposer: VerifyingKey,
    /// See [`crate::Request::nonce`].
    #[serde(with = "text")]
    pub nonce: u64,
    /// See [`crate::Request::expires_ms`].
    #[serde(with = "text")]
    pub expires_ms: u64,
}

request_of!(Cancellation, Tag::MemberRequest, signed by proposer);

impl Encode for Cancellation {
    fn encode(&self, writer: &mut Writer) {
        writer.text("cancel-proposal");
        self.dao.encode(writer);
        self.proposal.0.encode(writer);
        self.proposer.encode(writer);
        writer.u64(self.nonce);
        writer.u64(self.expires_ms);
    }
}
