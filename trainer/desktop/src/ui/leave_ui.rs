//! Leaving: stop, export, erase; what cannot be undone is said.

use eframe::egui::{self, RichText, Ui};

use super::{
    drafts::Drafts,
    parts::{card_ui, field_ui, heading},
    seats_ui, style,
    view::View,
};
use crate::{command::Command, desk::ERASE_WORD, screen::Screen, training::Running};

pub(super) fn leave_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    heading(ui, view, "leave_title", "leave_under");
    card_ui(ui, Some(view.t("leave_stop_title")), |ui| {
        ui.label(view.t("leave_stop_text"));
        let running = view.desk.training.running == Running::On;
        ui.horizontal(|ui| {
            let stop = egui::Button::new(view.t("training_stop"));
            if ui.add_enabled(running, stop).clicked() {
                view.send(Command::Stop);
            }
            let withdraw = egui::Button::new(view.t("consent_withdraw"));
            if ui.add_enabled(view.desk.agreed(), withdraw).clicked() {
                view.send(Command::Withdraw);
            }
        });
    });
    card_ui(ui, Some(view.t("leave_export_title")), |ui| {
        ui.label(view.t("leave_export_text"));
        if ui.button(view.t("nav_sent")).clicked() {
            view.send(Command::Show(Screen::Sent));
        }
    });
    card_ui(ui, Some(view.t("leave_stays_title")), |ui| {
        for line in
            [view.t("leave_stays_sum"), view.t("leave_stays_ledger"), view.t("leave_stays_key")]
        {
            ui.add(egui::Label::new(format!("•  {line}")).wrap());
        }
    });
    card_ui(ui, Some(view.t("leave_erase_title")), |ui| {
        let dark = ui.visuals().dark_mode;
        let text = RichText::new(view.t("leave_erase_text")).color(style::bad(dark));
        ui.add(egui::Label::new(text).wrap());
        if view.seats.count() > 1 {
            let name = seats_ui::name(view, view.seats.at());
            let text = view.fill("leave_erase_one", &[("federation", &name)]);
            ui.add(egui::Label::new(RichText::new(text).strong()).wrap());
        }
        let label = view.fill("leave_erase_field", &[("word", ERASE_WORD)]);
        field_ui(ui, &label, &mut drafts.erase, "");
        let some = !drafts.erase.trim().is_empty();
        if ui.add_enabled(some, egui::Button::new(view.t("leave_erase"))).clicked() {
            view.send(Command::Erase { confirmed: std::mem::take(&mut drafts.erase) });
        }
    });
}
