//! The only crate that names libp2p: an authenticated, bounded request-response link.
//!
//! Every process of the co-operative owns one [`Link`]. A link has an Ed25519 identity, listens on
//! TCP and QUIC, and carries one kind of exchange: a request of bytes, answered by bytes or not at
//! all. What the bytes mean is decided above.
//!
//! ```text
//!   Link::request(address, body) ─► driver task ═ /sahakar/round/1 ═► driver task ─► Inbox::next_request
//!                                     (swarm)     over noise or TLS     (swarm)            │
//!   Result<body, RequestError>   ◄─       ◄════════ one stream ═════════     ◄── ReplySender::send | drop
//!
//!   one stream:   ─► length u32 big-endian ‖ body     ◄─ length u32 big-endian ‖ body
//! ```

mod address;
mod codec;
mod config;
mod counters;
mod driver;
mod frame;
mod inbox;
mod key_file;
mod link;
mod peer;
mod request;
mod swarm;

pub use crate::{
    address::{Address, AddressError, ListenAddress, Transport},
    config::{LimitError, Limits, LinkConfig},
    counters::Counters,
    inbox::{Inbound, Inbox, ReplyError, ReplySender},
    key_file::{KeyFileError, create_key, load_key, load_or_create_key},
    link::{Link, LinkError},
    peer::{PeerKey, PeerKeyError},
    request::RequestError,
};
