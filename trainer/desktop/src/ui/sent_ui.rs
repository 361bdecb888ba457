//! What left this computer.

use eframe::egui::{self, RichText, Ui};

use super::{
    drafts::Drafts,
    figures,
    parts::{card_ui, cell_ui, field_ui, heading, main_button},
    sealed_ui::sealed_ui,
    style,
    view::View,
};
use crate::{command::Command, screen::Screen, sent::SentLine};

/// What stands above the rows at the usual size, in points.
const ABOVE_HEIGHT: f32 = 340.0;
/// The least that the rows have, in points.
const HEIGHT_MIN: f32 = 220.0;

pub(super) fn sent_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    heading(ui, view, "sent_title", "sent_under");
    let sent = &view.desk.sent;
    card_ui(ui, None, |ui| {
        let text = view.fill(
            "sent_sum",
            &[("messages", &sent.messages.to_string()), ("bytes", &figures::bytes(sent.bytes))],
        );
        ui.label(RichText::new(text).strong());
        ui.add(egui::Label::new(view.t("sent_to")).wrap());
        field_ui(ui, view.t("sent_export_to"), &mut drafts.export, "sent.jsonl");
        ui.horizontal(|ui| {
            let some = !drafts.export.trim().is_empty();
            if main_button(ui, some, view.t("sent_export")).clicked() {
                view.send(Command::Export(drafts.export.trim().into()));
            }
            if ui.button(view.t("sent_again")).clicked() {
                view.send(Command::Show(Screen::Sent));
            }
        });
    });
    if sent.lines.is_empty() {
        card_ui(ui, None, |ui| {
            ui.label(view.t("sent_nothing"));
        });
        return;
    }
    if let Some(sealed) = &view.desk.sealed {
        sealed_ui(ui, view, drafts, sealed);
    }
    // Row for row, in what the screen has left below the rest, and wider than a small screen is.
    let height = (ui.ctx().content_rect().height() - ABOVE_HEIGHT).max(HEIGHT_MIN);
    card_ui(ui, None, |ui| {
        egui::ScrollArea::horizontal().show(ui, |ui| table_ui(ui, view, &sent.lines, height));
    });
}

fn table_ui(ui: &mut Ui, view: &View<'_>, lines: &[SentLine], height: f32) {
    let columns = [
        (view.t("sent_time"), 165.0),
        (view.t("sent_whom"), 70.0),
        (view.t("sent_kind"), 72.0),
        (view.t("sent_bytes"), 60.0),
        (view.t("sent_sealed"), 115.0),
        (view.t("sent_digest"), 104.0),
        (view.t("sent_entry"), 50.0),
    ];
    ui.horizontal(|ui| {
        for (name, width) in columns {
            cell_ui(ui, width, RichText::new(name).strong());
        }
    });
    ui.separator();
    egui::ScrollArea::vertical().max_height(height).auto_shrink([false, true]).show_rows(
        ui,
        18.0,
        lines.len(),
        |ui, range| {
            for line in &lines[range] {
                ui.horizontal(|ui| {
                    for (cell, (_, width)) in cells(ui, view, line).into_iter().zip(columns) {
                        cell_ui(ui, width, cell);
                    }
                    let look = egui::Button::new(view.t("sent_look")).small();
                    if line.sealed && ui.add(look).clicked() {
                        view.send(Command::LookAtSealed(Some(line.digest.clone())));
                    }
                });
            }
        },
    );
}

fn cells(ui: &Ui, view: &View<'_>, line: &SentLine) -> [RichText; 7] {
    let sealed = match line.round {
        Some(round) if line.sealed => {
            let round = (round + 1).to_string();
            RichText::new(view.fill("sent_sealed_round", &[("round", &round)]))
                .color(style::good(ui.visuals().dark_mode))
        }
        _ => RichText::new(view.t("sent_no_update")).weak(),
    };
    let index = line.round.filter(|_| line.sealed).and_then(|round| view.desk.ledger_index(round));
    let entry = index.map_or_else(|| "–".to_owned(), |index| index.to_string());
    [
        RichText::new(figures::time(line.time_ms)).monospace(),
        RichText::new(line.to.as_deref().map_or("–", figures::end)).monospace(),
        RichText::new(&line.kind),
        RichText::new(figures::bytes(line.bytes)),
        sealed,
        RichText::new(figures::short(&line.digest)).monospace(),
        RichText::new(entry).monospace(),
    ]
}
