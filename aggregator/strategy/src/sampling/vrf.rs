//! A verifiable random function: ECVRF-EDWARDS25519-SHA512-TAI of RFC 9381.
//!
//! Why not an Ed25519 signature as the random value: its signer may take any nonce, so one message has as many
//! valid signatures as the signer cares to make, and it would pick the one that wins. Here an output
//! is unique: for one key and one input at most one output verifies (RFC 9381 §3.1, "full uniqueness").

use std::fmt;

use curve25519_dalek::{
    EdwardsPoint, Scalar, edwards::CompressedEdwardsY, scalar::clamp_integer,
    traits::IsIdentity as _,
};
use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};
use sha2::{Digest as _, Sha512};
use thiserror::Error;
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

/// `suite_string` of ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381 §5.5).
const SUITE: u8 = 0x03;
/// Domain separators of §5.4.1.1, §5.4.3 and §5.2, and the one that ends all three.
const ENCODE_TO_CURVE: u8 = 0x01;
const CHALLENGE: u8 = 0x02;
const PROOF_TO_HASH: u8 = 0x03;
const BACK: u8 = 0x00;
/// `ptLen`, `cLen` and `qLen` of the suite.
const POINT_BYTES: usize = 32;
const CHALLENGE_BYTES: usize = 16;
const SCALAR_BYTES: usize = 32;

/// Why a key or proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VrfError {
    /// Bytes that are not the canonical encoding of a point.
    #[error("{what} is not a point of the curve in canonical form")]
    NotAPoint {
        /// Key or proof.
        what: &'static str,
    },
    /// A key of small order: its outputs would be the same for everybody (RFC 9381 §5.4.5).
    #[error("the key is of small order")]
    SmallOrder,
    /// A proof whose scalar is not below the order of the group.
    #[error("the proof's scalar is not reduced")]
    NotReduced,
    /// A proof that does not hold for key and input.
    #[error("the proof does not hold for this key and input")]
    Mismatch,
}

/// A VRF key's secret half. Zeroised on drop, never printed.
///
/// The operations on it are constant-time; the input of the function is not kept secret (it is public in
/// every use here), as try-and-increment's time depends on it.
#[derive(ZeroizeOnDrop)]
pub struct VrfSecretKey {
    scalar: Scalar,
    /// The half of the expanded seed that nonces are derived with.
    prefix: [u8; 32],
    #[zeroize(skip)]
    public: VrfPublicKey,
}

impl VrfSecretKey {
    /// The key of a 32-byte seed (RFC 9381 §5.5, which is RFC 8032 §5.1.5).
    ///
    /// Threat: with one seed for this and for Ed25519 signatures, both derive nonces in the same way, and a
    /// message equal to a hashed point would give away the key. Give this key a seed of its own.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let expanded = digest_of(Sha512::new_with_prefix(seed));
        let (mut low, mut prefix) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        low.copy_from_slice(&expanded[..32]);
        prefix.copy_from_slice(&expanded[32..]);
        let clamped = Zeroizing::new(clamp_integer(*low));
        let scalar = Zeroizing::new(Scalar::from_bytes_mod_order(*clamped));
        let public = VrfPublicKey(EdwardsPoint::mul_base(&scalar).compress().to_bytes());
        Self { scalar: *scalar, prefix: *prefix, public }
    }

    /// The public half.
    #[must_use]
    pub const fn public_key(&self) -> VrfPublicKey {
        self.public
    }

    /// The output for `input` and the proof of it (RFC 9381 §5.1).
    #[must_use]
    pub fn prove(&self, input: &[u8]) -> (VrfOutput, VrfProof) {
        let hashed = encode_to_curve(&self.public, input);
        let hashed_bytes = hashed.compress().to_bytes();
        let gamma = hashed * self.scalar;
        let hash = Sha512::new().chain_update(self.prefix).chain_update(hashed_bytes);
        let nonce = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&digest_of(hash)));
        let challenge = challenge(
            &self.public.0,
            &[hashed, gamma, EdwardsPoint::mul_base(&nonce), hashed * *nonce],
        );
        let product = Zeroizing::new(scalar_from_challenge(challenge) * self.scalar);
        let response = *nonce + *product;
        let mut proof = [0; VrfProof::LEN];
        proof[..POINT_BYTES].copy_from_slice(gamma.compress().as_bytes());
        proof[POINT_BYTES..][..CHALLENGE_BYTES].copy_from_slice(&challenge);
        proof[POINT_BYTES + CHALLENGE_BYTES..].copy_from_slice(response.as_bytes());
        (output(&gamma), VrfProof(proof))
    }
}

impl fmt::Debug for VrfSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VrfSecretKey(of {:?})", self.public)
    }
}

/// A VRF key's public half: a canonical point that is not of small order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VrfPublicKey([u8; POINT_BYTES]);

impl VrfPublicKey {
    /// Checks and takes a compressed point (RFC 9381 §5.4.5, `validate_key`).
    ///
    /// # Errors
    /// [`VrfError::NotAPoint`] or [`VrfError::SmallOrder`].
    pub fn from_bytes(bytes: [u8; POINT_BYTES]) -> Result<Self, VrfError> {
        let point = point_from_bytes(bytes).ok_or(VrfError::NotAPoint { what: "the key" })?;
        if point.is_small_order() { Err(VrfError::SmallOrder) } else { Ok(Self(bytes)) }
    }

    /// The compressed point.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; POINT_BYTES] {
        &self.0
    }

    /// Checks `proof` for `input` and returns the output that it proves (RFC 9381 §5.3).
    ///
    /// # Errors
    /// [`VrfError`].
    ///
    /// # Panics
    /// Never: the point was checked at construction.
    pub fn verify(&self, input: &[u8], proof: &VrfProof) -> Result<VrfOutput, VrfError> {
        let key = point_from_bytes(self.0).expect("checked at construction");
        let (gamma, rest) = proof.0.split_at(POINT_BYTES);
        let (claimed, response) = rest.split_at(CHALLENGE_BYTES);
        let gamma = gamma.try_into().ok().and_then(point_from_bytes);
        let gamma = gamma.ok_or(VrfError::NotAPoint { what: "the proof" })?;
        let response = response.try_into().ok().map(Scalar::from_canonical_bytes);
        let response = response.and_then(Option::<Scalar>::from).ok_or(VrfError::NotReduced)?;
        let claimed: [u8; CHALLENGE_BYTES] =
            claimed.try_into().map_err(|_wrong_length| VrfError::Mismatch)?;
        // Points are negated, not the challenge: for a key with a part of small order the two differ.
        let c = scalar_from_challenge(claimed);
        let hashed = encode_to_curve(self, input);
        let u = EdwardsPoint::vartime_double_scalar_mul_basepoint(&c, &-key, &response);
        let v = hashed * response - gamma * c;
        if challenge(&self.0, &[hashed, gamma, u, v]) == claimed {
            Ok(output(&gamma))
        } else {
            Err(VrfError::Mismatch)
        }
    }
}

impl Encode for VrfPublicKey {
    fn encode(&self, writer: &mut Writer) {
        writer.array(&self.0);
    }
}

impl Decode for VrfPublicKey {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::from_bytes(reader.array()?).map_err(|e| DecodeError::invalid("VRF key", e))
    }
}

/// A proof π of an output: Γ, challenge and response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VrfProof(pub [u8; Self::LEN]);

impl VrfProof {
    /// Bytes of a proof.
    pub const LEN: usize = POINT_BYTES + CHALLENGE_BYTES + SCALAR_BYTES;
}

impl fmt::Debug for VrfProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VrfProof(…)")
    }
}

impl Encode for VrfProof {
    fn encode(&self, writer: &mut Writer) {
        writer.array(&self.0);
    }
}

impl Decode for VrfProof {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(reader.array()?))
    }
}

/// An output β: 64 bytes that nobody without the key can tell from random before the proof is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VrfOutput(pub [u8; 64]);

/// A digest that is a secret, written to where it is zeroised. What hash and curve arithmetic leave on the stack
/// while they compute is theirs.
pub(super) fn digest_of(hash: Sha512) -> Zeroizing<[u8; 64]> {
    let (mut digest, mut output) = (Zeroizing::new([0; 64]), hash.finalize());
    digest.copy_from_slice(&output);
    output.as_mut_slice().zeroize();
    digest
}

/// Decodes as RFC 8032 §5.1.3 does: unlike dalek alone it refuses y ≥ p and a minus zero for x.
fn point_from_bytes(bytes: [u8; POINT_BYTES]) -> Option<EdwardsPoint> {
    let compressed = CompressedEdwardsY(bytes);
    compressed.decompress().filter(|point| point.compress() == compressed)
}

/// A point of prime order that nobody knows the logarithm of (§5.4.1.1, salted with the key).
fn encode_to_curve(key: &VrfPublicKey, input: &[u8]) -> EdwardsPoint {
    let hash = Sha512::new_with_prefix([SUITE, ENCODE_TO_CURVE]).chain_update(key.0);
    let hash = hash.chain_update(input);
    let attempt = |counter: u8| {
        let digest = hash.clone().chain_update([counter, BACK]).finalize();
        let mut candidate = [0; POINT_BYTES];
        candidate.copy_from_slice(&digest[..POINT_BYTES]);
        let point = point_from_bytes(candidate)?.mul_by_cofactor();
        (!point.is_identity()).then_some(point)
    };
    let found = (0..=u8::MAX).find_map(attempt);
    found.expect("half of all strings are points: 256 failures have a probability of 2^-256")
}

/// §5.4.3 over the key and the four other points.
fn challenge(key: &[u8; POINT_BYTES], points: &[EdwardsPoint; 4]) -> [u8; CHALLENGE_BYTES] {
    let mut hash = Sha512::new_with_prefix([SUITE, CHALLENGE]).chain_update(key);
    for point in points {
        hash.update(point.compress().as_bytes());
    }
    let digest = hash.chain_update([BACK]).finalize();
    let mut challenge = [0; CHALLENGE_BYTES];
    challenge.copy_from_slice(&digest[..CHALLENGE_BYTES]);
    challenge
}

fn scalar_from_challenge(challenge: [u8; CHALLENGE_BYTES]) -> Scalar {
    Scalar::from(u128::from_le_bytes(challenge))
}

/// §5.2 after the proof was made or checked.
fn output(gamma: &EdwardsPoint) -> VrfOutput {
    let hash = Sha512::new_with_prefix([SUITE, PROOF_TO_HASH]);
    let hash = hash.chain_update(gamma.mul_by_cofactor().compress().as_bytes());
    VrfOutput(hash.chain_update([BACK]).finalize().into())
}
