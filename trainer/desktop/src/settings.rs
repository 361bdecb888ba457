//! What the window remembers between runs: one small file, written wholly or not at all.

use datasets::Mapping;
use serde::{Deserialize, Serialize};
use trainer_conditions::PreferencesForm;

use crate::{changed_terms::ChangedTerms, os::SystemSettings};

/// The form of the file; another one is refused rather than guessed at.
pub const VERSION: u32 = 1;

/// The largest share of the rows that may be kept from training, in percent: what the trainer takes.
pub const HOLD_OUT_PERCENT_MAX: u8 = 50;

/// A language of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    English,
    /// हिन्दी.
    Hindi,
}

impl Language {
    /// All.
    pub const ALL: [Self; 2] = [Self::English, Self::Hindi];

    /// Its own name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Hindi => "हिन्दी",
        }
    }
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shade {
    /// As the system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Shade {
    /// All.
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// The key of its name in files of translations.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::System => "shade_system",
            Self::Light => "shade_light",
            Self::Dark => "shade_dark",
        }
    }
}

/// How the window looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Look {
    /// Light or dark.
    pub shade: Shade,
    /// Size of everything, in percent; 100 to 200.
    pub scale_percent: u16,
}

impl Default for Look {
    fn default() -> Self {
        Self { shade: Shade::System, scale_percent: 100 }
    }
}

/// Where the window was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Width in points.
    pub width: f32,
    /// Height in points.
    pub height: f32,
}

impl Default for Place {
    fn default() -> Self {
        Self { width: 1_040.0, height: 720.0 }
    }
}

/// What the window remembers.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// [`VERSION`].
    pub version: u32,
    /// The language.
    pub language: Language,
    /// The public name.
    pub label: String,
    /// Whether the person proved that the words were written down.
    pub backed_up: bool,
    /// The public part of the key: while it is locked, a back-up has to be of this one.
    pub member: Option<String>,
    /// What the federation is called, once its terms were seen.
    pub federation: Option<String>,
    /// The invitation that was taken; it holds a secret, so that the file is its owner's alone.
    pub invitation: Option<String>,
    /// The data: a table, a folder of pictures, or IDX files.
    pub data: Option<String>,
    /// Rows that are kept from training, to try each model on; in percent, at most [`HOLD_OUT_PERCENT_MAX`].
    pub hold_out_percent: u8,
    /// Whether the person once agreed to this federation's terms: its folder is the federation's for good.
    pub joined: bool,
    /// The digest of the terms that the person agreed to.
    pub agreed: Option<String>,
    /// The co-operative's address, for credits and votes.
    pub node: String,
    /// The key of the co-operative's log, as it was first seen here.
    pub log_key: Option<String>,
    /// `auto`, `cpu` or `wgpu`.
    pub device: String,
    /// How the window looks.
    pub look: Look,
    /// Where it was.
    pub place: Place,
    /// What the owner allows.
    pub preferences: PreferencesForm,
    /// What surrounds the window.
    pub system: SystemSettings,
    /// How columns and words of the data become the federation's.
    pub mapping: Mapping,
    /// Terms that are offered in the place of those agreed to, until the person agrees or they are gone.
    pub changed: Option<ChangedTerms>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: VERSION,
            language: Language::default(),
            label: "contributor".to_owned(),
            backed_up: false,
            member: None,
            federation: None,
            invitation: None,
            data: None,
            hold_out_percent: 0,
            joined: false,
            agreed: None,
            node: String::new(),
            log_key: None,
            device: "auto".to_owned(),
            look: Look::default(),
            place: Place::default(),
            preferences: PreferencesForm::default(),
            system: SystemSettings::default(),
            mapping: Mapping::default(),
            changed: None,
        }
    }
}

/// Why settings cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Not the form of a file of settings.
    #[error("the settings cannot be read: {0}")]
    Form(#[from] toml::de::Error),
    /// From another version of this program.
    #[error("the settings have version {got}, this program reads {VERSION}")]
    Version {
        /// The version of the file.
        got: u32,
    },
}

impl Settings {
    /// Takes from `other` what is common to all federations: the language, how the window looks and where it is, what surrounds
    /// it, and what the owner allows this computer. Says whether that changed anything.
    pub fn take_common(&mut self, other: &Self) -> bool {
        let of = |settings: &Self| {
            let Self { language, look, place, system, .. } = settings;
            (*language, *look, *place, *system)
        };
        let changed = of(self) != of(other) || self.preferences != other.preferences;
        (self.language, self.look, self.place, self.system) = of(other);
        self.preferences = other.preferences.clone();
        changed
    }

    /// Reads what [`Settings::to_text`] wrote.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn from_text(text: &str) -> Result<Self, SettingsError> {
        // The version first: another version may have other fields.
        let value: toml::Table = text.parse()?;
        match value.get("version").and_then(toml::Value::as_integer) {
            Some(got) if got != i64::from(VERSION) => {
                return Err(SettingsError::Version { got: u32::try_from(got).unwrap_or(0) });
            }
            _ => {}
        }
        let mut settings: Self = toml::from_str(text)?;
        // Files of before had no word for it.
        settings.joined |= settings.agreed.is_some();
        Ok(settings)
    }

    /// As it is written.
    ///
    /// # Panics
    /// Never: every field has a form in TOML.
    #[must_use]
    pub fn to_text(&self) -> String {
        toml::to_string_pretty(self).expect("every field has a form in TOML")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_back() {
        let settings = Settings {
            invitation: Some("sahakar://join?token=a".to_owned()),
            language: Language::Hindi,
            look: Look { shade: Shade::Dark, scale_percent: 150 },
            ..Settings::default()
        };
        assert!(Settings::from_text(&settings.to_text()).unwrap() == settings);
        assert!(Settings::from_text("").unwrap() == Settings::default());
    }

    #[test]
    fn another_version_and_unknown_words_are_refused() {
        let refused = Settings::from_text("version = 2\nnew = 1").err().unwrap().to_string();
        assert_eq!(refused, "the settings have version 2, this program reads 1");
        assert!(Settings::from_text("languages = 1").is_err());
    }
}
