//! What training is computed on, and which device is fastest.

use eframe::egui::{RichText, Ui};

use super::{
    parts::{card_ui, rows_ui},
    view::View,
};
use crate::{
    command::Command,
    devices::{Compared, DEVICES, Devices},
};

/// Texts of [`DEVICES`].
const TEXTS: [&str; 3] = ["device_auto", "device_cpu", "device_wgpu"];

pub(super) fn device_ui(ui: &mut Ui, view: &View<'_>) {
    card_ui(ui, Some(view.t("device_title")), |ui| {
        ui.horizontal_wrapped(|ui| {
            for (device, text) in DEVICES.into_iter().zip(TEXTS) {
                let chosen = view.desk.settings.device == device;
                if ui.selectable_label(chosen, view.words.text(text)).clicked() && !chosen {
                    view.send(Command::Device(device.to_owned()));
                }
            }
        });
        ui.label(RichText::new(view.t("device_when")).weak().small());
        match &view.desk.devices {
            Devices::Unknown => compare_ui(ui, view),
            Devices::Comparing => {
                ui.horizontal(|ui| {
                    ui.spinner();
                    ui.label(view.t("device_comparing"));
                });
            }
            Devices::Compared(compared) => {
                compared_ui(ui, view, compared);
                compare_ui(ui, view);
            }
        }
    });
}

fn compare_ui(ui: &mut Ui, view: &View<'_>) {
    if ui.button(view.t("device_compare")).clicked() {
        view.send(Command::CompareDevices);
    }
}

fn compared_ui(ui: &mut Ui, view: &View<'_>, compared: &Compared) {
    let speed = |speed: f64| format!("{speed:.0} {}", view.t("device_speed"));
    let rows: Vec<(&str, String)> = compared
        .devices
        .iter()
        .map(|one| (&*one.description, speed(one.examples_per_second)))
        .collect();
    rows_ui(ui, "devices", &rows);
    if compared.refused.is_some() {
        ui.label(RichText::new(view.t("device_no_adapter")).weak());
    }
    let fastest = &compared.fastest;
    if view.desk.settings.device != *fastest && ui.button(view.t("device_take")).clicked() {
        view.send(Command::Device(fastest.clone()));
    }
}
