//! A map that only grows, in little memory.

use std::sync::Arc;

use crate::SharedMap;

/// Entries that are sorted into a run at once: few enough to be cheap, enough to make runs rare.
const RECENT_MAX: usize = 4_096;

/// Entries of one chunk of the newest: keys that are digests fall into another chunk each, which is copied once per snapshot.
/// Sixteen are less than a kilobyte, which an allocator has at hand; a snapshot counts up 512 chunks at most.
const RECENT_CHUNK: usize = 16;

/// Address space that a run takes at least, whatever of it is used: what is never written is no memory.
///
/// glibc maps what is larger than a threshold by itself, and gives it back as a whole; but the threshold follows what is
/// freed, up to 32 MiB (mallopt(3), `M_MMAP_THRESHOLD`). Runs are merged and freed for ever, each larger than those before, so
/// it would follow them, and what merges leave would stay in the heaps as holes into which no later run fits: measured, some
/// 100 bytes per prediction (benches/serving/RESULTS.md). What is larger than 32 MiB is mapped always.
const RUN_BYTES_MIN: usize = (32 << 20) + (64 << 10);

/// A map from which nothing is removed and in which nothing is changed: the newest entries in chunks,
/// all others in sorted runs, each more than twice as long as the next.
///
/// An entry takes its own size, where a tree of the standard library takes half as much again; a
/// look-up searches up to log₂(n / 4096) runs; clones share the runs. For what a ledger has to remember of
/// everything that ever happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runs<K, V> {
    runs: Vec<Arc<Vec<(K, V)>>>,
    recent: SharedMap<K, V, RECENT_CHUNK>,
}

impl<K, V> Default for Runs<K, V> {
    fn default() -> Self {
        Self { runs: Vec::new(), recent: SharedMap::default() }
    }
}

impl<K: Ord + Copy, V: Copy> Runs<K, V> {
    /// Adds an entry. A key that is known keeps its value.
    pub fn insert(&mut self, key: K, value: V) {
        if self.get(&key).is_none() {
            self.insert_new(key, value);
        }
    }

    /// Adds an entry whose key is not known: the caller has looked.
    pub fn insert_new(&mut self, key: K, value: V) {
        self.recent.insert(key, value);
        if self.recent.len() >= RECENT_MAX {
            let recent = std::mem::take(&mut self.recent);
            let mut run = mapped(recent.len());
            run.extend(recent.iter().map(|(key, value)| (*key, *value)));
            while let Some(before) = self.runs.pop_if(|before| before.len() <= 2 * run.len()) {
                run = merged(&before, &run);
            }
            self.runs.push(Arc::new(run));
        }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<V> {
        let in_run = |run: &Arc<Vec<(K, V)>>| {
            let at = run.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
            Some(run[at].1)
        };
        self.recent.get(key).copied().or_else(|| self.runs.iter().rev().find_map(in_run))
    }

    /// The entry with the greatest key that is not above `key`.
    #[must_use]
    pub fn last_up_to(&self, key: &K) -> Option<(K, V)> {
        let in_run = |run: &Arc<Vec<(K, V)>>| {
            let end = run.partition_point(|(known, _)| known <= key);
            run.get(end.checked_sub(1)?).copied()
        };
        let recent = self.recent.last_up_to(key).map(|(known, value)| (*known, *value));
        self.runs.iter().filter_map(in_run).chain(recent).max_by(|a, b| a.0.cmp(&b.0))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.runs.iter().map(|run| run.len()).sum::<usize>() + self.recent.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Room for `len` entries that the allocator takes from the system, and gives back to it.
fn mapped<T>(len: usize) -> Vec<T> {
    Vec::with_capacity(len.max(RUN_BYTES_MIN / size_of::<T>().max(1)))
}

/// Two sorted runs without a common key as one.
fn merged<K: Ord + Copy, V: Copy>(a: &[(K, V)], b: &[(K, V)]) -> Vec<(K, V)> {
    let mut run = mapped(a.len() + b.len());
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    while let (Some(left), Some(right)) = (a.peek(), b.peek()) {
        let next = if left.0 < right.0 { a.next() } else { b.next() };
        run.extend(next);
    }
    run.extend(a);
    run.extend(b);
    run
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Keys that come neither ascending nor evenly, all different.
    fn scattered(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn many_entries_are_found_again_and_runs_stay_few() {
        let mut runs = Runs::default();
        let count = 100_000;
        for number in 0..count {
            runs.insert(scattered(number), number);
        }
        assert_eq!(runs.len(), 100_000);
        assert!((0..count).all(|number| runs.get(&scattered(number)) == Some(number)));
        assert_eq!(runs.get(&scattered(count)), None);
        assert!(runs.runs.len() <= 5, "{} runs", runs.runs.len());
        // All of them are mapped by themselves, and none has room beyond that.
        let is_mapped = |run: &Arc<Vec<(u64, u64)>>| {
            run.capacity() == run.len().max(RUN_BYTES_MIN / size_of::<(u64, u64)>())
        };
        assert!(runs.runs.iter().all(is_mapped));
    }

    #[test]
    fn a_known_key_keeps_its_value() {
        let mut runs = Runs::default();
        for number in 0..10_000 {
            runs.insert(scattered(number % 5_000), number);
        }
        assert_eq!(runs.len(), 5_000);
        assert!((0..5_000).all(|number| runs.get(&scattered(number)) == Some(number)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

        #[test]
        fn it_is_a_map(
            keys in proptest::collection::vec(0_u32..30_000, 0..20_000),
            asked in proptest::collection::vec(0_u32..30_000, 1..200),
        ) {
            let (mut runs, mut map) = (Runs::default(), BTreeMap::new());
            for (number, key) in (0_u32..).zip(keys) {
                runs.insert(key, number);
                map.entry(key).or_insert(number);
            }
            prop_assert_eq!(runs.len(), map.len());
            for key in asked {
                prop_assert_eq!(runs.get(&key), map.get(&key).copied());
                let last = map.range(..=key).next_back().map(|(known, value)| (*known, *value));
                prop_assert_eq!(runs.last_up_to(&key), last);
            }
        }
    }
}
