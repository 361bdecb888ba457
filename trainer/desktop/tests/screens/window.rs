//! Settings, languages, leaving, and every screen when there is nothing yet.

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use trainer_desktop::{
    Compared, DeviceSpeed, Effect, Failure, Language, Look, News, Screen, Settings, Shade,
};

use crate::harness::{Tested, ready};

#[test]
fn settings_out_of_range_are_refused_with_the_range() {
    let mut tested = ready();
    tested.click("Settings");
    tested.type_into("Hours: always, or such as mon-fri 22:00-06:00", " sometimes");
    tested.click("Save");
    tested.assert_sees(&["names no hours"]);
    assert!(tested.effects().is_empty());
    tested.click("Defaults");
    tested.click("Train on battery");
    tested.click("Save");
    let effects = tested.effects();
    assert!(matches!(&effects[..], [Effect::Save(_), Effect::Prefer(preferences)]
        if preferences.form().on_battery));
}

#[test]
fn devices_are_compared_and_the_fastest_is_taken_with_one_click() {
    let mut tested = ready();
    tested.click("Settings");
    tested.click("Compare for 5 seconds");
    assert!(matches!(tested.effects()[..], [Effect::CompareDevices]));
    tested.assert_sees(&["Each device learns for a moment"]);
    let of = |device: &str, description: &str, examples_per_second| DeviceSpeed {
        device: device.to_owned(),
        description: description.to_owned(),
        examples_per_second,
    };
    let devices = vec![of("cpu", "CPU", 900.4), of("wgpu", "Fast Card", 52_000.0)];
    tested.tell(News::Devices(Compared { devices, fastest: "wgpu".to_owned(), refused: None }));
    tested.assert_sees(&["900 examples a second", "Fast Card", "52000 examples a second"]);
    tested.click("Take the fastest");
    assert!(matches!(&tested.effects()[..], [Effect::Save(settings)] if settings.device == "wgpu"));
    assert!(!tested.sees("Take the fastest"), "it is taken");
    tested.click("Processor");
    assert!(matches!(&tested.effects()[..], [Effect::Save(settings)] if settings.device == "cpu"));
    tested.click("Compare for 5 seconds");
    let reason = "it is not there".to_owned();
    tested.tell(News::Failed { what: Failure::Devices, reason });
    tested.assert_sees(&["The devices could not be compared", "Compare for 5 seconds"]);
}

#[test]
fn the_window_speaks_hindi_and_turns_dark_and_large() {
    let look = Look { shade: Shade::Dark, scale_percent: 200 };
    let settings = Settings { language: Language::Hindi, look, ..Settings::default() };
    let mut tested = Tested::open(settings);
    tested.tell(News::KeyMissing);
    tested.assert_sees(&["स्वागत है", "कुंजी बनाएँ", "सेटिंग"]);
    tested.click("सेटिंग");
    // At this size the card lies below the edge.
    tested.harness.get_by_label("English").scroll_to_me();
    tested.steps();
    tested.click("English");
    tested.assert_sees(&["When and how much this computer may train."]);
    assert!((tested.harness.ctx.zoom_factor() - 2.0).abs() < 0.01);
}

#[test]
fn leaving_says_what_cannot_be_undone_and_erases_only_by_its_word() {
    let mut tested = ready();
    tested.click("Leave");
    tested.assert_sees(&["cannot be taken out again", "Without your 24 words the key is lost"]);
    tested.type_into("Type ERASE to confirm", "erase");
    tested.click("Erase everything here");
    tested.assert_sees(&["Nothing was erased"]);
    assert!(tested.effects().is_empty());
    tested.type_into("Type ERASE to confirm", "ERASE");
    tested.click("Erase everything here");
    assert!(matches!(tested.effects()[..], [Effect::Erase]));
    tested.tell(News::Erased);
    tested.assert_sees(&["Everything was erased from this computer."]);
    tested.click("Start");
    tested.assert_sees(&["Make a key"]);
}

#[test]
fn every_screen_draws_before_there_is_anything_to_show() {
    let mut tested = Tested::open(Settings::default());
    for screen in Screen::ALL {
        let name = trainer_desktop::Words::of(Language::English).text(screen.key()).to_owned();
        tested.click(&name);
        assert_eq!(tested.harness.state().as_ref().unwrap().desk().screen, screen);
        let nodes = tested.harness.root().children_recursive().count();
        assert!(nodes > 15, "{name} draws {nodes} nodes");
    }
}
