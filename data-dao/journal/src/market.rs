//! Models, buyers and predictions as the log has made them.

use std::collections::BTreeMap;

use data_dao_ledger::Name;
use data_dao_market::{PredictionSale, Purchase};
use privacy_identity::Digest;

use crate::ModelReleased;

/// A model of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model {
    pub(crate) releases: Vec<ModelReleased>,
    pub(crate) price: Option<u128>,
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

    /// Whether a vote took it off the market: no calls are sold then.
    #[must_use]
    pub const fn is_delisted(&self) -> bool {
        self.delisted
    }

    /// Price of one prediction in 10⁻⁴ of the currency's unit, once it is set.
    #[must_use]
    pub const fn price(&self) -> Option<u128> {
        self.price
    }
}

/// One purchase of calls. How many are left is a matter of its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// What was bought, at which price.
    pub purchase: Purchase,
    /// The entry that booked it.
    pub index: u64,
}

/// A buyer's API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub(crate) key_hash: Digest,
    pub(crate) buyer: String,
    pub(crate) index: u64,
    pub(crate) lots: BTreeMap<Name, Lots>,
}

/// The purchases of one model's calls with one key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lots {
    /// Oldest first.
    pub(crate) all: Vec<Lot>,
    /// How many of the oldest are used up, so that nobody looks at them again.
    pub(crate) spent: usize,
}

impl ApiKey {
    /// Digest of the secret key under `Tag::ApiKey`.
    #[must_use]
    pub const fn key_hash(&self) -> &Digest {
        &self.key_hash
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
}

/// A call that is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    pub(crate) sale: PredictionSale,
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
