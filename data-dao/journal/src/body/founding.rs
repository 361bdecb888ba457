//! Founding of the DAO and of its federations.

use data_dao_governance::{Bounds, CharterParameters, text, texts};
use data_dao_ledger::{Currency, Name};
use privacy_identity::{Digest, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::Rules;

/// How far the charter may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundsKind {
    /// For members with something to lose.
    Standard,
    /// For a DAO that declares itself a demonstration: everything may last a millisecond.
    Demonstration,
}

impl From<BoundsKind> for Bounds {
    fn from(kind: BoundsKind) -> Self {
        match kind {
            BoundsKind::Standard => Self::Standard,
            BoundsKind::Demonstration => Self::Demonstration,
        }
    }
}

/// How people are named in a log that is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamesKind {
    /// Anyhow: the ledgers of before there was a choice.
    #[default]
    InTheClear,
    /// By salted commitments alone (`salted:` and 64 hexadecimal digits), so that a person can be erased.
    Salted,
}

impl NamesKind {
    /// Leaves of before there was a choice keep their bytes.
    const fn is_in_the_clear(&self) -> bool {
        matches!(self, Self::InTheClear)
    }
}

/// The DAO is founded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The DAO's name, for people.
    pub dao_name: String,
    /// Which bounds the charter keeps.
    pub bounds: BoundsKind,
    /// How the DAO votes.
    pub charter: CharterParameters,
    /// The currency of all prices, ISO 4217.
    #[serde(with = "text")]
    pub currency: Currency,
    /// The DAO's part of each sale, in parts per hundred; the rest is the contributors'.
    pub treasury_percent: u8,
    /// Who runs the DAO node.
    #[serde(with = "text")]
    pub operator: VerifyingKey,
    /// The DAO node's key, which signs the log's checkpoints.
    #[serde(with = "text")]
    pub dao_node: VerifyingKey,
    /// The aggregators' keys, the coordinator first.
    #[serde(with = "texts")]
    pub aggregators: Vec<VerifyingKey>,
    /// How people are named in later entries.
    #[serde(default, skip_serializing_if = "NamesKind::is_in_the_clear")]
    pub names: NamesKind,
    /// By which rules the log is read until a vote changes them.
    #[serde(default, skip_serializing_if = "Rules::is_first")]
    pub rules: Rules,
}

/// A federation starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederationOpened {
    /// The federation's name.
    #[serde(with = "text")]
    pub federation: Name,
    /// The digest that contributors sign up to.
    #[serde(with = "text")]
    pub terms_digest: Digest,
    /// The terms as JSON text; opaque to the ledger.
    pub terms: String,
    /// How many rounds may be settled.
    pub rounds: u64,
    /// Credits of a round, until a vote changes it.
    #[serde(with = "text")]
    pub round_budget: u128,
    /// Fewest contributions with which a round settles.
    pub minimum_cohort: u32,
    /// How much of the cohort's median innovation qualifies for pay, in parts per hundred.
    pub novelty_percent: u32,
    /// Commitment to the validation set that measures value.
    #[serde(with = "text")]
    pub validation_commitment: Digest,
}

/// A member joins a federation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberAdmitted {
    /// Which federation.
    #[serde(with = "text")]
    pub federation: Name,
    /// The member's pseudonym.
    #[serde(with = "text")]
    pub member: VerifyingKey,
    /// What the member wants to be called.
    pub label: String,
}
