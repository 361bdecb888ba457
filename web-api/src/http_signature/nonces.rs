//! Which signed requests came before: a request is taken once.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Mutex, PoisonError},
};

use privacy_identity::VerifyingKey;

use super::SignatureError;
use super::base::SKEW_S_MAX;

/// Most requests that are remembered: those of ten minutes, at a hundred and sixty per second. Beyond that signed requests
/// are refused, as a replay could not be told.
const REMEMBERED_MAX: usize = 100_000;

/// The nonces of the last minutes, by key. A restart forgets them: what was signed before it is refused by its time at the
/// latest five minutes later, and what moves money has its own Idempotency-Key in the ledger.
#[derive(Debug, Default)]
pub(crate) struct Nonces(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    known: HashSet<([u8; 32], String)>,
    by_time: BTreeSet<(u64, [u8; 32], String)>,
}

impl Nonces {
    /// Remembers a nonce, unless it was used.
    pub(crate) fn take(
        &self,
        key: &VerifyingKey,
        nonce: &str,
        now_s: u64,
    ) -> Result<(), SignatureError> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { known, by_time } = &mut *seen;
        // A signature from the future of one skew holds for two.
        let over_s = now_s.saturating_sub(2 * SKEW_S_MAX + 1);
        while by_time.first().is_some_and(|(at_s, ..)| *at_s < over_s) {
            if let Some((_, key, nonce)) = by_time.pop_first() {
                known.remove(&(key, nonce));
            }
        }
        let entry = (*key.as_bytes(), nonce.to_owned());
        if known.contains(&entry) {
            return Err(SignatureError::Replayed);
        }
        if known.len() >= REMEMBERED_MAX {
            return Err(SignatureError::Busy);
        }
        by_time.insert((now_s, entry.0, entry.1.clone()));
        known.insert(entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use privacy_identity::SigningKey;

    use super::*;

    #[test]
    fn a_nonce_is_taken_once_by_each_key_and_memory_is_bounded() {
        let nonces = Nonces::default();
        let key = |number| SigningKey::from_seed(&[number; 32]).verifying_key();
        assert_eq!(nonces.take(&key(1), "a", 1_000), Ok(()));
        assert_eq!(nonces.take(&key(1), "a", 1_500), Err(SignatureError::Replayed));
        assert_eq!(nonces.take(&key(2), "a", 1_500), Ok(()));
        for number in 0..REMEMBERED_MAX - 2 {
            nonces.take(&key(3), &number.to_string(), 1_500).unwrap();
        }
        assert_eq!(nonces.take(&key(1), "b", 1_501), Err(SignatureError::Busy));
        assert_eq!(nonces.take(&key(1), "b", 1_500 + 2 * SKEW_S_MAX + 2), Ok(()));
    }
}
