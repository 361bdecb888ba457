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
    pub(super) erase: String,
    pub(super) delegate: String,
    pub(super) days: u64,
    pub(super) preferences: PreferencesForm,
    pub(super) agree: bool,
}

impl Drafts {
    pub(super) fn of(settings: &Settings) -> Self {
        let mut drafts = Self::default();
        drafts.path = settings.data.clone().unwrap_or_default();
        drafts.label.clone_from(&settings.label);
        drafts.node.clone_from(&settings.node);
        drafts.days = DELEGATION_DAYS;
        "sent.jsonl".clone_into(&mut drafts.export);
        drafts.preferences = settings.preferences.clone();
        drafts
    }
}

impl Drop for Drafts {
    fn drop(&mut self) {
        self.words.zeroize();
        self.invitation.zeroize();
        self.answers.iter_mut().for_each(String::zeroize);
    }
}
