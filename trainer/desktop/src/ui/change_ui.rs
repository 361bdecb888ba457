//! Other terms than those agreed to: what becomes weaker, what stays, and the person's decision.

use eframe::egui::{self, RichText, Ui};

use super::{
    drafts::Drafts,
    parts::{card_ui, field_ui, main_button},
    style,
    terms_text::{leaves, noise, noise_sentence},
    view::View,
};
use crate::{
    changed_terms::{Bearing, ChangedTerms, Difference},
    command::Command,
};

pub(super) fn change_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts, changed: &ChangedTerms) {
    let dark = ui.visuals().dark_mode;
    let title =
        if changed.weakens() { view.t("change_weaker_title") } else { view.t("change_title") };
    card_ui(ui, Some(title), |ui| {
        ui.add(egui::Label::new(view.t("change_text")).wrap());
        if changed.declined {
            let text = RichText::new(view.t("change_declined")).strong();
            ui.add(egui::Label::new(text).wrap());
        }
    });
    let plain = ui.visuals().text_color();
    for (bearing, title, colour) in [
        (Bearing::Weaker, "change_weaker", style::bad(dark)),
        (Bearing::Other, "change_other", plain),
        (Bearing::Stronger, "change_stronger", style::good(dark)),
    ] {
        let lines: Vec<String> = changed.of(bearing).map(|one| sentence(view, one)).collect();
        lines_ui(ui, view.words.text(title), &lines, colour);
    }
    lines_ui(ui, view.t("change_stays"), &stays(view, changed), plain);
    decision_ui(ui, view, drafts);
}

fn lines_ui(ui: &mut Ui, title: &str, lines: &[String], colour: egui::Color32) {
    if lines.is_empty() {
        return;
    }
    card_ui(ui, Some(title), |ui| {
        for line in lines {
            ui.add(egui::Label::new(RichText::new(format!("•  {line}")).color(colour)).wrap());
        }
    });
}

fn decision_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    card_ui(ui, Some(view.t("change_decision")), |ui| {
        if view.desk.consenting {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(view.t("change_consenting"));
            });
            return;
        }
        ui.add(egui::Label::new(view.t("change_ledger")).wrap());
        field_ui(ui, view.t("node_field"), &mut drafts.node, "https://…");
        ui.checkbox(&mut drafts.agree, view.t("change_read"));
        ui.horizontal_wrapped(|ui| {
            let ready = drafts.agree && !drafts.node.trim().is_empty();
            if main_button(ui, ready, view.t("change_agree")).clicked() {
                drafts.agree = false;
                view.send(Command::Node(drafts.node.clone()));
                view.send(Command::AgreeToChange);
            }
            if ui.button(view.t("change_stay_out")).clicked() {
                drafts.agree = false;
                view.send(Command::StayOut);
            }
            if ui.button(view.t("change_look_again")).clicked() {
                view.send(Command::LookAgain);
            }
        });
        ui.label(RichText::new(view.t("change_look_again_why")).weak().small());
    });
}

/// What a part is called in files of translations, and whether its sides are digests, which tell people nothing.
fn part_key(part: &str) -> Option<(&'static str, bool)> {
    Some(match part {
        "fewest contributors" => ("change_cohort", false),
        "noise" => ("change_noise", false),
        "ε of all rounds" => ("change_epsilon", false),
        "rounds" => ("change_rounds", false),
        "aggregators" => ("change_aggregators", false),
        "custodians who open a sum" => ("change_threshold", false),
        "cohort" => ("change_keys", false),
        "layers that are never shared" => ("change_layers", false),
        "purpose" => ("part_purpose", false),
        "sealing" => ("part_sealing", false),
        "custodians" => ("part_custodians", false),
        "who aggregates" => ("part_who_aggregates", false),
        "columns" => ("part_columns", false),
        "label" => ("part_label", false),
        "own pace" => ("part_pace", false),
        "groups of a round" => ("part_groups", false),
        "keys of the aggregators" => ("part_aggregator_keys", true),
        "key of the DAO node for the cohort" => ("part_cohort_key", true),
        "model" => ("part_model", true),
        "scale of the columns and classes" => ("part_scale", true),
        "training" => ("part_training", true),
        "encoding of updates" => ("part_encoding", true),
        "server's optimiser" => ("part_optimizer", true),
        "choice of the cohort" => ("part_sampling", true),
        "deadlines and end" => ("part_deadlines", true),
        "details of the encoding" => ("part_details", true),
        _ => return None,
    })
}

/// A difference in words.
fn sentence(view: &View<'_>, difference: &Difference) -> String {
    let Difference { part, agreed, offered, bearing } = difference;
    let (agreed, offered) = (side(view, part, agreed), side(view, part, offered));
    let sides = [("agreed", agreed.as_str()), ("offered", offered.as_str())];
    match part_key(part) {
        Some((key, false)) if key.starts_with("change_") => {
            let way = if *bearing == Bearing::Stronger { "more" } else { "less" };
            view.fill(&format!("{key}_{way}"), &sides)
        }
        Some((key, true)) => view.fill("change_part_digest", &[("part", view.words.text(key))]),
        // A part that a newer trainer knows is told in its words rather than not at all.
        other => {
            let name = other.map_or(part.as_str(), |(key, _)| view.words.text(key));
            view.fill("change_part", &[("part", name), sides[0], sides[1]])
        }
    }
}

/// One side of a difference: what the trainer has words for is put into the window's.
fn side(view: &View<'_>, part: &str, text: &str) -> String {
    match (part, text) {
        ("own pace", text) if text != "none" => {
            let pace = crate::terms::OwnPace::of(text);
            pace.map_or_else(
                || text.to_owned(),
                |pace| view.fill("side_pace", &[("count", &pace.buffer.to_string())]),
            )
        }
        ("noise", "none") => view.t("side_no_noise").to_owned(),
        (_, "none") => view.t("side_none").to_owned(),
        (_, "not limited") => view.t("side_not_limited").to_owned(),
        ("noise", text) => noise(view, text).unwrap_or_else(|| text.to_owned()),
        ("sealing", "mpc") => view.t("side_mpc").to_owned(),
        ("sealing", "mpc-verified") => view.t("side_mpc_verified").to_owned(),
        ("sealing", "fhe") => view.t("side_fhe").to_owned(),
        _ => text.to_owned(),
    }
}

/// What protects the data and is no part of the change.
fn stays(view: &View<'_>, changed: &ChangedTerms) -> Vec<String> {
    let Some(terms) = view.desk.terms() else { return Vec::new() };
    let kept = leaves(view, terms).into_iter().filter(|(parts, _)| !changed.touches(parts));
    let mut lines: Vec<String> = kept.map(|(_, line)| line).collect();
    if !changed.touches(&["noise"]) {
        lines.push(noise_sentence(view, terms.noise.as_ref()));
    }
    if !changed.touches(&["purpose"]) {
        lines.push(format!("{}: {}", view.t("join_purpose"), terms.purpose));
    }
    lines
}
