//! A member's standing offer to be added to one federation's cohort.

use openmls::prelude::{
    Capabilities, Extension, ExtensionType, KeyPackage as MlsKeyPackage, Lifetime, MlsMessageOut,
    ProtocolVersion, UnknownExtension,
};
use privacy_identity::{Decode, DecodeError, Digest, Encode, Reader, VerifyingKey, Writer};

use crate::{
    CohortError, CohortIdentity, MESSAGE_BYTES_MAX,
    crypto::{CIPHERSUITE, Crypto},
    identity::member_of_leaf,
    message,
    provider::Provider,
};

/// Our key package extension, from the range for private use (RFC 9420 §17.3): the federation's
/// digest and the last second of validity, so that an offer to one federation is none to another.
const TERMS_EXTENSION: u16 = 0xF5A1;

/// Says that the lifetime in the leaf spans all time. openmls compares it with the system's clock; the one
/// that counts is in [`TERMS_EXTENSION`].
pub(crate) fn unbounded_lifetime() -> Lifetime {
    Lifetime::init(0, u64::MAX)
}

/// What a leaf of ours can do: one suite, one credential type, one extension, nothing else.
pub(crate) fn capabilities() -> Capabilities {
    Capabilities::new(
        None,
        Some(&[CIPHERSUITE]),
        Some(&[ExtensionType::Unknown(TERMS_EXTENSION)]),
        None,
        None,
    )
}

/// The bytes of a key package (RFC 9420 §10): received, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPackage(Vec<u8>);

impl KeyPackage {
    /// Takes bytes as they came. They are verified by [`crate::Cohort::admit`].
    ///
    /// # Errors
    /// [`CohortError::TooLong`].
    pub fn from_mls_bytes(bytes: &[u8]) -> Result<Self, CohortError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(CohortError::TooLong { got: bytes.len(), bound: MESSAGE_BYTES_MAX });
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The MLS message.
    #[must_use]
    pub fn as_mls_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Makes a key package and stores its private keys in `provider`.
    pub(crate) fn create(
        provider: &Provider,
        identity: &CohortIdentity,
        federation: &Digest,
        not_after_s: u64,
    ) -> Result<Self, CohortError> {
        let mut writer = Writer::default();
        federation.encode(&mut writer);
        writer.u64(not_after_s);
        let terms = Extension::Unknown(TERMS_EXTENSION, UnknownExtension(writer.into_bytes()));
        let extensions =
            openmls::prelude::Extensions::single(terms).map_err(CohortError::library)?;
        let bundle = MlsKeyPackage::builder()
            .leaf_node_capabilities(capabilities())
            .key_package_lifetime(unbounded_lifetime())
            .key_package_extensions(extensions)
            .build(CIPHERSUITE, provider, identity, identity.credential())
            .map_err(CohortError::library)?;
        let message = MlsMessageOut::from(bundle.into_key_package());
        message.to_bytes().map(Self).map_err(CohortError::library)
    }

    /// Checks signatures, credential, federation and form.
    pub(crate) fn verify(
        &self,
        crypto: &Crypto,
        federation: &Digest,
    ) -> Result<VerifiedKeyPackage, CohortError> {
        let package = message::key_package_from_bytes(&self.0)?
            .validate(crypto, ProtocolVersion::Mls10)
            .map_err(|error| CohortError::BadKeyPackage { reason: error.to_string() })?;
        VerifiedKeyPackage::new(package, federation)
    }
}

impl Encode for KeyPackage {
    fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.0);
    }
}

impl Decode for KeyPackage {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(reader.bytes("key package", MESSAGE_BYTES_MAX)?.to_vec()))
    }
}

/// A key package whose signatures, credential and federation were checked.
pub(crate) struct VerifiedKeyPackage {
    pub(crate) package: MlsKeyPackage,
    pub(crate) member: VerifyingKey,
    pub(crate) not_after_s: u64,
}

impl VerifiedKeyPackage {
    /// Checks what openmls, which has verified the signatures, does not know about.
    pub(crate) fn new(package: MlsKeyPackage, federation: &Digest) -> Result<Self, CohortError> {
        let bad = |reason: &str| CohortError::BadKeyPackage { reason: reason.to_owned() };
        let member = member_of_leaf(package.leaf_node())?;
        if package.ciphersuite() != CIPHERSUITE {
            return Err(bad("another ciphersuite"));
        }
        if *package.life_time() != unbounded_lifetime() {
            return Err(bad("a lifetime outside our terms"));
        }
        let terms = package.extensions().unknown(TERMS_EXTENSION);
        let terms = &terms.ok_or_else(|| bad("no terms of a federation"))?.0;
        let (offered_to, not_after_s) =
            terms_from_bytes(terms).map_err(|error| bad(&error.to_string()))?;
        message::check_federation(&offered_to.0, federation)?;
        Ok(Self { package, member, not_after_s })
    }
}

fn terms_from_bytes(bytes: &[u8]) -> Result<(Digest, u64), DecodeError> {
    let mut reader = Reader::new(bytes);
    let terms = (Digest::decode(&mut reader)?, reader.u64()?);
    reader.finish()?;
    Ok(terms)
}
