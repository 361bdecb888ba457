//! What clones share until one of them changes it.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

/// A value whose clones are one value in memory, until one of them is changed: then that one gets a copy of its own.
///
/// For what the readers of a ledger see while its writer goes on: a snapshot of the whole state costs a counter per part,
/// and a part that changes is copied once per snapshot.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    /// Whether both are one value in memory: equal without looking. Equal values may be two.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Copies the value if it is shared: look before you change.
impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<'a, K, V> IntoIterator for &'a Shared<std::collections::BTreeMap<K, V>> {
    type Item = (&'a K, &'a V);
    type IntoIter = std::collections::btree_map::Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_the_same_until_one_changes_and_the_other_does_not_see_it() {
        let mut one = Shared::from(vec![1, 2]);
        let other = one.clone();
        assert!(std::ptr::eq(&raw const *one, &raw const *other));
        one.push(3);
        assert_eq!((&*one, &*other), (&vec![1, 2, 3], &vec![1, 2]));
        let address = one.as_ptr();
        one[0] = 0;
        assert_eq!(one.as_ptr(), address, "nobody shares it any more: no copy");
    }
}
