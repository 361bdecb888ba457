//! A sorted map whose clones share what neither of them changed.

use std::sync::Arc;

/// Entries of one chunk: copied at once when a clone shares it. Small, so that a single booking copies little; not
/// smaller, as a clone counts up once per chunk.
const CHUNK_MAX: usize = 64;

/// A map in chunks of neighbours. A clone takes one counter per chunk (with chunks of 64, for 1/64 of the entries, or 1/32);
/// a change after it copies the chunk that it touches, once.
///
/// * `CHUNK` — most entries of one chunk, above 1.
#[derive(Debug)]
pub struct SharedMap<K, V, const CHUNK: usize = CHUNK_MAX> {
    /// Ascending; none is empty.
    chunks: Vec<Arc<Vec<(K, V)>>>,
    len: usize,
}

impl<K, V, const CHUNK: usize> Clone for SharedMap<K, V, CHUNK> {
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), len: self.len }
    }
}

impl<K, V, const CHUNK: usize> Default for SharedMap<K, V, CHUNK> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

/// By what is in them: how it is cut into chunks depends on what happened.
impl<K: PartialEq, V: PartialEq, const CHUNK: usize> PartialEq for SharedMap<K, V, CHUNK> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Eq, V: Eq, const CHUNK: usize> Eq for SharedMap<K, V, CHUNK> {}

impl<K, V, const CHUNK: usize> SharedMap<K, V, CHUNK> {
    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().map(|(key, value)| (key, value)))
    }

    /// All keys, ascending.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values, by their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Ord, V, const CHUNK: usize> SharedMap<K, V, CHUNK> {
    /// The chunk in which `key` is or would be: the first that ends at it or after, or else the last.
    fn chunk_of(&self, key: &K) -> usize {
        let before = |chunk: &Arc<Vec<(K, V)>>| chunk.last().is_some_and(|(last, _)| last < key);
        self.chunks.partition_point(before).min(self.chunks.len().saturating_sub(1))
    }

    /// Where an entry is: its chunk, and its place there.
    fn find(&self, key: &K) -> Option<(usize, usize)> {
        let chunk = self.chunk_of(key);
        let place = self.chunks.get(chunk)?.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
        Some((chunk, place))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        let (chunk, place) = self.find(key)?;
        Some(&self.chunks[chunk][place].1)
    }

    /// The entry of a key, with the map's own key.
    #[must_use]
    pub fn get_key_value(&self, key: &K) -> Option<(&K, &V)> {
        let (chunk, place) = self.find(key)?;
        let (key, value) = &self.chunks[chunk][place];
        Some((key, value))
    }

    /// Whether there is such a key.
    #[must_use]
    pub fn contains_key(&self, key: &K) -> bool {
        self.find(key).is_some()
    }

    /// The entry with the greatest key that is not above `key`.
    #[must_use]
    pub fn last_up_to(&self, key: &K) -> Option<(&K, &V)> {
        let at = self.chunk_of(key);
        let chunk = self.chunks.get(at)?;
        let (chunk, place) = match chunk.partition_point(|(known, _)| known <= key) {
            0 => (self.chunks.get(at.checked_sub(1)?)?, None),
            place => (chunk, Some(place)),
        };
        let (key, value) = chunk.get(place.unwrap_or(chunk.len()) - 1)?;
        Some((key, value))
    }
}

impl<K: Ord + Clone, V: Clone, const CHUNK: usize> SharedMap<K, V, CHUNK> {
    /// The value of a key, to be changed: its chunk is copied if a clone shares it.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (chunk, place) = self.find(key)?;
        Some(&mut Arc::make_mut(&mut self.chunks[chunk])[place].1)
    }

    /// Puts in an entry, and returns the value that the key had before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let at = self.chunk_of(&key);
        let Some(shared) = self.chunks.get_mut(at) else {
            self.chunks.push(Arc::new(vec![(key, value)]));
            self.len += 1;
            return None;
        };
        let chunk = Arc::make_mut(shared);
        let place = match chunk.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(place) => return Some(std::mem::replace(&mut chunk[place].1, value)),
            Err(place) => place,
        };
        chunk.insert(place, (key, value));
        self.len += 1;
        if chunk.len() > CHUNK {
            // What comes in ascending order leaves full chunks behind.
            let from = if place == CHUNK { CHUNK } else { CHUNK / 2 };
            let rest = chunk.split_off(from);
            self.chunks.insert(at + 1, Arc::new(rest));
        }
        None
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (at, place) = self.find(key)?;
        let chunk = Arc::make_mut(&mut self.chunks[at]);
        let (_, value) = chunk.remove(place);
        if chunk.is_empty() {
            self.chunks.remove(at);
        }
        self.len -= 1;
        Some(value)
    }

    /// Puts in entries.
    pub fn extend(&mut self, entries: impl IntoIterator<Item = (K, V)>) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn chunks_are_sound(map: &SharedMap<u16, u32>) -> bool {
        let sizes = map.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK_MAX);
        sizes && map.keys().is_sorted_by(|a, b| a < b) && map.iter().count() == map.len()
    }

    #[test]
    fn ascending_keys_fill_their_chunks() {
        let mut map = SharedMap::<u16, u32>::default();
        map.extend((0..640_u16).map(|key| (key, u32::from(key))));
        assert_eq!(map.chunks.len(), 10);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn it_is_a_map_and_clones_do_not_see_later_changes(
            steps in proptest::collection::vec((0_u16..700, 0_u8..4), 0..1_500),
            asked in proptest::collection::vec(0_u16..700, 1..50),
            cloned_at in 0_usize..1_500,
        ) {
            let (mut shared, mut map) = (SharedMap::<u16, u32>::default(), BTreeMap::new());
            let mut clones = None;
            for (number, (key, step)) in (0_u32..).zip(steps) {
                if number as usize == cloned_at {
                    clones = Some((shared.clone(), map.clone()));
                }
                match step {
                    0 => prop_assert_eq!(shared.remove(&key), map.remove(&key)),
                    1 => {
                        if let Some(value) = shared.get_mut(&key) {
                            *value += 1;
                        }
                        map.entry(key).and_modify(|value| *value += 1);
                    }
                    _ => prop_assert_eq!(shared.insert(key, number), map.insert(key, number)),
                }
            }
            for (shared, map) in [(shared, map)].into_iter().chain(clones) {
                prop_assert!(chunks_are_sound(&shared));
                prop_assert!(shared.iter().eq(map.iter()));
                for key in &asked {
                    prop_assert_eq!(shared.get(key), map.get(key));
                    prop_assert_eq!(shared.get_key_value(key), map.get_key_value(key));
                    prop_assert_eq!(shared.last_up_to(key), map.range(..=key).next_back());
                }
            }
        }
    }
}
