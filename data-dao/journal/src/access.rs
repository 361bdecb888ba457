//! API keys as the log has made them: what each may do, what it spent, what was called with it.

use std::collections::BTreeMap;

use data_dao_ledger::{Name, Shared};
use privacy_identity::Digest;

use crate::market::{Lot, Lots};
use crate::{KeyGrant, Scope};

/// Milliseconds of a day of UTC: leap seconds are none of ledger time's.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// How many days of usage are kept: a year and the month in which it is closed. Older ones are in the log.
pub const USAGE_DAYS_MAX: u64 = 400;

/// Why a key opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFault {
    /// It, or the key whose money it spends, was revoked.
    Revoked,
    /// It, or the key whose money it spends, has ended.
    Expired,
    /// It was rotated, and the time in which both secrets hold is over.
    Superseded,
}

impl std::fmt::Display for KeyFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Revoked => "was revoked",
            Self::Expired => "has expired",
            Self::Superseded => "was replaced by a new one",
        })
    }
}

/// A buyer's API key.
///
/// What is long is shared between clones: a commit copies some neighbours of the key that it changes, and of their usage and
/// purchases nothing but this key's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub(crate) key_hash: Digest,
    /// The secret before, and until when it holds.
    pub(crate) previous: Option<(Digest, u64)>,
    pub(crate) buyer: Shared<String>,
    pub(crate) index: u64,
    pub(crate) grant: Shared<KeyGrant>,
    pub(crate) revoked: bool,
    pub(crate) spending: Spending,
    pub(crate) lots: Shared<BTreeMap<Name, Shared<Lots>>>,
    /// By day of UTC and model.
    pub(crate) usage: Shared<BTreeMap<(u64, Name), Usage>>,
}

/// What a key spent, as its limits count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spending {
    /// Ever.
    pub total: u128,
    /// The last day on which something was spent, counted from 1970.
    pub day: u64,
    /// On that day.
    pub today: u128,
}

/// What was done with a key on one day with one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Predictions made.
    pub calls: u64,
    /// What they cost.
    pub calls_price: u128,
    /// Calls bought, singly and by the month.
    pub bought: u64,
    /// What they cost.
    pub bought_price: u128,
    /// Calls given back.
    pub refunded: u64,
    /// What came back for them.
    pub refunded_price: u128,
    /// Of the calls given back, those that were bought in an earlier month of UTC.
    pub corrected: u64,
    /// What came back for them.
    pub corrected_price: u128,
    /// Licences bought.
    pub licences: u64,
    /// What they cost.
    pub licences_price: u128,
    /// Of the calls that were made, how many were paid straight from the balance.
    pub direct: u64,
    /// What they cost.
    pub direct_price: u128,
}

impl Spending {
    /// What was spent on `day`.
    #[must_use]
    pub const fn on(&self, day: u64) -> u128 {
        if self.day == day { self.today } else { 0 }
    }

    pub(crate) fn add(&mut self, day: u64, amount: u128) {
        // Money was deposited first, and deposits fit 128 bits together; limits are checked before.
        self.total = self.total.saturating_add(amount);
        self.today = self.on(day).saturating_add(amount);
        self.day = day;
    }

    pub(crate) fn take_back(&mut self, day: u64, amount: u128) {
        self.total = self.total.saturating_sub(amount);
        if self.day == day {
            self.today = self.today.saturating_sub(amount);
        }
    }
}

impl ApiKey {
    pub(crate) fn new(key_hash: Digest, buyer: String, index: u64, grant: KeyGrant) -> Self {
        Self {
            key_hash,
            previous: None,
            buyer: buyer.into(),
            index,
            grant: grant.into(),
            revoked: false,
            spending: Spending::default(),
            lots: Shared::default(),
            usage: Shared::default(),
        }
    }

    /// Digest of the secret key under `Tag::ApiKey`.
    #[must_use]
    pub const fn key_hash(&self) -> &Digest {
        &self.key_hash
    }

    /// Until when, in ledger time, the secret before the last rotation holds.
    #[must_use]
    pub fn overlap_until_ms(&self) -> Option<u64> {
        self.previous.map(|(_, until_ms)| until_ms)
    }

    /// What the buyer wants to be called.
    #[must_use]
    pub fn buyer(&self) -> &str {
        &self.buyer
    }

    /// The entry that issued the key.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// What it may do.
    #[must_use]
    pub fn grant(&self) -> &KeyGrant {
        &self.grant
    }

    /// Whether it was revoked.
    #[must_use]
    pub const fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// What it spent, as its limits count it: reservations that expired since the last entry included.
    #[must_use]
    pub const fn spending(&self) -> &Spending {
        &self.spending
    }

    /// What was done with it, by day of UTC since 1970 and model: the last [`USAGE_DAYS_MAX`] days on which anything was.
    #[must_use]
    pub fn usage(&self) -> &BTreeMap<(u64, Name), Usage> {
        &self.usage
    }

    /// Whether it has the scope.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        self.grant.scopes.contains(&scope)
    }

    /// Why it opens nothing at `now_ms`, as far as it goes itself.
    pub(crate) fn fault(&self, now_ms: u64) -> Option<KeyFault> {
        if self.revoked {
            return Some(KeyFault::Revoked);
        }
        let ended = self.grant.expires_at_ms.is_some_and(|end_ms| end_ms <= now_ms);
        ended.then_some(KeyFault::Expired)
    }

    /// The purchases of a model's calls, oldest first.
    #[must_use]
    pub fn lots(&self, model: &Name) -> &[Lot] {
        self.lots.get(model).map_or(&[], |lots| lots.all.as_slice())
    }

    /// The purchases of a model's calls that are not used up for good, oldest first.
    pub(crate) fn open_lots(&self, model: &Name) -> &[Lot] {
        let lots = self.lots.get(model);
        lots.and_then(|lots| lots.all.get(lots.spent..)).unwrap_or_default()
    }

    /// Counts what was done, and forgets days that are long over.
    pub(crate) fn count(&mut self, now_ms: u64, model: &Name, change: impl FnOnce(&mut Usage)) {
        let day = now_ms / DAY_MS;
        change(self.usage.entry((day, model.clone())).or_default());
        let first = day.saturating_sub(USAGE_DAYS_MAX);
        while self.usage.first_key_value().is_some_and(|((day, _), _)| *day < first) {
            self.usage.pop_first();
        }
    }
}
