//! Encryption under a passphrase: the file format age, version 1, with its scrypt recipient.
//!
//! ```text
//!   age-encryption.org/v1
//!   -> scrypt SALT LOG2N
//!   ChaCha20-Poly1305(scrypt(passphrase, SALT), file key)
//!   --- HMAC-SHA256(HKDF(file key, "header"), the lines above)
//!   nonce ‖ ChaCha20-Poly1305(HKDF(file key, nonce, "payload"), plaintext)
//! ```
//! Source: C2SP, "age" (<https://c2sp.org/age>, also <https://age-encryption.org/v1>). Binary form, one chunk: for keys, not
//! for long files. Any other program that knows age opens these files, and `test_vectors/v1/age` are the format's own.
//!
//! Threat: whoever has the file (a stolen disk, a back-up) and guesses. Each guess costs one scrypt of the file's
//! [`WorkFactor`], and nothing in the file tells more than whether a guess was right. Altered files are refused: the
//! header by its HMAC, the payload by its tag. Not withstood: a weak passphrase; a process that reads the memory of one that
//! holds the passphrase or what it opened; who puts another file in the place of this one (a file says nothing of who
//! wrote it beyond knowing the passphrase).

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use chacha20poly1305::{
    ChaCha20Poly1305, Nonce,
    aead::{AeadInOut as _, KeyInit as _},
};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use rand::CryptoRng;
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::Passphrase;

/// The first line.
const VERSION: &[u8] = b"age-encryption.org/v1\n";
/// What stands before the salt where scrypt takes one.
const SALT_LABEL: &[u8] = b"age-encryption.org/v1/scrypt";
/// Bytes of salt and nonce.
const SALT_LEN: usize = 16;
/// Bytes of a file key.
const FILE_KEY_LEN: usize = 16;
/// Bytes of a tag of ChaCha20-Poly1305.
const TAG_LEN: usize = 16;
/// Bytes of a wrapped file key, and of the header's HMAC.
const WRAPPED_LEN: usize = FILE_KEY_LEN + TAG_LEN;
/// The format's blocks of memory: r = 8, p = 1.
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 1;
/// The longest header: four lines, of which none is longer than 80 characters.
const HEADER_BYTES_MAX: usize = 320;
/// The nonce of the only chunk: counter 0, and the mark of the last one.
const LAST_CHUNK: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// The longest plaintext, in bytes: one chunk of the format.
pub const AGE_PLAINTEXT_BYTES_MAX: usize = 64 << 10;
/// The longest file that is made or opened, in bytes.
pub const AGE_FILE_BYTES_MAX: usize =
    HEADER_BYTES_MAX + SALT_LEN + AGE_PLAINTEXT_BYTES_MAX + TAG_LEN;

/// How much a guess at a passphrase costs: scrypt's N = 2^log2, with r = 8 and p = 1: 2^(log2 + 10) bytes of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkFactor(u8);

impl WorkFactor {
    /// 2^18, 256 MiB, as the age tool has it; OWASP's "Password Storage Cheat Sheet" asks for at least 2^17.
    pub const DEFAULT: Self = Self(18);
    /// 2^20, 1 GiB: a file that asks for more is refused, or whoever can write it fills the memory of who opens it.
    pub const MAX: Self = Self(20);

    /// N = 2^`log2`, 1 to [`WorkFactor::MAX`].
    #[must_use]
    pub const fn from_log2(log2: u8) -> Option<Self> {
        if log2 >= 1 && log2 <= Self::MAX.0 { Some(Self(log2)) } else { None }
    }
}

/// Why a file does not open, or is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AgeError {
    /// It is no age file, or one of a kind that is not opened here.
    #[error("it is not an age file under a passphrase: its {part} is not as the format has it")]
    Malformed {
        /// Where that shows.
        part: &'static str,
    },
    /// It asks for more work than is done for a file.
    #[error("it asks for a work factor above 2^{}", WorkFactor::MAX.0)]
    TooMuchWork,
    /// The passphrase is another one. A damaged second line looks the same.
    #[error("the passphrase is not the one of this file")]
    WrongPassphrase,
    /// The passphrase is right and the rest was cut off or altered.
    #[error("the file is damaged")]
    Damaged,
    /// What should be encrypted is too long.
    #[error("{got} bytes are too many to encrypt here, at most {AGE_PLAINTEXT_BYTES_MAX}")]
    TooLong {
        /// Its bytes.
        got: usize,
    },
}

/// Whether `bytes` begin as an age file does.
#[must_use]
pub fn is_age_file(bytes: &[u8]) -> bool {
    bytes.starts_with(VERSION)
}

/// Encrypts `plaintext` under `passphrase`.
///
/// * `plaintext` — at most [`AGE_PLAINTEXT_BYTES_MAX`] bytes.
/// * `rng` — the operating system's, outside tests: salt, file key and nonce come from it.
///
/// # Errors
/// [`AgeError::TooLong`].
///
/// # Panics
/// Never: lengths are the format's.
pub fn encrypt_age_file(
    plaintext: &[u8],
    passphrase: &Passphrase,
    work: WorkFactor,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, AgeError> {
    if plaintext.len() > AGE_PLAINTEXT_BYTES_MAX {
        return Err(AgeError::TooLong { got: plaintext.len() });
    }
    let (mut salt, mut nonce) = ([0; SALT_LEN], [0; SALT_LEN]);
    let mut file_key = Zeroizing::new([0; FILE_KEY_LEN]);
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(file_key.as_mut());
    rng.fill_bytes(&mut nonce);

    // Room for the tag: a buffer that grows would leave the key behind.
    let mut wrapped = Vec::with_capacity(WRAPPED_LEN);
    wrapped.extend_from_slice(file_key.as_slice());
    cipher(&wrap_key(passphrase, &salt, work))
        .encrypt_in_place(&Nonce::default(), &[], &mut wrapped)
        .expect("16 bytes are no long message");
    let mut file = VERSION.to_vec();
    file.extend_from_slice(format!("-> scrypt {} {}\n", BASE64.encode(salt), work.0).as_bytes());
    file.extend_from_slice(format!("{}\n---", BASE64.encode(wrapped)).as_bytes());
    let tag = header_mac(file_key.as_slice(), &file).finalize().into_bytes();
    file.extend_from_slice(format!(" {}\n", BASE64.encode(tag)).as_bytes());

    file.extend_from_slice(&nonce);
    let mut payload = Zeroizing::new(Vec::with_capacity(plaintext.len() + TAG_LEN));
    payload.extend_from_slice(plaintext);
    cipher(&payload_key(file_key.as_slice(), &nonce))
        .encrypt_in_place(&Nonce::from(LAST_CHUNK), &[], &mut *payload)
        .expect("a chunk is no long message");
    file.extend_from_slice(&payload);
    Ok(file)
}

/// Decrypts a file that `passphrase` encrypted.
///
/// # Errors
/// [`AgeError`]; nothing is returned of a file that is not wholly as it was made.
pub fn decrypt_age_file(
    file: &[u8],
    passphrase: &Passphrase,
) -> Result<Zeroizing<Vec<u8>>, AgeError> {
    let header = Header::parse(file)?;
    let mut file_key = Zeroizing::new(header.wrapped.to_vec());
    cipher(&wrap_key(passphrase, &header.salt, header.work))
        .decrypt_in_place(&Nonce::default(), &[], &mut *file_key)
        .map_err(|_source| AgeError::WrongPassphrase)?;
    // In constant time: the file key is known to whoever passes here, the tag to everybody.
    header_mac(&file_key, header.authenticated)
        .verify_slice(&header.tag)
        .map_err(|_source| AgeError::Damaged)?;
    let (nonce, chunk) = header.payload.split_first_chunk::<SALT_LEN>().ok_or(AgeError::Damaged)?;
    if chunk.len() > AGE_PLAINTEXT_BYTES_MAX + TAG_LEN {
        return Err(AgeError::Malformed { part: "length" });
    }
    let mut plaintext = Zeroizing::new(chunk.to_vec());
    cipher(&payload_key(&file_key, nonce))
        .decrypt_in_place(&Nonce::from(LAST_CHUNK), &[], &mut *plaintext)
        .map_err(|_source| AgeError::Damaged)?;
    Ok(plaintext)
}

/// A header, as it was read.
struct Header<'a> {
    salt: [u8; SALT_LEN],
    work: WorkFactor,
    wrapped: [u8; WRAPPED_LEN],
    /// What the tag is over.
    authenticated: &'a [u8],
    tag: [u8; WRAPPED_LEN],
    payload: &'a [u8],
}

impl<'a> Header<'a> {
    fn parse(file: &'a [u8]) -> Result<Self, AgeError> {
        let malformed = |part| AgeError::Malformed { part };
        let rest = file.strip_prefix(VERSION).ok_or(malformed("first line"))?;
        let (recipient, rest) = line(rest).ok_or(malformed("recipient"))?;
        let (salt, work) = recipient
            .strip_prefix("-> scrypt ")
            .and_then(|arguments| arguments.split_once(' '))
            .ok_or(malformed("recipient"))?;
        let salt = unwrapped(salt).ok_or(malformed("salt"))?;
        let work = work_from_text(work)?;
        let (body, rest) = line(rest).ok_or(malformed("wrapped key"))?;
        let wrapped = unwrapped(body).ok_or(malformed("wrapped key"))?;
        // Nothing else may stand between: a recipient besides scrypt would let others in who know no passphrase.
        let (end, payload) = line(rest).ok_or(malformed("last line"))?;
        let tag = end.strip_prefix("--- ").and_then(unwrapped).ok_or(malformed("last line"))?;
        let authenticated = &file[..file.len() - rest.len() + "---".len()];
        Ok(Self { salt, work, wrapped, authenticated, tag, payload })
    }
}

/// The line that `bytes` begin with, without its end, and what follows.
fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().take(HEADER_BYTES_MAX).position(|byte| *byte == b'\n')?;
    let text = str::from_utf8(&bytes[..end]).ok()?;
    Some((text, &bytes[end + 1..]))
}

/// Exactly `LEN` bytes in canonical base64 without padding.
fn unwrapped<const LEN: usize>(text: &str) -> Option<[u8; LEN]> {
    BASE64.decode(text).ok()?.try_into().ok()
}

fn work_from_text(text: &str) -> Result<WorkFactor, AgeError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if text.is_empty() || !digits {
        return Err(AgeError::Malformed { part: "work factor" });
    }
    let work = text.parse().ok().and_then(WorkFactor::from_log2);
    work.ok_or(AgeError::TooMuchWork)
}

fn wrap_key(
    passphrase: &Passphrase,
    salt: &[u8; SALT_LEN],
    work: WorkFactor,
) -> Zeroizing<[u8; 32]> {
    let mut labelled = SALT_LABEL.to_vec();
    labelled.extend_from_slice(salt);
    let params = scrypt::Params::new(work.0, SCRYPT_R, SCRYPT_P)
        .expect("at most 2^20 blocks of 1 KiB are addressed");
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(passphrase.expose().as_bytes(), &labelled, &params, key.as_mut())
        .expect("scrypt gives 32 bytes");
    key
}

fn header_mac(file_key: &[u8], header: &[u8]) -> Hmac<Sha256> {
    let key = derived(file_key, None, b"header");
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_ref()).expect("HMAC takes keys of any length");
    mac.update(header);
    mac
}

fn payload_key(file_key: &[u8], nonce: &[u8; SALT_LEN]) -> Zeroizing<[u8; 32]> {
    derived(file_key, Some(nonce), b"payload")
}

fn derived(file_key: &[u8], salt: Option<&[u8]>, info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(salt, file_key).expand(info, key.as_mut()).expect("HKDF gives 32 bytes");
    key
}

fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(key.into())
}

#[cfg(test)]
mod tests;
