//! What the owner allows.

use serde::{Deserialize, Serialize};

use crate::{Condition, Hours, HoursError, Signals};

/// Preferences as they are written in a file; what is left out has its default.
///
/// The defaults follow what people expected of BOINC and Folding@home: on the mains, while nobody is
/// at the machine, with half of its cores and a quarter of its memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "a file of switches, each of which stands alone")]
pub struct PreferencesForm {
    /// Train on a battery, too.
    pub on_battery: bool,
    /// On a battery: only with at least this much charge, in percent; 0 to 90.
    pub battery_min_percent: u8,
    /// Train while the machine is in use.
    pub while_in_use: bool,
    /// Minutes without input after which it is not in use; 1 to 1440.
    pub idle_minutes: u32,
    /// Share of the whole processor that training may use, in percent; 1 to 100. Training is one
    /// thread: on two cores and more, 50 is no limit, on one core it rests half of the time.
    pub processor_percent: u8,
    /// Share of the memory that training may use, in percent; 1 to 100.
    pub memory_percent: u8,
    /// Pause if other programs use more of the processor than this, in percent; 10 to 100, and 100
    /// is never.
    pub others_max_percent: u8,
    /// Pause at this temperature of the hottest sensor, in °C; 40 to 110.
    pub temperature_max: f64,
    /// Use networks that are paid for by volume.
    pub on_metered_network: bool,
    /// Mebibytes that have to stay free on the disk.
    pub disk_free_min_mib: u64,
    /// When: `always`, or such as `mon-fri 22:00-06:00, sat-sun 00:00-24:00`.
    pub hours: String,
}

impl Default for PreferencesForm {
    fn default() -> Self {
        Self {
            on_battery: false,
            battery_min_percent: 50,
            while_in_use: false,
            idle_minutes: 5,
            processor_percent: 50,
            memory_percent: 25,
            others_max_percent: 50,
            // Below the 95 to 105 °C at which processors slow themselves down.
            temperature_max: 90.0,
            on_metered_network: false,
            disk_free_min_mib: 512,
            hours: "always".to_owned(),
        }
    }
}

/// Why preferences are refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PreferencesError {
    /// A number is out of its range.
    #[error("`{name}` is {got}, expected {min} to {max}")]
    OutOfRange {
        /// The preference.
        name: &'static str,
        /// What it is.
        got: f64,
        /// The least.
        min: f64,
        /// The most.
        max: f64,
    },
    /// The hours cannot be read.
    #[error("`hours`: {0}")]
    Hours(#[from] HoursError),
}

/// What the owner allows: every number is in its range, and there are hours in which it may train.
#[derive(Debug, Clone, PartialEq)]
pub struct Preferences {
    form: PreferencesForm,
    hours: Hours,
}

impl Default for Preferences {
    fn default() -> Self {
        Self { form: PreferencesForm::default(), hours: Hours::ALWAYS }
    }
}

impl Preferences {
    /// Preferences that are in range.
    ///
    /// # Errors
    /// [`PreferencesError`]: the first that is not.
    pub fn new(form: PreferencesForm) -> Result<Self, PreferencesError> {
        for (name, got, min, max) in [
            ("battery_min_percent", f64::from(form.battery_min_percent), 0.0, 90.0),
            ("idle_minutes", f64::from(form.idle_minutes), 1.0, 1_440.0),
            ("processor_percent", f64::from(form.processor_percent), 1.0, 100.0),
            ("memory_percent", f64::from(form.memory_percent), 1.0, 100.0),
            ("others_max_percent", f64::from(form.others_max_percent), 10.0, 100.0),
            ("temperature_max", form.temperature_max, 40.0, 110.0),
        ] {
            if !(min..=max).contains(&got) {
                return Err(PreferencesError::OutOfRange { name, got, min, max });
            }
        }
        let hours = form.hours.parse()?;
        Ok(Self { form, hours })
    }

    /// What trains whenever it is told to: for servers that do nothing else.
    #[must_use]
    pub fn dedicated() -> Self {
        let form = PreferencesForm {
            on_battery: true,
            battery_min_percent: 0,
            while_in_use: true,
            processor_percent: 100,
            memory_percent: 100,
            others_max_percent: 100,
            temperature_max: 110.0,
            on_metered_network: true,
            disk_free_min_mib: 0,
            ..PreferencesForm::default()
        };
        Self { form, hours: Hours::ALWAYS }
    }

    /// As they are written.
    #[must_use]
    pub const fn form(&self) -> &PreferencesForm {
        &self.form
    }

    /// The hours.
    #[must_use]
    pub const fn hours(&self) -> &Hours {
        &self.hours
    }

    /// The share of its time that one thread may work, above 0 and at most 1.
    ///
    /// * `cores` — of the machine.
    #[must_use]
    pub fn duty(&self, cores: usize) -> f64 {
        (f64::from(self.form.processor_percent) / 100.0 * cores.max(1) as f64).min(1.0)
    }

    /// What of `bytes` of memory training may use.
    #[must_use]
    pub const fn memory(&self, bytes: u64) -> u64 {
        bytes / 100 * self.form.memory_percent as u64
    }

    /// Conditions that these preferences ask for and that cannot be seen on this machine, as
    /// `signals` lack them.
    #[must_use]
    pub fn unwatched(&self, signals: &Signals) -> Vec<Condition> {
        let form = &self.form;
        [
            (Condition::Hours, self.hours != Hours::ALWAYS, signals.local_time.is_none()),
            (Condition::Disk, form.disk_free_min_mib > 0, signals.disk_free.is_none()),
            (Condition::Heat, true, signals.temperature.is_none()),
            (Condition::Battery, self.watches_battery(), signals.power.is_none()),
            (Condition::Input, !form.while_in_use, signals.idle_ms.is_none()),
            (Condition::Load, form.others_max_percent < 100, signals.others_load.is_none()),
            (Condition::Network, !form.on_metered_network, signals.metered.is_none()),
        ]
        .into_iter()
        .filter_map(|(condition, asked, missing)| (asked && missing).then_some(condition))
        .collect()
    }

    const fn watches_battery(&self) -> bool {
        !self.form.on_battery || self.form.battery_min_percent > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named() {
        let form = PreferencesForm { idle_minutes: 0, ..PreferencesForm::default() };
        let refused = Preferences::new(form).unwrap_err().to_string();
        assert_eq!(refused, "`idle_minutes` is 0, expected 1 to 1440");
        let form = PreferencesForm { temperature_max: f64::NAN, ..PreferencesForm::default() };
        assert!(Preferences::new(form).is_err());
        let form = PreferencesForm { hours: "sun 25:00".to_owned(), ..PreferencesForm::default() };
        assert!(Preferences::new(form).unwrap_err().to_string().starts_with("`hours`: "));
    }

    #[test]
    fn a_file_with_nothing_in_it_is_the_default_and_a_wrong_word_is_refused() {
        let form: PreferencesForm = toml::from_str("").unwrap();
        assert_eq!(Preferences::new(form).unwrap(), Preferences::default());
        assert!(toml::from_str::<PreferencesForm>("idle_minute = 3").is_err());
        let form: PreferencesForm =
            toml::from_str(&toml::to_string(&PreferencesForm::default()).unwrap()).unwrap();
        assert_eq!(form, PreferencesForm::default());
    }

    #[test]
    fn half_of_a_processor_limits_one_thread_only_on_one_core() {
        let half = Preferences::default();
        assert_eq!(
            [1, 2, 16].map(|cores| half.duty(cores).to_bits()),
            [0.5, 1.0, 1.0].map(f64::to_bits)
        );
        assert_eq!(half.memory(400), 100);
    }

    #[test]
    fn what_cannot_be_seen_is_told() {
        let nothing = Preferences::default().unwatched(&Signals::default());
        let names: Vec<&str> = nothing.into_iter().map(Condition::name).collect();
        assert_eq!(names, ["disk", "heat", "battery", "input", "load", "network"]);
        let dedicated = Preferences::dedicated().unwatched(&Signals::default());
        assert_eq!(dedicated, [Condition::Heat]);
    }
}
