//! Signatures over the files of a model, in the bundle format of OpenSSF Model Signing 1.0, by a key.
//!
//! ```text
//!  SHA-256 of each file ─► in-toto Statement v1 ─► DSSE envelope, ECDSA P-256 ─► Sigstore bundle v0.3: `model.sig`
//! ```
//! The format knows elliptic-curve keys alone, so this is not the node's Ed25519 key. Whoever checks has to get the public
//! key from somebody that it trusts: from the co-operative, not from where the files came.
//!
//! Threat: files that are swapped on the way. Not covered: a node that signs another model than the catalogue names; for
//! that the digest in the files' metadata is compared with the ledger's.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::json;
use thiserror::Error;

/// The envelope's payload is an in-toto statement.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// What stands before an uncompressed P-256 point in a `SubjectPublicKeyInfo` (RFC 5480 §2).
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Characters of a line of PEM (RFC 7468 §2).
const PEM_LINE: usize = 64;

/// Why nothing is signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ModelSignerError {
    /// The bytes are no key.
    #[error("expected an ECDSA P-256 key in PKCS #8: {reason}")]
    BadKey {
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gives no randomness")]
    NoRandomness,
}

/// Signs models.
pub struct ModelSigner {
    pair: EcdsaKeyPair,
    public_pem: String,
}

impl ModelSigner {
    /// A new key in PKCS #8 (RFC 5958), to be kept secret.
    ///
    /// # Errors
    /// [`ModelSignerError::NoRandomness`].
    pub fn generate_pkcs8() -> Result<Vec<u8>, ModelSignerError> {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random);
        Ok(key.map_err(|_unspecified| ModelSignerError::NoRandomness)?.as_ref().to_vec())
    }

    /// Takes a key in PKCS #8.
    ///
    /// # Errors
    /// [`ModelSignerError::BadKey`].
    pub fn from_pkcs8(key: &[u8]) -> Result<Self, ModelSignerError> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key, &random);
        let pair =
            pair.map_err(|reason| ModelSignerError::BadKey { reason: reason.to_string() })?;
        let public_pem = pem(&[&SPKI_PREFIX, pair.public_key().as_ref()].concat());
        Ok(Self { pair, public_pem })
    }

    /// The public key as PEM.
    #[must_use]
    pub fn public_key_pem(&self) -> &str {
        &self.public_pem
    }

    /// The bundle over `files`, which are a folder called `name`: `model.sig`.
    ///
    /// * `files` — names, in the order of their bytes, and SHA-256 digests.
    ///
    /// # Errors
    /// [`ModelSignerError::NoRandomness`].
    pub fn sign(&self, name: &str, files: &[(&str, [u8; 32])]) -> Result<String, ModelSignerError> {
        let payload = statement(name, files).to_string().into_bytes();
        let signature = self.pair.sign(&SystemRandom::new(), &authenticated(&payload));
        let signature = signature.map_err(|_unspecified| ModelSignerError::NoRandomness)?;
        // The key's name is the hash of its PEM.
        let hint = hex::encode(digest(&SHA256, self.public_pem.as_bytes()));
        let bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": BASE64_STANDARD.encode(&payload),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"sig": BASE64_STANDARD.encode(signature.as_ref()), "keyid": ""}],
            },
        });
        Ok(bundle.to_string())
    }
}

impl fmt::Debug for ModelSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ModelSigner")
    }
}

/// SHA-256 of a file.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// What is said about the files: the subject's digest is that of all their digests.
fn statement(name: &str, files: &[(&str, [u8; 32])]) -> serde_json::Value {
    let all: Vec<u8> = files.iter().flat_map(|(_, digest)| *digest).collect();
    let resource = |(name, digest): &(&str, [u8; 32])| json!({"name": name, "algorithm": "sha256", "digest": hex::encode(digest)});
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": hex::encode(sha256(&all))}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": false,
                "ignore_paths": ["model.sig"],
            },
            "resources": files.iter().map(resource).collect::<Vec<_>>(),
        },
    })
}

/// What is signed: DSSE's pre-authentication encoding (DSSE 1.0.2, §"Signature Definition").
fn authenticated(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn pem(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(PEM_LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str("-----END PUBLIC KEY-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_bundle_holds_for_its_files_and_no_others() {
        let key = ModelSigner::generate_pkcs8().unwrap();
        let signer = ModelSigner::from_pkcs8(&key).unwrap();
        let bundle = signer.sign("wine", &[("a", [1; 32]), ("b", [2; 32])]).unwrap();
        let bundle: Value = serde_json::from_str(&bundle).unwrap();
        let decode = |value: &Value| BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap();
        let mut payload = decode(&bundle["dsseEnvelope"]["payload"]);
        let signature = decode(&bundle["dsseEnvelope"]["signatures"][0]["sig"]);
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, signer.pair.public_key());
        assert!(public.verify(&authenticated(&payload), &signature).is_ok());
        *payload.last_mut().unwrap() ^= 1;
        assert!(public.verify(&authenticated(&payload), &signature).is_err());
    }

    #[test]
    fn what_is_signed_is_pinned() {
        assert_eq!(authenticated(b"{}"), b"DSSEv1 28 application/vnd.in-toto+json 2 {}");
        let statement = statement("wine", &[("a", [1; 32])]);
        let all = hex::encode(sha256(&[1; 32]));
        assert_eq!(statement["subject"][0]["digest"]["sha256"], all);
        assert_eq!(statement["predicate"]["resources"][0]["digest"], "01".repeat(32));
    }

    #[test]
    fn what_is_no_key_is_refused_and_a_key_is_not_shown() {
        for bytes in [&[][..], &[0x30; 138]] {
            assert!(matches!(ModelSigner::from_pkcs8(bytes), Err(ModelSignerError::BadKey { .. })));
        }
        let key = ModelSigner::generate_pkcs8().unwrap();
        let signer = ModelSigner::from_pkcs8(&key).unwrap();
        assert_eq!(format!("{signer:?}"), "ModelSigner");
        let pem = signer.public_key_pem();
        assert!(
            pem.starts_with("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"),
            "{pem}"
        );
        assert!(pem.lines().all(|line| line.len() <= PEM_LINE));
    }
}
