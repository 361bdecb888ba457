//! Typing while something happens: what a person has begun is not lost.

use egui_kittest::kittest::Queryable as _;
use trainer_desktop::{Failure, Key, News, Settings};

use crate::harness::{Tested, fitting, ready, running, terms};

/// Goes on typing wherever the keyboard is, as a person does who looks at the keys.
fn goes_on_typing(tested: &mut Tested, label: &str, text: &str) {
    tested.harness.get_by_label(label).type_text(text);
    tested.steps();
}

fn notice() -> News {
    News::Failed { what: Failure::CoOperative, reason: "no answer".to_owned() }
}

fn said(tested: &Tested, label: &str) -> String {
    tested.harness.get_by_label(label).value().unwrap()
}

#[test]
fn a_notice_that_comes_while_somebody_types_takes_no_letter() {
    let mut tested = ready();
    tested.click("Leave");
    let label = "Type ERASE to confirm";
    tested.type_into(label, "ERA");
    tested.tell(notice());
    tested.assert_sees(&["no answer"]);
    goes_on_typing(&mut tested, label, "S");
    tested.click("Close");
    // The button was clicked: the person comes back to the field.
    tested.type_into(label, "E");
    assert_eq!(said(&tested, label), "ERASE");
}

#[test]
fn what_appears_above_a_field_takes_no_letter() {
    // The key is locked, and the words for a wrong passphrase come while the next one is being typed.
    let mut tested = Tested::open(Settings { backed_up: true, ..Settings::default() });
    tested.tell(News::KeyLocked { wrong: false });
    let label = "Passphrase of the key";
    tested.type_into(label, "five words ");
    tested.tell(notice());
    goes_on_typing(&mut tested, label, "of a list");
    tested.click("Unlock");
    let unlocks = tested.effects().into_iter().find_map(|effect| match effect {
        trainer_desktop::Effect::Unlock { passphrase, .. } => Some(passphrase),
        _ => None,
    });
    assert_eq!(unlocks.unwrap().expose(), "five words of a list");
    assert!(matches!(tested.desk().key, Key::Working));
}

#[test]
fn another_file_that_is_being_typed_is_not_replaced_by_the_one_that_was_read() {
    let mut tested = ready();
    tested.click("Data  •");
    let label = "File or folder";
    let before = said(&tested, label);
    tested.type_into(label, "/other");
    let typed = said(&tested, label);
    assert_ne!(typed, before);
    // What was remembered is read again once the terms are here, and that takes a while.
    let invitation = "sahakar://join?x".to_owned();
    tested.tell(News::Terms { invitation, terms: Box::new(terms()) });
    tested.tell(fitting());
    assert_eq!(said(&tested, label), typed);
    // One that was picked is meant.
    tested.tell(News::Picked("/picked.csv".into()));
    assert_eq!(said(&tested, label), "/picked.csv");
}

#[test]
fn a_line_that_appears_leaves_the_keyboard_on_its_button() {
    let mut tested = running();
    tested.harness.get_by_label("Stop").focus();
    tested.steps();
    assert!(tested.harness.get_by_label("Stop").is_focused());
    tested.tell(News::Unwatched(vec![trainer_conditions::Condition::Battery]));
    tested.assert_sees(&["Stop"]);
    assert!(tested.harness.get_by_label("Stop").is_focused());
    tested.tell(notice());
    assert!(tested.harness.get_by_label("Stop").is_focused());
}
