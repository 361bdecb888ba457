//! What the owner's columns and words are for the federation, and what is kept from training.

use datasets::{Mapping, MissingRule};
use eframe::egui::{self, ComboBox, RichText, Slider, Ui};

use super::{parts::card_ui, view::View};
use crate::{
    command::Command,
    preview::{Column, Preview},
    settings::HOLD_OUT_PERCENT_MAX,
    terms::Terms,
};

/// Names that a list offers.
const OFFERED_MAX: usize = 200;

pub(super) fn mapping_ui(ui: &mut Ui, view: &View<'_>, preview: &Preview, terms: &Terms) {
    card_ui(ui, Some(view.t("mapping_title")), |ui| {
        hold_out_ui(ui, view, preview);
        missing_ui(ui, view, preview);
        if !preview.is_pictures() {
            ui.collapsing(view.t("mapping_columns"), |ui| {
                egui::Grid::new("mapping").num_columns(2).spacing([18.0, 4.0]).show(ui, |ui| {
                    for column in preview.columns() {
                        column_ui(ui, view, (preview, terms), &column);
                    }
                });
            });
        }
        ui.collapsing(view.t("mapping_words"), |ui| {
            egui::Grid::new("words").num_columns(2).spacing([18.0, 4.0]).show(ui, |ui| {
                for (word, count) in &preview.words {
                    word_ui(ui, view, (preview, terms), (word, *count));
                }
            });
        });
    });
}

fn send(view: &View<'_>, mapping: Mapping) {
    view.send(Command::Map(Box::new(mapping)));
}

fn hold_out_ui(ui: &mut Ui, view: &View<'_>, preview: &Preview) {
    let before = view.desk.settings.hold_out_percent;
    let mut percent = before;
    ui.horizontal(|ui| {
        let label = ui.label(view.t("hold_out"));
        let slider = Slider::new(&mut percent, 0..=HOLD_OUT_PERCENT_MAX).suffix(" %");
        ui.add(slider).labelled_by(label.id);
    });
    let held = preview.rows() * u64::from(percent) / 100;
    let rows = [("held", held.to_string()), ("kept", (preview.rows() - held).to_string())];
    let rows = rows.each_ref().map(|(name, count)| (*name, count.as_str()));
    ui.label(RichText::new(view.fill("hold_out_rows", &rows)).weak().small());
    if percent != before {
        view.send(Command::HoldOut(percent));
    }
}

fn missing_ui(ui: &mut Ui, view: &View<'_>, preview: &Preview) {
    if preview.is_pictures() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.label(view.t("missing_rule"));
        for (rule, name) in [
            (MissingRule::Refuse, view.t("missing_refuse")),
            (MissingRule::Drop, view.t("missing_drop")),
            (MissingRule::Mean, view.t("missing_mean")),
        ] {
            if ui.radio(preview.mapping.missing == rule, name).clicked() {
                send(view, Mapping { missing: rule, ..preview.mapping.clone() });
            }
        }
    });
}

fn column_ui(ui: &mut Ui, view: &View<'_>, (preview, terms): (&Preview, &Terms), column: &Column) {
    let label = ui.label(&column.name);
    let nothing = view.t("mapping_ignored");
    let shown = column.theirs.as_deref().unwrap_or(nothing);
    let names = terms.features.iter().chain([&terms.label]).map(String::as_str);
    let mut picked = None;
    let list = ComboBox::from_id_salt(&column.name).selected_text(shown).width(220.0);
    let list = list.show_ui(ui, |ui| {
        for name in [nothing].into_iter().chain(names).take(OFFERED_MAX) {
            if ui.selectable_label(shown == name, name).clicked() {
                picked = Some(name);
            }
        }
    });
    list.response.labelled_by(label.id);
    ui.end_row();
    if let Some(name) = picked {
        let theirs = (name != nothing).then_some(name);
        send(view, named(preview.mapping.clone(), &column.name, theirs, &terms.label));
    }
}

/// The mapping in which `own` is `theirs`, or nothing.
fn named(mut mapping: Mapping, own: &str, theirs: Option<&str>, label: &str) -> Mapping {
    mapping.columns.remove(own);
    mapping.ignore.retain(|ignored| ignored != own);
    if mapping.label.as_deref() == Some(own) {
        mapping.label = None;
    }
    match theirs {
        None => mapping.ignore.push(own.to_owned()),
        Some(theirs) if theirs == label => mapping.label = Some(own.to_owned()),
        Some(theirs) if theirs != own => {
            mapping.columns.insert(own.to_owned(), theirs.to_owned());
        }
        Some(_) => {}
    }
    mapping
}

fn word_ui(
    ui: &mut Ui,
    view: &View<'_>,
    (preview, terms): (&Preview, &Terms),
    (word, count): (&str, u64),
) {
    let label = ui.label(format!("{word} ({count})"));
    let shown = preview.mapping.class(word);
    let known = terms.classes.iter().any(|class| class == shown);
    let mut picked = None;
    let list = ComboBox::from_id_salt(word).width(220.0);
    let list = list.selected_text(if known { shown } else { view.t("mapping_no_class") });
    let list = list.show_ui(ui, |ui| {
        for class in terms.classes.iter().take(OFFERED_MAX) {
            if ui.selectable_label(shown == class, class).clicked() {
                picked = Some(class);
            }
        }
    });
    list.response.labelled_by(label.id);
    ui.end_row();
    if let Some(class) = picked {
        let mut mapping = preview.mapping.clone();
        mapping.words.insert(word.to_owned(), class.clone());
        send(view, mapping);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_one_thing_at_a_time() {
        let mapping = named(Mapping::default(), "grade", Some("quality"), "quality");
        assert_eq!(mapping.label.as_deref(), Some("grade"));
        let mapping = named(mapping, "grade", Some("pH"), "quality");
        assert_eq!((mapping.label.clone(), mapping.columns["grade"].as_str()), (None, "pH"));
        let mapping = named(mapping, "grade", None, "quality");
        assert_eq!((mapping.columns.len(), mapping.ignore.clone()), (0, vec!["grade".to_owned()]));
        assert_eq!(named(mapping, "grade", Some("grade"), "quality"), Mapping::default());
    }
}
