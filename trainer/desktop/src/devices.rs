//! What was found out about this machine's devices.

use serde::Deserialize;

/// What training may be computed on, as settings and the command line call it.
pub const DEVICES: [&str; 3] = ["auto", "cpu", "wgpu"];

/// How fast each device learned, as `sahakar device --json` says it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Compared {
    /// Each that there is.
    pub devices: Vec<DeviceSpeed>,
    /// The fastest: `cpu` or `wgpu`.
    pub fastest: String,
    /// Why there is no graphics adapter to try, if there is none.
    pub refused: Option<String>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DeviceSpeed {
    /// `cpu` or `wgpu`.
    pub device: String,
    /// What it is, for people.
    pub description: String,
    /// Examples that it learned from in a second.
    pub examples_per_second: f64,
}

/// What is known about the devices.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Devices {
    /// Nobody asked.
    #[default]
    Unknown,
    /// They are being compared.
    Comparing,
    /// They were.
    Compared(Compared),
}
