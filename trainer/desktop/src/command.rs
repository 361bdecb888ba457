//! What the person does in the window.

use std::path::PathBuf;

use datasets::Mapping;
use trainer_conditions::PreferencesForm;

use crate::{
    os::SystemSettings,
    screen::Screen,
    seat::Seat,
    secret::Secret,
    settings::{Language, Look},
};

/// What the person does; applied in one place, after the frame in which it was done.
#[derive(Clone)]
pub enum Command {
    /// Look at another screen.
    Show(Screen),
    /// Make a new key: under a passphrase, or under none.
    MakeKey(Option<Secret>),
    /// Take the key of a back-up, also in the place of one whose passphrase is forgotten.
    RestoreKey(Backup, Option<Secret>),
    /// Unlock the key.
    Unlock(Secret),
    /// Put the key under another passphrase, or under none.
    Protect {
        /// The passphrase that it is under now, if it is under one.
        now: Option<Secret>,
        /// The one that it shall be under.
        new: Option<Secret>,
    },
    /// Write an encrypted copy of the key to a file, under a passphrase of its own.
    BackUp(PathBuf, Secret),
    /// The words are written down: ask for three of them.
    WordsWritten,
    /// The three words asked for.
    ProveWords([String; 3]),
    /// Look at the words again before they are asked for.
    WordsAgain,
    /// Ask what this invitation is to.
    Invite(String),
    /// Take another invitation.
    ForgetInvitation,
    /// Look at another federation.
    Sit(Seat),
    /// Join one more federation.
    JoinAnother,
    /// Do not join one more after all.
    GiveUpSeat,
    /// Choose in the desktop's own dialog.
    Browse(Browsed),
    /// Look at these data.
    Preview(PathBuf),
    /// Take columns and words of the data for others.
    Map(Box<Mapping>),
    /// Keep so many percent of the rows from training.
    HoldOut(u8),
    /// Agree to the terms: the consent.
    Agree,
    /// Take the consent back: training stops at once.
    Withdraw,
    /// Agree to the terms that took the place of those agreed to: signed, kept in the ledger.
    AgreeToChange,
    /// Do not agree to them: nothing more is trained under them.
    StayOut,
    /// Look whether other terms are still offered; trains if not.
    LookAgain,
    /// Train.
    Start,
    /// Stop training.
    Stop,
    /// Pause for milliseconds, or until told otherwise.
    Pause(Option<u64>),
    /// Go on after a pause.
    Resume,
    /// Train in spite of what holds it back.
    Anyway,
    /// What the owner allows.
    Prefer(Box<PreferencesForm>),
    /// What surrounds the window.
    System(SystemSettings),
    /// How the window looks.
    Look(Look),
    /// Compute on this device from the next start of the trainer on: one of [`DEVICES`](crate::DEVICES).
    Device(String),
    /// Find out which device learns fastest.
    CompareDevices,
    /// In which language it speaks.
    Speak(Language),
    /// The name that others see.
    Name(String),
    /// Where the co-operative is asked about credits and votes.
    Node(String),
    /// Ask the co-operative anew.
    Refresh,
    /// Write what left this computer to a file.
    Export(PathBuf),
    /// Look at the sealed message with this digest; none: look away.
    LookAtSealed(Option<String>),
    /// Write the sealed message with this digest to a file.
    ExportSealed(String, PathBuf),
    /// Vote.
    Vote {
        /// The proposal's id.
        proposal: String,
        /// The choice.
        choice: Choice,
    },
    /// Entrust the own vote to a member for so many days; none: take it back.
    Delegate(Option<(String, u64)>),
    /// Check what was earned against the ledger, here.
    Check,
    /// Erase everything that this program keeps; `confirmed` is what the person typed.
    Erase {
        /// What the person typed.
        confirmed: String,
    },
    /// Close the notice.
    Dismiss,
}

/// What a key is restored from.
#[derive(Clone)]
pub enum Backup {
    /// Its words.
    Words(Secret),
    /// A file of age, and its passphrase.
    File(PathBuf, Secret),
}

/// What is chosen in the desktop's own dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Browsed {
    /// A file.
    File,
    /// A folder.
    Folder,
}

/// A vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// For.
    For,
    /// Against.
    Against,
    /// Neither.
    Abstain,
}

impl Choice {
    /// As the command line and the co-operative write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::For => "for",
            Self::Against => "against",
            Self::Abstain => "abstain",
        }
    }
}
