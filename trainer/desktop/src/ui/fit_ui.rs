//! Whether the data fit: what is to be said about them, each with what remedies it.

use datasets::{Finding, Mapping, MissingRule, Remedy, Weight};
use eframe::egui::{self, RichText, Ui};

use super::{
    finding_text,
    parts::{card_ui, cell_ui, main_button},
    style,
    view::View,
};
use crate::{command::Command, preview::Preview, screen::Screen};

pub(super) fn fit_ui(ui: &mut Ui, view: &View<'_>, preview: &Preview) {
    let dark = ui.visuals().dark_mode;
    card_ui(ui, Some(view.t("data_fit_title")), |ui| {
        let text = match preview.rows_that_fit() {
            Some(rows) => RichText::new(view.fill("data_fits", &[("rows", &rows.to_string())]))
                .color(style::good(dark)),
            None => RichText::new(view.t("data_unfit")).color(style::bad(dark)),
        };
        ui.label(text.strong());
        for (index, finding) in preview.findings.iter().enumerate() {
            ui.push_id(index, |ui| finding_ui(ui, view, finding, &preview.mapping));
        }
        balance_ui(ui, view, preview);
        duplicates_ui(ui, view, preview);
        if preview.rows_that_fit().is_some() && main_button(ui, true, view.t("next")).clicked() {
            let next = view.desk.lacking().unwrap_or(Screen::Training);
            view.send(Command::Show(next));
        }
    });
}

fn finding_ui(ui: &mut Ui, view: &View<'_>, finding: &Finding, mapping: &Mapping) {
    let dark = ui.visuals().dark_mode;
    let (weight, colour) = match finding.weight {
        Weight::Blocks => (view.t("finding_blocks"), style::bad(dark)),
        Weight::Warns => (view.t("finding_warns"), ui.visuals().text_color()),
        Weight::Notes => (view.t("finding_notes"), ui.visuals().weak_text_color()),
    };
    let advice = match &finding.remedy {
        // The button below says it.
        Some(remedy) if !buttons(remedy).is_empty() => String::new(),
        Some(_) => format!("; {}", view.t("finding_below")),
        None => format!("; {}", finding_text::advice(view, &finding.says)),
    };
    let what = finding_text::what(view, &finding.says);
    let text = RichText::new(format!("{weight}: {what}{advice}")).color(colour);
    ui.add(egui::Label::new(text).wrap());
    let Some(remedy) = &finding.remedy else { return };
    ui.horizontal_wrapped(|ui| {
        for button in buttons(remedy) {
            if ui.button(button.text(view)).clicked() {
                view.send(Command::Map(Box::new(button.pressed(mapping.clone()))));
            }
        }
    });
}

/// What a button under a finding does to the mapping.
enum Button<'a> {
    Name { own: &'a str, theirs: &'a str },
    Ignore(&'a str),
    IgnoreAll,
    Class { word: &'a str, class: &'a str },
    Missing(MissingRule),
}

fn buttons(remedy: &Remedy) -> Vec<Button<'_>> {
    match remedy {
        Remedy::Name { theirs, likely: Some(own) } => vec![Button::Name { own, theirs }],
        Remedy::Class { word, likely: Some(class) } => vec![Button::Class { word, class }],
        Remedy::Ignore { column } => vec![Button::Ignore(column), Button::IgnoreAll],
        Remedy::Missing => {
            vec![Button::Missing(MissingRule::Drop), Button::Missing(MissingRule::Mean)]
        }
        Remedy::Name { .. } | Remedy::Class { .. } => Vec::new(),
    }
}

impl Button<'_> {
    fn text(&self, view: &View<'_>) -> String {
        match self {
            Self::Name { own, theirs } => {
                view.fill("remedy_name", &[("own", own), ("theirs", theirs)])
            }
            Self::Ignore(column) => view.fill("remedy_ignore", &[("column", column)]),
            Self::IgnoreAll => view.t("remedy_ignore_all").to_owned(),
            Self::Class { word, class } => {
                view.fill("remedy_class", &[("word", word), ("class", class)])
            }
            Self::Missing(MissingRule::Mean) => view.t("missing_mean").to_owned(),
            Self::Missing(_) => view.t("missing_drop").to_owned(),
        }
    }

    fn pressed(&self, mut mapping: Mapping) -> Mapping {
        match self {
            Self::Name { own, theirs } => {
                mapping.columns.insert((*own).to_owned(), (*theirs).to_owned());
            }
            Self::Ignore(column) => mapping.ignore.push((*column).to_owned()),
            Self::IgnoreAll => mapping.ignore = vec!["*".to_owned()],
            Self::Class { word, class } => {
                mapping.words.insert((*word).to_owned(), (*class).to_owned());
            }
            Self::Missing(rule) => mapping.missing = *rule,
        }
        mapping
    }
}

/// Rows of each class.
fn balance_ui(ui: &mut Ui, view: &View<'_>, preview: &Preview) {
    let rows: u64 = preview.classes.iter().map(|(_, count)| count).sum();
    if rows == 0 {
        return;
    }
    ui.add_space(4.0);
    ui.label(RichText::new(view.t("data_balance")).weak());
    for (class, count) in &preview.classes {
        let part = *count as f32 / rows as f32;
        ui.horizontal(|ui| {
            cell_ui(ui, 150.0, class);
            let bar = egui::ProgressBar::new(part).desired_width(260.0);
            ui.add(bar.text(format!("{count} · {:.0} %", part * 100.0)));
        });
    }
}

fn duplicates_ui(ui: &mut Ui, view: &View<'_>, preview: &Preview) {
    if preview.duplicates().rows == 0 && preview.rows() > 0 {
        ui.label(RichText::new(view.t("data_no_duplicates")).weak());
    }
}
