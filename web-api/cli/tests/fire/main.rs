//! A co-operative of real processes under fire: killed, stopped, without disk, with clocks that jump, over lines that
//! lose what they carry. Whatever happens, a round goes on or ends with a reason, nothing that was acknowledged is
//! lost, and the ledger audits.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

#[path = "../world/mod.rs"]
mod world;

mod absent;
mod clock;
mod clocks;
mod disk;
mod evidence;
mod kills;
mod lines;
mod objects;
mod roles;
mod slow;
mod workers;
