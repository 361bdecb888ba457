//! Parts that all screens are made of.

use eframe::egui::{self, Button, Frame, Margin, Response, RichText, Stroke, Ui};

use super::{style, view::View};

/// The title of a screen and the sentence under it.
pub(super) fn heading(ui: &mut Ui, view: &View<'_>, title: &'static str, under: &'static str) {
    ui.heading(view.t(title));
    ui.label(RichText::new(view.t(under)).weak());
    ui.add_space(6.0);
}

/// A card with a title.
pub(super) fn card_ui(ui: &mut Ui, title: Option<&str>, content: impl FnOnce(&mut Ui)) {
    let visuals = ui.visuals();
    let line = visuals.widgets.noninteractive.bg_stroke.color;
    let frame = Frame::new()
        .fill(visuals.faint_bg_color)
        .stroke(Stroke::new(1.0, line))
        .corner_radius(8)
        .inner_margin(Margin::symmetric(16, 12));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        if let Some(title) = title {
            ui.label(RichText::new(title).strong().size(16.0));
            ui.add_space(2.0);
        }
        content(ui);
    });
    ui.add_space(4.0);
}

/// The one button that a screen is there for.
pub(super) fn main_button(ui: &mut Ui, enabled: bool, text: &str) -> Response {
    let button =
        Button::new(RichText::new(text).color(egui::Color32::WHITE).strong()).fill(style::ACCENT);
    ui.add_enabled(enabled, button)
}

/// A name and what it is, in a grid of two columns.
pub(super) fn row_ui(ui: &mut Ui, name: &str, value: &str) {
    ui.label(RichText::new(name).weak());
    ui.add(egui::Label::new(value).wrap());
    ui.end_row();
}

/// A grid of rows of two columns.
pub(super) fn rows_ui(ui: &mut Ui, id: &str, rows: &[(&str, String)]) {
    egui::Grid::new(id).num_columns(2).spacing([24.0, 6.0]).min_row_height(20.0).show(ui, |ui| {
        for (name, value) in rows {
            row_ui(ui, name, value);
        }
    });
}

/// What is added is known by its name, not by its place: when a line appears before a button, the keyboard stays on it, and a click
/// that has begun goes to no other one.
pub(super) fn named_ui<R>(ui: &mut Ui, name: &str, add: impl FnOnce(&mut Ui) -> R) -> R {
    let id = egui::Id::unique(("named", name));
    ui.scope_builder(egui::UiBuilder::new().scope_id(id), add).inner
}

/// A field for text, with a label that screen readers read.
pub(super) fn field_ui(ui: &mut Ui, label: &str, text: &mut String, hint: &str) -> Response {
    let field = egui::TextEdit::singleline(text).hint_text(hint);
    labelled_field_ui(ui, label, field)
}

/// A field under its label, by which screen readers call it, and by which the window knows it from frame to frame.
///
/// By itself egui knows a field by how many parts are drawn before it: a notice that comes while somebody types would make
/// another field of it, which has no keyboard, and the rest of the sentence would be lost.
pub(super) fn labelled_field_ui(ui: &mut Ui, label: &str, field: egui::TextEdit<'_>) -> Response {
    let field = field.id(egui::Id::unique(("field", label))).desired_width(f32::INFINITY);
    let label = ui.label(label);
    ui.add(field).labelled_by(label.id)
}

/// A text to the left in a cell of a fixed width.
pub(super) fn cell_ui(ui: &mut Ui, width: f32, text: impl Into<egui::WidgetText>) {
    let size = egui::vec2(width, 18.0);
    let left = egui::Layout::left_to_right(egui::Align::Center);
    ui.allocate_ui_with_layout(size, left, |ui| {
        ui.set_min_width(width);
        ui.add(egui::Label::new(text).truncate());
    });
}
