//! A sealed message, as it left: its bytes say nothing to anybody, and that can be seen.

use eframe::egui::{self, RichText, Ui};

use super::{
    drafts::Drafts,
    figures,
    parts::{card_ui, field_ui},
    view::View,
};
use crate::{command::Command, sent::Sealed};

/// Hexadecimal digits in a line: 32 bytes.
const LINE_DIGITS: usize = 64;

pub(super) fn sealed_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts, sealed: &Sealed) {
    card_ui(ui, Some(view.t("sealed_title")), |ui| {
        ui.add(egui::Label::new(view.t("sealed_text")).wrap());
        let size = format!("{} ({} B)", figures::bytes(sealed.bytes), sealed.bytes);
        let holes = [("bytes", size.as_str()), ("digest", sealed.digest.as_str())];
        ui.add(egui::Label::new(view.fill("sealed_about", &holes)).wrap());
        digits_ui(ui, 0, &sealed.begin);
        if !sealed.end.is_empty() {
            let from = sealed.bytes.saturating_sub(sealed.end.len() as u64 / 2);
            let cut = from.saturating_sub(sealed.begin.len() as u64 / 2);
            if cut > 0 {
                let text = view.fill("sealed_cut", &[("bytes", &cut.to_string())]);
                ui.label(RichText::new(text).weak());
            }
            digits_ui(ui, from, &sealed.end);
        }
        field_ui(ui, view.t("sealed_export_to"), &mut drafts.sealed, "sealed-message.bin");
        ui.horizontal(|ui| {
            let path = drafts.sealed.trim();
            let export = egui::Button::new(view.t("sealed_export"));
            if ui.add_enabled(!path.is_empty(), export).clicked() {
                view.send(Command::ExportSealed(sealed.digest.clone(), path.into()));
            }
            if ui.button(view.t("sealed_close")).clicked() {
                view.send(Command::LookAtSealed(None));
            }
        });
    });
}

/// Lines of digits, each with the place of its first byte.
fn digits_ui(ui: &mut Ui, from: u64, digits: &str) {
    let mut text = String::new();
    // What is not hexadecimal has no halves to cut between.
    let lines = digits.as_bytes().chunks(LINE_DIGITS).filter_map(|line| str::from_utf8(line).ok());
    for (offset, line) in (from..).step_by(LINE_DIGITS / 2).zip(lines) {
        let begin = if text.is_empty() { "" } else { "\n" };
        text.push_str(&format!("{begin}{offset:08x}  {line}"));
    }
    ui.add(egui::Label::new(RichText::new(text).monospace().size(11.0)).selectable(true));
}
