//! What pages are drawn from.

use std::ops::Deref;

use data_dao_journal::State as Ledger;
use data_dao_store::Store;
use privacy_identity::VerifyingKey;
use serde::Deserialize;

use crate::{ApiState, cursor::Page, routes::names};

/// Which part of a list a page shows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// Where it goes on: what the page before leads to.
    cursor: Option<String>,
}

impl Part {
    /// As the interface has it.
    pub(super) fn page(self, shown: u32) -> Page {
        Page { cursor: self.cursor, limit: Some(shown) }
    }
}

/// The state as it is now, and what its commitments to people's names stand for.
pub(super) struct Reading<'a> {
    ledger: &'a Ledger,
    /// None: nobody is named.
    store: Option<&'a Store>,
}

impl<'a> Reading<'a> {
    /// A state whose commitments stand for nothing that is known.
    #[cfg(test)]
    pub(super) const fn unnamed(ledger: &'a Ledger) -> Self {
        Self { ledger, store: None }
    }

    /// What a member with this label in the log is called.
    pub(super) fn name(&self, key: &VerifyingKey, label: &str) -> String {
        self.store.map_or_else(|| key.short(), |store| names::shown(store, key, label))
    }
}

impl Deref for Reading<'_> {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        self.ledger
    }
}

/// Lets `look` see the state as it is now.
pub(super) fn read<T>(state: &ApiState, look: impl FnOnce(&Reading<'_>) -> T) -> T {
    let store = state.store();
    store.view(|ledger| look(&Reading { ledger, store: Some(store) }))
}
