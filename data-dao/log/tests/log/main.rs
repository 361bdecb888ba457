//! What is signed is believed, what is not is refused with its reason, and a log that forks convicts itself.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy's in-tests allowance does not reach helpers"
)]

mod checkpoint;
mod fork;
mod parsers;
mod policy;
mod proof;
mod witness;
mod world;
