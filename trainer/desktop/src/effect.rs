//! What the runner has to do.

use std::path::PathBuf;

use trainer_conditions::{Command as PaceCommand, Preferences};

use crate::{command::Choice, secret::Secret, settings::Settings, terms::Terms};

/// What the desk wants done outside of it.
#[derive(Clone)]
pub enum Effect {
    /// Say whether there is a key, and its words if it is not backed up.
    ReadKey {
        /// Whether its words are needed.
        with_words: bool,
    },
    /// Make a key.
    MakeKey,
    /// Write the key of these words.
    RestoreKey(Secret),
    /// Ask the coordinator of an invitation for the terms; agree to nothing.
    AskTerms(String),
    /// Let the person choose a file in the desktop's own dialog.
    Browse,
    /// Read a table by the terms' schema.
    Preview {
        /// The file.
        path: PathBuf,
        /// The terms with the schema.
        terms: Box<Terms>,
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
    /// The table.
    pub data: PathBuf,
    /// The public name.
    pub label: String,
    /// `auto`, `cpu` or `wgpu`.
    pub device: String,
}
