//! What surrounds the window: start with the session, the icon, notifications.

use eframe::egui::{RichText, Ui};

use super::{parts::card_ui, view::View};
use crate::command::Command;

pub(super) fn system_ui(ui: &mut Ui, view: &View<'_>) {
    let before = view.desk.settings.system;
    let mut system = before;
    card_ui(ui, Some(view.t("system_title")), |ui| {
        ui.checkbox(&mut system.autostart, view.t("system_autostart"));
        ui.label(RichText::new(view.t("system_autostart_where")).weak().small());
        ui.checkbox(&mut system.notify, view.t("system_notify"));
        ui.checkbox(&mut system.tray, view.t("system_tray"));
        ui.add_enabled_ui(system.tray, |ui| {
            ui.checkbox(&mut system.hide, view.t("system_hide"));
        });
        ui.label(RichText::new(view.t("system_hide_when")).weak().small());
    });
    if system != before {
        view.send(Command::System(system));
    }
}
