//! The state machine that says when to train.

use crate::{
    Command, Condition, Power, Preferences, Reason, Signals,
    latch::{Dwell, Latch, Reading},
};

/// How long "anyway" lasts at most, in milliseconds: an hour, so that a forgotten click does not
/// empty a battery every day.
pub const ANYWAY_MS: u64 = 3_600_000;

/// How long the mains have to be back: a plug that is moved is not power.
const MAINS: Dwell = Dwell { begin_ms: 0, end_ms: 30_000 };

/// How long other programs have to be busy, or not: starting one is not being busy.
const LOAD: Dwell = Dwell { begin_ms: 10_000, end_ms: 30_000 };

/// A sensor's single peak is no heat.
const HEAT: Dwell = Dwell { begin_ms: 5_000, end_ms: 30_000 };

/// What a battery has to gain above its least charge before training goes on, in percent: BOINC
/// #5310 flapped at a single threshold.
const BATTERY_GAIN_PERCENT: u8 = 10;

/// How far other programs' load has to fall below its bound, 0 to 1.
const LOAD_FALL: f64 = 0.15;

/// How far the temperature has to fall below its bound, in °C.
const HEAT_FALL: f64 = 10.0;

/// Memory that other programs keep, in bytes: below it systems begin to swap.
const MEMORY_FREE_MIN: u64 = 512 << 20;

/// Whether to train.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Train.
    Train,
    /// Hold it back, for one reason.
    Pause(Reason),
}

/// An owner's pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnersPause {
    None,
    Until(u64),
    Open,
}

/// Whether a condition is waved through, and until when at most.
type Anyway = [Option<u64>; Condition::ALL.len()];

/// When a device may train.
#[derive(Debug, Clone, PartialEq)]
pub struct Pacer {
    preferences: Preferences,
    latches: [Latch; Condition::ALL.len()],
    paused: OwnersPause,
    anyway: Anyway,
    pace: Option<Pace>,
}

impl Pacer {
    /// A pacer that has seen nothing.
    #[must_use]
    pub fn new(preferences: Preferences) -> Self {
        Self {
            preferences,
            latches: Default::default(),
            paused: OwnersPause::None,
            anyway: Anyway::default(),
            pace: None,
        }
    }

    /// What the owner allows.
    #[must_use]
    pub const fn preferences(&self) -> &Preferences {
        &self.preferences
    }

    /// The pace after the last step; none before the first.
    #[must_use]
    pub const fn pace(&self) -> Option<Pace> {
        self.pace
    }

    /// Changes what the owner allows. What holds training back is decided anew at the next step; a
    /// pause by the owner stays.
    pub fn prefer(&mut self, preferences: Preferences) {
        self.preferences = preferences;
        self.latches = Default::default();
    }

    /// Obeys the owner.
    ///
    /// * `now_ms` — of the clock that [`Pacer::step`] is given.
    pub fn obey(&mut self, command: Command, now_ms: u64) {
        match command {
            Command::Pause { for_ms: None } => self.paused = OwnersPause::Open,
            Command::Pause { for_ms: Some(for_ms) } => {
                self.paused = OwnersPause::Until(now_ms.saturating_add(for_ms));
            }
            Command::Resume => {
                self.paused = OwnersPause::None;
                self.anyway = Anyway::default();
            }
            Command::Anyway => {
                self.paused = OwnersPause::None;
                let until = now_ms.saturating_add(ANYWAY_MS);
                for (index, condition) in Condition::ALL.into_iter().enumerate() {
                    if condition.can_be_waved_through() && self.latches[index].holds() {
                        self.anyway[index] = Some(until);
                    }
                }
            }
        }
    }

    /// The pace after one reading.
    ///
    /// * `now_ms` — any clock that does not run backwards, in milliseconds.
    pub fn step(&mut self, signals: &Signals, now_ms: u64) -> Pace {
        let mut first = self.owner(now_ms);
        for (index, condition) in Condition::ALL.into_iter().enumerate().skip(1) {
            let Some(seen) = self.see(condition, signals) else {
                self.latches[index].clear();
                self.anyway[index] = None;
                continue;
            };
            if !self.latches[index].step(seen.reading, seen.dwell, now_ms) {
                self.anyway[index] = None;
                continue;
            }
            if self.anyway[index].is_some_and(|until| now_ms < until) {
                continue;
            }
            self.anyway[index] = None;
            first = first.or(Some(seen.reason));
        }
        let pace = first.map_or(Pace::Train, Pace::Pause);
        self.pace = Some(pace);
        pace
    }

    fn owner(&mut self, now_ms: u64) -> Option<Reason> {
        match self.paused {
            OwnersPause::Until(until) if now_ms >= until => {
                self.paused = OwnersPause::None;
                None
            }
            OwnersPause::Until(until) => Some(Reason::Owner { left_ms: Some(until - now_ms) }),
            OwnersPause::Open => Some(Reason::Owner { left_ms: None }),
            OwnersPause::None => None,
        }
    }

    /// What `signals` say of a condition; none if they do not tell, or nobody asks.
    fn see(&self, condition: Condition, signals: &Signals) -> Option<Seen> {
        match condition {
            // The owner's pause is no reading.
            Condition::Owner => None,
            Condition::Hours => self.hours(signals),
            Condition::Disk => self.disk(signals),
            Condition::Heat => self.heat(signals),
            Condition::Battery => self.battery(signals),
            Condition::Input => self.input(signals),
            Condition::Load => self.load(signals),
            Condition::Memory => self.own_memory(signals).or_else(|| memory(signals)),
            Condition::Network => {
                let metered =
                    signals.metered.filter(|_| !self.preferences.form().on_metered_network);
                metered.map(|bad| Seen::at_once(Reading::of(bad), Reason::Network))
            }
        }
    }

    fn hours(&self, signals: &Signals) -> Option<Seen> {
        let time = signals.local_time?;
        let opens = self.preferences.hours().opens(time);
        Some(Seen::at_once(Reading::of(opens != time), Reason::Hours { opens }))
    }

    fn disk(&self, signals: &Signals) -> Option<Seen> {
        let (free, needed) = (signals.disk_free?, self.preferences.form().disk_free_min_mib << 20);
        let reading = Reading::falling(free, needed, needed + needed / 4);
        Some(Seen::at_once(reading, Reason::Disk { free, needed }))
    }

    fn heat(&self, signals: &Signals) -> Option<Seen> {
        let (temperature, most) = (signals.temperature?, self.preferences.form().temperature_max);
        let until = most - HEAT_FALL;
        let reading = Reading::rising(temperature, most, until);
        Some(Seen { reading, dwell: HEAT, reason: Reason::Heat { temperature, until } })
    }

    fn battery(&self, signals: &Signals) -> Option<Seen> {
        let form = self.preferences.form();
        let least = form.battery_min_percent;
        let needed = form.on_battery.then_some(least + BATTERY_GAIN_PERCENT);
        let (reading, percent) = match signals.power? {
            Power::Mains => (Reading::Good, None),
            Power::Battery { percent } if !form.on_battery => (Reading::Bad, Some(percent)),
            Power::Battery { percent } => {
                let ends = u64::from(least + BATTERY_GAIN_PERCENT);
                (Reading::falling(u64::from(percent), u64::from(least), ends), Some(percent))
            }
        };
        Some(Seen { reading, dwell: MAINS, reason: Reason::Battery { percent, needed } })
    }

    fn input(&self, signals: &Signals) -> Option<Seen> {
        let form = self.preferences.form();
        let idle_ms = signals.idle_ms.filter(|_| !form.while_in_use)?;
        let left_ms = (u64::from(form.idle_minutes) * 60_000).saturating_sub(idle_ms);
        Some(Seen::at_once(Reading::of(left_ms > 0), Reason::Input { left_ms }))
    }

    /// Only if it is too much: otherwise others' memory is looked at.
    fn own_memory(&self, signals: &Signals) -> Option<Seen> {
        let (used, all) = signals.memory_own?;
        let allowed = self.preferences.memory(all);
        let reason = Reason::OwnMemory { used, allowed };
        (used > allowed).then_some(Seen { reading: Reading::Bad, dwell: LOAD, reason })
    }

    fn load(&self, signals: &Signals) -> Option<Seen> {
        let most = self.preferences.form().others_max_percent;
        let load = signals.others_load.filter(|_| most < 100)?;
        let begins = f64::from(most) / 100.0;
        // A bound that is low already ends at its half.
        let ends = (begins - LOAD_FALL).max(begins / 2.0);
        let reading = Reading::rising(load, begins, ends);
        Some(Seen { reading, dwell: LOAD, reason: Reason::Load { load } })
    }
}

/// What a reading says of one condition.
struct Seen {
    reading: Reading,
    dwell: Dwell,
    /// If it holds.
    reason: Reason,
}

impl Seen {
    const fn at_once(reading: Reading, reason: Reason) -> Self {
        Self { reading, dwell: Dwell::NONE, reason }
    }
}

fn memory(signals: &Signals) -> Option<Seen> {
    let (free, needed) = (signals.memory_free?, MEMORY_FREE_MIN);
    let reading = Reading::falling(free, needed, needed + needed / 2);
    Some(Seen { reading, dwell: LOAD, reason: Reason::Memory { free, needed } })
}

#[cfg(test)]
mod tests;
