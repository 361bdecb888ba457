//! The examples: a file or a folder, what is in it, and whether it fits.

use datasets::ColumnType;
use eframe::egui::{self, RichText, Ui};

use super::{
    drafts::Drafts,
    figures,
    fit_ui::fit_ui,
    mapping_ui::mapping_ui,
    parts::{card_ui, field_ui, heading, main_button},
    view::View,
};
use crate::{
    command::{Browsed, Command},
    desk::Table,
    preview::{Column, Preview},
    screen::Screen,
    terms::Terms,
};

/// Columns whose first rows are shown; the rest is counted.
const COLUMNS_SHOWN_MAX: usize = 14;
/// Columns of the federation that are named.
const FEATURES_NAMED_MAX: usize = 40;

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
        ui.label(RichText::new(view.t("data_formats")).weak().small());
        ui.horizontal_wrapped(|ui| {
            if main_button(ui, !drafts.path.trim().is_empty(), view.t("data_read")).clicked() {
                view.send(Command::Preview(drafts.path.trim().into()));
            }
            if ui.button(view.t("data_browse")).clicked() {
                view.send(Command::Browse(Browsed::File));
            }
            if ui.button(view.t("data_browse_folder")).clicked() {
                view.send(Command::Browse(Browsed::Folder));
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
        Table::Read(preview) => {
            fit_ui(ui, view, preview);
            mapping_ui(ui, view, preview, terms);
            columns_ui(ui, view, preview);
            rows_ui(ui, view, preview);
        }
    }
}

fn needed_ui(ui: &mut Ui, view: &View<'_>, terms: &Terms) {
    card_ui(ui, Some(view.t("data_needed_title")), |ui| {
        let count = terms.features.len().to_string();
        let text = match datasets::ImageShape::of_columns(&terms.features) {
            Some(shape) => {
                let size = format!("{} × {}", shape.width(), shape.height());
                view.fill("data_needed_pictures", &[("size", &size)])
            }
            None => {
                let mut names = terms.features.clone();
                names.truncate(FEATURES_NAMED_MAX);
                let more = if names.len() < terms.features.len() { ", …" } else { "" };
                let names = format!("{}{more}", names.join(", "));
                view.fill("data_needed_features", &[("count", &count), ("features", &names)])
            }
        };
        ui.add(egui::Label::new(text).wrap());
        let classes = terms.classes.join(", ");
        let label = [("label", terms.label.as_str()), ("classes", classes.as_str())];
        ui.add(egui::Label::new(view.fill("data_needed_label", &label)).wrap());
    });
}

/// Type, missing values and range of each column.
fn columns_ui(ui: &mut Ui, view: &View<'_>, preview: &Preview) {
    card_ui(ui, Some(view.t("data_columns_title")), |ui| {
        egui::ScrollArea::horizontal().id_salt("columns").show(ui, |ui| {
            egui::Grid::new("columns").striped(true).spacing([18.0, 4.0]).show(ui, |ui| {
                for name in [
                    view.t("data_column"),
                    view.t("data_column_is"),
                    view.t("data_column_type"),
                    view.t("data_column_missing"),
                    view.t("data_column_values"),
                ] {
                    ui.label(RichText::new(name).strong());
                }
                ui.end_row();
                for column in preview.columns() {
                    column_ui(ui, view, &column);
                }
            });
        });
        more_ui(ui, view, preview.column_count(), crate::preview::COLUMNS_LISTED_MAX);
    });
}

fn column_ui(ui: &mut Ui, view: &View<'_>, column: &Column) {
    ui.label(&column.name);
    ui.label(column.theirs.as_deref().unwrap_or("–"));
    ui.label(match column.kind {
        ColumnType::Empty => view.t("type_empty"),
        ColumnType::Number => view.t("type_number"),
        ColumnType::Boolean => view.t("type_boolean"),
        ColumnType::Category => view.t("type_category"),
        ColumnType::Date => view.t("type_date"),
        ColumnType::Text => view.t("type_text"),
    });
    ui.label(column.missing.to_string());
    let text = match (&column.numbers, &column.levels) {
        (Some(numbers), _) => view.fill(
            "data_range",
            &[
                ("least", &figures::number(numbers.minimum)),
                ("most", &figures::number(numbers.maximum)),
                ("mean", &figures::number(numbers.mean)),
                ("deviation", &figures::number(numbers.deviation)),
            ],
        ),
        (None, Some((levels, others))) => {
            let named = levels.iter().map(|(word, count)| format!("{word} ({count})"));
            let named = named.collect::<Vec<_>>().join(", ");
            if *others == 0 {
                named
            } else {
                let others = others.to_string();
                view.fill("data_levels", &[("named", &named), ("others", &others)])
            }
        }
        (None, None) => view.t("data_many_levels").to_owned(),
    };
    ui.label(RichText::new(text).weak());
    ui.end_row();
}

fn rows_ui(ui: &mut Ui, view: &View<'_>, preview: &Preview) {
    card_ui(ui, Some(view.t("data_rows_title")), |ui| {
        let path = preview.path().display().to_string();
        ui.label(RichText::new(format!("{path} · {}", preview.format())).weak());
        egui::ScrollArea::horizontal().id_salt("rows").show(ui, |ui| {
            egui::Grid::new("preview").striped(true).spacing([16.0, 4.0]).show(ui, |ui| {
                for column in preview.columns().take(COLUMNS_SHOWN_MAX) {
                    ui.label(RichText::new(column.name).strong());
                }
                ui.end_row();
                for row in preview.first_rows() {
                    for cell in row.iter().take(COLUMNS_SHOWN_MAX) {
                        ui.monospace(cell);
                    }
                    ui.end_row();
                }
            });
        });
        more_ui(ui, view, preview.column_count(), COLUMNS_SHOWN_MAX);
    });
}

fn more_ui(ui: &mut Ui, view: &View<'_>, columns: usize, shown: usize) {
    if let Some(more) = columns.checked_sub(shown).filter(|more| *more > 0) {
        let count = more.to_string();
        ui.label(RichText::new(view.fill("data_more_columns", &[("count", &count)])).weak());
    }
}
