//! The state of the window, without a window: what it knows, and what it wants done.
//!
//! ```text
//!   person ─Command─► Desk::act ──────┐
//!                                     ├─► Effects ─► runner (threads, the trainer as a process)
//!   runner ─News────► Desk::apply ────┘                 │
//!      ▲────────────────────────────────────────────────┘
//! ```

mod acting;
mod applying;

pub(crate) use acting::federation_of;

use std::path::PathBuf;

use datasets::Refusal;
use trainer_conditions::{Preferences, PreferencesError};

use crate::{
    co_operative::CoOperative,
    devices::Devices,
    effect::Effect,
    news::{Checked, Failure},
    preview::Preview,
    screen::Screen,
    secret::Secret,
    sent::{Sealed, Sent},
    settings::Settings,
    terms::Terms,
    training::Training,
};

/// The first thing that has to be typed to erase everything.
pub const ERASE_WORD: &str = "ERASE";

/// Words of a key.
pub const WORDS: usize = 24;

/// The fewest characters of a new passphrase: what the command line takes, too.
pub const PASSPHRASE_CHARS_MIN: usize = 12;

/// The person's key.
#[derive(Clone, Default)]
pub enum Key {
    /// Not looked for yet.
    #[default]
    Unknown,
    /// There is none.
    Missing,
    /// It is being made or read.
    Working,
    /// It is there, under a passphrase that has not been said yet.
    Locked {
        /// Whether one was said that is another one.
        wrong: bool,
    },
    /// There is one, and its words are not known to be written down.
    Unsaved {
        /// Its public part.
        member: String,
        /// Its words.
        words: Secret,
        /// Whether three of them are asked for, instead of all being shown.
        asked: bool,
    },
    /// There is one, backed up.
    Ready {
        /// Its public part.
        member: String,
    },
}

/// The invitation's terms.
#[derive(Debug, Clone, Default)]
pub enum Offer {
    /// No invitation.
    #[default]
    None,
    /// Asked for.
    Asking,
    /// Here.
    Here(Box<Terms>),
}

/// The data.
#[derive(Clone, Default)]
pub enum Table {
    /// None chosen.
    #[default]
    None,
    /// Being read.
    Reading(PathBuf),
    /// Read.
    Read(Box<Preview>),
}

/// Something to be told at the top of the window.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// Something was not done.
    Failed {
        /// What.
        what: Failure,
        /// Why.
        reason: String,
    },
    /// The data cannot be read.
    Unreadable(Box<Refusal>),
    /// The words were not those written down.
    WordsWrong,
    /// What was typed does not confirm it.
    EraseUnconfirmed,
    /// The name is too long.
    NameTooLong,
    /// Preferences are refused.
    Preferences(PreferencesError),
    /// The terms are others than those agreed to.
    TermsChanged,
    /// Other terms are offered in the place of those agreed to; the trainer has stopped.
    TermsOffered,
    /// The consent to them is in the ledger.
    Consented,
    /// The invitation is to another federation than the one that was agreed to.
    OtherFederation,
    /// A file was written.
    Exported(PathBuf),
    /// The key is under a passphrase from now on, or under none.
    Protected(bool),
    /// A vote was counted.
    Voted,
    /// The own vote was entrusted to somebody, or taken back.
    Delegated,
    /// Everything was erased.
    Erased,
}

/// The state of the window.
#[derive(Clone, Default)]
pub struct Desk {
    /// What it remembers.
    pub settings: Settings,
    /// Which screen is shown.
    pub screen: Screen,
    /// The key.
    pub key: Key,
    /// Whether it is under a passphrase.
    pub protected: bool,
    /// The terms.
    pub offer: Offer,
    /// The table.
    pub table: Table,
    /// Training.
    pub training: Training,
    /// What left this computer.
    pub sent: Sent,
    /// The sealed message that is looked at.
    pub sealed: Option<Sealed>,
    /// What the co-operative says, once it was asked.
    pub co_operative: Option<CoOperative>,
    /// What the last look at the ledger found.
    pub checked: Option<Checked>,
    /// Whether a consent to changed terms is being signed.
    pub consenting: bool,
    /// How fast this machine's devices are.
    pub devices: Devices,
    /// What is told at the top.
    pub notice: Option<Notice>,
}

impl Desk {
    /// A desk that remembers `settings`, and what it wants done first.
    #[must_use]
    pub fn open(settings: Settings) -> (Self, Vec<Effect>) {
        let mut effects =
            vec![Effect::ReadKey { with_words: !settings.backed_up }, Effect::ReadSent];
        if let Ok(preferences) = Preferences::new(settings.preferences.clone()) {
            effects.push(Effect::Prefer(Box::new(preferences)));
        }
        // What a remembered invitation is to is asked when the key is there.
        (Self { settings, key: Key::Working, ..Self::default() }, effects)
    }

    /// The member's public key, if there is a key.
    #[must_use]
    pub fn member(&self) -> Option<&str> {
        match &self.key {
            Key::Unsaved { member, .. } | Key::Ready { member } => Some(member),
            _ => None,
        }
    }

    /// The terms, if they are here.
    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        match &self.offer {
            Offer::Here(terms) => Some(terms),
            _ => None,
        }
    }

    /// The entry of the ledger that settled `round`, if the co-operative has said so: the node's word until it is checked.
    #[must_use]
    pub fn ledger_index(&self, round: u64) -> Option<u64> {
        let rounds = &self.co_operative.as_ref()?.rounds;
        rounds.iter().find(|earned| earned.round == round).map(|earned| earned.ledger_index)
    }

    /// Whether the terms that are here were agreed to.
    #[must_use]
    pub fn agreed(&self) -> bool {
        let agreed = self.settings.agreed.as_ref();
        self.terms().is_some_and(|terms| agreed == Some(&terms.digest))
    }

    /// Whether the federation with the id `id`, the digest of its terms, is the one that this desk is at: the invitation's, the one
    /// agreed to, or what that has become.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        let settings = &self.settings;
        let invited = settings.invitation.as_deref().and_then(federation_of);
        let offered = settings.changed.as_ref().map(|changed| changed.offered.as_str());
        [invited, settings.agreed.as_deref(), offered].contains(&Some(id))
    }

    /// Which words are asked for, counted from 0: three different ones, other ones for other keys.
    ///
    /// No secret: who wrote down only these has not written down a key.
    #[must_use]
    pub fn asked_words(&self) -> [usize; 3] {
        let member = self.member().unwrap_or_default();
        let sum = member.bytes().fold(0, |sum: usize, byte| sum * 31 % 1_009 + usize::from(byte));
        // One of each third.
        let third = WORDS / 3;
        [sum % third, third + sum / third % third, 2 * third + sum / (third * third) % third]
    }

    /// Whether training can be started: the first thing that it lacks.
    #[must_use]
    pub fn lacking(&self) -> Option<Screen> {
        if !matches!(self.key, Key::Ready { .. }) || self.terms().is_none() {
            return Some(Screen::Start);
        }
        match &self.table {
            Table::Read(preview) if preview.rows_that_fit().is_some() => {}
            _ => return Some(Screen::Data),
        }
        (!self.agreed() || self.settings.changed.is_some()).then_some(Screen::Consent)
    }
}

#[cfg(test)]
mod tests;
