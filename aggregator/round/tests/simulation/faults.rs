//! How badly a seed's world behaves.

use rand::{CryptoRng, RngExt as _};

/// Odds of each fault per message or event, and delays in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    pub(crate) loss: f64,
    pub(crate) duplication: f64,
    pub(crate) garbling: f64,
    pub(crate) crash: f64,
    /// A coordinator's key in the wrong hands: questions that must not be answered.
    pub(crate) hostile: f64,
    pub(crate) delay_ms_max: u64,
}

impl Faults {
    /// A working network: every run ends with it.
    pub(crate) const NONE: Self = Self {
        loss: 0.0,
        duplication: 0.0,
        garbling: 0.0,
        crash: 0.0,
        hostile: 0.0,
        delay_ms_max: 5,
    };

    /// Draws faults: some seeds are mild, some harsh, some slow beyond the deadlines.
    pub(crate) fn draw(rng: &mut impl CryptoRng) -> Self {
        let harsh = rng.random_range(0.0..1.0_f64);
        Self {
            loss: 0.2 * harsh,
            duplication: 0.2 * harsh,
            garbling: 0.03 * harsh,
            crash: 0.03 * harsh,
            hostile: if rng.random_bool(0.4) { 0.15 } else { 0.0 },
            delay_ms_max: if rng.random_bool(0.2) { 250 } else { 40 },
        }
    }
}
