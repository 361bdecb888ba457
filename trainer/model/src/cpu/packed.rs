//! Parameters in the order in which the engine reads them.

use super::engine::Engine;

/// Copies a flat vector of the layout into the engine's order; padding is zero.
pub(super) fn pack(engine: &Engine, flat: &[f32]) -> Vec<f32> {
    let mut packed = vec![0.0; engine.parameter_count()];
    engine.runs(|range, at| packed[at..at + range.len()].copy_from_slice(&flat[range]));
    packed
}

/// Copies parameters back into the order of the layout, of `count` values.
pub(super) fn unpack(engine: &Engine, packed: &[f32], count: usize) -> Vec<f32> {
    let mut flat = vec![0.0; count];
    engine.runs(|range, at| {
        let length = range.len();
        flat[range].copy_from_slice(&packed[at..at + length]);
    });
    flat
}
