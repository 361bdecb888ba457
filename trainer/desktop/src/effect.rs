//! What the runner has to do.

use std::path::PathBuf;

use datasets::Mapping;
use trainer_conditions::{Command as PaceCommand, Preferences};

use crate::{
    command::{Backup, Browsed, Choice},
    log_check::Claim,
    secret::Secret,
    settings::Settings,
    terms::Terms,
};

/// What the desk wants done outside of it.
#[derive(Clone)]
pub enum Effect {
    /// Say whether there is a key, and its words if it is not backed up.
    ReadKey {
        /// Whether its words are needed.
        with_words: bool,
    },
    /// Make a key: under a passphrase, or under none.
    MakeKey(Option<Secret>),
    /// Write the key of a back-up.
    RestoreKey {
        /// The back-up.
        backup: Backup,
        /// Under this passphrase, or under none.
        passphrase: Option<Secret>,
        /// The only key that it may be, where one is locked and known.
        member: Option<String>,
    },
    /// Try a passphrase, and remember it until the window closes if it is the key's.
    Unlock {
        /// The passphrase.
        passphrase: Secret,
        /// Whether the key's words are needed.
        with_words: bool,
    },
    /// Put the key under another passphrase, or under none.
    Protect {
        /// The passphrase that it is under now.
        now: Option<Secret>,
        /// The one that it shall be under.
        new: Option<Secret>,
    },
    /// Write an encrypted copy of the key to a file.
    BackUp(PathBuf, Secret),
    /// Ask the coordinator of an invitation for the terms; agree to nothing.
    AskTerms(String),
    /// Sign the consent to terms that took the place of those agreed to, and move to them.
    Consent {
        /// The invitation.
        invitation: String,
        /// The co-operative's address: its ledger keeps the consent.
        node: String,
        /// The digest of the terms.
        terms: String,
    },
    /// Let the person choose in the desktop's own dialog.
    Browse(Browsed),
    /// Look at data, and hold them against the terms' schema.
    Preview {
        /// The file or folder.
        path: PathBuf,
        /// The terms with the schema.
        terms: Box<Terms>,
        /// How columns and words become the federation's.
        mapping: Mapping,
    },
    /// Start the trainer.
    Start(Run),
    /// Stop the trainer.
    Stop,
    /// The owner's word to the pacer.
    Pace(PaceCommand),
    /// What the owner allows.
    Prefer(Box<Preferences>),
    /// Start with the session, or not.
    Autostart(bool),
    /// Read what left this computer.
    ReadSent,
    /// Write what left this computer to a file.
    Export(PathBuf),
    /// Read the sealed message with this digest.
    ReadSealed(String),
    /// Write the sealed message with this digest to a file.
    ExportSealed(String, PathBuf),
    /// Ask the co-operative for credits, privacy and proposals.
    Ask {
        /// Its address.
        node: String,
        /// The federation's name.
        federation: String,
        /// The member's key.
        member: String,
    },
    /// Vote.
    Vote {
        /// The co-operative's address.
        node: String,
        /// The proposal's id.
        proposal: String,
        /// The choice.
        choice: Choice,
    },
    /// Entrust the own vote to a member for so many days; none: take it back.
    Delegate {
        /// The co-operative's address.
        node: String,
        /// To whom, and for how many days.
        to: Option<(String, u64)>,
    },
    /// Check against the ledger what is said to have been paid.
    Check {
        /// The co-operative's address.
        node: String,
        /// The log's key as it was first seen here.
        log_key: Option<String>,
        /// What was paid, as it was shown.
        claims: Vec<Claim>,
    },
    /// Let each device of this machine learn for a few seconds.
    CompareDevices,
    /// Write the settings.
    Save(Box<Settings>),
    /// Erase everything that is kept.
    Erase,
}

/// What a trainer is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The invitation.
    pub invitation: String,
    /// The data.
    pub data: PathBuf,
    /// How columns and words become the federation's.
    pub mapping: Mapping,
    /// Rows that are kept from training, in percent.
    pub hold_out_percent: u8,
    /// The public name.
    pub label: String,
    /// `auto`, `cpu` or `wgpu`.
    pub device: String,
}
