//! A key under a passphrase: choosing one, unlocking, forgetting, changing.

use trainer_desktop::{Backup, Effect, Failure, News, PASSPHRASE_CHARS_MIN, Screen, Settings};

use crate::harness::{Tested, ready, running};

const RIGHT: &str = "five words of a list";

fn first_start() -> Tested {
    let mut tested = Tested::open(Settings::default());
    tested.tell(News::KeyMissing);
    tested.effects();
    tested
}

fn locked() -> Tested {
    let settings =
        Settings { backed_up: true, member: Some("ab12".to_owned()), ..Settings::default() };
    let mut tested = Tested::open(settings);
    tested.tell(News::Protection(true));
    tested.tell(News::KeyLocked { wrong: false });
    tested.effects();
    tested
}

#[test]
fn the_window_asks_for_as_many_characters_as_the_command_line() {
    assert_eq!(PASSPHRASE_CHARS_MIN, privacy_identity::Passphrase::NEW_CHARS_MIN);
}

#[test]
fn a_new_key_is_made_only_under_two_equal_long_passphrases_or_knowingly_without() {
    let mut tested = first_start();
    let mut made = |first: &str, second: &str, told: &str| {
        tested.type_into("New passphrase", first);
        tested.type_into("New passphrase again", second);
        tested.assert_sees(&[told]);
        tested.click("Make a key");
        tested.effects()
    };
    assert!(made("five words", "five words", "10 characters; at least 12 are needed").is_empty());
    assert!(made(" of a list", "", "The two are not the same yet").is_empty());
    let made = made("", " of a list", "Both are the same");
    assert!(matches!(&made[..], [Effect::MakeKey(Some(passphrase))]
        if passphrase.expose() == RIGHT));
    // Whatever comes of it: what was typed is gone.
    tested.tell(News::Failed { what: Failure::Key, reason: "the disk is full".to_owned() });
    tested.assert_sees(&["The key: the disk is full", "0 characters; at least 12"]);
}

#[test]
fn a_wrong_passphrase_is_said_in_one_sentence_and_locks_nobody_out() {
    let mut tested = locked();
    tested.assert_sees(&["Your key is locked"]);
    assert!(!tested.sees("Make a key") && !tested.sees("New passphrase"));
    tested.click("Unlock");
    assert!(tested.effects().is_empty(), "nothing was said yet");
    for attempt in ["wrong", "wrong again", "and again"] {
        tested.type_into("Passphrase of the key", attempt);
        tested.click("Unlock");
        assert!(matches!(&tested.effects()[..], [Effect::Unlock { passphrase, with_words: false }]
            if passphrase.expose() == attempt));
        tested.tell(News::KeyLocked { wrong: true });
        tested.assert_sees(&["This is not the passphrase of the key. Nothing is lost"]);
    }
    tested.type_into("Passphrase of the key", RIGHT);
    tested.click("Unlock");
    tested.tell(News::Key { member: "ab12".to_owned(), words: None });
    tested.assert_sees(&["Your key is here and backed up."]);
}

#[test]
fn nothing_is_asked_of_anybody_before_the_key_is_unlocked() {
    let settings = Settings {
        backed_up: true,
        invitation: Some("sahakar://join?x".to_owned()),
        ..Settings::default()
    };
    let mut tested = Tested::open(settings);
    tested.effects();
    tested.tell(News::KeyLocked { wrong: false });
    tested.click("Training");
    tested.tell(News::KeyLocked { wrong: true });
    assert_eq!(tested.desk().screen, Screen::Start);
    assert_eq!(tested.desk().lacking(), Some(Screen::Start));
    assert!(tested.effects().is_empty());
}

#[test]
fn a_forgotten_passphrase_is_remedied_by_the_words_or_a_copy_of_the_same_key() {
    let mut tested = locked();
    tested.click("I have forgotten it");
    tested.assert_sees(&["Nobody can open the key without it", "key.forgotten"]);
    tested.click("I have my 24 words");
    tested.type_into("The 24 words, in order", &"word ".repeat(24));
    tested.assert_sees(&["First choose a passphrase above"]);
    tested.click("Restore the key");
    assert!(tested.effects().is_empty(), "the new passphrase comes first");
    tested.type_into("New passphrase", RIGHT);
    tested.type_into("New passphrase again", RIGHT);
    tested.click("Restore the key");
    assert!(matches!(&tested.effects()[..],
        [Effect::RestoreKey { backup: Backup::Words(_), passphrase: Some(new), member: Some(member) }]
        if new.expose() == RIGHT && member == "ab12"));
    let reason = "this is a back-up of another key (cd34); nothing was changed".to_owned();
    tested.tell(News::Failed { what: Failure::Passphrase, reason });
    tested.assert_sees(&["The passphrase: this is a back-up of another key", "Your key is locked"]);

    tested.click("I have forgotten it");
    tested.click("Without a passphrase");
    tested.click("I have an encrypted copy of the key");
    tested.type_into("Passphrase of the copy", "another passphrase");
    tested.click("Restore from the copy");
    assert!(matches!(&tested.effects()[..],
        [Effect::RestoreKey { backup: Backup::File(path, own), passphrase: None, .. }]
        if path.ends_with("sahakar-key.age") && own.expose() == "another passphrase"));
}

#[test]
fn a_passphrase_is_set_changed_and_removed_in_the_settings() {
    let mut tested = ready();
    tested.click("Settings");
    tested.assert_sees(&["The key lies on this computer's disk in the clear"]);
    tested.click("Set the passphrase");
    assert!(tested.effects().is_empty());
    tested.type_into("New passphrase", RIGHT);
    tested.type_into("New passphrase again", RIGHT);
    tested.click("Set the passphrase");
    assert!(matches!(&tested.effects()[..], [Effect::Protect { now: None, new: Some(_) }]));
    tested.tell(News::Protected(true));
    tested
        .assert_sees(&["The key is encrypted under the new passphrase.", "under your passphrase"]);

    tested.click("Remove the passphrase");
    assert!(tested.effects().is_empty(), "the present one has to be said");
    tested.type_into("Passphrase of the key", RIGHT);
    tested.click("Remove the passphrase");
    assert!(matches!(&tested.effects()[..], [Effect::Protect { now: Some(now), new: None }]
        if now.expose() == RIGHT));
    let reason = "the passphrase is not the one of key; nothing was changed".to_owned();
    tested.tell(News::Failed { what: Failure::Passphrase, reason });
    tested.assert_sees(&["nothing was changed", "The key is kept encrypted"]);
    tested.tell(News::Protected(false));
    tested.assert_sees(&["The key has no passphrase any more."]);
}

#[test]
fn a_key_that_trains_is_not_changed_and_a_copy_of_it_can_be_written() {
    let mut tested = running();
    // The navigation's, and the button of a pause.
    tested.click_first("Settings");
    tested.assert_sees(&["Stop training first."]);
    tested.click("Write the copy");
    assert!(tested.effects().is_empty());
    tested.type_into("Passphrase of the copy", "another passphrase");
    tested.click("Write the copy");
    assert!(matches!(&tested.effects()[..], [Effect::BackUp(path, own)]
        if path.ends_with("sahakar-key.age") && own.expose() == "another passphrase"));
}
