//! Proposals, and one's vote.

use eframe::egui::{self, RichText, Ui};

use super::{
    delegation_ui::delegation_ui,
    drafts::Drafts,
    earnings_ui::node_ui,
    figures,
    parts::{card_ui, heading, main_button},
    style,
    view::View,
};
use crate::{
    co_operative::Proposal,
    command::{Choice, Command},
};

pub(super) fn votes_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    heading(ui, view, "votes_title", "votes_under");
    node_ui(ui, view, drafts);
    let Some(said) = &view.desk.co_operative else {
        card_ui(ui, None, |ui| {
            ui.label(view.t("earnings_unasked"));
        });
        return;
    };
    if said.proposals.is_empty() {
        card_ui(ui, None, |ui| {
            ui.label(view.t("votes_none"));
        });
    }
    delegation_ui(ui, view, said, drafts);
    for proposal in &said.proposals {
        ui.push_id(&proposal.id, |ui| proposal_ui(ui, view, proposal));
    }
}

fn proposal_ui(ui: &mut Ui, view: &View<'_>, proposal: &Proposal) {
    card_ui(ui, Some(&proposal.title), |ui| {
        let ends = figures::time(proposal.voting_ends_ms);
        let state = [("state", proposal.state.as_str()), ("ends", ends.as_str())];
        ui.label(RichText::new(view.fill("votes_state", &state)).weak());
        let [in_favour, against, abstain] = &proposal.tally;
        let tally = [
            ("for", in_favour.as_str()),
            ("against", against.as_str()),
            ("abstain", abstain.as_str()),
        ];
        ui.label(view.fill("votes_tally", &tally));
        if proposal.touches_privacy {
            let text = RichText::new(view.t("votes_privacy"));
            ui.add(egui::Label::new(text.color(style::bad(ui.visuals().dark_mode))).wrap());
        }
        if let Some(own) = &proposal.own {
            let own = match own.as_str() {
                "for" => view.t("vote_for"),
                "against" => view.t("vote_against"),
                "abstain" => view.t("vote_abstain"),
                other => other,
            };
            ui.label(RichText::new(view.fill("votes_own", &[("choice", own)])).strong());
        }
        if proposal.state == "active" {
            ui.horizontal(|ui| {
                let vote = |choice| Command::Vote { proposal: proposal.id.clone(), choice };
                if main_button(ui, true, view.t("vote_for")).clicked() {
                    view.send(vote(Choice::For));
                }
                if ui.button(view.t("vote_against")).clicked() {
                    view.send(vote(Choice::Against));
                }
                if ui.button(view.t("vote_abstain")).clicked() {
                    view.send(vote(Choice::Abstain));
                }
            });
        }
    });
}
