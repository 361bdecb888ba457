//! What openmls is given: the suite's primitives, the caller's randomness, and a store in memory.
//!
//! Where randomness comes from: an operation that needs some takes `&mut impl CryptoRng`, draws two
//! 32-byte seeds from it and wipes them when it ends. One seeds `ChaCha20` for what openmls draws itself
//! (path secrets, init secrets, reuse guards, HPKE key pairs), the other the encapsulations
//! ([`crate::crypto`]). Nothing draws from the operating system.
//!
//! Where the clock is read: openmls reads the system's clock in two places and offers no way to pass a time.
//! It compares a key package's lifetime with now (ours spans all time, so that the answer does not
//! depend on it; the expiry that counts is in our own extension and is compared with the caller's
//! `now_s`), and it stamps an epoch's message secrets (the stamp is stored and never read, as past
//! epochs' secrets are not kept).

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use openmls_memory_storage::MemoryStorage;
use openmls_traits::{OpenMlsProvider, random::OpenMlsRand};
use rand::{CryptoRng, Rng as _};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::crypto::Crypto;

/// Primitives, randomness and store of one member in one group.
#[derive(Default)]
pub(crate) struct Provider {
    crypto: Crypto,
    rand: Randomness,
    storage: MemoryStorage,
}

/// All that is stored, ordered by key. Wiped when dropped.
#[derive(Default)]
pub(crate) struct Stored(pub(crate) BTreeMap<Vec<u8>, Zeroizing<Vec<u8>>>);

impl Provider {
    /// A provider whose store holds `stored`.
    pub(crate) fn new(stored: Stored) -> Self {
        let provider = Self::default();
        provider.restore(stored);
        provider
    }

    /// Draws the seeds of one operation.
    pub(crate) fn seed_from(&mut self, rng: &mut impl CryptoRng) {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        self.rand = Randomness(Mutex::new(Some(ChaCha20Rng::from_seed(*seed))));
        rng.fill_bytes(seed.as_mut());
        self.crypto.set_seed(seed);
    }

    /// Ends the operation: until the next seeds, whatever asks for randomness fails.
    pub(crate) fn forget_seeds(&mut self) {
        self.rand = Randomness::default();
        self.crypto.forget_seed();
    }

    /// A copy of the store.
    pub(crate) fn stored(&self) -> Stored {
        let values = self.storage.values.read().unwrap_or_else(PoisonError::into_inner);
        Stored(values.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect())
    }

    /// Puts the store back to what it was, and wipes what it held.
    pub(crate) fn restore(&self, stored: Stored) {
        self.wipe();
        let mut values = self.storage.values.write().unwrap_or_else(PoisonError::into_inner);
        values.extend(
            stored.0.into_iter().map(|(key, mut value)| (key, std::mem::take(&mut *value))),
        );
    }

    /// Overwrites and removes all that is stored.
    pub(crate) fn wipe(&self) {
        let mut values = self.storage.values.write().unwrap_or_else(PoisonError::into_inner);
        values.values_mut().for_each(zeroize::Zeroize::zeroize);
        values.clear();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl OpenMlsProvider for Provider {
    type CryptoProvider = Crypto;
    type RandProvider = Randomness;
    type StorageProvider = MemoryStorage;

    fn storage(&self) -> &Self::StorageProvider {
        &self.storage
    }

    fn crypto(&self) -> &Self::CryptoProvider {
        &self.crypto
    }

    fn rand(&self) -> &Self::RandProvider {
        &self.rand
    }
}

/// The generator of one operation, or none between operations.
#[derive(Default)]
pub(crate) struct Randomness(Mutex<Option<ChaCha20Rng>>);

/// Randomness was asked for outside an operation that was given some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no randomness was passed to this operation")]
pub(crate) struct NoRandomness;

impl Randomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        let mut generator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generator.as_mut().ok_or(NoRandomness)?.fill_bytes(bytes);
        Ok(())
    }
}

impl OpenMlsRand for Randomness {
    type Error = NoRandomness;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], NoRandomness> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn random_vec(&self, len: usize) -> Result<Vec<u8>, NoRandomness> {
        let mut bytes = vec![0; len];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}
