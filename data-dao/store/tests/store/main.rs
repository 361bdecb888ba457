//! What was acknowledged is on disk; what is on disk is what was written, and whoever copies it audits it offline.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy's in-tests allowance does not reach helpers"
)]

mod audit;
mod conformance;
mod contention;
mod copy;
mod kill;
mod personal;
mod postgres;
mod sqlite;
mod tiles;
mod world;
