//! A member's state at rest.
//!
//! Threat: somebody who reads or alters the file. It is encrypted and authenticated, bound to the federation,
//! the member and what it is (a cohort or a candidate), and tampering is refused. What this cannot
//! see is an *older* file put back: it opens, and the member goes on from an epoch that the group has
//! left. It then refuses the current commits ([`CohortError::OtherEpoch`]) and has to join again.
//! Worse, a member that commits from a restored copy draws fresh randomness, so no key is used twice;
//! but secrets that a refresh had deleted are back for whoever can decrypt the old file. Keeping old
//! files from coming back is the caller's matter.

use hkdf::Hkdf;
use privacy_identity::{Decode as _, DecodeError, Digest, Encode as _, Reader, SigningKey, Writer};
use rand::CryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    Candidate, Cohort, CohortError, CohortIdentity, KeyPackage, MESSAGE_BYTES_MAX, OutgoingCommit,
    aead::{self, NONCE_LEN},
    commit::group_from_store,
    provider::{Provider, Stored},
};

/// Largest state that is read: 64 MiB, about ten times that of 1 000 members (`examples/measure_cohort.rs`).
const STATE_BYTES_MAX: usize = 64 << 20;

/// Most entries of a store; openmls keeps about a dozen for a group.
const STATE_ENTRIES_MAX: usize = 4096;

/// The format; a change of ours, or of openmls's stored form, is a new one.
const VERSION: u8 = 1;

/// The key under which state is stored. Zeroised on drop, never printed.
pub struct StateKey(Zeroizing<[u8; 32]>);

impl StateKey {
    /// The key with these bytes, from the caller's key store.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// The key of the owner of `key`: HKDF-SHA-256 of the signing seed, under its own label. One key file per
    /// member suffices, at the price that whoever has it can also open old state files.
    ///
    /// # Panics
    /// Never: 32 bytes are below HKDF's limit.
    #[must_use]
    pub fn derived_from(key: &SigningKey) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, key.seed().as_slice())
            .expand(b"sahakar/cohort-state-key/v1", bytes.as_mut())
            .expect("32 bytes are below HKDF's limit");
        Self(bytes)
    }
}

/// What a state file holds.
#[derive(Clone, Copy)]
enum Kind {
    Candidate,
    Cohort,
}

impl Kind {
    const fn purpose(self) -> &'static str {
        match self {
            Self::Candidate => "sahakar/cohort-candidate-state/v1",
            Self::Cohort => "sahakar/cohort-state/v1",
        }
    }
}

impl Cohort {
    /// The whole state, a pending commit included, encrypted under `key`. The member's signing key is not
    /// in it.
    ///
    /// Draws 24 bytes from `rng`.
    ///
    /// # Errors
    /// [`CohortError::TooLong`].
    pub fn to_encrypted_bytes(
        &self,
        key: &StateKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, CohortError> {
        let mut writer = Writer::default();
        write_stored(&self.provider.stored(), &mut writer);
        match &self.pending {
            None => writer.u8(0),
            Some(OutgoingCommit { commit, welcome }) => {
                writer.u8(if welcome.is_some() { 2 } else { 1 });
                writer.bytes(commit);
                writer.bytes(welcome.as_deref().unwrap_or_default());
            }
        }
        encrypt(key, &associated(Kind::Cohort, &self.identity, &self.federation), writer, rng)
    }

    /// The state that [`Cohort::to_encrypted_bytes`] encrypted, for the same member and federation.
    ///
    /// # Errors
    /// [`CohortError::StateDoesNotOpen`], [`CohortError::StateMalformed`],
    /// [`CohortError::StateIncomplete`].
    pub fn from_encrypted_bytes(
        bytes: &[u8],
        identity: CohortIdentity,
        federation: Digest,
        key: &StateKey,
    ) -> Result<Self, CohortError> {
        let plain = decrypt(key, &associated(Kind::Cohort, &identity, &federation), bytes)?;
        let (stored, pending) = cohort_from_plain(&plain).map_err(CohortError::StateMalformed)?;
        let provider = Provider::new(stored);
        let group = group_from_store(&provider, &federation)?;
        if pending.is_some() != group.pending_commit().is_some() {
            return Err(CohortError::StateIncomplete { reason: "half a pending commit" });
        }
        Ok(Self { identity, federation, group, provider, pending })
    }
}

impl Candidate {
    /// The candidate with its private keys, encrypted under `key`: it has to survive a restart between
    /// the offer and the welcome.
    ///
    /// # Errors
    /// As [`Cohort::to_encrypted_bytes`].
    pub fn to_encrypted_bytes(
        &self,
        key: &StateKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, CohortError> {
        let mut writer = Writer::default();
        write_stored(&self.provider.stored(), &mut writer);
        self.key_package.encode(&mut writer);
        encrypt(key, &associated(Kind::Candidate, &self.identity, &self.federation), writer, rng)
    }

    /// The candidate that [`Candidate::to_encrypted_bytes`] encrypted.
    ///
    /// # Errors
    /// As [`Cohort::from_encrypted_bytes`].
    pub fn from_encrypted_bytes(
        bytes: &[u8],
        identity: CohortIdentity,
        federation: Digest,
        key: &StateKey,
    ) -> Result<Self, CohortError> {
        let plain = decrypt(key, &associated(Kind::Candidate, &identity, &federation), bytes)?;
        let (stored, key_package) =
            candidate_from_plain(&plain).map_err(CohortError::StateMalformed)?;
        Ok(Self { identity, federation, provider: Provider::new(stored), key_package })
    }
}

fn associated(kind: Kind, identity: &CohortIdentity, federation: &Digest) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.text(kind.purpose());
    federation.encode(&mut writer);
    identity.member().encode(&mut writer);
    writer.into_bytes()
}

fn encrypt(
    key: &StateKey,
    associated: &[u8],
    plain: Writer,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, CohortError> {
    let plain = plain.into_bytes();
    let too_long = CohortError::TooLong { got: plain.len(), bound: STATE_BYTES_MAX };
    if plain.len() > STATE_BYTES_MAX {
        return Err(too_long);
    }
    let (nonce, ciphertext) = aead::seal(&key.0, associated, plain, rng).ok_or(too_long)?;
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&ciphertext);
    Ok(bytes)
}

fn decrypt(
    key: &StateKey,
    associated: &[u8],
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CohortError> {
    let mut reader = Reader::new(bytes);
    let header = (reader.u8(), reader.array::<NONCE_LEN>());
    let (Ok(VERSION), Ok(nonce)) = header else {
        return Err(CohortError::StateDoesNotOpen);
    };
    let (got, bound) = (bytes.len(), STATE_BYTES_MAX + 1 + NONCE_LEN + aead::MAC_LEN);
    if got > bound {
        return Err(CohortError::TooLong { got, bound });
    }
    aead::open(&key.0, associated, nonce, &bytes[1 + NONCE_LEN..])
        .ok_or(CohortError::StateDoesNotOpen)
}

fn write_stored(stored: &Stored, writer: &mut Writer) {
    writer.u32(u32::try_from(stored.0.len()).unwrap_or(u32::MAX));
    for (key, value) in &stored.0 {
        writer.bytes(key);
        writer.bytes(value);
    }
}

fn stored_from_reader(reader: &mut Reader<'_>) -> Result<Stored, DecodeError> {
    let mut stored = Stored::default();
    for _ in 0..reader.length("state entries", STATE_ENTRIES_MAX)? {
        let key = reader.bytes("state key", STATE_BYTES_MAX)?.to_vec();
        if stored.0.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(DecodeError::invalid("state key", "not in strictly increasing order"));
        }
        let value = reader.bytes("state value", STATE_BYTES_MAX)?.to_vec();
        stored.0.insert(key, Zeroizing::new(value));
    }
    Ok(stored)
}

fn cohort_from_plain(plain: &[u8]) -> Result<(Stored, Option<OutgoingCommit>), DecodeError> {
    let mut reader = Reader::new(plain);
    let stored = stored_from_reader(&mut reader)?;
    let form = reader.u8()?;
    let pending = match form {
        0 => None,
        1 | 2 => {
            let commit = reader.bytes("commit", MESSAGE_BYTES_MAX)?.to_vec();
            let bound = if form == 2 { MESSAGE_BYTES_MAX } else { 0 };
            let welcome = reader.bytes("welcome", bound)?.to_vec();
            Some(OutgoingCommit { commit, welcome: (form == 2).then_some(welcome) })
        }
        _ => return Err(DecodeError::invalid("pending commit", form)),
    };
    reader.finish()?;
    Ok((stored, pending))
}

fn candidate_from_plain(plain: &[u8]) -> Result<(Stored, KeyPackage), DecodeError> {
    let mut reader = Reader::new(plain);
    let candidate = (stored_from_reader(&mut reader)?, KeyPackage::decode(&mut reader)?);
    reader.finish()?;
    Ok(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One entry of key and value, then what may follow.
    fn entries(keys: &[u8], tail: &[u8]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u32(u32::try_from(keys.len()).unwrap());
        for key in keys {
            writer.bytes(&[*key]);
            writer.bytes(b"value");
        }
        writer.array(tail);
        writer.into_bytes()
    }

    #[test]
    fn entries_out_of_order_or_twice_are_refused() {
        assert!(cohort_from_plain(&entries(&[1, 2], &[0])).is_ok());
        assert!(cohort_from_plain(&entries(&[2, 1], &[0])).is_err());
        assert!(cohort_from_plain(&entries(&[1, 1], &[0])).is_err());
    }

    #[test]
    fn a_pending_commit_without_welcome_carries_none() {
        let pending = |form: u8, welcome: &[u8]| {
            let mut writer = Writer::default();
            writer.u8(form);
            writer.bytes(b"commit");
            writer.bytes(welcome);
            cohort_from_plain(&entries(&[1], &writer.into_bytes()))
        };
        assert!(pending(1, b"").is_ok() && pending(2, b"welcome").is_ok());
        assert!(pending(1, b"welcome").is_err());
    }
}
