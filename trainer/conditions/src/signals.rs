//! What the machine is doing.

use crate::LocalTime;

/// What the machine runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// The mains, or a battery that is being charged.
    Mains,
    /// A battery.
    Battery {
        /// What is left, 0 to 100.
        percent: u8,
    },
}

/// One reading of the machine. What it cannot tell is none, and holds nothing back.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Signals {
    /// The wall clock, where the owner is.
    pub local_time: Option<LocalTime>,
    /// What it runs on; a machine without a battery is on the mains.
    pub power: Option<Power>,
    /// How long no key was pressed and no pointer moved.
    pub idle_ms: Option<u64>,
    /// What other processes take of all cores together, 0 to 1: without what training takes itself,
    /// or training would stop training (fah-issues #1483).
    pub others_load: Option<f64>,
    /// The hottest sensor, in °C.
    pub temperature: Option<f64>,
    /// Whether the network is paid for by volume.
    pub metered: Option<bool>,
    /// Bytes of memory that programs can still have.
    pub memory_free: Option<u64>,
    /// Bytes of memory that this program has, and those of the whole machine.
    pub memory_own: Option<(u64, u64)>,
    /// Bytes free on the disk of the trainer's state.
    pub disk_free: Option<u64>,
}
