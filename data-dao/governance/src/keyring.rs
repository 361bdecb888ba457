//! Which key signs for which member.
//!
//! A member is known by the key with which it joined, for ever: balances, votes, delegations, ballots and consents stand under
//! that name. This table says which key signs for it now. A member that never changed its key is not in it.
//!
//! Threats. A former key that goes on acting: nothing but the last key of a member is [`Keyring::current`]. Two people behind one key,
//! or one behind two members: a key belongs to one member, once, and is never free again; so chains end, and there are no circles.

use std::collections::BTreeMap;

use privacy_identity::VerifyingKey;

/// A key that a member got in place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldKey {
    /// The key.
    pub key: VerifyingKey,
    /// The entry of the log since which it is the member's.
    pub index: u64,
}

/// The keys of all members whose key was ever replaced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keyring {
    /// By member: every later key, oldest first, at least one.
    held: BTreeMap<VerifyingKey, Vec<HeldKey>>,
    /// By later key: the member.
    owners: BTreeMap<VerifyingKey, VerifyingKey>,
}

impl Keyring {
    /// The key that signs for `member` now.
    #[must_use]
    pub fn current(&self, member: &VerifyingKey) -> VerifyingKey {
        self.later(member).last().map_or(*member, |held| held.key)
    }

    /// The keys that `member` got after its first, oldest first.
    #[must_use]
    pub fn later(&self, member: &VerifyingKey) -> &[HeldKey] {
        self.held.get(member).map_or(&[], Vec::as_slice)
    }

    /// How many times `member`'s key was replaced.
    #[must_use]
    pub fn rotations(&self, member: &VerifyingKey) -> u32 {
        u32::try_from(self.later(member).len()).unwrap_or(u32::MAX)
    }

    /// Whose later key this is or was.
    #[must_use]
    pub fn owner(&self, key: &VerifyingKey) -> Option<VerifyingKey> {
        self.owners.get(key).copied()
    }

    /// The member whose key this is or was: itself, if it was never given to anybody in place of another. What was done with a key
    /// while it was in force is its member's for ever, so this answer never changes once it is not the key itself.
    #[must_use]
    pub fn member_of(&self, key: &VerifyingKey) -> VerifyingKey {
        self.owner(key).unwrap_or(*key)
    }

    /// The member for whom this key signs now; nobody, if it was replaced.
    #[must_use]
    pub fn holder(&self, key: &VerifyingKey) -> Option<VerifyingKey> {
        let member = self.member_of(key);
        (self.current(&member) == *key).then_some(member)
    }

    /// Puts `new` in the place of `member`'s key, from the entry `index` on.
    ///
    /// Whether `new` may be given to anybody is the caller's to check, but for one thing: returns false, and changes nothing, if it
    /// is or was a key of this table.
    pub fn rotate(&mut self, member: VerifyingKey, new: HeldKey) -> bool {
        let taken = self.owners.contains_key(&new.key) || self.held.contains_key(&new.key);
        if taken || new.key == member || self.owners.contains_key(&member) {
            return false;
        }
        self.owners.insert(new.key, member);
        self.held.entry(member).or_default().push(new);
        true
    }
}

#[cfg(test)]
mod tests {
    use privacy_identity::SigningKey;
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> VerifyingKey {
        SigningKey::from_seed(&[number; 32]).verifying_key()
    }

    #[test]
    fn a_chain_resolves_and_only_its_end_signs() {
        let mut keyring = Keyring::default();
        for (index, number) in [(5, 2), (9, 3)] {
            assert!(keyring.rotate(key(1), HeldKey { key: key(number), index }));
        }
        assert_eq!((keyring.current(&key(1)), keyring.rotations(&key(1))), (key(3), 2));
        assert_eq!([1, 2, 3].map(|n| keyring.member_of(&key(n))), [key(1); 3]);
        assert_eq!([1, 2, 3].map(|n| keyring.holder(&key(n))), [None, None, Some(key(1))]);
        assert_eq!((keyring.current(&key(4)), keyring.holder(&key(4))), (key(4), Some(key(4))));
        let before = keyring.clone();
        // Back to a former key, to oneself, to another's, of somebody who is a later key.
        assert!(keyring.rotate(key(7), HeldKey { key: key(8), index: 10 }));
        for (member, new) in [(1, 1), (1, 2), (1, 3), (1, 8), (1, 7), (3, 9), (7, 1)] {
            assert!(
                !keyring.rotate(key(member), HeldKey { key: key(new), index: 11 }),
                "{member} {new}"
            );
        }
        assert_eq!(keyring.later(&key(1)), before.later(&key(1)));
    }

    proptest! {
        /// Whatever is tried: each key is one member's at most, each member signs with one key, and nobody signs for two.
        #[test]
        fn keys_and_members_stay_one_to_one(tried in prop::collection::vec((0_u8..8, 0_u8..16), 0..40)) {
            let mut keyring = Keyring::default();
            for (index, (member, new)) in (0_u64..).zip(tried) {
                let before = keyring.clone();
                if !keyring.rotate(key(member), HeldKey { key: key(new), index }) {
                    prop_assert_eq!(&keyring, &before);
                }
            }
            let members: Vec<VerifyingKey> = (0..16).map(key).filter(|key| keyring.owner(key).is_none()).collect();
            let mut current: Vec<VerifyingKey> = members.iter().map(|member| keyring.current(member)).collect();
            for (member, current) in members.iter().zip(&current) {
                prop_assert_eq!(keyring.holder(current), Some(*member));
                prop_assert_eq!(keyring.member_of(current), *member);
            }
            for key in (0..16).map(key).filter(|key| !current.contains(key)) {
                prop_assert_eq!(keyring.holder(&key), None, "a former key");
            }
            current.sort_unstable();
            current.dedup();
            prop_assert_eq!(current.len(), members.len());
        }
    }
}
