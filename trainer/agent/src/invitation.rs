//! The link by which a member is invited.

use std::{fmt, str::FromStr};

use aggregator_network::{Address, AddressError, PeerKey};
use privacy_identity::{Digest, KeyError};

/// The longest token, in bytes: what the wire form of a request to join allows.
pub const TOKEN_BYTES_MAX: usize = aggregator_round::Admission::TOKEN_BYTES_MAX;

/// Most addresses of the coordinator, and most relays: what a link remembers of a peer.
pub const WAYS_MAX: usize = 8;

/// How every invitation begins.
const PREFIX: &str = "sahakar://join?";

/// An invitation to one federation:
/// `sahakar://join?federation=<hex>&coordinator=<multiaddr>&token=<text>`.
///
/// The coordinator may have several addresses (`coordinator=` once for each, of one identity: over QUIC and TCP, say), and a
/// place at relays (`relay=`), where it is asked for when none of its addresses answers.
///
/// The federation's id is the digest of its terms: who accepts the invitation agrees to these terms
/// and no others. The token is a secret between the DAO and the invited.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The federation's id.
    pub federation: Digest,
    /// Where the coordinator listens, and its key: 1 to [`WAYS_MAX`] addresses of one peer.
    pub coordinator: Vec<Address>,
    /// Relays at which the coordinator has a place; at most [`WAYS_MAX`].
    pub relays: Vec<Address>,
    /// What the DAO expects to be shown, at most [`TOKEN_BYTES_MAX`] bytes.
    pub token: String,
}

/// Why a text is not an invitation.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum InvitationError {
    /// It does not begin like one.
    #[error("an invitation begins with {PREFIX}, got {got:?}")]
    NotAnInvitation {
        /// The beginning of the text.
        got: String,
    },
    /// A part is missing or empty.
    #[error("the invitation lacks {name}=…")]
    Missing {
        /// `federation`, `coordinator` or `token`.
        name: &'static str,
    },
    /// A part is there twice.
    #[error("the invitation has {name}=… twice")]
    Twice {
        /// The part.
        name: &'static str,
    },
    /// A part that this build does not know: the invitation may mean more than it would be taken for.
    #[error("the invitation has the unknown part {name:?}")]
    Unknown {
        /// The part.
        name: String,
    },
    /// A percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("the part {name} is not percent-encoded UTF-8")]
    Encoding {
        /// The part.
        name: &'static str,
    },
    /// The federation's id is not one.
    #[error("the federation's id is unfit")]
    Federation(#[source] KeyError),
    /// An address of the coordinator, or of a relay, is not one.
    #[error("the coordinator's or a relay's address is unfit")]
    Coordinator(#[from] AddressError),
    /// Addresses of two peers are given as the coordinator's: one of them is somebody else.
    #[error("the coordinator's addresses name different peers")]
    CoordinatorsDiffer,
    /// More addresses than are remembered.
    #[error("the invitation has {name}=… {got} times, at most {WAYS_MAX} are allowed")]
    TooMany {
        /// `coordinator` or `relay`.
        name: &'static str,
        /// How many.
        got: usize,
    },
    /// The token is too long.
    #[error("the token has {got} bytes, at most {TOKEN_BYTES_MAX} are allowed")]
    TokenTooLong {
        /// Its bytes.
        got: usize,
    },
}

impl Invitation {
    /// Who the coordinator has to be: the peer that its addresses name.
    #[must_use]
    pub fn coordinator_peer(&self) -> Option<PeerKey> {
        self.coordinator.first().map(Address::peer)
    }

    /// Checks that the addresses are one peer's and the token has a length that can be sent.
    ///
    /// # Errors
    /// The first [`InvitationError`] that applies.
    pub fn check(&self) -> Result<(), InvitationError> {
        let first =
            self.coordinator_peer().ok_or(InvitationError::Missing { name: "coordinator" })?;
        if self.coordinator.iter().any(|address| address.peer() != first) {
            return Err(InvitationError::CoordinatorsDiffer);
        }
        for (name, ways) in [("coordinator", &self.coordinator), ("relay", &self.relays)] {
            if ways.len() > WAYS_MAX {
                return Err(InvitationError::TooMany { name, got: ways.len() });
            }
        }
        match self.token.len() {
            0 => Err(InvitationError::Missing { name: "token" }),
            1..=TOKEN_BYTES_MAX => Ok(()),
            got => Err(InvitationError::TokenTooLong { got }),
        }
    }
}

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { federation, coordinator, relays, token } = self;
        write!(f, "{PREFIX}federation={federation}")?;
        for (name, ways) in [("coordinator", coordinator), ("relay", relays)] {
            for address in ways {
                write!(f, "&{name}={}", encoded(&address.to_string()))?;
            }
        }
        write!(f, "&token={}", encoded(token))
    }
}

impl fmt::Debug for Invitation {
    /// Leaves out the token, which is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut invitation = f.debug_struct("Invitation");
        invitation.field("federation", &self.federation).field("coordinator", &self.coordinator);
        invitation.finish_non_exhaustive()
    }
}

impl FromStr for Invitation {
    type Err = InvitationError;

    fn from_str(text: &str) -> Result<Self, InvitationError> {
        let query = text.strip_prefix(PREFIX).ok_or_else(|| {
            let got = text.chars().take(PREFIX.len()).collect();
            InvitationError::NotAnInvitation { got }
        })?;
        let mut parts = Parts::default();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            parts.put(name, value)?;
        }
        let federation = present("federation", parts.federation)?;
        let invitation = Self {
            federation: federation.parse().map_err(InvitationError::Federation)?,
            coordinator: parts.coordinator,
            relays: parts.relays,
            token: present("token", parts.token)?,
        };
        invitation.check()?;
        Ok(invitation)
    }
}

/// The decoded parts, as far as they were met.
#[derive(Default)]
struct Parts {
    federation: Option<String>,
    coordinator: Vec<Address>,
    relays: Vec<Address>,
    token: Option<String>,
}

impl Parts {
    fn put(&mut self, name: &str, value: &str) -> Result<(), InvitationError> {
        let (name, slot) = match name {
            "federation" => ("federation", &mut self.federation),
            "token" => ("token", &mut self.token),
            "coordinator" => return add("coordinator", &mut self.coordinator, value),
            "relay" => return add("relay", &mut self.relays, value),
            other => return Err(InvitationError::Unknown { name: other.to_owned() }),
        };
        if slot.is_some() {
            return Err(InvitationError::Twice { name });
        }
        *slot = Some(decoded(value).ok_or(InvitationError::Encoding { name })?);
        Ok(())
    }
}

fn add(name: &'static str, ways: &mut Vec<Address>, value: &str) -> Result<(), InvitationError> {
    let text = decoded(value).ok_or(InvitationError::Encoding { name })?;
    if text.is_empty() {
        return Err(InvitationError::Missing { name });
    }
    ways.push(text.parse()?);
    Ok(())
}

fn present(name: &'static str, value: Option<String>) -> Result<String, InvitationError> {
    value.filter(|value| !value.is_empty()).ok_or(InvitationError::Missing { name })
}

/// Percent-encodes all but RFC 3986's unreserved characters and `/` and `:`, which a query may hold
/// and which keep an address readable.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let ([high, low], tail) = rest.split_first_chunk::<2>()?;
        bytes.push(16 * digit(*high)? + digit(*low)?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

fn digit(character: u8) -> Option<u8> {
    let value = char::from(character).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use aggregator_network::{ListenAddress, Transport};
    use privacy_identity::Tag;
    use proptest::prelude::*;

    use super::*;

    fn invitation(token: &str) -> Invitation {
        let listen = ListenAddress::loopback(Transport::Tcp, 4001);
        Invitation {
            federation: Digest::of(Tag::Terms, b"terms"),
            coordinator: vec![listen.with_peer(PeerKey::from_secret(&[1; 32]))],
            relays: Vec::new(),
            token: token.to_owned(),
        }
    }

    fn refused(text: &str) -> InvitationError {
        text.parse::<Invitation>().unwrap_err()
    }

    #[test]
    fn an_invitation_survives_its_text() {
        let text = invitation("grape 50% & ü+").to_string();
        assert!(text.starts_with("sahakar://join?federation="), "{text}");
        assert!(text.contains("&coordinator=/ip4/127.0.0.1/tcp/4001/p2p/"), "{text}");
        assert!(text.ends_with("&token=grape%2050%25%20%26%20%C3%BC%2B"), "{text}");
        assert_eq!(text.parse(), Ok(invitation("grape 50% & ü+")));
    }

    #[test]
    fn parts_may_come_in_any_order() {
        let Invitation { federation, coordinator, .. } = invitation("t");
        let coordinator = coordinator[0];
        let text = format!("{PREFIX}token=t&coordinator={coordinator}&federation={federation}");
        assert_eq!(text.parse(), Ok(invitation("t")));
    }

    #[test]
    fn what_is_missing_is_named() {
        let Invitation { federation, coordinator, .. } = invitation("t");
        let federation = format!("federation={federation}");
        let coordinator = format!("coordinator={}", coordinator[0]);
        let missing = |name| InvitationError::Missing { name };
        assert_eq!(refused(PREFIX), missing("federation"));
        assert_eq!(refused(&format!("{PREFIX}{coordinator}&token=t")), missing("federation"));
        assert_eq!(refused(&format!("{PREFIX}{federation}&token=t")), missing("coordinator"));
        assert_eq!(refused(&format!("{PREFIX}{federation}&{coordinator}")), missing("token"));
        let empty = format!("{PREFIX}{federation}&{coordinator}&token=");
        assert_eq!(refused(&empty), missing("token"));
        assert_eq!(missing("token").to_string(), "the invitation lacks token=…");
    }

    #[test]
    fn other_texts_are_refused() {
        let good = invitation("t").to_string();
        let unlike = InvitationError::NotAnInvitation { got: "https://a".to_owned() };
        assert_eq!(refused("https://a"), unlike);
        assert_eq!(refused(&format!("{good}&token=u")), InvitationError::Twice { name: "token" });
        let unknown = InvitationError::Unknown { name: "mode".to_owned() };
        assert_eq!(refused(&format!("{good}&mode=fhe")), unknown);
        for bad in ["%", "%4", "%zz", "%ff"] {
            let text = good.replace("token=t", &format!("token={bad}"));
            assert_eq!(refused(&text), InvitationError::Encoding { name: "token" }, "{bad}");
        }
        let text = good.replace("token=t", &format!("token={}", "t".repeat(65)));
        assert_eq!(refused(&text), InvitationError::TokenTooLong { got: 65 });
        let text = good.replace("federation=", "federation=zz");
        assert!(matches!(refused(&text), InvitationError::Federation(_)));
        let text = good.replace("/p2p/", "/p3p/");
        assert!(matches!(refused(&text), InvitationError::Coordinator(_)));
    }

    #[test]
    fn several_addresses_and_relays_survive_their_text() {
        let mut several = invitation("t");
        let coordinator = several.coordinator[0].peer();
        several
            .coordinator
            .push(ListenAddress::loopback(Transport::Quic, 4001).with_peer(coordinator));
        let relay = PeerKey::from_secret(&[2; 32]);
        several.relays.push(ListenAddress::loopback(Transport::Quic, 9).with_peer(relay));
        let text = several.to_string();
        assert_eq!((text.matches("coordinator=").count(), text.matches("relay=").count()), (2, 1));
        assert_eq!(text.parse(), Ok(several));
    }

    #[test]
    fn addresses_of_two_peers_and_more_than_are_remembered_are_refused() {
        let mut one = invitation("t");
        let stranger = PeerKey::from_secret(&[2; 32]);
        one.coordinator.push(ListenAddress::loopback(Transport::Quic, 1).with_peer(stranger));
        assert_eq!(refused(&one.to_string()), InvitationError::CoordinatorsDiffer);
        let mut many = invitation("t");
        many.coordinator = vec![many.coordinator[0]; WAYS_MAX + 1];
        let too_many = InvitationError::TooMany { name: "coordinator", got: WAYS_MAX + 1 };
        assert_eq!(refused(&many.to_string()), too_many);
    }

    #[test]
    fn debug_output_hides_the_token() {
        assert!(!format!("{:?}", invitation("secret")).contains("secret"));
    }

    proptest! {
        #[test]
        fn tokens_survive(token in ".{1,16}") {
            let invitation = invitation(&token);
            prop_assert_eq!(invitation.to_string().parse(), Ok(invitation));
        }

        #[test]
        fn arbitrary_texts_never_panic(text in ".{0,80}") {
            let _parsed = text.parse::<Invitation>().is_ok();
            let _parsed = format!("{PREFIX}{text}").parse::<Invitation>().is_ok();
        }
    }
}
