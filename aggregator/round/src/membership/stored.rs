//! A member's part in its cohort at rest: encrypted, written whole.

use aggregator_protocol::FederationTerms;
use privacy_cohort::{COHORT_MEMBERS_MAX, Candidate, Cohort, CohortIdentity, StateKey};
use privacy_identity::{
    DecodeError, Reader, SigningKey, VerifyingKey, Writer, list_from_reader, list_to_writer,
};
use rand::CryptoRng;

use super::{Membership, MembershipError, Standing};

/// Largest state that is read: twice that of a cohort.
const STATE_BYTES_MAX: usize = 128 << 20;

impl Membership {
    /// Takes up what [`Membership::to_encrypted_bytes`] made for the same member and federation.
    ///
    /// # Errors
    /// [`MembershipError::Stored`], [`MembershipError::Cohort`].
    pub fn from_encrypted_bytes(
        bytes: &[u8],
        terms: &FederationTerms,
        key: &SigningKey,
    ) -> Result<Self, MembershipError> {
        let mut membership = Self::outside(terms, key)?;
        let damaged = |error: DecodeError| MembershipError::Stored { reason: error.to_string() };
        let parts = parts_from_bytes(bytes).map_err(damaged)?;
        let (federation, state_key) = (membership.federation, StateKey::derived_from(key));
        let identity = || CohortIdentity::new(key);
        let candidate =
            |bytes| Candidate::from_encrypted_bytes(bytes, identity(), federation, &state_key);
        let cohort =
            |bytes| Cohort::from_encrypted_bytes(bytes, identity(), federation, &state_key);
        membership.adding = parts.adding;
        membership.standing = match (parts.candidate, parts.cohort) {
            ([], []) => Standing::Outside,
            (only, []) => Standing::Candidate(candidate(only)?),
            ([], only) => Standing::Member(cohort(only)?),
            (first, second) => Standing::Founding(candidate(first)?, cohort(second)?),
        };
        Ok(membership)
    }

    /// The whole state, encrypted under a key that is derived from the member's own.
    ///
    /// # Errors
    /// [`MembershipError::Cohort`], which no input is known to cause.
    pub fn to_encrypted_bytes(&self, rng: &mut impl CryptoRng) -> Result<Vec<u8>, MembershipError> {
        let key = StateKey::derived_from(&self.signing);
        let (candidate, cohort) = match &self.standing {
            Standing::Candidate(candidate) => (Some(candidate), None),
            Standing::Founding(candidate, cohort) => (Some(candidate), Some(cohort)),
            Standing::Member(cohort) => (None, Some(cohort)),
            Standing::Outside => (None, None),
        };
        let candidate = candidate.map(|part| part.to_encrypted_bytes(&key, rng)).transpose()?;
        let cohort = cohort.map(|part| part.to_encrypted_bytes(&key, rng)).transpose()?;
        let mut writer = Writer::default();
        for part in [candidate, cohort] {
            writer.bytes(&part.unwrap_or_default());
        }
        list_to_writer(&self.adding, &mut writer);
        Ok(writer.into_bytes())
    }
}

/// What is stored: encrypted parts, empty where there is none, and whom the pending commit adds.
struct Parts<'a> {
    candidate: &'a [u8],
    cohort: &'a [u8],
    adding: Vec<VerifyingKey>,
}

fn parts_from_bytes(bytes: &[u8]) -> Result<Parts<'_>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let parts = Parts {
        candidate: reader.bytes("candidate", STATE_BYTES_MAX)?,
        cohort: reader.bytes("cohort", STATE_BYTES_MAX)?,
        adding: list_from_reader(&mut reader, "members", COHORT_MEMBERS_MAX)?,
    };
    reader.finish()?;
    Ok(parts)
}
