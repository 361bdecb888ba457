//! What the owner allows, and how the window looks.

use eframe::egui::{self, DragValue, RichText, Slider, Ui};
use trainer_conditions::PreferencesForm;

use super::{
    device_ui::device_ui,
    drafts::Drafts,
    parts::{card_ui, field_ui, heading, main_button},
    passphrase_ui::protection_ui,
    system_ui::system_ui,
    view::View,
};
use crate::{
    command::Command,
    settings::{Language, Look, Shade},
};

pub(super) fn settings_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    heading(ui, view, "settings_title", "settings_under");
    card_ui(ui, Some(view.t("settings_when")), |ui| {
        let form = &mut drafts.preferences;
        ui.checkbox(&mut form.while_in_use, view.t("pref_while_in_use"));
        ui.add_enabled_ui(!form.while_in_use, |ui| {
            number_ui(ui, view.t("pref_idle_minutes"), DragValue::new(&mut form.idle_minutes));
        });
        ui.checkbox(&mut form.on_battery, view.t("pref_on_battery"));
        ui.add_enabled_ui(form.on_battery, |ui| {
            number_ui(
                ui,
                view.t("pref_battery_min"),
                DragValue::new(&mut form.battery_min_percent).suffix(" %"),
            );
        });
        ui.checkbox(&mut form.on_metered_network, view.t("pref_metered"));
        field_ui(
            ui,
            view.t("pref_hours"),
            &mut form.hours,
            "mon-fri 22:00-06:00, sat-sun 00:00-24:00",
        );
    });
    card_ui(ui, Some(view.t("settings_how_much")), |ui| {
        how_much_ui(ui, view, &mut drafts.preferences)
    });
    ui.horizontal(|ui| {
        let changed = drafts.preferences != view.desk.settings.preferences;
        if main_button(ui, changed, view.t("settings_save")).clicked() {
            view.send(Command::Prefer(Box::new(drafts.preferences.clone())));
        }
        if ui.button(view.t("settings_default")).clicked() {
            drafts.preferences = PreferencesForm::default();
        }
        if changed {
            ui.label(RichText::new(view.t("settings_unsaved")).weak());
        }
    });
    ui.add_space(8.0);
    device_ui(ui, view);
    protection_ui(ui, view, drafts);
    look_ui(ui, view, drafts);
    system_ui(ui, view);
}

fn number_ui(ui: &mut Ui, name: &str, value: DragValue<'_>) {
    ui.horizontal(|ui| {
        let label = ui.label(name);
        ui.add(value).labelled_by(label.id);
    });
}

fn how_much_ui(ui: &mut Ui, view: &View<'_>, form: &mut PreferencesForm) {
    let percent = |value| DragValue::new(value).suffix(" %");
    number_ui(ui, view.t("pref_processor"), percent(&mut form.processor_percent));
    number_ui(ui, view.t("pref_memory"), percent(&mut form.memory_percent));
    number_ui(ui, view.t("pref_others"), percent(&mut form.others_max_percent));
    let temperature = DragValue::new(&mut form.temperature_max).suffix(" °C").max_decimals(0);
    number_ui(ui, view.t("pref_temperature"), temperature);
    let disk = DragValue::new(&mut form.disk_free_min_mib).suffix(" MiB");
    number_ui(ui, view.t("pref_disk"), disk);
}

fn look_ui(ui: &mut Ui, view: &View<'_>, drafts: &mut Drafts) {
    let settings = &view.desk.settings;
    card_ui(ui, Some(view.t("settings_look")), |ui| {
        ui.horizontal(|ui| {
            ui.label(view.t("settings_language"));
            for language in Language::ALL {
                if ui.selectable_label(settings.language == language, language.name()).clicked() {
                    view.send(Command::Speak(language));
                }
            }
        });
        let mut look = settings.look;
        ui.horizontal(|ui| {
            ui.label(view.t("settings_shade"));
            for shade in Shade::ALL {
                if ui.selectable_label(look.shade == shade, view.words.text(shade.key())).clicked()
                {
                    look.shade = shade;
                }
            }
        });
        ui.horizontal(|ui| {
            let label = ui.label(view.t("settings_scale"));
            let slider = Slider::new(&mut look.scale_percent, 100..=200).step_by(10.0).suffix(" %");
            ui.add(slider).labelled_by(label.id);
        });
        if look != settings.look {
            view.send(Command::Look(Look { ..look }));
        }
        field_ui(ui, view.t("settings_name"), &mut drafts.label, "contributor");
        ui.horizontal(|ui| {
            let changed = drafts.label != settings.label && !drafts.label.trim().is_empty();
            if ui.add_enabled(changed, egui::Button::new(view.t("settings_name_save"))).clicked() {
                view.send(Command::Name(drafts.label.trim().to_owned()));
            }
        });
    });
}
