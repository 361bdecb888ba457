//! First start: a key, its back-up, an invitation.

use eframe::egui::{self, RichText, TextEdit, Ui};
use zeroize::Zeroize as _;

use super::{
    drafts::Drafts,
    figures,
    parts::{card_ui, field_ui, heading, labelled_field_ui, main_button, rows_ui},
    passphrase_ui::{Chosen, choose_ui, secret_ui, unlock_ui},
    seats_ui::join_another_ui,
    style,
    view::View,
};
use crate::{
    command::{Backup, Command},
    desk::{Key, Offer},
    screen::Screen,
    seat::Seat,
    secret::Secret,
};

pub(super) fn start_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    heading(ui, view, "start_title", "start_under");
    match &view.desk.key {
        Key::Unknown | Key::Working => {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(view.t("working"));
            });
        }
        Key::Missing => {
            another_ui(ui, view);
            key_missing_ui(ui, view, drafts);
        }
        Key::Locked { wrong } => key_locked_ui(ui, view, drafts, *wrong),
        Key::Unsaved { words, asked: false, .. } => words_ui(ui, view, words),
        Key::Unsaved { asked: true, .. } => proof_ui(ui, view, drafts),
        Key::Ready { member } => {
            card_ui(ui, Some(view.t("key_title")), |ui| {
                let dark = ui.visuals().dark_mode;
                ui.label(RichText::new(view.t("key_ready")).color(style::good(dark)));
                ui.horizontal_wrapped(|ui| {
                    ui.label(RichText::new(view.t("key_public")).weak());
                    ui.monospace(figures::short(member));
                    if ui.button(view.t("copy")).clicked() {
                        ui.copy_text(member.clone());
                    }
                });
            });
            invitation_ui(ui, view, drafts);
        }
    }
}

/// What one federation more is, for who has one; and the way back, as long as there is nothing.
fn another_ui(ui: &mut Ui, view: &View<'_>) {
    if view.seats.count() < 2 {
        return;
    }
    card_ui(ui, Some(view.t("seats_new_title")), |ui| {
        ui.add(egui::Label::new(view.t("seats_new_text")).wrap());
        ui.add(egui::Label::new(view.t("seats_new_limits")).wrap());
        let first = view.seats.at() == Seat::FIRST;
        if !first && ui.button(view.t("seats_give_up")).clicked() {
            view.send(Command::GiveUpSeat);
        }
    });
}

fn key_missing_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    let chosen = choose_ui(ui, view, &mut drafts.passphrases);
    card_ui(ui, Some(view.t("key_new_title")), |ui| {
        ui.label(view.t("key_new_text"));
        if main_button(ui, chosen.is_proper(), view.t("key_make")).clicked() {
            view.send(Command::MakeKey(chosen.take(&mut drafts.passphrases)));
        }
    });
    restore_ui(ui, view, drafts, &chosen);
}

fn key_locked_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts, wrong: bool) {
    unlock_ui(ui, view, drafts, wrong);
    if drafts.passphrases.forgotten {
        let chosen = choose_ui(ui, view, &mut drafts.passphrases);
        restore_ui(ui, view, drafts, &chosen);
    }
}

fn restore_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts, chosen: &Chosen) {
    card_ui(ui, Some(view.t("key_restore_title")), |ui| {
        ui.label(view.t("key_restore_text"));
        ui.checkbox(&mut drafts.restoring, view.t("key_have_words"));
        if drafts.restoring {
            from_words_ui(ui, view, drafts, chosen);
        }
        ui.checkbox(&mut drafts.copy.restoring, view.t("key_have_file"));
        if drafts.copy.restoring {
            field_ui(ui, view.t("backup_from"), &mut drafts.copy.path, "sahakar-key.age");
            secret_ui(ui, view.t("backup_passphrase"), &mut drafts.copy.passphrase);
            let said = !drafts.copy.passphrase.is_empty() && chosen.is_proper();
            if ui.add_enabled(said, egui::Button::new(view.t("key_restore_file"))).clicked() {
                let passphrase = Secret::take(&mut drafts.copy.passphrase);
                let backup = Backup::File(drafts.copy.path.trim().into(), passphrase);
                view.send(Command::RestoreKey(backup, chosen.take(&mut drafts.passphrases)));
            }
        }
        if !chosen.is_proper() && (drafts.restoring || drafts.copy.restoring) {
            ui.label(RichText::new(view.t("passphrase_first")).weak());
        }
    });
}

fn from_words_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts, chosen: &Chosen) {
    let field = TextEdit::multiline(&mut drafts.words).desired_rows(3);
    labelled_field_ui(ui, view.t("words_field"), field);
    let count = drafts.words.split_whitespace().count();
    let text = view.fill("words_count", &[("count", &count.to_string())]);
    ui.label(RichText::new(text).weak());
    let enough = count == crate::desk::WORDS && chosen.is_proper();
    if ui.add_enabled(enough, egui::Button::new(view.t("key_restore"))).clicked() {
        let backup = Backup::Words(Secret::take(&mut drafts.words));
        view.send(Command::RestoreKey(backup, chosen.take(&mut drafts.passphrases)));
    }
}

fn words_ui(ui: &mut Ui, view: &View<'_>, words: &Secret) {
    card_ui(ui, Some(view.t("words_title")), |ui| {
        ui.label(view.t("words_text"));
        ui.add_space(6.0);
        egui::Grid::new("words").num_columns(4).spacing([28.0, 6.0]).show(ui, |ui| {
            let words: Vec<&str> = words.expose().split_whitespace().collect();
            let rows = words.len().div_ceil(4);
            for row in 0..rows {
                for index in (row..words.len()).step_by(rows.max(1)) {
                    ui.monospace(format!("{:>2}. {}", index + 1, words[index]));
                }
                ui.end_row();
            }
        });
        ui.add_space(6.0);
        ui.label(RichText::new(view.t("words_warning")).color(style::bad(ui.visuals().dark_mode)));
        if main_button(ui, true, view.t("words_written")).clicked() {
            view.send(Command::WordsWritten);
        }
    });
}

fn proof_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    card_ui(ui, Some(view.t("proof_title")), |ui| {
        ui.label(view.t("proof_text"));
        for (position, answer) in view.desk.asked_words().into_iter().zip(&mut drafts.answers) {
            let label = view.fill("proof_word", &[("number", &(position + 1).to_string())]);
            field_ui(ui, &label, answer, "");
        }
        ui.horizontal(|ui| {
            let complete = drafts.answers.iter().all(|answer| !answer.trim().is_empty());
            if main_button(ui, complete, view.t("proof_check")).clicked() {
                view.send(Command::ProveWords(drafts.answers.clone()));
                drafts.answers.iter_mut().for_each(String::zeroize);
            }
            if ui.button(view.t("words_again")).clicked() {
                view.send(Command::WordsAgain);
            }
        });
    });
}

fn invitation_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    card_ui(ui, Some(view.t("join_title")), |ui| match &view.desk.offer {
        Offer::None => {
            ui.label(view.t("join_text"));
            if drafts.invitation.is_empty()
                && let Some(kept) = &view.desk.settings.invitation
            {
                drafts.invitation.clone_from(kept);
            }
            field_ui(ui, view.t("join_field"), &mut drafts.invitation, "sahakar://join?…");
            let some = !drafts.invitation.trim().is_empty();
            if main_button(ui, some, view.t("join_look")).clicked() {
                view.send(Command::Invite(drafts.invitation.clone()));
            }
        }
        Offer::Asking => {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(view.t("join_asking"));
            });
        }
        Offer::Here(terms) => {
            rows_ui(
                ui,
                "offer",
                &[
                    (view.t("join_federation"), terms.name.clone()),
                    (view.t("join_purpose"), terms.purpose.clone()),
                    (view.t("join_id"), figures::short(&terms.digest)),
                ],
            );
            ui.horizontal_wrapped(|ui| {
                let next = view.desk.lacking().unwrap_or(Screen::Training);
                if main_button(ui, true, view.t("next")).clicked() {
                    view.send(Command::Show(next));
                }
                if view.desk.settings.joined {
                    // This folder is this federation's for good: another one gets another.
                    join_another_ui(ui, view);
                } else if ui.button(view.t("join_other")).clicked() {
                    drafts.invitation.zeroize();
                    view.send(Command::ForgetInvitation);
                }
            });
        }
    });
}
