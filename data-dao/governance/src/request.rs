//! What members sign: bound to one DAO, once, for a while.

use std::collections::BTreeMap;

use privacy_identity::{Digest, Encode, KeyError, Signature, SigningKey, Tag, VerifyingKey};

use crate::GovernanceError;

/// A message that a member signs.
///
/// Threat: bytes signed for one purpose, DAO or time presented for another. The tag and the
/// encoding's first words separate purposes, `dao` separates co-operatives, the nonce makes the
/// message valid once, and after `expires_ms` nobody can present it any more.
pub trait Request: Encode {
    /// What the signature is for.
    const TAG: Tag;

    /// The DAO: the leaf hash of its genesis entry.
    fn dao(&self) -> Digest;

    /// Who signs.
    fn signer(&self) -> VerifyingKey;

    /// A number above that of every earlier message of this signer.
    fn nonce(&self) -> u64;

    /// The last moment at which the message counts, in ledger time.
    fn expires_ms(&self) -> u64;

    /// Signs the message; `key` must be the signer's for it to count.
    fn sign(&self, key: &SigningKey) -> Signature {
        key.sign(Self::TAG, &self.to_bytes())
    }

    /// Checks that the signer signed, by the key that it is named after.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`].
    fn verify(&self, signature: &Signature) -> Result<(), KeyError> {
        self.verify_by(&self.signer(), signature)
    }

    /// Checks that `key` signed: the one that signs for the signer now ([`crate::Keyring::current`]).
    ///
    /// # Errors
    /// [`KeyError::BadSignature`].
    fn verify_by(&self, key: &VerifyingKey, signature: &Signature) -> Result<(), KeyError> {
        key.verify(Self::TAG, &self.to_bytes(), signature)
    }
}

/// Implements [`Request`] by the fields `dao`, `nonce`, `expires_ms` and the signer's.
macro_rules! request_of {
    ($type:ty, $tag:expr, signed by $signer:ident) => {
        impl $crate::Request for $type {
            const TAG: privacy_identity::Tag = $tag;

            fn dao(&self) -> privacy_identity::Digest {
                self.dao
            }

            fn signer(&self) -> privacy_identity::VerifyingKey {
                self.$signer
            }

            fn nonce(&self) -> u64 {
                self.nonce
            }

            fn expires_ms(&self) -> u64 {
                self.expires_ms
            }
        }
    };
}

pub(crate) use request_of;

/// The last nonce of each signer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nonces(BTreeMap<VerifyingKey, u64>);

impl Nonces {
    /// Checks that `request` is neither too late nor used.
    ///
    /// # Errors
    /// [`GovernanceError::RequestExpired`] or [`GovernanceError::NonceUsed`].
    pub fn check(&self, request: &impl Request, now_ms: u64) -> Result<(), GovernanceError> {
        let expires_ms = request.expires_ms();
        if now_ms > expires_ms {
            return Err(GovernanceError::RequestExpired { expires_ms, now_ms });
        }
        let (signer, got) = (request.signer(), request.nonce());
        match self.0.get(&signer) {
            Some(&last) if got <= last => Err(GovernanceError::NonceUsed { signer, last, got }),
            _ => Ok(()),
        }
    }

    /// Uses the request's nonce up.
    pub fn take(&mut self, request: &impl Request) {
        self.0.insert(request.signer(), request.nonce());
    }

    /// The signer's last nonce.
    #[must_use]
    pub fn last(&self, signer: &VerifyingKey) -> Option<u64> {
        self.0.get(signer).copied()
    }
}
