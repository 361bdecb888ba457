//! First start, invitation, consent.

use trainer_desktop::{Backup, Effect, Failure, News, Settings};

use crate::harness::{Tested, ready, terms, words};

#[test]
fn the_first_start_makes_a_key_and_makes_the_person_prove_the_back_up() {
    let mut tested = Tested::open(Settings::default());
    tested.tell(News::KeyMissing);
    tested.effects();
    tested.click("Make a key");
    assert!(tested.effects().is_empty(), "a passphrase, or the word to go without, comes first");
    tested.click("Without a passphrase");
    tested.assert_sees(&["has your key: your credits and your votes"]);
    tested.click("Make a key");
    assert!(matches!(tested.effects()[..], [Effect::MakeKey(None)]));
    tested.tell(News::Key { member: "ab".to_owned(), words: Some(words()) });
    tested.assert_sees(&["word1", "24. word24", "Nobody from Sahakar will ever ask"]);
    tested.click("I have written them down");
    assert!(!tested.sees("word1"), "the words are hidden while they are asked for");
    let asked = tested.harness.state().as_ref().unwrap().desk().asked_words();
    for index in asked {
        tested.type_into(&format!("Word {}", index + 1), "wrong");
    }
    tested.click("Check");
    tested.assert_sees(&["These are not the words asked for"]);
    for index in asked {
        tested.type_into(&format!("Word {}", index + 1), &format!("word{}", index + 1));
    }
    tested.click("Check");
    tested.assert_sees(&["Your key is here and backed up."]);
    assert!(matches!(&tested.effects()[..], [Effect::Save(settings)] if settings.backed_up));
}

#[test]
fn a_key_is_restored_only_from_24_words() {
    let mut tested = Tested::open(Settings::default());
    tested.tell(News::KeyMissing);
    tested.effects();
    tested.click("Without a passphrase");
    tested.click("I have my 24 words");
    tested.type_into("The 24 words, in order", "one two three");
    tested.assert_sees(&["3 of 24 words"]);
    tested.click("Restore the key");
    assert!(tested.effects().is_empty(), "the button is off");
    tested.type_into("The 24 words, in order", &" more".repeat(21));
    tested.click("Restore the key");
    assert!(
        matches!(&tested.effects()[..], [Effect::RestoreKey { backup: Backup::Words(words), .. }]
        if words.expose().starts_with("one two three more"))
    );
    let reason = "these are not the words of a key".to_owned();
    tested.tell(News::Failed { what: Failure::Key, reason });
    tested.assert_sees(&["The key: these are not the words of a key", "Make a key"]);
}

#[test]
fn an_invitation_is_looked_at_before_anything_is_agreed_to() {
    let mut tested = Tested::open(Settings { backed_up: true, ..Settings::default() });
    tested.tell(News::Key { member: "ab".to_owned(), words: None });
    tested.effects();
    tested.type_into("Invitation", "sahakar://join?federation=x");
    tested.click("Look at it");
    assert!(matches!(&tested.effects()[..], [Effect::AskTerms(text)] if text.ends_with("=x")));
    let reason = "the invitation lacks token=…".to_owned();
    tested.tell(News::Failed { what: Failure::Terms, reason });
    tested.assert_sees(&["The invitation: the invitation lacks token=…"]);
    tested.click("Look at it");
    tested.tell(News::Terms {
        invitation: "sahakar://join?federation=x".to_owned(),
        terms: Box::new(terms()),
    });
    tested.assert_sees(&["wine", "Tell good red wine from ordinary"]);
}

#[test]
fn consent_says_what_leaves_and_is_taken_back_at_once() {
    let mut tested = ready();
    tested.click("Consent  •");
    tested.assert_sees(&[
        "wine.csv (100 rows)",
        "after 15 rounds",
        "450 numbers",
        "2 shares",
        "at least 4 contributors",
        "Never: a row of your table",
        "add no noise",
        "You agreed to these terms",
    ]);
    tested.click("Take back my consent");
    assert!(matches!(&tested.effects()[..], [Effect::Save(settings)] if settings.agreed.is_none()));
    tested.click("I agree");
    assert!(tested.effects().is_empty(), "it has to be read first");
    tested.click("I have read this");
    tested.click("I agree");
    assert!(matches!(&tested.effects()[..], [Effect::Save(settings)] if settings.agreed.is_some()));
}
