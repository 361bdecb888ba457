//! What was earned, and why; how much privacy was spent.

use eframe::egui::{self, RichText, Ui};
use egui_plot::{Bar, BarChart, Line, Plot, PlotPoints, Points};

use super::{
    check_ui::{check_ui, entry_ui},
    drafts::Drafts,
    figures,
    parts::{card_ui, field_ui, heading, main_button, rows_ui},
    privacy_ui::privacy_ui,
    style,
    view::View,
};
use crate::{
    co_operative::{CoOperative, Earned},
    command::Command,
};

pub(super) fn earnings_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    heading(ui, view, "earnings_title", "earnings_under");
    node_ui(ui, view, drafts);
    let Some(said) = &view.desk.co_operative else {
        card_ui(ui, None, |ui| {
            ui.label(view.t("earnings_unasked"));
        });
        return;
    };
    account_ui(ui, view, said);
    privacy_ui(ui, view, said.privacy);
    if said.rounds.is_empty() {
        card_ui(ui, None, |ui| {
            ui.label(view.t("earnings_none"));
        });
        return;
    }
    check_ui(ui, view);
    credits_ui(ui, view, &said.rounds);
    chart_ui(ui, view, &said.rounds);
    card_ui(ui, Some(view.t("earnings_rounds")), |ui| {
        for earned in said.rounds.iter().rev() {
            earned_ui(ui, view, earned);
        }
    });
}

/// Where the co-operative is asked.
pub(super) fn node_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    card_ui(ui, None, |ui| {
        field_ui(ui, view.t("node_field"), &mut drafts.node, "https://…");
        ui.add(egui::Label::new(RichText::new(view.t("node_hint")).weak().small()).wrap());
        if main_button(ui, !drafts.node.trim().is_empty(), view.t("node_ask")).clicked() {
            view.send(Command::Node(drafts.node.clone()));
        }
    });
}

fn account_ui(ui: &mut Ui, view: &View<'_>, said: &CoOperative) {
    let account = &said.account;
    card_ui(ui, Some(view.t("earnings_account")), |ui| {
        let or_none = |text: &String| if text.is_empty() { "0".to_owned() } else { text.clone() };
        rows_ui(
            ui,
            "account",
            &[
                (view.t("earnings_credits"), or_none(&account.credits)),
                (view.t("earnings_pending"), or_none(&account.credits_pending)),
                (view.t("earnings_money"), money(&account.earnings, account.currency.as_deref())),
            ],
        );
        ui.label(RichText::new(view.t("earnings_pending_why")).weak().small());
    });
}

/// An amount in 10⁻⁴ of the currency's unit.
fn money(amount: &str, currency: Option<&str>) -> String {
    let amount: u128 = amount.parse().unwrap_or(0);
    format!("{}.{:04} {}", amount / 10_000, amount % 10_000, currency.unwrap_or_default())
}

/// Credits of each round, as bars.
fn credits_ui(ui: &mut Ui, view: &View<'_>, rounds: &[Earned]) {
    card_ui(ui, Some(view.t("earnings_credits_chart")), |ui| {
        let bar = |earned: &Earned| {
            let credits = earned.credits.parse::<f64>().unwrap_or(0.0);
            Bar::new((earned.round + 1) as f64, credits).width(0.7)
        };
        let bars = BarChart::new(view.t("earnings_credits"), rounds.iter().map(bar).collect());
        Plot::new("credits")
            .height(130.0)
            .allow_drag(false)
            .allow_zoom(false)
            .allow_scroll(false)
            .include_y(0.0)
            .show_grid([false, true])
            .x_axis_label(view.t("training_round"))
            .show(ui, |plot| plot.bar_chart(bars.color(style::ACCENT)));
    });
}

fn chart_ui(ui: &mut Ui, view: &View<'_>, rounds: &[Earned]) {
    card_ui(ui, Some(view.t("earnings_chart")), |ui| {
        let series = |of: &dyn Fn(&Earned) -> Option<f64>| -> Vec<[f64; 2]> {
            let point = |earned: &Earned| of(earned).map(|y| [(earned.round + 1) as f64, y]);
            rounds.iter().filter_map(point).collect()
        };
        let values = series(&|earned| Some(earned.value_so_far));
        let bounds = [series(&|earned| earned.value_low), series(&|earned| earned.value_high)];
        Plot::new("value")
            .height(170.0)
            .allow_drag(false)
            .allow_zoom(false)
            .allow_scroll(false)
            .x_axis_label(view.t("training_round"))
            .show(ui, |plot| {
                for bound in bounds {
                    let line = Line::new("95 %", PlotPoints::from(bound));
                    plot.line(line.color(style::ACCENT.gamma_multiply(0.45)).width(1.0));
                }
                let line = Line::new(view.t("earnings_value"), PlotPoints::from(values.clone()));
                plot.line(line.color(style::ACCENT).width(2.0));
                plot.points(
                    Points::new("", PlotPoints::from(values)).color(style::ACCENT).radius(3.0),
                );
            });
    });
}

fn earned_ui(ui: &mut Ui, view: &View<'_>, earned: &Earned) {
    let round = (earned.round + 1).to_string();
    let interval = match (earned.value_low, earned.value_high) {
        (Some(low), Some(high)) => view.fill(
            "earned_interval",
            &[("low", &figures::value(low)), ("high", &figures::value(high))],
        ),
        _ => view.t("earned_no_interval").to_owned(),
    };
    let text = view.fill(
        "earned_round",
        &[
            ("round", &round),
            ("credits", &earned.credits),
            ("value", &figures::value(earned.value)),
        ],
    );
    ui.label(RichText::new(text).strong());
    ui.add(egui::Label::new(&earned.sentence).wrap());
    let entry = view.fill("earned_entry", &[("index", &earned.ledger_index.to_string())]);
    ui.label(RichText::new(format!("{interval}  {entry}")).weak().small());
    entry_ui(ui, view, earned.ledger_index);
    ui.add_space(6.0);
}
