//! Sales beyond single calls, and money on its way back.

use data_dao_governance::{Licence, PricePolicy, text};
use data_dao_ledger::Name;
use serde::{Deserialize, Serialize};

use super::RevenueLine;

/// The operator sets a model's first prices; later ones need a vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PricePolicySet {
    /// Which model.
    #[serde(with = "text")]
    pub model: Name,
    /// What its calls, months and downloads cost.
    pub policy: PricePolicy,
}

/// A buyer paid for thirty days of calls. It is one more lot of that key's calls, with an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonthBought {
    /// With which key.
    #[serde(with = "text")]
    pub key_id: Name,
    /// Calls of which model.
    #[serde(with = "text")]
    pub model: Name,
    /// How many calls: the policy's.
    pub calls: u32,
    /// Price of each: the policy's.
    #[serde(with = "text")]
    pub price: u128,
    /// The request's own id: the same one is booked once.
    pub idempotency_key: String,
}

/// A month is over: what was not called is split like a sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonthEnded {
    /// Whose month: the key that the money belonged to.
    #[serde(with = "text")]
    pub key_id: Name,
    /// Calls of which model.
    #[serde(with = "text")]
    pub model: Name,
    /// Which purchase of them.
    pub lot: u32,
    /// What was left, recomputed.
    #[serde(with = "text")]
    pub amount: u128,
    /// Who earns what: recomputed with the newest version's weights. Left out if there are more than
    /// [`crate::LIST_MAX`].
    pub lines: Vec<RevenueLine>,
}

/// A buyer gave calls back that were bought singly: their money is in the balance again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallsRefunded {
    /// With which key.
    #[serde(with = "text")]
    pub key_id: Name,
    /// Calls of which model.
    #[serde(with = "text")]
    pub model: Name,
    /// Which purchase of them.
    pub lot: u32,
    /// How many.
    pub calls: u32,
    /// The request's own id: the same one is booked once.
    pub idempotency_key: String,
}

/// Money went back to a buyer outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawn {
    /// From which key's balance.
    #[serde(with = "text")]
    pub key_id: Name,
    /// How much, in 10⁻⁴ of the currency's unit.
    #[serde(with = "text")]
    pub amount: u128,
    /// The request's own id: the same one is booked once.
    pub idempotency_key: String,
}

/// A buyer paid for the licence of one version's parameters; the price is split at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenceBought {
    /// With which key.
    #[serde(with = "text")]
    pub key_id: Name,
    /// Which model.
    #[serde(with = "text")]
    pub model: Name,
    /// Which version of it.
    pub version: u32,
    /// What it cost: the policy's price then.
    #[serde(with = "text")]
    pub price: u128,
    /// Who earns what: recomputed. Left out if there are more than [`crate::LIST_MAX`].
    pub lines: Vec<RevenueLine>,
    /// What the buyer agrees to: the licence under which the version was released; absent if it was under none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<Licence>,
    /// The request's own id: the same one is booked once.
    pub idempotency_key: String,
}
