//! Who takes part: keys, rows and what each secretly is.

use std::collections::BTreeMap;

use aggregator_protocol::{Custodian, CustodyKey, FederationTerms};
use aggregator_strategy::{Attack, AttackPlan};
use anyhow::ensure;
use privacy_identity::{SealingKey, Signed, SigningKey, Tag, VerifyingKey};

use rand::seq::index;

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
    /// Does something else.
    Attacks(Attack),
}

impl Kind {
    /// Its name in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::Attacks(attack) => attack.name(),
        }
    }
}

/// The contributors of these parts, of whom some attack: drawn from the seed.
///
/// # Errors
/// More attackers than contributors.
pub(crate) fn population(
    seed: u64,
    parts: &[Vec<u32>],
    attacks: &[AttackPlan],
) -> anyhow::Result<Vec<Contributor>> {
    let count: usize = attacks.iter().map(|plan| plan.count).sum();
    ensure!(
        count < parts.len(),
        "--attack: {count} attackers among {} contributors leave nobody honest",
        parts.len()
    );
    let mut rng = generator(seed, Purpose::Attackers, &[]);
    let drawn = index::sample(&mut rng, parts.len(), count);
    let attacks = attacks.iter().flat_map(|plan| std::iter::repeat_n(plan.attack, plan.count));
    let kinds: BTreeMap<usize, Attack> = drawn.into_iter().zip(attacks).collect();
    let kind = |index| kinds.get(&index).map_or(Kind::Honest, |attack| Kind::Attacks(*attack));
    let parts = parts.iter().cloned().enumerate();
    Ok(parts.map(|(index, rows)| Contributor::new(seed, index, rows, kind(index))).collect())
}

impl Contributor {
    fn new(seed: u64, index: usize, rows: Vec<u32>, kind: Kind) -> Self {
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
