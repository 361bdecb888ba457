//! What of the desk can be seen from outside of the window, and which changes of it are worth a word.

use trainer_conditions::{Condition, Pace, Reason};

use crate::{
    desk::{Desk, Key, Notice},
    news::Failure,
    screen::Screen,
    training::{End, Running},
};

/// How training stands: what the icon shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// Nothing is trained.
    #[default]
    Off,
    /// It trains, or waits for a round.
    On,
    /// It pauses.
    Paused,
    /// A person is needed: the key is locked, consent is asked for, or it ended with an error.
    Needed,
}

impl Standing {
    /// The key of its name in files of translations.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Off => "status_off",
            Self::On => "status_on",
            Self::Paused => "status_paused",
            Self::Needed => "status_needed",
        }
    }
}

/// What can be seen from outside.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Glimpse {
    /// How training stands.
    pub standing: Standing,
    /// Why it pauses.
    pub pause: Option<Reason>,
    runs: bool,
    need: Option<Need>,
    failed: Option<String>,
    /// The last round that counted, and its value.
    counted: Option<(u64, f64)>,
    /// Final credits, as the co-operative says.
    credits: Option<String>,
}

/// What nothing goes on without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// The key is locked; and the person who has just said a wrong passphrase knows that.
    Passphrase { tried: bool },
    /// Terms wait for consent.
    Consent,
}

impl Need {
    fn of(desk: &Desk) -> Option<Self> {
        if let Key::Locked { wrong } = desk.key {
            return Some(Self::Passphrase { tried: wrong });
        }
        let declined = desk.settings.changed.as_ref().is_some_and(|changed| changed.declined);
        let consent =
            desk.terms().is_some() && desk.lacking() == Some(Screen::Consent) && !declined;
        consent.then_some(Self::Consent)
    }
}

/// Something worth a word.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// A round counted.
    Counted {
        /// The round.
        round: u64,
        /// What it did to the validation loss; positive is better.
        value: f64,
    },
    /// Credits became final.
    Paid {
        /// Credits in all.
        credits: String,
    },
    /// It pauses for a reason that may last.
    Paused(Reason),
    /// The key waits for its passphrase.
    Locked,
    /// Terms wait for the person's consent.
    ConsentNeeded,
    /// Training ended with an error.
    Failed {
        /// Why.
        reason: String,
    },
}

impl Glimpse {
    /// What is to be seen of `desk`.
    #[must_use]
    pub fn of(desk: &Desk) -> Self {
        let training = &desk.training;
        let runs = training.running == Running::On;
        let pause = match training.pace {
            Some(Pace::Pause(reason)) if runs => Some(reason),
            _ => None,
        };
        let need = Need::of(desk);
        let failed = match &desk.notice {
            Some(Notice::Failed { what: Failure::Trainer, reason }) => Some(reason.clone()),
            _ => None,
        };
        let standing = if need.is_some() || failed.is_some() {
            Standing::Needed
        } else if pause.is_some() {
            Standing::Paused
        } else if runs {
            Standing::On
        } else {
            Standing::Off
        };
        let counted = training.rounds.iter().rev().find_map(|round| match round.end {
            End::Counted { value, .. } => Some((round.round, value)),
            End::Not { .. } => None,
        });
        let credits = desk.co_operative.as_ref().map(|said| said.account.credits.clone());
        let credits = credits.filter(|credits| !credits.is_empty());
        Self { standing, pause, runs, need, failed, counted, credits }
    }

    /// Of all federations together: what the icon shows, which is one for all. The pace is common to them.
    #[must_use]
    pub fn of_all<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let urgency = |standing| match standing {
            Standing::Off => 0,
            Standing::Paused => 1,
            Standing::On => 2,
            Standing::Needed => 3,
        };
        all.fold(Self::default(), |sum, one| {
            let standing = std::cmp::max_by_key(sum.standing, one.standing, |s| urgency(*s));
            let (pause, runs) = (sum.pause.or(one.pause), sum.runs || one.runs);
            Self { standing, pause, runs, ..Self::default() }
        })
    }

    /// Whether it was paused by hand, and can be told to go on.
    #[must_use]
    pub const fn is_resumable(&self) -> bool {
        matches!(self.pause, Some(Reason::Owner { .. }))
    }

    /// Whether it can be paused by hand: it runs, and was not.
    #[must_use]
    pub const fn is_pausable(&self) -> bool {
        self.runs && !self.is_resumable()
    }

    /// What is worth a word, compared with `before`.
    ///
    /// Pauses that come and go by themselves while a person is at the machine (input, load, hours) and those that the person
    /// asked for are none.
    #[must_use]
    pub fn since(&self, before: &Self) -> Vec<Said> {
        let mut said = Vec::new();
        if let Some((round, value)) = self.counted.filter(|_| self.counted != before.counted) {
            said.push(Said::Counted { round, value });
        }
        // The first figure is not news: it was earned before the window looked.
        if let (Some(credits), Some(known)) = (&self.credits, &before.credits)
            && credits != known
        {
            said.push(Said::Paid { credits: credits.clone() });
        }
        let condition = |glimpse: &Self| glimpse.pause.map(|reason| reason.condition());
        if let Some(reason) = self.pause.filter(|reason| lasts(reason.condition()))
            && condition(self) != condition(before)
        {
            said.push(Said::Paused(reason));
        }
        match self.need.filter(|_| self.need != before.need) {
            Some(Need::Passphrase { tried: false }) => said.push(Said::Locked),
            Some(Need::Consent) => said.push(Said::ConsentNeeded),
            _ => {}
        }
        if let Some(reason) = self.failed.clone().filter(|_| self.failed != before.failed) {
            said.push(Said::Failed { reason });
        }
        said
    }
}

/// Whether a pause may last until somebody does something about it.
const fn lasts(condition: Condition) -> bool {
    use Condition as C;
    matches!(condition, C::Disk | C::Heat | C::Battery | C::Memory | C::Network)
}
