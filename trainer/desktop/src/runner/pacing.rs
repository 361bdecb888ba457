//! The pacer, with the machine that it looks at.

use std::time::Instant;

use trainer_conditions::{Command, Condition, Pace, Pacer, Preferences, Signals};

/// The pacer, with the machine that it looks at.
pub(super) struct Pacing {
    pacer: Pacer,
    started: Instant,
    told: Option<Pace>,
}

impl Pacing {
    pub(super) fn new(preferences: Preferences) -> Self {
        Self { pacer: Pacer::new(preferences), started: now(), told: None }
    }

    /// The pace, if it is another one than was told last.
    pub(super) fn look(&mut self) -> Option<Pace> {
        let pace = self.pacer.step(&signals(), self.now_ms());
        if self.told == Some(pace) {
            return None;
        }
        self.told = Some(pace);
        Some(pace)
    }

    /// Tells the pace again at the next look: a new trainer knows none.
    pub(super) fn forget(&mut self) {
        self.told = None;
    }

    pub(super) fn obey(&mut self, command: Command) {
        self.pacer.obey(command, self.now_ms());
    }

    pub(super) fn prefer(&mut self, preferences: Preferences) {
        self.pacer.prefer(preferences);
    }

    /// What is asked for and cannot be seen on this machine.
    pub(super) fn unwatched(&self) -> Vec<Condition> {
        self.pacer.preferences().unwatched(&signals())
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[expect(clippy::disallowed_methods, reason = "the runner is the shell that reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// What this machine says of itself: nothing yet, and the window tells that.
fn signals() -> Signals {
    Signals::default()
}
