//! Training, as it goes.

use eframe::egui::{self, RichText, Ui};
use egui_plot::{Line, Plot, PlotPoints};
use trainer_conditions::{Pace, Remedy};

use super::{
    figures,
    parts::{card_ui, heading, main_button, named_ui, rows_ui},
    pause_text, seats_ui, style,
    view::View,
};
use crate::{
    command::Command,
    screen::Screen,
    training::{End, Phase, Round, Running, Training},
};

/// An hour, in milliseconds.
const HOUR_MS: u64 = 3_600_000;

pub(super) fn training_ui(ui: &mut Ui, view: &View<'_>) {
    heading(ui, view, "training_title", "training_under");
    let training = &view.desk.training;
    control_ui(ui, view, training);
    if training.running != Running::Off || training.round.is_some() {
        now_ui(ui, view, training);
        loss_ui(ui, view, training);
    }
    rounds_ui(ui, view, training);
    if !training.log.is_empty() {
        log_ui(ui, view, training);
    }
}

fn control_ui(ui: &mut Ui, view: &View<'_>, training: &Training) {
    card_ui(ui, None, |ui| match (training.running, view.desk.lacking()) {
        (Running::Off, Some(screen)) => {
            let why = match &view.desk.settings.changed {
                Some(changed) if changed.declined => view.t("change_declined"),
                Some(_) => view.t("terms_offered"),
                None => view.t("training_lacks"),
            };
            ui.add(egui::Label::new(why).wrap());
            if main_button(ui, true, view.words.text(screen.key())).clicked() {
                view.send(Command::Show(screen));
            }
        }
        (Running::Off, None) => {
            ui.label(view.t("training_off"));
            if main_button(ui, true, view.t("training_start")).clicked() {
                view.send(Command::Start);
            }
        }
        (Running::Stopping, _) => {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(view.t("training_stopping"));
            });
        }
        (Running::On, _) => {
            pace_ui(ui, view, training);
            ui.horizontal(|ui| running_buttons_ui(ui, view, training));
        }
    });
}

/// One line: it trains, or the one reason why not.
fn pace_ui(ui: &mut Ui, view: &View<'_>, training: &Training) {
    let dark = ui.visuals().dark_mode;
    match (training.pace, training.waits_for) {
        (Some(Pace::Pause(reason)), _) => {
            let text = pause_text::reason(view, &reason);
            ui.label(RichText::new(text).strong().size(16.0));
        }
        (_, Some(other)) => {
            let text = view.fill("waits_for", &[("federation", &seats_ui::name(view, other))]);
            ui.add(egui::Label::new(RichText::new(text).strong().size(16.0)).wrap());
            ui.label(RichText::new(view.t("waits_why")).weak().small());
        }
        _ => {
            let text = view.words.text(training.phase.key());
            ui.label(RichText::new(text).strong().size(16.0).color(style::good(dark)));
        }
    }
    if training.away {
        ui.add(egui::Label::new(RichText::new(view.t("coordinator_away")).strong()).wrap());
    }
    if !training.unwatched.is_empty() {
        let names: Vec<&str> = training
            .unwatched
            .iter()
            .map(|condition| pause_text::condition(view, *condition))
            .collect();
        let text = view.fill("training_unwatched", &[("names", &names.join(", "))]);
        ui.label(RichText::new(text).weak().small());
    }
}

fn running_buttons_ui(ui: &mut Ui, view: &View<'_>, training: &Training) {
    let main =
        |ui: &mut Ui, key| named_ui(ui, key, |ui| main_button(ui, true, view.t(key)).clicked());
    let button = |ui: &mut Ui, key| named_ui(ui, key, |ui| ui.button(view.t(key)).clicked());
    match training.pace {
        Some(Pace::Pause(reason)) => match reason.remedy() {
            Some(Remedy::Resume) if main(ui, "training_resume") => view.send(Command::Resume),
            Some(Remedy::Anyway) if main(ui, "training_anyway") => view.send(Command::Anyway),
            _ => {}
        },
        _ => {
            if main(ui, "training_pause") {
                view.send(Command::Pause(None));
            }
            if button(ui, "training_pause_hour") {
                view.send(Command::Pause(Some(HOUR_MS)));
            }
        }
    }
    if button(ui, "training_stop") {
        view.send(Command::Stop);
    }
    if button(ui, "nav_settings") {
        view.send(Command::Show(Screen::Settings));
    }
}

fn now_ui(ui: &mut Ui, view: &View<'_>, training: &Training) {
    let dash = || "–".to_owned();
    let rounds = view.desk.terms().map_or(0, |terms| terms.rounds);
    card_ui(ui, Some(view.t("training_now")), |ui| {
        let round = training.round.map_or_else(dash, |round| {
            let (round, rounds) = ((round + 1).to_string(), rounds.to_string());
            view.fill("training_round_of", &[("round", &round), ("rounds", &rounds)])
        });
        let steps = training.steps;
        let speed = steps.examples_per_second.map_or_else(dash, |speed| {
            view.fill("training_speed_value", &[("speed", &format!("{speed:.0}"))])
        });
        let loss = training.losses.last().map_or_else(dash, |[_, loss]| format!("{loss:.4}"));
        let accuracy = training.tried.map_or_else(
            || view.t("training_accuracy_none").to_owned(),
            |tried| {
                let (percent, rows) =
                    (format!("{:.1}", tried.accuracy * 100.0), tried.rows.to_string());
                view.fill("training_accuracy_of", &[("percent", &percent), ("rows", &rows)])
            },
        );
        rows_ui(
            ui,
            "now",
            &[
                (view.t("training_round"), round),
                (view.t("training_phase"), view.words.text(training.phase.key()).to_owned()),
                (view.t("training_loss"), loss),
                (view.t("training_accuracy"), accuracy),
                (view.t("training_speed"), speed),
                (view.t("training_left"), steps.left_seconds.map_or_else(dash, figures::span)),
                (view.t("training_device"), training.device.clone().unwrap_or_else(dash)),
                (view.t("training_samples"), training.samples.map_or_else(dash, |n| n.to_string())),
            ],
        );
        if steps.all > 0 && training.phase == Phase::Learning {
            let text = view.fill(
                "training_steps",
                &[("done", &steps.done.to_string()), ("all", &steps.all.to_string())],
            );
            ui.add(egui::ProgressBar::new(steps.done as f32 / steps.all as f32).text(text));
        }
    });
}

fn loss_ui(ui: &mut Ui, view: &View<'_>, training: &Training) {
    if training.losses.len() < 2 {
        return;
    }
    card_ui(ui, Some(view.t("training_loss_chart")), |ui| {
        let line = Line::new(view.t("training_loss"), PlotPoints::from(training.losses.clone()));
        Plot::new("loss")
            .height(150.0)
            .allow_drag(false)
            .allow_zoom(false)
            .allow_scroll(false)
            .show_grid([false, true])
            .x_axis_label(view.t("training_steps_axis"))
            .show(ui, |plot| plot.line(line.color(style::ACCENT).width(2.0)));
    });
}

fn rounds_ui(ui: &mut Ui, view: &View<'_>, training: &Training) {
    if training.rounds.is_empty() {
        return;
    }
    card_ui(ui, Some(view.t("training_rounds")), |ui| {
        egui::Grid::new("rounds").striped(true).spacing([20.0, 4.0]).show(ui, |ui| {
            for name in [
                view.t("training_round"),
                view.t("training_loss"),
                view.t("training_took"),
                view.t("training_outcome"),
            ] {
                ui.label(RichText::new(name).strong());
            }
            ui.end_row();
            for round in training.rounds.iter().rev().take(12) {
                round_ui(ui, view, round);
            }
        });
    });
}

fn round_ui(ui: &mut Ui, view: &View<'_>, round: &Round) {
    let dark = ui.visuals().dark_mode;
    ui.label((round.round + 1).to_string());
    ui.label(round.loss.map_or_else(|| "–".to_owned(), |loss| format!("{loss:.4}")));
    ui.label(figures::span(round.seconds));
    match &round.end {
        End::Counted { value, participants } => {
            let (value, participants) = (figures::value(*value), participants.to_string());
            let values = [("value", value.as_str()), ("participants", participants.as_str())];
            let text = view.fill("round_counted", &values);
            ui.label(RichText::new(text).color(style::good(dark)));
        }
        End::Not { how, reason } => {
            let how = match *how {
                "aborted" => view.t("round_aborted"),
                "refused" => view.t("round_refused"),
                _ => view.t("round_disputed"),
            };
            let text = RichText::new(format!("{how}: {reason}")).color(style::bad(dark));
            ui.add(egui::Label::new(text).wrap());
        }
    }
    ui.end_row();
}

fn log_ui(ui: &mut Ui, view: &View<'_>, training: &Training) {
    ui.collapsing(view.t("log_title"), |ui| {
        let text = training.log.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
        if ui.button(view.t("log_copy")).clicked() {
            ui.copy_text(text);
        }
        egui::ScrollArea::both().max_height(160.0).stick_to_bottom(true).show(ui, |ui| {
            for line in training.log.iter().rev().take(100).rev() {
                ui.label(RichText::new(line).monospace().small());
            }
        });
    });
}
