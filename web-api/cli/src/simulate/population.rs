//! Who takes part: keys, rows and what each secretly is.

use aggregator_protocol::{Custodian, CustodyKey, FederationTerms};
use privacy_identity::{SealingKey, Signed, SigningKey, Tag, VerifyingKey};

use super::seeds::{Purpose, generator};

/// A virtual contributor.
pub(crate) struct Contributor {
    /// 0-based, in the order of the partition.
    pub(crate) index: usize,
    pub(crate) key: SigningKey,
    /// Rows of the training set.
    pub(crate) rows: Vec<u32>,
    /// Whether it attacks.
    pub(crate) kind: Kind,
}

/// What a contributor secretly is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Trains on its rows.
    Honest,
}

impl Kind {
    /// Its name in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
        }
    }
}

impl Contributor {
    pub(crate) fn new(seed: u64, index: usize, rows: Vec<u32>, kind: Kind) -> Self {
        let key = SigningKey::generate(&mut generator(seed, Purpose::Key, &[2, index as u64]));
        Self { index, key, rows, kind }
    }

    pub(crate) fn member(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// A name for people.
    pub(crate) fn label(&self) -> String {
        format!("contributor-{}", self.index + 1)
    }

    /// As a candidate for custody.
    pub(crate) fn custodian(&self, terms: &FederationTerms) -> Custodian {
        let sealing = SealingKey::derived_from(&self.key).public();
        let body = CustodyKey { federation: terms.id(), sealing };
        Custodian { member: self.member(), key: Signed::new(body, Tag::CustodyKey, &self.key) }
    }
}
