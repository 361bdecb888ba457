//! What is told at the top of the window.

use eframe::egui::{self, Frame, Margin, RichText, Ui};

use super::{refusal_text, style, view::View};
use crate::{
    command::Command,
    desk::{ERASE_WORD, Notice},
};

/// The notice, if there is one, with a button that closes it.
pub(super) fn notice_ui(ui: &mut Ui, view: &View<'_>) {
    let Some(notice) = &view.desk.notice else { return };
    let (text, is_good) = sentence(view, notice);
    let dark = ui.visuals().dark_mode;
    let colour = if is_good { style::good(dark) } else { style::bad(dark) };
    Frame::new()
        .fill(colour.gamma_multiply(0.15))
        .stroke(egui::Stroke::new(1.0, colour))
        .corner_radius(6)
        .inner_margin(Margin::symmetric(12, 8))
        .show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    if ui.button(view.t("close")).clicked() {
                        view.send(Command::Dismiss);
                    }
                    ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                        ui.add(egui::Label::new(RichText::new(text).color(colour)).wrap());
                    });
                });
            });
        });
    ui.add_space(6.0);
}

fn sentence(view: &View<'_>, notice: &Notice) -> (String, bool) {
    match notice {
        Notice::Failed { what, reason } => {
            (format!("{}: {reason}", view.words.text(what.key())), false)
        }
        Notice::Unreadable(refusal) => (refusal_text::sentence(view, refusal), false),
        Notice::WordsWrong => (view.t("words_wrong").to_owned(), false),
        Notice::EraseUnconfirmed => {
            (view.fill("erase_unconfirmed", &[("word", ERASE_WORD)]), false)
        }
        Notice::NameTooLong => (view.t("name_too_long").to_owned(), false),
        Notice::Preferences(error) => (error.to_string(), false),
        Notice::TermsChanged => (view.t("terms_changed").to_owned(), false),
        Notice::TermsOffered => (view.t("terms_offered").to_owned(), false),
        Notice::Consented => (view.t("consented").to_owned(), true),
        Notice::OtherFederation => (view.t("other_federation").to_owned(), false),
        Notice::Exported(path) => {
            (view.fill("exported", &[("path", &path.display().to_string())]), true)
        }
        Notice::Protected(true) => (view.t("protected_on").to_owned(), true),
        Notice::Protected(false) => (view.t("protected_off").to_owned(), true),
        Notice::Voted => (view.t("voted").to_owned(), true),
        Notice::Delegated => (view.t("delegated").to_owned(), true),
        Notice::Erased => (view.t("erased").to_owned(), true),
    }
}
