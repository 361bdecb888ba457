//! The examples: a file, what is in it, and whether it fits.

use eframe::egui::{self, RichText, Ui};

use super::{
    drafts::Drafts,
    parts::{card_ui, cell_ui, field_ui, heading, main_button},
    style,
    view::View,
};
use crate::{
    command::Command,
    desk::Table,
    preview::{Fit, Preview},
    screen::Screen,
    terms::Terms,
};

/// Columns that a preview shows; the rest is counted.
const COLUMNS_SHOWN_MAX: usize = 14;

pub(super) fn data_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    heading(ui, view, "data_title", "data_under");
    let Some(terms) = view.desk.terms() else {
        card_ui(ui, None, |ui| {
            ui.label(view.t("data_no_terms"));
            if main_button(ui, true, view.t("nav_start")).clicked() {
                view.send(Command::Show(Screen::Start));
            }
        });
        return;
    };
    needed_ui(ui, view, terms);
    card_ui(ui, Some(view.t("data_file_title")), |ui| {
        field_ui(ui, view.t("data_file"), &mut drafts.path, "table.csv");
        ui.horizontal(|ui| {
            if main_button(ui, !drafts.path.trim().is_empty(), view.t("data_read")).clicked() {
                view.send(Command::Preview(drafts.path.trim().into()));
            }
            if ui.button(view.t("data_browse")).clicked() {
                view.send(Command::Browse);
            }
        });
    });
    match &view.desk.table {
        Table::None => {}
        Table::Reading(path) => {
            ui.horizontal(|ui| {
                ui.spinner();
                let path = path.display().to_string();
                ui.label(view.fill("data_reading", &[("path", &path)]));
            });
        }
        Table::Read(preview) => preview_ui(ui, view, preview),
    }
}

fn needed_ui(ui: &mut Ui, view: &View<'_>, terms: &Terms) {
    card_ui(ui, Some(view.t("data_needed_title")), |ui| {
        let features = terms.features.join(", ");
        ui.add(
            egui::Label::new(view.fill(
                "data_needed_features",
                &[("count", &terms.features.len().to_string()), ("features", &features)],
            ))
            .wrap(),
        );
        let classes = terms.classes.join(", ");
        let label = [("label", terms.label.as_str()), ("classes", classes.as_str())];
        ui.label(view.fill("data_needed_label", &label));
    });
}

fn preview_ui(ui: &mut Ui, view: &View<'_>, preview: &Preview) {
    fit_ui(ui, view, &preview.fit);
    card_ui(ui, Some(view.t("data_rows_title")), |ui| {
        let path = preview.path.display().to_string();
        ui.label(RichText::new(path).weak());
        egui::ScrollArea::horizontal().show(ui, |ui| {
            egui::Grid::new("preview").striped(true).spacing([16.0, 4.0]).show(ui, |ui| {
                for name in preview.columns.iter().take(COLUMNS_SHOWN_MAX) {
                    ui.label(RichText::new(name).strong());
                }
                ui.end_row();
                for row in &preview.rows {
                    for cell in row.iter().take(COLUMNS_SHOWN_MAX) {
                        ui.monospace(cell);
                    }
                    ui.end_row();
                }
            });
        });
        if let Some(more) = preview.columns.len().checked_sub(COLUMNS_SHOWN_MAX + 1) {
            let count = (more + 1).to_string();
            ui.label(RichText::new(view.fill("data_more_columns", &[("count", &count)])).weak());
        }
    });
}

fn fit_ui(ui: &mut Ui, view: &View<'_>, fit: &Fit) {
    let dark = ui.visuals().dark_mode;
    card_ui(ui, Some(view.t("data_fit_title")), |ui| match fit {
        Fit::Fits { rows, classes } => {
            let text = view.fill("data_fits", &[("rows", &rows.to_string())]);
            ui.label(RichText::new(text).color(style::good(dark)));
            for (class, count) in classes {
                let part = *count as f32 / (*rows).max(1) as f32;
                ui.horizontal(|ui| {
                    cell_ui(ui, 150.0, class);
                    let bar = egui::ProgressBar::new(part).desired_width(260.0);
                    ui.add(bar.text(format!("{count} · {:.0} %", part * 100.0)));
                });
            }
            if classes.iter().any(|(_, count)| *count == 0) {
                ui.label(RichText::new(view.t("data_class_empty")).color(style::bad(dark)));
            }
            if main_button(ui, true, view.t("next")).clicked() {
                let next = view.desk.lacking().unwrap_or(Screen::Training);
                view.send(Command::Show(next));
            }
        }
        Fit::Unfit { missing, unknown, reason } => {
            ui.label(RichText::new(view.t("data_unfit")).color(style::bad(dark)));
            ui.add(egui::Label::new(reason).wrap());
            if !missing.is_empty() {
                let names = missing.join(", ");
                ui.label(view.fill("data_missing", &[("names", &names)]));
            }
            if !unknown.is_empty() {
                let names = unknown.join(", ");
                ui.label(view.fill("data_unknown", &[("names", &names)]));
            }
        }
    });
}
