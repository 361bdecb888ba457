//! The privacy meter: how much of the limit is spent, what that means, and where it stops.

use eframe::egui::{self, RichText, Ui};

use super::{parts::card_ui, style, view::View};
use crate::co_operative::{Privacy, Stage};

pub(super) fn privacy_ui(ui: &mut Ui, view: &View<'_>, privacy: Privacy) {
    let title = match view.desk.terms() {
        Some(terms) => view.fill("privacy_title_of", &[("federation", &terms.name)]),
        None => view.t("privacy_title").to_owned(),
    };
    card_ui(ui, Some(&title), |ui| {
        let epsilon = |micro: u64| format!("{:.3}", micro as f64 / 1e6);
        let spent = privacy.spent_micro.map(epsilon);
        let limit = privacy.limit_micro.map(epsilon);
        match (&spent, &limit) {
            (Some(spent), Some(limit)) => {
                let text = view.fill("privacy_used", &[("spent", spent), ("limit", limit)]);
                #[expect(clippy::cast_possible_truncation, reason = "a bar's length, in points")]
                let part = privacy.part().unwrap_or(0.0) as f32;
                ui.add(egui::ProgressBar::new(part).text(text));
            }
            (Some(spent), None) => {
                ui.label(view.fill("privacy_spent", &[("spent", spent)]));
            }
            (None, Some(limit)) => {
                ui.label(view.fill("privacy_limit", &[("limit", limit)]));
            }
            (None, None) => {
                ui.label(view.t("privacy_none"));
            }
        }
        let dark = ui.visuals().dark_mode;
        match privacy.stage() {
            Stage::Free => {}
            Stage::Nearly => {
                ui.add(egui::Label::new(RichText::new(view.t("privacy_nearly")).strong()).wrap());
            }
            Stage::Stopped => {
                let text = RichText::new(view.t("privacy_stopped")).strong();
                ui.add(egui::Label::new(text.color(style::bad(dark))).wrap());
            }
        }
        ui.add(egui::Label::new(RichText::new(view.t("privacy_meaning")).weak()).wrap());
    });
}
