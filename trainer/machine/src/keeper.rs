//! A thread that keeps a pace.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use trainer_conditions::{Command, Condition, Pace, Pacer, Preferences, Signals};

use crate::Machine;

/// How often input is looked at: half of the 200 ms within which training has to yield.
const INPUT_EVERY: Duration = Duration::from_millis(100);

/// How often everything else is looked at.
const EVERYTHING_EVERY: Duration = Duration::from_secs(5);

/// What the thread is told.
enum Told {
    Obey(Command),
    Prefer(Box<Preferences>),
}

/// What a keeper tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The pace.
    pub pace: Pace,
    /// The share of its time that training may work.
    pub duty: f64,
    /// Conditions that are asked for and cannot be seen here.
    pub unwatched: Vec<Condition>,
}

/// Keeps a trainer's pace until it is dropped.
#[derive(Debug)]
pub struct Keeper {
    told: Sender<Told>,
}

impl Keeper {
    /// Starts a thread that reads the machine and tells the pace: the first at once, then whenever it changes.
    ///
    /// A pause is told again when its reason's numbers change, so that a countdown counts.
    ///
    /// # Panics
    /// If the system gives no thread.
    pub fn start(pacer: Pacer, machine: Machine, tell: impl FnMut(&Kept) + Send + 'static) -> Self {
        let (told, hears) = channel();
        let keeping = Keeping { pacer, machine, began: now(), signals: Signals::default() };
        thread::Builder::new()
            .name("pace".to_owned())
            .spawn(move || keeping.run(&hears, tell))
            .expect("a system that runs programs has a thread");
        Self { told }
    }

    /// Obeys the owner, at once.
    pub fn obey(&self, command: Command) {
        self.say(Told::Obey(command));
    }

    /// Changes what the owner allows.
    pub fn prefer(&self, preferences: Preferences) {
        self.say(Told::Prefer(Box::new(preferences)));
    }

    fn say(&self, told: Told) {
        // The thread ends only when this end is dropped, or by a panic of its closure.
        if self.told.send(told).is_err() {
            tracing::error!("nobody keeps the pace any more");
        }
    }
}

struct Keeping {
    pacer: Pacer,
    machine: Machine,
    began: Instant,
    signals: Signals,
}

impl Keeping {
    fn run(mut self, hears: &Receiver<Told>, mut tell: impl FnMut(&Kept)) {
        let mut last = None;
        let mut read = None::<Instant>;
        loop {
            if read.is_none_or(|read| read.elapsed() >= EVERYTHING_EVERY) {
                self.signals = self.machine.read();
                read = Some(now());
            } else {
                self.signals.idle_ms = self.machine.idle_ms();
            }
            let kept = self.keep();
            if last.as_ref() != Some(&kept) {
                tell(&kept);
                last = Some(kept);
            }
            match hears.recv_timeout(INPUT_EVERY) {
                Ok(Told::Obey(command)) => self.pacer.obey(command, self.now_ms()),
                Ok(Told::Prefer(preferences)) => self.pacer.prefer(*preferences),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn keep(&mut self) -> Kept {
        let now_ms = self.now_ms();
        let pace = rounded(self.pacer.step(&self.signals, now_ms));
        let preferences = self.pacer.preferences();
        // What only the second reading tells is not missing before.
        let unwatched = if self.machine.has_settled() {
            preferences.unwatched(&self.signals)
        } else {
            Vec::new()
        };
        Kept { pace, duty: preferences.duty(self.machine.cores()), unwatched }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Counts down in seconds, so that it is told once a second and not ten times.
fn rounded(pace: Pace) -> Pace {
    use trainer_conditions::Reason;

    let up = |ms: u64| ms.div_ceil(1_000) * 1_000;
    match pace {
        Pace::Pause(Reason::Input { left_ms }) => {
            Pace::Pause(Reason::Input { left_ms: up(left_ms) })
        }
        Pace::Pause(Reason::Owner { left_ms: Some(left) }) => {
            Pace::Pause(Reason::Owner { left_ms: Some(up(left)) })
        }
        other => other,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a shell: the pace is kept by the machine's own clock"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use trainer_conditions::Reason;

    use super::*;

    #[test]
    fn commands_change_the_pace_at_once_and_dropping_ends_the_thread() {
        let (pace, paces) = channel();
        let pacer = Pacer::new(Preferences::dedicated());
        let keeper =
            Keeper::start(pacer, Machine::open(Path::new("/"), std::process::id()), move |kept| {
                pace.send(kept.pace).unwrap();
            });
        let next = || paces.recv_timeout(Duration::from_secs(20)).unwrap();
        // A machine of tests may be short of memory or hot: whatever it says, it says one thing first.
        next();
        keeper.obey(Command::Pause { for_ms: None });
        assert_eq!(next(), Pace::Pause(Reason::Owner { left_ms: None }));
        keeper.obey(Command::Resume);
        assert_ne!(next(), Pace::Pause(Reason::Owner { left_ms: None }));
        drop(keeper);
        while paces.recv_timeout(Duration::from_secs(20)).is_ok() {}
        assert_eq!(paces.recv(), Err(std::sync::mpsc::RecvError));
    }
}
