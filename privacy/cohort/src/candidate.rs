//! A member that has offered a key package and waits for its welcome.

use privacy_identity::Digest;
use rand::CryptoRng;

use crate::{CohortError, CohortIdentity, KeyPackage, provider::Provider};

/// A member on its way into a cohort: its key package and the private keys of it.
///
/// One candidate, one key package, one cohort: the private keys are gone once the welcome is used, so
/// that it cannot be opened a second time.
pub struct Candidate {
    pub(crate) identity: CohortIdentity,
    pub(crate) federation: Digest,
    pub(crate) provider: Provider,
    pub(crate) key_package: KeyPackage,
}

impl Candidate {
    /// Makes an offer to join the cohort of `federation`, which members accept until `not_after_s`
    /// (seconds since 1970).
    ///
    /// Draws 64 bytes from `rng`.
    ///
    /// # Errors
    /// [`CohortError::Library`], which no input is known to cause.
    pub fn new(
        identity: CohortIdentity,
        federation: Digest,
        not_after_s: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, CohortError> {
        let mut provider = Provider::default();
        provider.seed_from(rng);
        let key_package = KeyPackage::create(&provider, &identity, &federation, not_after_s)?;
        provider.forget_seeds();
        Ok(Self { identity, federation, provider, key_package })
    }

    /// The offer, for the delivery. Public.
    #[must_use]
    pub const fn key_package(&self) -> &KeyPackage {
        &self.key_package
    }

    /// The federation that it is an offer to.
    #[must_use]
    pub const fn federation(&self) -> Digest {
        self.federation
    }
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Candidate({:?} for {})", self.identity, self.federation)
    }
}
