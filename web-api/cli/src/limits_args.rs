//! When to train, and with how much of the machine, on the command line.

use clap::Args;
use trainer_conditions::PreferencesForm;

/// One flag for each of the owner's preferences.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "When to train (with any of these, only then)")]
pub struct LimitsArgs {
    /// Train on a battery, too
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    pub on_battery: Option<bool>,
    /// On a battery: only with at least this much charge, in percent
    #[arg(long, value_name = "PERCENT")]
    pub battery_min_percent: Option<u8>,
    /// Train while the machine is in use
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    pub while_in_use: Option<bool>,
    /// Minutes without input after which it is not in use
    #[arg(long, value_name = "MINUTES")]
    pub idle_minutes: Option<u32>,
    /// Share of the whole processor that training may use, in percent
    #[arg(long, value_name = "PERCENT")]
    pub processor_percent: Option<u8>,
    /// Share of the memory that training may use, in percent
    #[arg(long, value_name = "PERCENT")]
    pub memory_percent: Option<u8>,
    /// Pause if other programs use more of the processor than this, in percent; 100 is never
    #[arg(long, value_name = "PERCENT")]
    pub others_max_percent: Option<u8>,
    /// Pause at this temperature of the hottest sensor, in °C
    #[arg(long, value_name = "CELSIUS")]
    pub temperature_max: Option<f64>,
    /// Use networks that are paid for by volume
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    pub on_metered_network: Option<bool>,
    /// Mebibytes that have to stay free on the disk
    #[arg(long, value_name = "MIB")]
    pub disk_free_min_mib: Option<u64>,
    /// When: `always`, or such as `mon-fri 22:00-06:00, sat-sun 00:00-24:00`
    #[arg(long, value_name = "HOURS")]
    pub hours: Option<String>,
}

impl LimitsArgs {
    /// What flags and `form` say together, flags first; none if neither says anything.
    #[must_use]
    pub fn over(&self, form: Option<PreferencesForm>) -> Option<PreferencesForm> {
        if form.is_none() && *self == Self::default() {
            return None;
        }
        let form = form.unwrap_or_default();
        Some(PreferencesForm {
            on_battery: self.on_battery.unwrap_or(form.on_battery),
            battery_min_percent: self.battery_min_percent.unwrap_or(form.battery_min_percent),
            while_in_use: self.while_in_use.unwrap_or(form.while_in_use),
            idle_minutes: self.idle_minutes.unwrap_or(form.idle_minutes),
            processor_percent: self.processor_percent.unwrap_or(form.processor_percent),
            memory_percent: self.memory_percent.unwrap_or(form.memory_percent),
            others_max_percent: self.others_max_percent.unwrap_or(form.others_max_percent),
            temperature_max: self.temperature_max.unwrap_or(form.temperature_max),
            on_metered_network: self.on_metered_network.unwrap_or(form.on_metered_network),
            disk_free_min_mib: self.disk_free_min_mib.unwrap_or(form.disk_free_min_mib),
            hours: self.hours.clone().unwrap_or(form.hours),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flag_is_enough_to_train_by_preferences_and_none_is_not() {
        assert_eq!(LimitsArgs::default().over(None), None);
        let form = PreferencesForm { idle_minutes: 9, on_battery: true, ..Default::default() };
        assert_eq!(LimitsArgs::default().over(Some(form.clone())), Some(form.clone()));
        let flags = LimitsArgs { on_battery: Some(false), ..LimitsArgs::default() };
        let together = flags.over(Some(form)).unwrap();
        assert_eq!((together.on_battery, together.idle_minutes), (false, 9));
        assert_eq!(flags.over(None), Some(PreferencesForm::default()));
    }
}
