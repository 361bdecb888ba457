//! API keys and what is done with them, and who did what at the node.

use data_dao_governance::{optional_text, text};
use data_dao_ledger::Name;
use privacy_identity::Digest;
use serde::{Deserialize, Serialize};

use crate::Refusal;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Act for the operator: issue and revoke keys, book deposits and withdrawals, set first prices.
    Admin,
    /// Buy calls, months and licences, and give calls back.
    Buy,
    /// Download what is licensed.
    Download,
    /// Ask models.
    Infer,
    /// Make, change and revoke keys that spend the same money.
    Keys,
    /// See balance and usage.
    Usage,
}

impl Scope {
    /// Every scope, ascending.
    pub const ALL: [Self; 6] =
        [Self::Admin, Self::Buy, Self::Download, Self::Infer, Self::Keys, Self::Usage];
    /// What a buyer may do who was not told otherwise: everything but the operator's business.
    pub const BUYER: [Self; 5] = [Self::Buy, Self::Download, Self::Infer, Self::Keys, Self::Usage];

    /// The scope as JSON spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Buy => "buy",
            Self::Download => "download",
            Self::Infer => "infer",
            Self::Keys => "keys",
            Self::Usage => "usage",
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a key may do, until when, and how much it may spend.
///
/// A limit bounds what is gone for good: a call when it is reserved (one that fails counts no more), a month or a licence when
/// it is bought. Calls bought singly count when they are made: until then they can be given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyGrant {
    /// What it may do: at least one scope, ascending.
    pub scopes: Vec<Scope>,
    /// The key whose money it spends; absent: its own.
    #[serde(default, with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub account: Option<Name>,
    /// From when on it is refused, in ledger time; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
    /// Most that it spends on one day of UTC, in 10⁻⁴ of the currency's unit; absent: no bound.
    #[serde(default, with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub limit_day: Option<u128>,
    /// Most that it ever spends; absent: no bound.
    #[serde(default, with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub limit_total: Option<u128>,
    /// Whether calls are paid from the balance, at the price of the moment, when none bought in advance is left.
    pub pay_as_you_go: bool,
}

impl KeyGrant {
    /// What keys have that were issued without a grant: all of a buyer's scopes, without end or limit, and only calls that
    /// were paid in advance.
    #[must_use]
    pub fn unrestricted() -> Self {
        Self {
            scopes: Scope::BUYER.to_vec(),
            account: None,
            expires_at_ms: None,
            limit_day: None,
            limit_total: None,
            pay_as_you_go: false,
        }
    }

    /// Whether the scopes are a set in the one order that is written.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let ascending = self.scopes.windows(2).all(|pair| pair.first() < pair.last());
        if ascending && !self.scopes.is_empty() { Ok(()) } else { Err(Refusal::Scopes) }
    }
}

/// A buyer gets an API key that can do some things, for some time, up to some amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyGranted {
    /// The key's public name.
    #[serde(with = "text")]
    pub key_id: Name,
    /// Digest of the secret key under `Tag::ApiKey`; the key itself is nowhere stored.
    #[serde(with = "text")]
    pub key_hash: Digest,
    /// What the buyer wants to be called, or a commitment to it.
    pub buyer: String,
    /// What the key may do.
    pub grant: KeyGrant,
}

/// A key may do other things from now on. Whose money it spends stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyAmended {
    /// Which key.
    #[serde(with = "text")]
    pub key_id: Name,
    /// What it may do now.
    pub grant: KeyGrant,
}

/// A key gets a new secret. The one before holds for a while, so that nobody has to stop for the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRotated {
    /// Which key.
    #[serde(with = "text")]
    pub key_id: Name,
    /// Digest of the new secret under `Tag::ApiKey`.
    #[serde(with = "text")]
    pub key_hash: Digest,
    /// Until when the secret before holds, in ledger time; the entry's own time: it ends at once.
    pub overlap_until_ms: u64,
}

/// A key ends, and with it those that spend its money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRevoked {
    /// Which key.
    #[serde(with = "text")]
    pub key_id: Name,
}

/// What was done at the node by whom, right behind the entry that it brought about, if there is one.
///
/// The log cannot show who held a token: this is the node's signed word, from which it cannot go back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Administered {
    /// `operator`, `key <id>`, `member <key>` or `payments`.
    pub by: String,
    /// What was done, as the interface names it: `issue-key`, `erase-buyer`.
    pub act: String,
    /// To what.
    pub subject: String,
}
