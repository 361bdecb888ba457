//! Passphrases: choosing one, unlocking with it, changing it, doing without.

use eframe::egui::{self, RichText, TextEdit, Ui, text_edit::TextEditState};

use super::{
    drafts::{Drafts, PassphraseDrafts},
    parts::{card_ui, field_ui, labelled_field_ui, main_button},
    style,
    view::View,
};
use crate::{
    command::Command,
    desk::{Key, PASSPHRASE_CHARS_MIN},
    secret::Secret,
    training::Running,
};

/// What the person wants for a new key.
pub(super) enum Chosen {
    /// Nothing proper yet.
    Nothing,
    /// None, knowing what that means.
    Without,
    /// This one is proper.
    Passphrase,
}

impl Chosen {
    pub(super) const fn is_proper(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// Takes what was typed.
    pub(super) fn take(&self, drafts: &mut PassphraseDrafts) -> Option<Secret> {
        let passphrase = match self {
            Self::Passphrase => Some(Secret::take(&mut drafts.new[0])),
            Self::Nothing | Self::Without => None,
        };
        drafts.clear();
        passphrase
    }
}

/// A card that asks for a new passphrase, or for the word to go without.
pub(super) fn choose_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut PassphraseDrafts) -> Chosen {
    let mut chosen = Chosen::Nothing;
    card_ui(ui, Some(view.t("passphrase_title")), |ui| {
        ui.add(egui::Label::new(view.t("passphrase_text")).wrap());
        let proper =
            ui.add_enabled_ui(!drafts.skipped, |ui| new_ui(ui, view, &mut drafts.new)).inner;
        ui.checkbox(&mut drafts.skipped, view.t("passphrase_skip"));
        if drafts.skipped {
            let bad = style::bad(ui.visuals().dark_mode);
            ui.add(
                egui::Label::new(RichText::new(view.t("passphrase_skip_text")).color(bad)).wrap(),
            );
            chosen = Chosen::Without;
        } else if proper {
            chosen = Chosen::Passphrase;
        }
    });
    chosen
}

/// Two fields, and what is still missing. Whether both are the same, and long enough.
fn new_ui(ui: &mut Ui, view: &View<'_>, new: &mut [String; 2]) -> bool {
    secret_ui(ui, view.t("passphrase_new"), &mut new[0]);
    secret_ui(ui, view.t("passphrase_again"), &mut new[1]);
    let count = new[0].chars().count();
    let (text, proper) = if count < PASSPHRASE_CHARS_MIN {
        let holes = [("count", count.to_string()), ("least", PASSPHRASE_CHARS_MIN.to_string())];
        let holes = holes.each_ref().map(|(name, value)| (*name, value.as_str()));
        (view.fill("passphrase_short", &holes), false)
    } else if new[0] != new[1] {
        (view.t("passphrase_differs").to_owned(), false)
    } else {
        (view.t("passphrase_same").to_owned(), true)
    };
    ui.label(RichText::new(text).weak());
    proper
}

/// A field whose text is not shown, with a label that screen readers read.
pub(super) fn secret_ui(ui: &mut Ui, label: &str, text: &mut String) -> egui::Response {
    let field = labelled_field_ui(ui, label, TextEdit::singleline(&mut *text).password(true));
    if text.is_empty() && !field.has_focus() {
        // It was used or given up: what egui kept of it, to undo typing, goes.
        ui.data_mut(|data| data.remove::<TextEditState>(field.id));
    }
    field
}

/// The card of a key that is locked.
pub(super) fn unlock_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts, wrong: bool) {
    let passphrases = &mut drafts.passphrases;
    card_ui(ui, Some(view.t("unlock_title")), |ui| {
        ui.add(egui::Label::new(view.t("unlock_text")).wrap());
        let field = secret_ui(ui, view.t("passphrase_now"), &mut passphrases.now);
        if wrong {
            let bad = style::bad(ui.visuals().dark_mode);
            ui.add(egui::Label::new(RichText::new(view.t("unlock_wrong")).color(bad)).wrap());
        }
        let some = !passphrases.now.is_empty();
        let entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        if main_button(ui, some, view.t("unlock")).clicked() || (some && entered) {
            view.send(Command::Unlock(Secret::take(&mut passphrases.now)));
        }
        ui.checkbox(&mut passphrases.forgotten, view.t("passphrase_forgotten"));
        if passphrases.forgotten {
            ui.add(egui::Label::new(view.t("passphrase_forgotten_text")).wrap());
        }
    });
}

/// The settings of the key's protection.
pub(super) fn protection_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    if !matches!(view.desk.key, Key::Ready { .. }) {
        return;
    }
    let protected = view.desk.protected;
    card_ui(ui, Some(view.t("passphrase_title")), |ui| {
        let text = if protected { "protection_on" } else { "protection_off" };
        ui.add(egui::Label::new(view.words.text(text)).wrap());
        ui.label(RichText::new(view.t("protection_means")).weak().small());
        let idle = view.desk.training.running == Running::Off;
        if !idle {
            ui.label(RichText::new(view.t("protection_training")).weak());
        }
        ui.add_enabled_ui(idle, |ui| change_ui(ui, view, drafts, protected));
    });
    backup_ui(ui, view, drafts);
}

fn change_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts, protected: bool) {
    let passphrases = &mut drafts.passphrases;
    if protected {
        secret_ui(ui, view.t("passphrase_now"), &mut passphrases.now);
    }
    let proper = new_ui(ui, view, &mut passphrases.new);
    ui.horizontal(|ui| {
        let known = !protected || !passphrases.now.is_empty();
        let text = if protected { "protection_change" } else { "protection_set" };
        let set = main_button(ui, known && proper, view.words.text(text)).clicked();
        let remove = egui::Button::new(view.t("protection_remove"));
        let remove = protected && ui.add_enabled(known, remove).clicked();
        if set || remove {
            let now = protected.then(|| Secret::take(&mut passphrases.now));
            let new = set.then(|| Secret::take(&mut passphrases.new[0]));
            passphrases.clear();
            view.send(Command::Protect { now, new });
        }
    });
}

fn backup_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    card_ui(ui, Some(view.t("backup_title")), |ui| {
        ui.add(egui::Label::new(view.t("backup_text")).wrap());
        field_ui(ui, view.t("backup_to"), &mut drafts.copy.path, "sahakar-key.age");
        secret_ui(ui, view.t("backup_passphrase"), &mut drafts.copy.passphrase);
        let long = drafts.copy.passphrase.chars().count() >= PASSPHRASE_CHARS_MIN;
        let ready = long && !drafts.copy.path.trim().is_empty();
        if ui.add_enabled(ready, egui::Button::new(view.t("backup_write"))).clicked() {
            let passphrase = Secret::take(&mut drafts.copy.passphrase);
            view.send(Command::BackUp(drafts.copy.path.trim().into(), passphrase));
        }
    });
}
