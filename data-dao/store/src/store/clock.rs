//! How far ahead of the ledger a clock may be.
//!
//! Threat: a clock that is years ahead (a battery that died, a year mistyped, an image of a machine that woke up). Everything that
//! falls due by itself would happen at its next entry: votes end before anybody voted, objections come too late, prepaid months
//! are over. The log cannot take that back, and its time stands still until the world has caught up. So nothing is appended with
//! such a clock until a person has held it against the calendar. The rules by which a log is read know nothing of this: a log with a
//! gap of years is a log.
//!
//! It is no protection from an operator: whoever keeps the log says what time it is, and readers see what was said.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::AppendError;

/// Furthest that a clock may be ahead of the last entry, and of each time that was believed before, in milliseconds: 31 days.
///
/// A month: a node that was switched off over the holidays goes on by itself, and nothing that is decided in years is decided in one leap.
pub const CLOCK_LEAP_MS_MAX: u64 = 31 * 24 * 60 * 60 * 1000;

/// The latest time that was believed.
#[derive(Debug, Default)]
pub(super) struct ClockBound {
    believed_ms: AtomicU64,
}

impl ClockBound {
    /// Believes `now_ms` if it is not too far ahead.
    ///
    /// * `last_ms` — the time of the last entry; none if there is none.
    pub(super) fn check(&self, last_ms: Option<u64>, now_ms: u64) -> Result<(), AppendError> {
        let believed_ms = self.believed_ms.load(Ordering::Relaxed);
        if let Some(last_ms) = last_ms {
            let known_ms = last_ms.max(believed_ms);
            if now_ms > known_ms.saturating_add(CLOCK_LEAP_MS_MAX) {
                return Err(AppendError::ClockAhead { known_ms, now_ms });
            }
        }
        self.confirm(now_ms);
        Ok(())
    }

    pub(super) fn confirm(&self, now_ms: u64) {
        self.believed_ms.fetch_max(now_ms, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1000;

    #[test]
    fn time_that_passes_in_steps_is_believed_and_a_leap_is_not() {
        let bound = ClockBound::default();
        let mut now_ms = YEAR_MS;
        for _ in 0..100 {
            now_ms += CLOCK_LEAP_MS_MAX;
            bound.check(Some(YEAR_MS), now_ms).unwrap();
        }
        let leap = bound.check(Some(YEAR_MS), now_ms + CLOCK_LEAP_MS_MAX + 1);
        let Err(AppendError::ClockAhead { known_ms, .. }) = leap else { panic!("{leap:?}") };
        assert_eq!(known_ms, now_ms, "what was refused is not believed");
        // Back is no leap: the ledger's time stays where it is.
        bound.check(Some(YEAR_MS), 0).unwrap();
        bound.confirm(now_ms + YEAR_MS);
        bound.check(Some(YEAR_MS), now_ms + YEAR_MS + 1).unwrap();
    }

    #[test]
    fn the_first_entry_may_have_any_time_and_the_end_of_time_does_not_overflow() {
        ClockBound::default().check(None, u64::MAX).unwrap();
        ClockBound::default().check(Some(u64::MAX - 1), u64::MAX).unwrap();
        ClockBound::default().check(Some(0), u64::MAX).unwrap_err();
    }
}
