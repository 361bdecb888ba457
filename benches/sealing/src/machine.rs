//! Where it was measured.

use std::fs;

use serde::Serialize;

/// Facts about the machine, as the system tells them; empty where it does not.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// Of the processor.
    pub(crate) model: String,
    pub(crate) cores: usize,
    /// Instruction sets that the rows depend on.
    pub(crate) features: Vec<String>,
    /// One, five, fifteen minutes.
    pub(crate) load_before: String,
    pub(crate) load_after: String,
}

/// Instruction sets that matter here.
const FEATURES: &[&str] =
    &["aes", "vaes", "sha_ni", "avx2", "avx512f", "avx512ifma", "pclmulqdq", "vpclmulqdq"];

impl Machine {
    pub(crate) fn observed() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpu.lines().find(|line| line.starts_with(name))?;
            line.split_once(':').map(|(_, value)| value.trim().to_owned())
        };
        let flags = field("flags").unwrap_or_default();
        let has = |feature: &&&str| flags.split(' ').any(|flag| flag == **feature);
        Self {
            model: field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            features: FEATURES.iter().filter(has).map(|&feature| feature.to_owned()).collect(),
            load_before: load(),
            load_after: String::new(),
        }
    }

    pub(crate) fn done(&mut self) {
        self.load_after = load();
    }
}

fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
