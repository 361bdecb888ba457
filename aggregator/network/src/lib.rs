//! The only crate that names libp2p: an authenticated, bounded request-response link.
//!
//! Every process of the co-operative owns one [`Link`]. A link has an Ed25519 identity, listens on
//! TCP and QUIC, and carries one kind of exchange: a request of bytes, answered by bytes or not at
//! all. What the bytes mean is decided above.
//!
//! ```text
//!   Link::request(address, body) ─► driver task ═ /sahakar/round/2 ═► driver task ─► Inbox::next_request
//!                                     (swarm)     over noise or TLS     (swarm)            │
//!   Result<body, RequestError>   ◄─       ◄════════ one stream ═════════     ◄── ReplySender::send | drop
//!
//!   one stream:   ─► length u32 big-endian ‖ kind u8 ‖ body     ◄─ the same
//! ```
//!
//! What is longer than 256 KiB travels as a description and chunks, each a stream of its own, asked
//! for by index, verified, and asked for again if a connection is lost. Who calls
//! [`Link::request`] sees nothing of that but the time it takes, and
//! [`Link::request_with_progress`] how far it is.

mod address;
mod assembly;
mod backoff;
mod budget;
mod codec;
mod config;
mod counters;
mod decline;
mod description;
mod dialer;
mod driver;
mod exchange;
mod frame;
mod held;
mod inbox;
mod key_file;
mod link;
mod metrics;
mod payload;
mod peer;
mod pulse;
mod punching;
mod request;
mod swarm;
mod transfer;
mod uploads;
mod version;
mod wire;

pub use crate::{
    address::{Address, AddressError, ListenAddress, Transport},
    config::{LimitError, Limits, LinkConfig},
    counters::Counters,
    decline::DeclineReason,
    inbox::{Inbound, Inbox, ReplyError, ReplySender},
    key_file::{
        KeyFileError, KeyProtection, change_key_protection, create_key, forget_unfinished_change,
        is_key_encrypted, load_key, load_or_create_key, restore_key, unlock_key,
        unlock_or_create_key,
    },
    link::{Link, LinkError},
    metrics::LinkMetrics,
    peer::{PeerKey, PeerKeyError},
    request::RequestError,
    transfer::{Direction, Progress},
};
