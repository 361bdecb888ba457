use datasets::Mapping;
use serde_json::json;
use trainer_conditions::PreferencesForm;

use super::*;
use crate::{
    command::Command,
    news::News,
    training::{Phase, Running},
};

const SEED_WORDS: &str =
    "w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 w16 w17 w18 w19 w20 w21 w22 w23 w24";

const INVITATION: &str = "sahakar://join?x";

fn terms() -> Terms {
    serde_json::from_str(include_str!("../../tests/terms.json")).unwrap()
}

fn table(rows: usize) -> News {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.csv");
    let columns = terms().features.len();
    let row = |row: usize| format!("{}ordinary\n", format!("{row},").repeat(columns));
    let rows: String = (0..rows).map(row).collect();
    std::fs::write(&path, format!("{},quality\n{rows}", terms().features.join(","))).unwrap();
    News::Table(Box::new(Preview::read(&path, &terms(), Mapping::default()).unwrap()))
}

fn with_key() -> Desk {
    let (mut desk, _) = Desk::open(Settings::default());
    desk.apply(News::KeyMissing);
    let effects = desk.act(Command::MakeKey(None));
    assert!(matches!(effects[..], [Effect::MakeKey(None)]));
    let words = Some(Secret::new(SEED_WORDS.to_owned()));
    desk.apply(News::Key { member: "abcd".to_owned(), words });
    desk
}

fn backed_up() -> Desk {
    let mut desk = with_key();
    desk.act(Command::WordsWritten);
    let answers = desk.asked_words().map(|index| format!(" W{} ", index + 1));
    let effects = desk.act(Command::ProveWords(answers));
    assert!(matches!(&effects[..], [Effect::Save(settings)] if settings.backed_up));
    desk
}

fn ready() -> Desk {
    let mut desk = backed_up();
    desk.act(Command::Invite(INVITATION.to_owned()));
    desk.apply(News::Terms { invitation: INVITATION.to_owned(), terms: Box::new(terms()) });
    desk.apply(table(9));
    desk.act(Command::Agree);
    desk
}

#[test]
fn a_key_is_not_ready_until_three_of_its_words_were_proven() {
    let mut desk = with_key();
    assert!(matches!(desk.key, Key::Unsaved { asked: false, .. }));
    let right = desk.asked_words().map(|index| format!("w{}", index + 1));
    desk.act(Command::ProveWords(right.clone()));
    assert!(matches!(desk.key, Key::Unsaved { .. }), "they were not asked for");
    desk.act(Command::WordsWritten);
    let [first, second, _] = right;
    desk.act(Command::ProveWords([first, second, "w0".to_owned()]));
    assert_eq!(desk.notice, Some(Notice::WordsWrong));
    assert_eq!(desk.lacking(), Some(Screen::Start));
    desk.act(Command::WordsAgain);
    assert!(matches!(desk.key, Key::Unsaved { asked: false, .. }));
    assert!(matches!(backed_up().key, Key::Ready { .. }));
}

#[test]
fn the_words_asked_for_are_three_different_ones() {
    let mut desk = Desk::default();
    for member in ["", "a", "abcdef", "0123456789"] {
        desk.key = Key::Ready { member: member.to_owned() };
        let [first, second, third] = desk.asked_words();
        assert!(first < second && second < third && third < WORDS, "{member}");
    }
}

#[test]
fn nothing_is_trained_without_key_terms_data_and_consent() {
    let mut desk = backed_up();
    let mut lacking = vec![desk.lacking()];
    desk.act(Command::Invite(INVITATION.to_owned()));
    desk.apply(News::Terms { invitation: INVITATION.to_owned(), terms: Box::new(terms()) });
    lacking.push(desk.lacking());
    desk.apply(table(9));
    lacking.push(desk.lacking());
    assert!(desk.act(Command::Start).is_empty());
    desk.act(Command::Agree);
    lacking.push(desk.lacking());
    assert_eq!(lacking, [Some(Screen::Start), Some(Screen::Data), Some(Screen::Consent), None]);
    let effects = desk.act(Command::Start);
    assert!(matches!(&effects[..], [Effect::Start(run)] if run.data.ends_with("t.csv")));
    assert!(desk.act(Command::Start).is_empty(), "it runs already");
}

#[test]
fn consent_is_to_these_terms_and_no_others() {
    let mut desk = ready();
    let other = Terms { digest: "other".to_owned(), ..terms() };
    desk.apply(News::Terms { invitation: INVITATION.to_owned(), terms: Box::new(other) });
    assert!(!desk.agreed());
    assert_eq!(desk.notice, Some(Notice::TermsChanged));
    assert!(desk.act(Command::Start).iter().all(|effect| !matches!(effect, Effect::Start(_))));
}

#[test]
fn taking_consent_back_stops_training_at_once() {
    let mut desk = ready();
    desk.act(Command::Start);
    let effects = desk.act(Command::Withdraw);
    assert!(matches!(effects[..], [Effect::Stop, Effect::Save(_)]));
    assert_eq!(desk.training.running, Running::Stopping);
    desk.apply(News::TrainerEnded { error: Some("killed".to_owned()) });
    assert_eq!((desk.training.running, &desk.notice), (Running::Off, &None));
    assert_eq!(desk.lacking(), Some(Screen::Consent));
}

#[test]
fn a_trainer_that_ends_by_itself_is_told_with_its_reason() {
    let mut desk = ready();
    desk.act(Command::Start);
    desk.apply(News::Trainer(json!({"event": "joined"})));
    assert_eq!(desk.training.phase, Phase::Waiting);
    desk.apply(News::TrainerEnded { error: Some("no way".to_owned()) });
    let reason = "no way".to_owned();
    assert_eq!(desk.notice, Some(Notice::Failed { what: Failure::Trainer, reason }));
}

#[test]
fn contradictory_preferences_are_refused_and_change_nothing() {
    let mut desk = ready();
    let form =
        PreferencesForm { hours: "mon 09:00-09:00".to_owned(), ..PreferencesForm::default() };
    assert!(desk.act(Command::Prefer(Box::new(form))).is_empty());
    assert!(matches!(desk.notice, Some(Notice::Preferences(_))));
    assert_eq!(desk.settings.preferences, PreferencesForm::default());
}

#[test]
fn erasing_takes_the_word_and_leaves_nothing_of_a_person() {
    let mut desk = ready();
    desk.act(Command::Start);
    assert!(desk.act(Command::Erase { confirmed: "yes".to_owned() }).is_empty());
    assert_eq!(desk.notice, Some(Notice::EraseUnconfirmed));
    let effects = desk.act(Command::Erase { confirmed: ERASE_WORD.to_owned() });
    assert!(matches!(effects[..], [Effect::Stop, Effect::Erase]));
    desk.apply(News::Erased);
    assert!(matches!(desk.key, Key::Missing));
    assert!(desk.settings.invitation.is_none() && desk.settings.agreed.is_none());
    assert!(!desk.settings.backed_up);
}

#[test]
fn an_invitation_that_comes_before_the_key_waits_for_it() {
    let (mut desk, effects) = Desk::open(Settings::default());
    let asks = |effects: &[Effect]| {
        effects.iter().any(|effect| matches!(effect, Effect::AskTerms(text) if text.ends_with('x')))
    };
    assert!(!asks(&effects));
    // Asking takes a key, and would make one that nobody backed up.
    assert!(!asks(&desk.act(Command::Invite(INVITATION.to_owned()))));
    assert!(!asks(&desk.apply(News::KeyMissing)));
    assert!(asks(&desk.apply(News::Key { member: "abcd".to_owned(), words: None })));
}

#[test]
fn a_mapping_is_remembered_for_its_data_and_no_others() {
    let mut desk = ready();
    let mapping = Mapping { ignore: vec!["*".to_owned()], ..Mapping::default() };
    let effects = desk.act(Command::Map(Box::new(mapping.clone())));
    assert!(matches!(&effects[..], [Effect::Save(settings)] if settings.mapping == mapping));
    desk.act(Command::HoldOut(90));
    let effects = desk.act(Command::Start);
    assert!(matches!(&effects[..], [Effect::Start(run)]
        if run.mapping == mapping && run.hold_out_percent == 50));
    let same = desk.settings.data.clone().unwrap();
    let effects = desk.act(Command::Preview(same.into()));
    assert!(matches!(&effects[..], [Effect::Preview { mapping: kept, .. }] if *kept == mapping));
    let effects = desk.act(Command::Preview("other.csv".into()));
    assert!(
        matches!(&effects[..], [Effect::Preview { mapping: kept, .. }] if *kept == Mapping::default())
    );
}

#[test]
fn the_co_operative_is_asked_only_where_it_was_named() {
    let mut desk = ready();
    assert!(desk.act(Command::Refresh).is_empty());
    let effects = desk.act(Command::Node(" https://wine.example/ ".to_owned()));
    let asked = |effect: &Effect| matches!(effect, Effect::Ask { node, .. } if node == "https://wine.example");
    assert!(effects.iter().any(asked));
}

#[test]
fn a_name_that_no_request_can_carry_is_refused() {
    let mut desk = ready();
    assert!(desk.act(Command::Name("ñ".repeat(33))).is_empty());
    assert_eq!(desk.notice, Some(Notice::NameTooLong));
    assert_eq!(desk.act(Command::Name("ñ".repeat(32))).len(), 1);
}

#[test]
fn a_link_does_not_take_the_place_of_the_federation_that_was_joined() {
    let mut desk = backed_up();
    let own = "sahakar://join?federation=aa&token=old".to_owned();
    desk.act(Command::Invite(own.clone()));
    desk.apply(News::Terms { invitation: own.clone(), terms: Box::new(terms()) });
    desk.act(Command::Agree);
    for link in ["sahakar://join?token=x&federation=bb", "sahakar://join?", "nonsense"] {
        assert!(desk.act(Command::Invite(link.to_owned())).is_empty(), "{link}");
        assert_eq!(desk.notice, Some(Notice::OtherFederation));
        assert_eq!(desk.settings.invitation.as_ref(), Some(&own));
    }
    // The same federation at another address.
    let moved = "sahakar://join?token=new&federation=aa".to_owned();
    assert!(
        matches!(&desk.act(Command::Invite(moved.clone()))[..], [Effect::AskTerms(text)] if *text == moved)
    );
}

#[test]
fn terms_of_an_invitation_that_was_looked_at_before_are_not_taken_for_those_of_the_next() {
    let mut desk = backed_up();
    desk.act(Command::Invite("sahakar://join?federation=aa".to_owned()));
    desk.act(Command::Invite("sahakar://join?federation=bb".to_owned()));
    let late = "sahakar://join?federation=aa".to_owned();
    desk.apply(News::Terms { invitation: late.clone(), terms: Box::new(terms()) });
    assert!(desk.terms().is_none());
    desk.apply(News::NoTerms { invitation: late, reason: "in use".to_owned() });
    assert!(desk.notice.is_none());
}
