//! The grant, in words.

use eframe::egui::{self, RichText, Ui};

use super::{
    change_ui::change_ui,
    drafts::Drafts,
    figures,
    parts::{card_ui, heading, main_button, rows_ui},
    style,
    terms_text::{leaves, noise_sentence},
    view::View,
};
use crate::{command::Command, desk::Table, screen::Screen, terms::Terms};

pub(super) fn consent_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    heading(ui, view, "consent_title", "consent_under");
    let Some(terms) = view.desk.terms() else {
        card_ui(ui, None, |ui| {
            ui.label(view.t("data_no_terms"));
        });
        return;
    };
    if let Some(changed) = &view.desk.settings.changed {
        change_ui(ui, view, drafts, changed);
        ui.collapsing(view.t("change_before"), |ui| terms_ui(ui, view, terms));
        return;
    }
    let has_data = terms_ui(ui, view, terms);
    decision_ui(ui, view, drafts, has_data);
}

/// What is agreed to, in words. Says whether there are data that fit.
fn terms_ui(ui: &mut Ui, view: &View<'_>, terms: &Terms) -> bool {
    let data = match &view.desk.table {
        Table::Read(preview) => preview.rows_that_fit().map(|rows| {
            let path = preview.path().display().to_string();
            view.fill("consent_data_file", &[("path", &path), ("rows", &rows.to_string())])
        }),
        _ => None,
    };
    card_ui(ui, Some(view.t("consent_scope_title")), |ui| {
        rows_ui(
            ui,
            "scope",
            &[
                (view.t("join_federation"), terms.name.clone()),
                (view.t("join_purpose"), terms.purpose.clone()),
                (
                    view.t("consent_data"),
                    data.clone().unwrap_or_else(|| view.t("consent_no_data").to_owned()),
                ),
                (
                    view.t("consent_expiry"),
                    view.fill("consent_rounds", &[("rounds", &terms.rounds.to_string())]),
                ),
            ],
        );
    });
    card_ui(ui, Some(view.t("consent_leaves_title")), |ui| {
        for (_, line) in leaves(view, terms) {
            ui.add(egui::Label::new(format!("•  {line}")).wrap());
        }
    });
    card_ui(ui, Some(view.t("consent_privacy_title")), |ui| {
        ui.add(egui::Label::new(privacy(view, terms)).wrap());
    });
    card_ui(ui, Some(view.t("consent_earn_title")), |ui| {
        ui.add(egui::Label::new(view.t("consent_earn")).wrap());
    });
    data.is_some()
}

fn privacy(view: &View<'_>, terms: &Terms) -> String {
    let noise = noise_sentence(view, terms.noise.as_ref());
    let said = view.desk.co_operative.as_ref();
    let limit = match said.and_then(|said| said.privacy.limit_micro) {
        Some(limit) => {
            view.fill("consent_limit", &[("epsilon", &format!("{:.3}", limit as f64 / 1e6))])
        }
        None => view.t("consent_no_limit").to_owned(),
    };
    format!("{noise} {limit}")
}

fn decision_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts, has_data: bool) {
    let digest = view.desk.terms().map(|terms| figures::short(&terms.digest)).unwrap_or_default();
    if view.desk.agreed() {
        let dark = ui.visuals().dark_mode;
        let text = view.fill("consent_agreed", &[("digest", &digest)]);
        ui.label(RichText::new(text).color(style::good(dark)));
        ui.horizontal(|ui| {
            if main_button(ui, has_data, view.t("consent_to_training")).clicked() {
                view.send(Command::Show(Screen::Training));
            }
            if ui.button(view.t("consent_withdraw")).clicked() {
                view.send(Command::Withdraw);
            }
        });
        return;
    }
    ui.checkbox(&mut drafts.agree, view.t("consent_read"));
    if main_button(ui, drafts.agree && has_data, view.t("consent_agree")).clicked() {
        drafts.agree = false;
        view.send(Command::Agree);
    }
    if !has_data {
        ui.label(RichText::new(view.t("consent_needs_data")).weak());
    }
}
