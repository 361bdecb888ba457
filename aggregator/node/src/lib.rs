//! The shell of an aggregator: link, store and clock around the round.
//!
//! ```text
//!   Inbox ──► decode ──► Coordinator::handle ──► Keep ──► Persist ──► reply, events
//!   clock ──► Tick ────►        (pure)           │
//!   answers ───────────►                         └► outstanding() ──► asks, repeated until answered
//! ```
//!
//! It decides nothing about the protocol: it reads an event, calls the core, and performs the outputs
//! in their order. A write of protocol state that fails ends the process: to go on would be to promise
//! what is not kept.

mod ask;
mod board;
mod clock;
mod coordinator;
mod database;
mod delivery;
mod event;
mod file_updates;
mod following;
mod node;
mod object_updates;
mod peer;
mod retention;
mod s3;
mod sharing;
mod store;
mod update_layout;
mod updates;
mod worker;

pub use database::{DatabaseUrl, DatabaseUrlError};
pub use event::NodeEvent;
pub use following::{FollowMode, FollowModeError, Following, VoteCheck};
pub use node::{NodeConfig, run};
pub use worker::{WorkerConfig, work};
