//! The own vote, entrusted to another member.

use eframe::egui::{ComboBox, DragValue, RichText, Ui};

use super::{
    drafts::Drafts,
    figures,
    parts::{card_ui, main_button},
    view::View,
};
use crate::{co_operative::CoOperative, command::Command};

/// The longest that a delegation can last under any charter, in days.
const DAYS_MAX: u64 = 365;
/// Members that the list offers.
const OFFERED_MAX: usize = 200;

pub(super) fn delegation_ui(ui: &mut Ui, view: &View<'_>, said: &CoOperative, drafts: &mut Drafts) {
    card_ui(ui, Some(view.t("delegation_title")), |ui| {
        ui.label(RichText::new(view.t("delegation_text")).weak());
        let own = view.desk.member().unwrap_or_default();
        let name = |key: &str| {
            let known = said.others.iter().find(|(other, _)| other == key);
            known.map_or_else(|| figures::short(key), |(_, name)| name.clone())
        };
        for given in said.delegations.iter().filter(|given| given.delegate == own) {
            let from = name(&given.delegator);
            let values = [("name", from.as_str()), ("weight", given.weight.as_str())];
            ui.label(view.fill("delegation_received", &values));
        }
        match said.delegations.iter().find(|given| given.delegator == own) {
            Some(given) => {
                let (to, until) = (name(&given.delegate), figures::time(given.until_ms));
                let values = [("name", to.as_str()), ("until", until.as_str())];
                ui.label(RichText::new(view.fill("delegation_given", &values)).strong());
                if ui.button(view.t("delegation_revoke")).clicked() {
                    view.send(Command::Delegate(None));
                }
            }
            None if said.others.is_empty() => {
                ui.label(view.t("delegation_nobody"));
            }
            None => give_ui(ui, view, said, drafts),
        }
    });
}

fn give_ui(ui: &mut Ui, view: &View<'_>, said: &CoOperative, drafts: &mut Drafts) {
    ui.horizontal_wrapped(|ui| {
        let label = ui.label(view.t("delegation_to"));
        let chosen = said.others.iter().find(|(key, _)| *key == drafts.delegate);
        let shown = chosen.map_or(view.t("delegation_choose"), |(_, name)| name);
        let list = ComboBox::from_id_salt("delegate").selected_text(shown).width(220.0);
        let list = list.show_ui(ui, |ui| {
            for (key, name) in said.others.iter().take(OFFERED_MAX) {
                let text = format!("{name} ({})", figures::short(key));
                if ui.selectable_label(drafts.delegate == *key, text).clicked() {
                    drafts.delegate.clone_from(key);
                }
            }
        });
        list.response.labelled_by(label.id);
        let label = ui.label(view.t("delegation_days"));
        ui.add(DragValue::new(&mut drafts.days).range(1..=DAYS_MAX)).labelled_by(label.id);
        if main_button(ui, chosen.is_some(), view.t("delegation_give")).clicked() {
            view.send(Command::Delegate(Some((drafts.delegate.clone(), drafts.days))));
        }
    });
}
