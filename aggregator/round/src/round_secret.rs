//! What the members of a cohort share in one round, and nobody else knows.

use std::fmt;

use aggregator_protocol::{FederationTerms, RoundId};
use privacy_secagg::{Binding, NoisyUpdate, TagKey, Tagging};
use zeroize::Zeroizing;

/// The cohort's secret of one round, from which the key of its tags follows. Zeroised on drop, never
/// printed.
///
/// Whoever has it can forge a sum that passes the tags: it never leaves a member, and is deleted once
/// the sum was checked.
pub struct RoundSecret(Zeroizing<[u8; 32]>);

impl RoundSecret {
    /// The secret with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// The bytes, to be kept until the sum was checked.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key of the tags of `round`.
    pub(crate) fn tag_key(&self, terms: &FederationTerms, round: RoundId) -> TagKey {
        TagKey::of_round(&self.0, &terms.id(), round.0)
    }

    /// `update` with its tag, where the terms ask for one; none if there is no secret to make it with.
    pub(crate) fn tag(
        secret: Option<&Self>,
        update: NoisyUpdate,
        terms: &FederationTerms,
        binding: &Binding,
    ) -> Option<NoisyUpdate> {
        match terms.encoding.options().tagging {
            Tagging::Absent => Some(update),
            Tagging::Linear => {
                let key = secret?.tag_key(terms, RoundId(binding.round));
                Some(update.tagged(&key, &binding.member))
            }
        }
    }
}

impl fmt::Debug for RoundSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoundSecret")
    }
}
