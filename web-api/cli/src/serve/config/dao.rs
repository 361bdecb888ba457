//! How a DAO is founded: name, charter, founders, guardian.

use anyhow::{Context as _, ensure};
use data_dao_governance::{CharterParameters, MEMBER_LABEL_BYTES_MAX, Role};
use data_dao_journal::Founder;
use serde::{Deserialize, Serialize};

/// How the DAO is founded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaoConfig {
    /// Its name, for people.
    pub name: String,
    /// ISO 4217 currency of all prices.
    pub currency: String,
    /// The DAO's part of each sale, 0 to 100.
    pub treasury_percent: u8,
    /// A demonstration may vote within milliseconds; it says so in its first ledger entry.
    pub demonstration: bool,
    /// How it votes. What is left out is as recommended.
    pub charter: CharterParameters,
    /// Its members of the first hour, at most 200; others join at an invitation, or are admitted to a federation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub founders: Vec<FounderConfig>,
    /// Ed25519 key, in hexadecimal, of who can stop proposals once it has accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardian: Option<String>,
    /// How long the guardian serves, in milliseconds; by default a year.
    #[serde(default = "guardian_term_by_default")]
    pub guardian_term_ms: u64,
}

/// A year in milliseconds: the longest term that a charter allows.
pub(crate) const fn guardian_term_by_default() -> u64 {
    CharterParameters::STANDARD.guardian_term_ms_max
}

/// A member of the first hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FounderConfig {
    /// Ed25519 key in hexadecimal, as `sahakar key show` prints it.
    pub member: String,
    /// What the member wants to be called; public, and for ever.
    pub label: String,
    /// As what: `member`, `contributor`, `custodian`, `buyer`, `aggregator`.
    pub roles: Vec<Role>,
}

impl FounderConfig {
    /// The founder, parsed.
    ///
    /// # Errors
    /// If the key is none, or the label empty or too long.
    pub fn founder(&self) -> anyhow::Result<Founder> {
        let (got, member) = (self.label.len(), self.member.parse());
        let member = member.context("dao.founders.member")?;
        // The log has a commitment of the same length for each.
        ensure!(
            (1..=MEMBER_LABEL_BYTES_MAX).contains(&got),
            "dao.founders.label has {got} bytes, allowed are 1 to {MEMBER_LABEL_BYTES_MAX}"
        );
        let mut roles = self.roles.clone();
        roles.sort_unstable();
        roles.dedup();
        Ok(Founder { member, label: self.label.clone(), roles })
    }
}
