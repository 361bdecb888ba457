//! What this machine is doing, and a thread that keeps a trainer's pace by it.
//!
//! ```text
//!  battery, input, load, heat, memory, disk, network, clock ─► Machine ─► Signals ─► Pacer ─► a closure
//!                                                                 └──────── Keeper ───────┘
//! ```

mod idle;
mod keeper;
mod machine;
mod network;
mod power;
mod processes;

pub use idle::Idle;
pub use keeper::{Keeper, Kept};
pub use machine::Machine;
pub use network::Network;
pub use processes::Processes;
