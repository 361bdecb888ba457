//! What the person has typed and not yet sent.

use trainer_conditions::PreferencesForm;
use zeroize::Zeroize as _;

use crate::settings::Settings;

/// For how many days a vote is entrusted, unless the person says otherwise: a season.
const DELEGATION_DAYS: u64 = 90;

/// What the person has typed and not yet sent.
#[derive(Default)]
pub(super) struct Drafts {
    pub(super) invitation: String,
    pub(super) words: String,
    pub(super) restoring: bool,
    pub(super) answers: [String; 3],
    pub(super) path: String,
    pub(super) label: String,
    pub(super) node: String,
    pub(super) export: String,
    pub(super) sealed: String,
    pub(super) erase: String,
    pub(super) delegate: String,
    pub(super) days: u64,
    pub(super) preferences: PreferencesForm,
    pub(super) agree: bool,
    pub(super) passphrases: PassphraseDrafts,
    pub(super) copy: CopyDrafts,
}

impl Drafts {
    pub(super) fn of(settings: &Settings) -> Self {
        let mut drafts = Self::default();
        drafts.path = settings.data.clone().unwrap_or_default();
        drafts.label.clone_from(&settings.label);
        drafts.node.clone_from(&settings.node);
        drafts.days = DELEGATION_DAYS;
        "sent.jsonl".clone_into(&mut drafts.export);
        "sealed-message.bin".clone_into(&mut drafts.sealed);
        "sahakar-key.age".clone_into(&mut drafts.copy.path);
        drafts.preferences = settings.preferences.clone();
        drafts
    }
}

/// Passphrases that are being typed.
#[derive(Default)]
pub(super) struct PassphraseDrafts {
    /// The one that the key is under.
    pub(super) now: String,
    /// A new one, and again.
    pub(super) new: [String; 2],
    /// Whether the person goes without one.
    pub(super) skipped: bool,
    /// Whether the person says that it is forgotten.
    pub(super) forgotten: bool,
}

impl PassphraseDrafts {
    /// Forgets what was typed.
    pub(super) fn clear(&mut self) {
        self.now.zeroize();
        self.new.iter_mut().for_each(String::zeroize);
        (self.skipped, self.forgotten) = (false, false);
    }
}

/// An encrypted copy of the key.
#[derive(Default)]
pub(super) struct CopyDrafts {
    /// Its file.
    pub(super) path: String,
    /// Its passphrase.
    pub(super) passphrase: String,
    /// Whether the key is restored from it.
    pub(super) restoring: bool,
}

impl Drop for CopyDrafts {
    fn drop(&mut self) {
        self.passphrase.zeroize();
    }
}

impl Drop for PassphraseDrafts {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Drop for Drafts {
    fn drop(&mut self) {
        self.words.zeroize();
        self.invitation.zeroize();
        self.answers.iter_mut().for_each(String::zeroize);
    }
}
