//! Who is at the other end of a link.

use std::fmt;

use libp2p::{PeerId, identity::Keypair};

/// The multihash and protobuf bytes before the key in a peer id that inlines an Ed25519 key:
/// identity hash (0x00) of 36 bytes, field 1 = key type Ed25519 (1), field 2 = 32 bytes.
///
/// Source: libp2p specification, "Peer Ids and Keys".
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The Ed25519 public key of a peer, proven in the handshake of its connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey([u8; 32]);

/// Why a libp2p peer id has no [`PeerKey`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerKeyError {
    /// The id is the hash of a key, or carries a key of another kind.
    #[error("peer id {peer_id} does not carry an ed25519 key")]
    NotEd25519 {
        /// The refused id, in base 58.
        peer_id: String,
    },
}

impl PeerKey {
    /// Takes the 32 bytes of a public key; whether they are a curve point is the handshake's concern.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Derives the key that a link with this Ed25519 seed has.
    ///
    /// # Panics
    /// Never: every 32 bytes are an Ed25519 seed.
    #[must_use]
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        let public = keypair_from_secret(secret).public().try_into_ed25519();
        Self(public.expect("the key pair was made as Ed25519").to_bytes())
    }

    /// Returns the 32 bytes of the public key.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    pub(crate) fn from_peer_id(peer_id: PeerId) -> Result<Self, PeerKeyError> {
        let bytes = peer_id.to_bytes();
        let key = bytes.strip_prefix(PEER_ID_PREFIX.as_slice());
        key.and_then(|key| key.try_into().ok())
            .map(Self)
            .ok_or_else(|| PeerKeyError::NotEd25519 { peer_id: peer_id.to_base58() })
    }

    pub(crate) fn to_peer_id(self) -> PeerId {
        let mut bytes = [0; 38];
        bytes[..6].copy_from_slice(&PEER_ID_PREFIX);
        bytes[6..].copy_from_slice(&self.0);
        PeerId::from_bytes(&bytes).expect("an identity multihash of at most 42 bytes is a peer id")
    }
}

/// Makes libp2p's key pair; libp2p erases the copy that it is handed.
pub(crate) fn keypair_from_secret(secret: &[u8; 32]) -> Keypair {
    let mut copy = *secret;
    Keypair::ed25519_from_bytes(&mut copy).expect("every 32 bytes are an Ed25519 seed")
}

impl From<[u8; 32]> for PeerKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<PeerKey> for [u8; 32] {
    fn from(key: PeerKey) -> Self {
        key.0
    }
}

impl fmt::Display for PeerKey {
    /// Writes 64 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use libp2p::{PeerId, multihash::Multihash};

    use super::*;

    #[test]
    fn peer_id_and_key_convert_both_ways() {
        let keypair = keypair_from_secret(&[7; 32]);
        let key = PeerKey::from_secret(&[7; 32]);
        assert_eq!(key.to_peer_id(), keypair.public().to_peer_id());
        assert_eq!(PeerKey::from_peer_id(key.to_peer_id()), Ok(key));
        assert_eq!(PeerKey::from(<[u8; 32]>::from(key)), key);
    }

    #[test]
    fn key_of_rfc_8032_test_1_is_derived() {
        let secret = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec,
            0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03,
            0x1c, 0xae, 0x7f, 0x60,
        ];
        assert_eq!(
            PeerKey::from_secret(&secret).to_string(),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
    }

    #[test]
    fn peer_id_that_hashes_its_key_is_refused() {
        let hashed = Multihash::<64>::wrap(0x12, &[3; 32]).unwrap();
        let peer_id = PeerId::from_multihash(hashed).unwrap();
        assert!(matches!(PeerKey::from_peer_id(peer_id), Err(PeerKeyError::NotEd25519 { .. })));
    }

    #[test]
    fn peer_id_with_a_key_of_another_kind_is_refused() {
        let mut protobuf = vec![0x08, 0x02, 0x12, 0x20]; // key type 2 is secp256k1
        protobuf.extend([3; 32]);
        let inlined = Multihash::<64>::wrap(0, &protobuf).unwrap();
        let peer_id = PeerId::from_multihash(inlined).unwrap();
        assert!(PeerKey::from_peer_id(peer_id).is_err());
    }
}
