//! Why no round of a federation starts any more, where the ledger alone does not say it.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use data_dao_ledger::Name;

/// What the node that grants rounds says of federations that stand still. Clones are the same.
///
/// What a round costs of the privacy budget follows from the federation's terms, which are opaque to the ledger and to this
/// crate; so whoever grants rounds puts the reason in here. It is no entry of the log: a vote can raise the budget, and then
/// rounds go on. A node that grants no rounds says nothing.
#[derive(Debug, Clone, Default)]
pub struct Standstill(Arc<RwLock<BTreeMap<Name, String>>>);

impl Standstill {
    /// Says why no round of `federation` starts; none: one may.
    pub fn say(&self, federation: &Name, reason: Option<String>) {
        let mut reasons = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match reason {
            Some(reason) => reasons.insert(federation.clone(), reason),
            None => reasons.remove(federation),
        };
    }

    /// Why no round of `federation` starts, if none does.
    #[must_use]
    pub fn of(&self, federation: &Name) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(federation).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_still_can_go_on() {
        let (standstill, wine) = (Standstill::default(), Name::new("wine").unwrap());
        let other = standstill.clone();
        other.say(&wine, Some("spent".to_owned()));
        assert_eq!(standstill.of(&wine).as_deref(), Some("spent"));
        assert_eq!(standstill.of(&Name::new("beer").unwrap()), None);
        other.say(&wine, None);
        assert_eq!(standstill.of(&wine), None);
    }
}
