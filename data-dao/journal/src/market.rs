//! Models, buyers and predictions as the log has made them.

use data_dao_governance::{Licence, PricePolicy};
use data_dao_ledger::{Name, Shared};
use data_dao_market::{CallSource, Demand, DemandCurve, PredictionSale, Purchase};

use crate::ModelReleased;

/// A model of the catalogue.
///
/// Its versions are shared between clones: each prediction changes the demand, and copies none of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model {
    pub(crate) releases: Shared<Vec<ModelReleased>>,
    /// The entries that say so, in the same order.
    pub(crate) released_at: Shared<Vec<u64>>,
    /// The licences under which they were released, in the same order.
    pub(crate) licences: Shared<Vec<Option<Licence>>>,
    pub(crate) pricing: Option<Pricing>,
    pub(crate) delisted: bool,
}

impl Model {
    /// The versions, oldest first: version v stands at v − 1.
    #[must_use]
    pub fn releases(&self) -> &[ModelReleased] {
        &self.releases
    }

    /// The newest version.
    ///
    /// # Panics
    /// Never: a model enters the catalogue with its first version.
    #[must_use]
    pub fn latest(&self) -> &ModelReleased {
        self.releases.last().expect("a model has a version")
    }

    /// A version of the model.
    #[must_use]
    pub fn release(&self, version: u32) -> Option<&ModelReleased> {
        self.releases.iter().find(|release| release.version == version)
    }

    /// The entry that released a version.
    #[must_use]
    pub fn released_at(&self, version: u32) -> Option<u64> {
        let place = self.releases.iter().position(|release| release.version == version)?;
        self.released_at.get(place).copied()
    }

    /// The licence under which a version was released, whatever was voted since; absent: none was named.
    #[must_use]
    pub fn licence(&self, version: u32) -> Option<&Licence> {
        let place = self.releases.iter().position(|release| release.version == version)?;
        self.licences.get(place)?.as_ref()
    }

    /// Whether a vote took it off the market: no calls are sold then.
    #[must_use]
    pub const fn is_delisted(&self) -> bool {
        self.delisted
    }

    /// Lowest price of one prediction in 10⁻⁴ of the currency's unit, once it is set: what it costs while nobody asks, or
    /// always if the price does not follow demand.
    #[must_use]
    pub fn price(&self) -> Option<u128> {
        self.policy().map(|policy| policy.low)
    }

    /// What its calls, months and downloads cost, once that is set.
    #[must_use]
    pub fn policy(&self) -> Option<&PricePolicy> {
        self.pricing.as_ref().map(|pricing| &pricing.policy)
    }

    /// Price of one prediction at `now_ms`, after the calls of the policy's last window.
    #[must_use]
    pub fn price_at(&self, now_ms: u64) -> Option<u128> {
        self.pricing.as_ref().map(|pricing| pricing.price(now_ms))
    }

    /// Calls within the policy's window that ends at `now_ms`.
    #[must_use]
    pub fn demand_at(&self, now_ms: u64) -> u64 {
        self.pricing.as_ref().map_or(0, |pricing| pricing.demand.calls(now_ms))
    }

    /// New prices; demand is counted afresh, as the window may be another.
    pub(crate) fn set_policy(&mut self, policy: PricePolicy) {
        let demand = Demand::new(policy.window_ms);
        self.pricing = Some(Pricing { policy, demand });
    }

    /// One price whatever the demand; months and downloads cost what they did.
    pub(crate) fn set_price(&mut self, price: u128) {
        let before = self.pricing.take().map(|pricing| pricing.policy);
        let (month, download) =
            before.map_or((None, None), |policy| (policy.month, policy.download));
        self.set_policy(PricePolicy { month, download, ..PricePolicy::flat(price) });
    }
}

/// What a model costs, and how much it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pricing {
    pub(crate) policy: PricePolicy,
    pub(crate) demand: Demand,
}

impl Pricing {
    fn price(&self, now_ms: u64) -> u128 {
        let PricePolicy { low, high, calls_low, calls_high, .. } = self.policy;
        let curve = DemandCurve { low, high, calls_low, calls_high };
        curve.price(self.demand.calls(now_ms)).0
    }
}

/// What the next call of a key is paid from, and what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextCall {
    /// A purchase, or the balance.
    pub source: CallSource,
    /// In 10⁻⁴ of the currency's unit.
    pub price: u128,
    /// What the key's limits count of it: nothing of a month, which counted when it was bought.
    pub counted: u128,
}

/// One purchase of calls. How many are left is a matter of its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// What was bought, at which price.
    pub purchase: Purchase,
    /// The entry that booked it.
    pub index: u64,
    /// When it was booked, in ledger time.
    pub bought_ms: u64,
    /// When a month ends, in ledger time; none for calls bought singly.
    pub ends_at_ms: Option<u64>,
}

/// The purchases of one model's calls with one key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lots {
    /// Oldest first.
    pub(crate) all: Vec<Lot>,
    /// How many of the oldest are used up, so that nobody looks at them again.
    pub(crate) spent: usize,
}

/// A prediction from its reservation on. What was resolved is told by the entries that say so: a
/// node that sells for years remembers few bytes of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prediction<'a> {
    /// A call is set aside, until it expires at the latest.
    Reserved(&'a Reservation),
    /// It was made and paid, or failed and the call is the buyer's again.
    Resolved(ResolvedPrediction),
}

/// Where the log tells of a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolvedPrediction {
    /// What became of it.
    pub resolution: PredictionResolution,
    /// The entry that reserved it.
    pub reserved: u64,
    /// The entry that resolved it.
    pub index: u64,
    /// The DAO's part of it, in parts per hundred, as it was when the call was set aside.
    pub treasury_percent: u8,
}

/// What became of a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PredictionResolution {
    /// It was made, and paid.
    Made,
    /// It failed; the call is the buyer's again.
    Voided,
    /// Nobody said what became of it in time; the call is the buyer's again.
    Expired,
}

/// A call that is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    pub(crate) sale: PredictionSale,
    /// The key that asked: it may spend another's money.
    pub(crate) key_id: Name,
    /// What the key's limits counted, and on which day.
    pub(crate) counted: (u64, u128),
    pub(crate) version: u32,
    pub(crate) expires_at_ms: u64,
    pub(crate) index: u64,
    pub(crate) treasury_percent: u8,
}

impl Reservation {
    /// Who bought which model's call at which price.
    #[must_use]
    pub const fn sale(&self) -> &PredictionSale {
        &self.sale
    }

    /// The DAO's part of the sale, in parts per hundred: that of the moment when the call was set aside, whatever is voted
    /// until the prediction is made.
    #[must_use]
    pub const fn treasury_percent(&self) -> u8 {
        self.treasury_percent
    }

    /// The key that asked; the sale's buyer is whose money it spends.
    #[must_use]
    pub const fn key_id(&self) -> &Name {
        &self.key_id
    }

    /// The model's version.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// When the call returns to the buyer by itself, in ledger time.
    #[must_use]
    pub const fn expires_at_ms(&self) -> u64 {
        self.expires_at_ms
    }

    /// The entry that reserved it.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }
}
