//! Requests signed by a member's key: HTTP Message Signatures (RFC 9421) with Ed25519, and `Content-Digest` (RFC 9530).
//!
//! ```text
//!  Signature-Input: sig=("@method" "@authority" "@path" "@query" "content-digest");created=…;nonce="…";keyid="…"
//!  Signature: sig=:…:
//!       │ parsed ─► signature base ─► Ed25519 ─► created within five minutes ─► nonce not seen ─► SignedBy(key)
//! ```
//! What is signed is the whole request: method, authority, path, query, and with a body its digest. A signature that leaves
//! one of them out is refused, because whoever is on the way could change it.

mod base;
mod fields;
mod middleware;
mod nonces;

pub(crate) use base::SignatureError;
pub(crate) use middleware::{SignedBy, signed};
pub(crate) use nonces::Nonces;
