//! What the runner tells the desk.

use std::path::PathBuf;

use datasets::Refusal;
use serde_json::Value;
use trainer_conditions::{Condition, Pace};

use crate::{
    co_operative::CoOperative,
    devices::Compared,
    log_check::Seen,
    preview::Preview,
    seat::Seat,
    secret::Secret,
    sent::{Sealed, SentLine},
    terms::Terms,
};

/// What happened outside of the desk.
#[derive(Clone)]
pub enum News {
    /// There is no key yet.
    KeyMissing,
    /// There is one under a passphrase that has not been said yet.
    KeyLocked {
        /// Whether one was said that is another one.
        wrong: bool,
    },
    /// Whether the key is under a passphrase; told before the key is.
    Protection(bool),
    /// The key was put under a passphrase, or under none.
    Protected(bool),
    /// There is a key.
    Key {
        /// Its public part.
        member: String,
        /// Its words, if they were asked for.
        words: Option<Secret>,
    },
    /// The coordinator's terms.
    Terms {
        /// To which invitation they are.
        invitation: String,
        /// They.
        terms: Box<Terms>,
    },
    /// There are none to see.
    NoTerms {
        /// To which invitation.
        invitation: String,
        /// Why.
        reason: String,
    },
    /// The consent to changed terms is in the ledger, and the trainer has moved to them.
    Consented(Box<Terms>),
    /// A file was chosen.
    Picked(PathBuf),
    /// A table was read.
    Table(Box<Preview>),
    /// The data cannot be read.
    Unreadable(Box<Refusal>),
    /// A line of the trainer.
    Trainer(Value),
    /// The trainer ended.
    TrainerEnded {
        /// Why, if it was not told to.
        error: Option<String>,
    },
    /// Whether the pacer lets it train.
    Pace(Pace),
    /// For which other federation's training this one waits; none: for none.
    Turn(Option<Seat>),
    /// What the pacer cannot see on this machine.
    Unwatched(Vec<Condition>),
    /// What left this computer: the newest lines, and how many messages and bytes there are in all.
    Sent {
        /// The newest, the newest first.
        lines: Vec<SentLine>,
        /// All messages.
        messages: u64,
        /// All bytes.
        bytes: u64,
    },
    /// A sealed message as it left.
    Sealed(Box<Sealed>),
    /// What left this computer was written to a file.
    Exported(PathBuf),
    /// What the co-operative says.
    CoOperative(Box<CoOperative>),
    /// A vote was counted.
    Voted {
        /// The proposal's id.
        proposal: String,
    },
    /// The own vote was entrusted to somebody, or taken back.
    Delegated,
    /// What was earned was checked against the ledger.
    Checked(Box<Checked>),
    /// How fast the devices learn.
    Devices(Compared),
    /// Everything was erased.
    Erased,
    /// Something was not done.
    Failed {
        /// What.
        what: Failure,
        /// Why.
        reason: String,
    },
}

/// What a look at the ledger found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The newest checkpoint, with who signed it.
    pub seen: Seen,
    /// Entries that the log had when it was last seen here, and that it still begins with; none: it was seen for the first
    /// time.
    pub before: Option<u64>,
    /// Each round's entry, and what does not hold, if it does not.
    pub rounds: Vec<(u64, Option<String>)>,
}

/// What was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Making, reading or restoring the key.
    Key,
    /// Changing its passphrase, or restoring it while it is locked.
    Passphrase,
    /// Asking for the terms.
    Terms,
    /// Agreeing to changed terms.
    Consent,
    /// Reading the table.
    Table,
    /// Starting the trainer.
    Trainer,
    /// Reading or writing what left.
    Sent,
    /// Asking the co-operative.
    CoOperative,
    /// Checking against the ledger.
    Check,
    /// Voting.
    Vote,
    /// Entrusting a vote, or taking it back.
    Delegation,
    /// Comparing the devices.
    Devices,
    /// Writing the settings.
    Settings,
    /// Erasing.
    Erase,
}

impl Failure {
    /// The key of its text in files of translations.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Key => "failed_key",
            Self::Passphrase => "failed_passphrase",
            Self::Terms => "failed_terms",
            Self::Consent => "failed_consent",
            Self::Table => "failed_table",
            Self::Trainer => "failed_trainer",
            Self::Sent => "failed_sent",
            Self::CoOperative => "failed_node",
            Self::Check => "failed_check",
            Self::Vote => "failed_vote",
            Self::Delegation => "failed_delegation",
            Self::Devices => "failed_devices",
            Self::Settings => "failed_settings",
            Self::Erase => "failed_erase",
        }
    }
}
