//! A member's identity in its cohorts.

use ed25519_dalek::Signer as _;
use openmls::prelude::{BasicCredential, Credential, CredentialWithKey, LeafNode};
use openmls_traits::{
    signatures::{Signer, SignerError},
    types::SignatureScheme,
};
use privacy_identity::{SigningKey, VerifyingKey};

use crate::CohortError;

/// A member's key, as its cohorts use it. Zeroised on drop, never printed.
///
/// The MLS signature key *is* the member's Ed25519 key, and the credential is a basic credential with the
/// 32 bytes of the verifying key; a leaf in which the two differ is refused. So there is no
/// certificate to check, expire or forget, and "on the DAO's list" and "signed this leaf" speak of the
/// same key. The price: a member's key changes only by leaving and joining under the new one.
///
/// Threat: a signature made in one protocol presented in the other. All our messages sign a
/// big-endian `u32` length and a tag shorter than 2^24 bytes, so they begin with a zero byte;
/// `SignWithLabel` (RFC 9420 §5.1.2) begins with the length of `"MLS 1.0 " + label`, at least 8. No
/// byte string is both.
pub struct CohortIdentity {
    key: ed25519_dalek::SigningKey,
    member: VerifyingKey,
}

impl CohortIdentity {
    /// The identity of the owner of `key`.
    #[must_use]
    pub fn new(key: &SigningKey) -> Self {
        Self {
            key: ed25519_dalek::SigningKey::from_bytes(&key.seed()),
            member: key.verifying_key(),
        }
    }

    /// The member's public key.
    #[must_use]
    pub const fn member(&self) -> VerifyingKey {
        self.member
    }

    pub(crate) fn credential(&self) -> CredentialWithKey {
        let bytes = self.member.as_bytes();
        CredentialWithKey {
            credential: BasicCredential::new(bytes.to_vec()).into(),
            signature_key: bytes.to_vec().into(),
        }
    }
}

impl std::fmt::Debug for CohortIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CohortIdentity(of {})", self.member)
    }
}

impl Signer for CohortIdentity {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.key.sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// The member whose leaf carries `credential` and `signature_key`.
pub(crate) fn member_from_parts(
    credential: &Credential,
    signature_key: &[u8],
) -> Result<VerifyingKey, CohortError> {
    let basic = BasicCredential::try_from(credential.clone())
        .map_err(|_source| CohortError::BadCredential { reason: "not a basic credential" })?;
    if basic.identity() != signature_key {
        let reason = "names another key than the one that signs";
        return Err(CohortError::BadCredential { reason });
    }
    let bytes: [u8; VerifyingKey::LEN] = signature_key
        .try_into()
        .map_err(|_source| CohortError::BadCredential { reason: "key is not 32 bytes long" })?;
    VerifyingKey::from_bytes(bytes)
        .map_err(|_source| CohortError::BadCredential { reason: "not a valid Ed25519 key" })
}

/// The member whose leaf this is.
pub(crate) fn member_of_leaf(leaf: &LeafNode) -> Result<VerifyingKey, CohortError> {
    member_from_parts(leaf.credential(), leaf.signature_key().as_slice())
}
