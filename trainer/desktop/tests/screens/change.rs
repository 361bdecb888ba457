//! Terms that the members changed: nothing is trained under them without this person's consent.

use egui_kittest::kittest::Queryable as _;
use serde_json::{Value, json};
use trainer_desktop::{Effect, Failure, Language, News, Settings, Terms, Words};

use crate::harness::{Tested, ready, running, terms};

/// What the trainer says when it finds other terms.
fn event(changes: &[[&str; 4]]) -> Value {
    let change = |[part, agreed, offered, bearing]: &[&str; 4]| json!({"part": part, "agreed": agreed, "offered": offered, "bearing": bearing});
    let changes: Vec<Value> = changes.iter().map(change).collect();
    json!({"event": "terms-changed", "agreed": terms().digest, "offered": "feed", "changes": changes})
}

const WEAKER: [[&str; 4]; 5] = [
    ["fewest contributors", "4", "2", "weaker"],
    ["noise", "1.5 (of 3 honest, δ 0.00001)", "none", "weaker"],
    ["purpose", "“Tell wine”", "“Sell wine”", "other"],
    ["training", "0a0a0a0a", "0b0b0b0b", "other"],
    ["rounds", "15", "9", "stronger"],
];

/// A window whose trainer found other terms while it trained.
fn stopped() -> Tested {
    let mut tested = running();
    tested.tell(News::Trainer(event(&WEAKER)));
    tested.tell(News::TrainerEnded { error: Some("the terms changed".to_owned()) });
    tested
}

/// Opens the page by the navigation: a button leads there, too.
fn reads(tested: &mut Tested) {
    tested.harness.get_all_by_label("Consent").next().unwrap().click();
    tested.steps();
}

fn starts(tested: &Tested) -> bool {
    tested.effects().iter().any(|effect| matches!(effect, Effect::Start(_)))
}

#[test]
fn a_vote_that_weakens_privacy_is_shown_in_words_and_nothing_is_trained() {
    let mut tested = stopped();
    // It was decided by others, and it is no error.
    tested.assert_sees(&["The members voted for other terms.", "until you decide"]);
    assert!(
        !tested.sees("Training ended") && tested.harness.query_by_label("Start training").is_none()
    );
    let kept = tested
        .effects()
        .into_iter()
        .any(|effect| matches!(effect, Effect::Save(settings) if settings.changed.is_some()));
    assert!(kept, "a restart does not forget it");
    reads(&mut tested);
    tested.assert_sees(&[
        "The members voted for terms that protect your data less",
        "What becomes weaker",
        "only 2 contributors are in it; so far it takes 4",
        "Less noise hides you: no noise; so far multiplier 1.5, counted for 3 honest contributors, δ = 0.00001.",
        "What else changes",
        "What the model is for: “Sell wine”; so far “Tell wine”.",
        "How it is trained on this computer: changed.",
        "What becomes stronger",
        "fewer rounds: 9; so far 15",
        "What stays",
        "cut into 2 shares",
        "Never: a row of your table",
    ]);
    // What changes is not said to stay.
    assert!(!tested.sees("at least 4 contributors") && !tested.sees("add no noise"));
    assert!(!starts(&tested));
}

#[test]
fn consent_is_signed_for_what_was_read_and_takes_the_place_of_the_former() {
    let mut tested = stopped();
    reads(&mut tested);
    tested.effects();
    tested.click("I agree to the changed terms");
    assert!(tested.effects().is_empty(), "it has to be read first, and the ledger has no address");
    tested.type_into("Address of the co-operative", "https://wine.example");
    tested.click("I have read what changes");
    tested.click("I agree to the changed terms");
    let effects = tested.effects();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Consent { terms, node, .. }
        if terms == "feed" && node == "https://wine.example")));
    tested.assert_sees(&["Signing your consent …"]);
    assert!(tested.harness.query_by_label("I agree to the changed terms").is_none(), "once");
    let reason = "members did not vote for the terms feed".to_owned();
    tested.tell(News::Failed { what: Failure::Consent, reason });
    tested.assert_sees(&["Your consent was not signed: members did not vote for the terms feed"]);
    assert!(tested.desk().settings.agreed == Some(terms().digest), "nothing has moved");
    tested.click("I have read what changes");
    tested.click("I agree to the changed terms");
    let moved = Terms { digest: "feed".to_owned(), minimum_cohort: 2, ..terms() };
    tested.tell(News::Consented(Box::new(moved)));
    tested.assert_sees(&["Your consent is in the ledger."]);
    let settings = &tested.desk().settings;
    assert_eq!((settings.agreed.as_deref(), &settings.changed), (Some("feed"), &None));
    // The data were held against the former terms.
    assert!(tested.effects().iter().any(|effect| matches!(effect, Effect::Preview { .. })));
    tested.tell(crate::harness::fitting());
    tested.click("Start training");
    assert!(starts(&tested));
}

#[test]
fn an_answer_with_other_terms_than_those_read_is_no_consent() {
    let mut tested = stopped();
    let other = Terms { digest: "fade".to_owned(), ..terms() };
    tested.tell(News::Consented(Box::new(other)));
    assert!(!tested.desk().agreed() && !tested.sees("Your consent is in the ledger."));
    tested.tell(crate::harness::fitting());
    assert!(tested.harness.query_by_label("Start training").is_none());
}

#[test]
fn who_stays_out_trains_nothing_and_can_look_again() {
    let mut tested = stopped();
    reads(&mut tested);
    tested.click("Stay out");
    tested.assert_sees(&["You stay out of the changed terms"]);
    tested.effects();
    tested.click("Training");
    tested.assert_sees(&["You stay out of the changed terms"]);
    assert!(tested.harness.query_by_label("Start training").is_none());
    tested.harness.get_all_by_label("Consent").last().unwrap().click();
    tested.steps();
    tested.click("Look again");
    assert!(starts(&tested), "the trainer looks, and stops again if they are still others");
    tested.tell(News::Trainer(event(&WEAKER)));
    tested.tell(News::TrainerEnded { error: Some("the terms changed".to_owned()) });
    tested.assert_sees(&["until you decide"]);
}

#[test]
fn a_window_opened_later_still_asks_and_speaks_the_persons_language() {
    let mut settings: Settings = ready().desk().settings.clone();
    settings.changed = trainer_desktop::ChangedTerms::from_event(&event(&WEAKER));
    settings.language = Language::Hindi;
    let mut tested = Tested::open(settings);
    tested.tell(News::Key { member: "ab".to_owned(), words: None });
    tested
        .tell(News::Terms { invitation: "sahakar://join?x".to_owned(), terms: Box::new(terms()) });
    tested.tell(crate::harness::fitting());
    let words = Words::of(Language::Hindi);
    tested.click(words.text("nav_consent"));
    let sides = [("agreed", "4"), ("offered", "2")];
    tested.assert_sees(&[
        words.text("change_weaker_title"),
        &words.fill("change_cohort_less", &sides),
        words.text("change_stay_out"),
    ]);
    assert!(!tested.sees("contributors"), "no English is left");
}

#[test]
fn own_pace_is_told_before_anything_is_agreed_to() {
    let mut tested = ready();
    assert!(!tested.sees("at your own pace"));
    let buffer = Some("fedbuff:buffer=6,exponent=0.5,stale=20".to_owned());
    let terms = Terms { buffer, ..terms() };
    let invitation = "sahakar://join?x".to_owned();
    tested.tell(News::Terms { invitation, terms: Box::new(terms) });
    tested.tell(crate::harness::fitting());
    tested.click("Consent  •");
    tested.assert_sees(&[
        "You train at your own pace",
        "Once 6 updates wait",
        "20 steps old is thrown away",
        "others can see when this computer trained",
        "waits on your disk, unsealed",
    ]);
}
