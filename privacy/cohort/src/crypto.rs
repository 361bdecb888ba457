//! The primitives of the one ciphersuite, for openmls.
//!
//! `MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519` (RFC 9420 §17.1, 0x0003). Chosen over the
//! AES-128-GCM suite because all of it is what [`privacy_identity`]'s envelopes already use, and
//! because it is constant-time without AES instructions.
//!
//! openmls's own provider (`openmls_rust_crypto`) draws from the operating system, knows the NIST curves and
//! the post-quantum suites, and brings about ninety crates. This one draws from the caller's
//! generator, knows one suite, and brings none.

use chacha20poly1305::{
    ChaCha20Poly1305,
    aead::{Aead as _, KeyInit as _, Payload},
};
use hkdf::Hkdf;
use hpke::{
    Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _, kdf::HkdfSha256,
    kem::X25519HkdfSha256, single_shot_open, single_shot_seal_with_rng,
};
use openmls_traits::{
    crypto::OpenMlsCrypto,
    types::{
        AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeAeadType, HpkeCiphertext,
        HpkeConfig, HpkeKdfType, HpkeKemType, HpkeKeyPair, SignatureScheme,
    },
};
use privacy_identity::Writer;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The only ciphersuite of a cohort.
pub(crate) const CIPHERSUITE: Ciphersuite =
    Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;

/// What `openmls_traits` calls its zeroised byte string, which the crate does not name itself.
type Secret = openmls::prelude::tls_codec::SecretVLBytes;

/// The suite's primitives, and the seed of one operation's HPKE encapsulations.
#[derive(Default)]
pub(crate) struct Crypto {
    seed: Option<Zeroizing<[u8; 32]>>,
}

impl Crypto {
    /// Allows encryption until [`Crypto::forget_seed`].
    pub(crate) fn set_seed(&mut self, seed: Zeroizing<[u8; 32]>) {
        self.seed = Some(seed);
    }

    /// Wipes the seed: whoever had it could recompute the encapsulations of its operation.
    pub(crate) fn forget_seed(&mut self) {
        self.seed = None;
    }

    /// The generator of one encapsulation: HMAC-SHA-256 of all inputs under the operation's seed.
    ///
    /// openmls encrypts path secrets on several threads. A generator that depends on the inputs, not on
    /// the order of calls, makes the commit a function of state and seed; inputs differ (each has its
    /// own recipient), and equal inputs would give the same ciphertext again, which tells nothing.
    fn encapsulation_rng(&self, parts: [&[u8]; 4]) -> Result<ChaCha20Rng, CryptoError> {
        let seed = self.seed.as_ref().ok_or(CryptoError::InsufficientRandomness)?;
        let mut writer = Writer::default();
        writer.text("sahakar/cohort-encapsulation/v1");
        for part in parts {
            writer.bytes(part);
        }
        let input = Zeroizing::new(writer.into_bytes());
        let (derived, _) = Hkdf::<Sha256>::extract(Some(seed.as_slice()), &input);
        Ok(ChaCha20Rng::from_seed(derived.into()))
    }
}

fn require(supported: bool, otherwise: CryptoError) -> Result<(), CryptoError> {
    if supported { Ok(()) } else { Err(otherwise) }
}

fn require_sha256(hash: HashType) -> Result<(), CryptoError> {
    require(hash == HashType::Sha2_256, CryptoError::UnsupportedHashAlgorithm)
}

fn require_suite(config: &HpkeConfig) -> Result<(), CryptoError> {
    let ours = config.0 == HpkeKemType::DhKem25519
        && config.1 == HpkeKdfType::HkdfSha256
        && config.2 == HpkeAeadType::ChaCha20Poly1305;
    require(ours, CryptoError::UnsupportedCiphersuite)
}

fn cipher(algorithm: AeadType, key: &[u8]) -> Result<ChaCha20Poly1305, CryptoError> {
    require(algorithm == AeadType::ChaCha20Poly1305, CryptoError::UnsupportedAeadAlgorithm)?;
    ChaCha20Poly1305::new_from_slice(key).map_err(|_source| CryptoError::InvalidLength)
}

impl OpenMlsCrypto for Crypto {
    fn supports(&self, ciphersuite: Ciphersuite) -> Result<(), CryptoError> {
        require(ciphersuite == CIPHERSUITE, CryptoError::UnsupportedCiphersuite)
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        vec![CIPHERSUITE]
    }

    fn hkdf_extract(
        &self,
        hash_type: HashType,
        salt: &[u8],
        ikm: &[u8],
    ) -> Result<Secret, CryptoError> {
        require_sha256(hash_type)?;
        Ok(Hkdf::<Sha256>::extract(Some(salt), ikm).0.as_slice().into())
    }

    fn hmac(&self, hash_type: HashType, key: &[u8], message: &[u8]) -> Result<Secret, CryptoError> {
        // RFC 5869 §2.2: HKDF-Extract(salt, IKM) is HMAC(salt, IKM).
        self.hkdf_extract(hash_type, key, message)
    }

    fn hkdf_expand(
        &self,
        hash_type: HashType,
        prk: &[u8],
        info: &[u8],
        okm_len: usize,
    ) -> Result<Secret, CryptoError> {
        require_sha256(hash_type)?;
        let mut okm = vec![0; okm_len];
        Hkdf::<Sha256>::from_prk(prk)
            .map_err(|_source| CryptoError::HkdfOutputLengthInvalid)?
            .expand(info, &mut okm)
            .map_err(|_source| CryptoError::HkdfOutputLengthInvalid)?;
        Ok(okm.into())
    }

    fn hash(&self, hash_type: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        require_sha256(hash_type)?;
        Ok(Sha256::digest(data).to_vec())
    }

    fn aead_encrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let nonce = nonce.try_into().map_err(|_source| CryptoError::InvalidLength)?;
        cipher(alg, key)?
            .encrypt(nonce, Payload { msg: data, aad })
            .map_err(|_source| CryptoError::CryptoLibraryError)
    }

    fn aead_decrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        ct_tag: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let nonce = nonce.try_into().map_err(|_source| CryptoError::InvalidLength)?;
        cipher(alg, key)?
            .decrypt(nonce, Payload { msg: ct_tag, aad })
            .map_err(|_source| CryptoError::AeadDecryptionError)
    }

    /// Refused: the signature key is the member's own ([`crate::CohortIdentity`]).
    fn signature_key_gen(&self, _: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        Err(CryptoError::UnsupportedSignatureScheme)
    }

    /// Strict, as [`privacy_identity::VerifyingKey::verify`]: no weak keys, no second encoding.
    fn verify_signature(
        &self,
        alg: SignatureScheme,
        data: &[u8],
        pk: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        require(alg == SignatureScheme::ED25519, CryptoError::UnsupportedSignatureScheme)?;
        let key: &[u8; 32] = pk.try_into().map_err(|_source| CryptoError::InvalidLength)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(key)
            .map_err(|_source| CryptoError::InvalidPublicKey)?;
        let signature = ed25519_dalek::Signature::from_slice(signature)
            .map_err(|_source| CryptoError::InvalidLength)?;
        key.verify_strict(data, &signature).map_err(|_source| CryptoError::InvalidSignature)
    }

    /// Refused: signing is [`crate::CohortIdentity`]'s.
    fn sign(&self, _: SignatureScheme, _: &[u8], _: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Err(CryptoError::UnsupportedSignatureScheme)
    }

    fn hpke_seal(
        &self,
        config: HpkeConfig,
        pk_r: &[u8],
        info: &[u8],
        aad: &[u8],
        ptxt: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        require_suite(&config)?;
        let recipient = <X25519HkdfSha256 as hpke::Kem>::PublicKey::from_bytes(pk_r)
            .map_err(|_source| CryptoError::InvalidPublicKey)?;
        let mut rng = self.encapsulation_rng([pk_r, info, aad, ptxt])?;
        let (encapsulated, ciphertext) = single_shot_seal_with_rng::<
            hpke::aead::ChaCha20Poly1305,
            HkdfSha256,
            X25519HkdfSha256,
        >(
            &OpModeS::Base, &recipient, info, ptxt, aad, &mut rng
        )
        .map_err(|_source| CryptoError::HpkeEncryptionError)?;
        Ok(HpkeCiphertext {
            kem_output: encapsulated.to_bytes().to_vec().into(),
            ciphertext: ciphertext.into(),
        })
    }

    fn hpke_open(
        &self,
        config: HpkeConfig,
        input: &HpkeCiphertext,
        sk_r: &[u8],
        info: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        require_suite(&config)?;
        let private = <X25519HkdfSha256 as hpke::Kem>::PrivateKey::from_bytes(sk_r)
            .map_err(|_source| CryptoError::InvalidLength)?;
        let encapsulated =
            <X25519HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(input.kem_output.as_slice())
                .map_err(|_source| CryptoError::HpkeDecryptionError)?;
        single_shot_open::<hpke::aead::ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &private,
            &encapsulated,
            info,
            input.ciphertext.as_slice(),
            aad,
        )
        .map_err(|_source| CryptoError::HpkeDecryptionError)
    }

    /// Refused: only external commits use it.
    fn hpke_setup_sender_and_export(
        &self,
        _: HpkeConfig,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: usize,
    ) -> Result<(Vec<u8>, ExporterSecret), CryptoError> {
        Err(CryptoError::SenderSetupError)
    }

    /// Refused: only external commits use it.
    fn hpke_setup_receiver_and_export(
        &self,
        _: HpkeConfig,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        Err(CryptoError::ReceiverSetupError)
    }

    fn derive_hpke_keypair(
        &self,
        config: HpkeConfig,
        ikm: &[u8],
    ) -> Result<HpkeKeyPair, CryptoError> {
        require_suite(&config)?;
        let (private, public) = X25519HkdfSha256::derive_keypair(ikm);
        Ok(HpkeKeyPair {
            private: private.to_bytes().as_slice().into(),
            public: public.to_bytes().to_vec(),
        })
    }
}
