//! Which federation is looked at, and the way to the others.

use eframe::egui::{self, ComboBox, RichText, Ui};

use super::view::View;
use crate::{
    command::Command,
    desk::Desk,
    os::{Glimpse, Standing},
    seat::Seat,
};

/// The list of federations, as soon as there is more than one.
pub(super) fn seats_ui(ui: &mut Ui, view: &View<'_>) {
    if view.seats.count() < 2 {
        return;
    }
    ui.add_space(6.0);
    let label = ui.label(RichText::new(view.t("seats_label")).weak().small());
    let here = view.seats.at();
    let width = ui.available_width();
    let list = ComboBox::from_id_salt("seats").width(width).truncate();
    let list = list.selected_text(name(view, here)).show_ui(ui, |ui| {
        for (seat, desk) in view.seats.all() {
            let standing = view.words.text(Glimpse::of(desk).standing.key());
            let text = format!("{} · {standing}", name(view, seat));
            if ui.selectable_label(seat == here, text).clicked() && seat != here {
                view.send(Command::Sit(seat));
            }
        }
        if view.seats.has_room() {
            ui.separator();
            if ui.selectable_label(false, view.t("seats_join")).clicked() {
                view.send(Command::JoinAnother);
            }
        }
    });
    list.response.labelled_by(label.id);
    // What waits for the person elsewhere is seen from here, too.
    let needed = |(_, desk): &(Seat, &Desk)| Glimpse::of(desk).standing == Standing::Needed;
    let elsewhere = view.seats.all().filter(|(seat, _)| *seat != here).find(needed);
    if let Some((seat, _)) = elsewhere {
        let text = format!("{}: {}", name(view, seat), view.t("status_needed"));
        if ui.add(egui::Button::new(RichText::new(text).small()).wrap()).clicked() {
            view.send(Command::Sit(seat));
        }
    }
}

/// What a federation is called in the list.
pub(super) fn name(view: &View<'_>, seat: Seat) -> String {
    view.seats.name(seat).unwrap_or_else(|| view.t("seats_new").to_owned())
}

/// The button that begins with one more, for who has one.
pub(super) fn join_another_ui(ui: &mut Ui, view: &View<'_>) {
    let button = egui::Button::new(view.t("seats_join"));
    if ui.add_enabled(view.seats.has_room(), button).clicked() {
        view.send(Command::JoinAnother);
    }
}
