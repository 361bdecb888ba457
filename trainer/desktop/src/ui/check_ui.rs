//! What was earned, checked against the ledger on this computer.

use eframe::egui::{self, RichText, Ui};

use super::{
    parts::{card_ui, main_button},
    style,
    view::View,
};
use crate::{command::Command, news::Checked};

pub(super) fn check_ui(ui: &mut Ui, view: &View<'_>) {
    card_ui(ui, Some(view.t("check_title")), |ui| {
        ui.add(egui::Label::new(RichText::new(view.t("check_text")).weak()).wrap());
        if main_button(ui, true, view.t("check_now")).clicked() {
            view.send(Command::Check);
        }
        if let Some(checked) = &view.desk.checked {
            found_ui(ui, view, checked);
        }
    });
}

fn found_ui(ui: &mut Ui, view: &View<'_>, checked: &Checked) {
    let dark = ui.visuals().dark_mode;
    let failed = checked.rounds.iter().filter(|(_, reason)| reason.is_some()).count();
    let (held, all) = (checked.rounds.len() - failed, checked.rounds.len().to_string());
    let text = view.fill("check_rounds", &[("held", &held.to_string()), ("all", &all)]);
    let colour = if failed == 0 { style::good(dark) } else { style::bad(dark) };
    ui.label(RichText::new(text).color(colour).strong());
    let size = checked.seen.size.to_string();
    let log = checked.seen.log.split('+').next().unwrap_or_default();
    let mut lines = vec![view.fill("check_signed", &[("size", &size), ("log", log)])];
    lines.push(match checked.before {
        Some(before) => view.fill("check_continues", &[("before", &before.to_string())]),
        None => view.t("check_first").to_owned(),
    });
    lines.push(if checked.seen.witnesses.is_empty() {
        view.t("check_no_witness").to_owned()
    } else {
        let (count, names) =
            (checked.seen.witnesses.len().to_string(), checked.seen.witnesses.join(", "));
        view.fill("check_witnesses", &[("count", &count), ("names", &names)])
    });
    for line in lines {
        ui.add(egui::Label::new(format!("•  {line}")).wrap());
    }
}

/// Beside a round: whether its entry holds.
pub(super) fn entry_ui(ui: &mut Ui, view: &View<'_>, index: u64) {
    let Some(checked) = &view.desk.checked else { return };
    let Some((_, found)) = checked.rounds.iter().find(|(known, _)| *known == index) else { return };
    let dark = ui.visuals().dark_mode;
    let text = match found {
        None => RichText::new(view.t("check_holds")).color(style::good(dark)),
        Some(reason) => {
            let reason = view.fill("check_fails", &[("reason", reason)]);
            RichText::new(reason).color(style::bad(dark))
        }
    };
    ui.add(egui::Label::new(text.small()).wrap());
}
