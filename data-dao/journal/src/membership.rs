//! Members, and what they decide with, as the log has made them.

use std::collections::{BTreeMap, BTreeSet};

use data_dao_governance::{Delegations, Guardianship, Keyring, Nonces, ProposalId, Role, Votes};
use data_dao_ledger::{Name, Shared};
use privacy_identity::VerifyingKey;

/// What a member may do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MembershipState {
    /// Everything its roles allow.
    Active,
    /// Nothing, by vote.
    Suspended {
        /// The entry that suspended it.
        index: u64,
    },
    /// Nothing: it left.
    Left {
        /// The entry with which it left.
        index: u64,
    },
}

impl MembershipState {
    /// The state's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended { .. } => "suspended",
            Self::Left { .. } => "gone",
        }
    }
}

/// A member of the DAO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// What the member wants to be called.
    pub label: String,
    /// As what it was taken in, ascending.
    pub roles: Vec<Role>,
    /// What it may do now.
    pub state: MembershipState,
    /// The entry that took it in, last time.
    pub index: u64,
    /// Who invited it, if a member did.
    pub inviter: Option<VerifyingKey>,
}

impl Membership {
    /// Taken in by the entry `index`, without an inviter.
    #[must_use]
    pub const fn new(label: String, roles: Vec<Role>, index: u64) -> Self {
        Self { label, roles, state: MembershipState::Active, index, inviter: None }
    }
}

/// Whose cosignatures make a checkpoint of the log believable, as voted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Witnesses {
    /// Verifier keys by name.
    pub keys: BTreeMap<Name, String>,
    /// How many of them are needed.
    pub quorum: u32,
}

/// What members decide with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Assembly {
    pub(crate) votes: Shared<Votes>,
    pub(crate) delegations: Shared<Delegations>,
    pub(crate) nonces: Shared<Nonces>,
    /// Which key signs for whom: everything else stands under members' first keys.
    pub(crate) keyring: Shared<Keyring>,
    pub(crate) guardianship: Guardianship,
    pub(crate) witnesses: Shared<Witnesses>,
    pub(crate) members: Shared<BTreeMap<VerifyingKey, Membership>>,
    /// Proposals that are not over: those to which something may fall due.
    pub(crate) live: BTreeSet<ProposalId>,
}
