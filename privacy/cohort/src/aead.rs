//! XChaCha20-Poly1305 with a random nonce, for models and for stored state.
//!
//! Source: draft-irtf-cfrg-xchacha-03. The nonce of 192 bits may be drawn at random: after q messages under one
//! key two nonces agree with probability below q² / 2^193 (for 2^40 messages 2^-113). With the 96 bits
//! of RFC 8439 that would be 2^-17, and state is stored under one key for years.

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{AeadInOut as _, KeyInit as _},
};
use rand::CryptoRng;
use zeroize::Zeroizing;

/// Bytes of a nonce.
pub(crate) const NONCE_LEN: usize = 24;

/// Bytes that encryption adds to the plaintext.
pub(crate) const MAC_LEN: usize = 16;

/// Encrypts `plaintext` in place, under a nonce drawn from `rng`, and authenticates `associated` with it.
pub(crate) fn seal(
    key: &[u8; 32],
    associated: &[u8],
    mut plaintext: Vec<u8>,
    rng: &mut impl CryptoRng,
) -> Option<([u8; NONCE_LEN], Vec<u8>)> {
    let mut nonce = [0; NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    XChaCha20Poly1305::new(key.into())
        .encrypt_in_place(&XNonce::from(nonce), associated, &mut plaintext)
        .ok()?;
    Some((nonce, plaintext))
}

/// Decrypts what [`seal`] made of the same key and associated data.
pub(crate) fn open(
    key: &[u8; 32],
    associated: &[u8],
    nonce: [u8; NONCE_LEN],
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    XChaCha20Poly1305::new(key.into())
        .decrypt_in_place(&XNonce::from(nonce), associated, &mut *buffer)
        .ok()?;
    Some(buffer)
}
