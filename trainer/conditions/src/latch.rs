//! A condition that does not flap.

/// What one reading says of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// It holds.
    Bad,
    /// It does not.
    Good,
    /// Between the threshold at which it begins and the one at which it ends: as before.
    Between,
}

impl Reading {
    /// Bad above `begins`, good below `ends`, which is less.
    pub(crate) fn rising(value: f64, begins: f64, ends: f64) -> Self {
        if value > begins {
            Self::Bad
        } else if value < ends {
            Self::Good
        } else {
            Self::Between
        }
    }

    /// Bad below `begins`, good from `ends`, which is more.
    pub(crate) const fn falling(value: u64, begins: u64, ends: u64) -> Self {
        if value < begins {
            Self::Bad
        } else if value >= ends {
            Self::Good
        } else {
            Self::Between
        }
    }

    /// Bad if `bad`.
    pub(crate) const fn of(bad: bool) -> Self {
        if bad { Self::Bad } else { Self::Good }
    }
}

/// How long a reading has to last before it counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dwell {
    pub(crate) begin_ms: u64,
    pub(crate) end_ms: u64,
}

impl Dwell {
    /// It counts at once.
    pub(crate) const NONE: Self = Self { begin_ms: 0, end_ms: 0 };
}

/// Whether a condition holds, and since when readings say otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Latch {
    holds: bool,
    contrary_since_ms: Option<u64>,
    met: bool,
}

impl Latch {
    /// Whether it holds after `reading`. The first reading counts at once, as nothing was before it.
    pub(crate) fn step(&mut self, reading: Reading, dwell: Dwell, now_ms: u64) -> bool {
        let says = match reading {
            Reading::Bad => true,
            Reading::Good => false,
            Reading::Between => self.holds,
        };
        let first = !std::mem::replace(&mut self.met, true);
        if says == self.holds {
            self.contrary_since_ms = None;
            return self.holds;
        }
        let since_ms = *self.contrary_since_ms.get_or_insert(now_ms);
        let dwell_ms = if says { dwell.begin_ms } else { dwell.end_ms };
        if first || now_ms.saturating_sub(since_ms) >= dwell_ms {
            *self = Self { holds: says, contrary_since_ms: None, met: true };
        }
        self.holds
    }

    /// Whether it holds.
    pub(crate) const fn holds(&self) -> bool {
        self.holds
    }

    /// Forgets it: the machine no longer gives the signal.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DWELL: Dwell = Dwell { begin_ms: 10, end_ms: 30 };

    #[test]
    fn the_first_reading_counts_at_once() {
        assert!(Latch::default().step(Reading::Bad, DWELL, 0));
        assert!(!Latch::default().step(Reading::Between, DWELL, 0));
    }

    #[test]
    fn a_reading_counts_only_after_it_has_lasted() {
        let mut latch = Latch::default();
        let mut step = |reading, now_ms| latch.step(reading, DWELL, now_ms);
        assert!(!step(Reading::Good, 0));
        assert!(!step(Reading::Bad, 1));
        assert!(!step(Reading::Good, 9), "interrupted");
        assert!(!step(Reading::Bad, 11));
        assert!(step(Reading::Bad, 21));
        assert!(step(Reading::Good, 22));
        assert!(step(Reading::Between, 40), "between is as before, and begins anew");
        assert!(step(Reading::Good, 41));
        assert!(!step(Reading::Good, 71));
    }
}
