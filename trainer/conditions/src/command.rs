//! What the owner says to a pacer.

/// What the owner says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Stop training, for a while or until told otherwise.
    Pause {
        /// For how long, in milliseconds; none: until [`Command::Resume`].
        for_ms: Option<u64>,
    },
    /// Take back a pause, and every "anyway".
    Resume,
    /// Train in spite of what holds it back now, until that ends, and no longer than
    /// [`ANYWAY_MS`](crate::ANYWAY_MS).
    Anyway,
}
