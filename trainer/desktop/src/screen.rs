//! The screens.

/// A screen of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Screen {
    /// First start, key and invitation.
    #[default]
    Start,
    /// The examples.
    Data,
    /// The grant in words.
    Consent,
    /// Training, as it goes.
    Training,
    /// What left this computer.
    Sent,
    /// What was earned.
    Earnings,
    /// Proposals and votes.
    Votes,
    /// Preferences.
    Settings,
    /// Leaving.
    Leave,
}

impl Screen {
    /// All, in the order of the navigation.
    pub const ALL: [Self; 9] = [
        Self::Start,
        Self::Data,
        Self::Consent,
        Self::Training,
        Self::Sent,
        Self::Earnings,
        Self::Votes,
        Self::Settings,
        Self::Leave,
    ];

    /// The key of its name in files of translations.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Start => "nav_start",
            Self::Data => "nav_data",
            Self::Consent => "nav_consent",
            Self::Training => "nav_training",
            Self::Sent => "nav_sent",
            Self::Earnings => "nav_earnings",
            Self::Votes => "nav_votes",
            Self::Settings => "nav_settings",
            Self::Leave => "nav_leave",
        }
    }
}
