//! Several federations in one window.

use egui_kittest::kittest::Queryable as _;
use serde_json::json;
use trainer_conditions::{Pace, Reason};
use trainer_desktop::{
    Account, CoOperative, Effect, News, Privacy, Seat, SentLine, Settings, Terms,
};

use crate::harness::{Tested, fitting, terms, words};

const SECOND: Seat = Seat(2);

fn other_terms() -> Terms {
    Terms { digest: "beefbeefbeef".to_owned(), name: "honey".to_owned(), ..terms() }
}

fn settings(terms: &Terms) -> Settings {
    Settings {
        backed_up: true,
        invitation: Some(format!("sahakar://join?federation={}", terms.digest)),
        data: Some("table.csv".to_owned()),
        agreed: Some(terms.digest.clone()),
        joined: true,
        node: format!("https://{}.example", terms.name),
        ..Settings::default()
    }
}

/// A window with two federations that lack nothing; the first is looked at.
fn two() -> Tested {
    let both = [(Seat::FIRST, terms()), (SECOND, other_terms())];
    let mut tested =
        Tested::open_all(both.iter().map(|(seat, terms)| (*seat, settings(terms))).collect());
    for (seat, terms) in both {
        let member = format!("{:0>16}", seat.0);
        tested.tell_at(seat, News::Key { member, words: None });
        let invitation = settings(&terms).invitation.unwrap();
        tested.tell_at(seat, News::Terms { invitation, terms: Box::new(terms) });
        tested.tell_at(seat, fitting());
    }
    tested.to_do();
    tested
}

fn sits(tested: &mut Tested, entry: &str) {
    tested.click("Shown federation");
    tested.click(entry);
}

#[test]
fn a_list_leads_from_one_federation_to_the_other() {
    let mut tested = two();
    tested.click("Earnings");
    let account = |credits: &str| Account { credits: credits.to_owned(), ..Account::default() };
    let said = |credits, spent| {
        let privacy = Privacy { spent_micro: Some(spent), limit_micro: Some(4_000_000) };
        CoOperative { account: account(credits), privacy, ..CoOperative::default() }
    };
    tested.tell_at(Seat::FIRST, News::CoOperative(Box::new(said("120", 1_000_000))));
    tested.tell_at(SECOND, News::CoOperative(Box::new(said("77", 3_000_000))));
    tested.assert_sees(&["120", "Privacy meter of wine", "ε 1.000 of 4.000"]);
    tested.to_do();
    sits(&mut tested, "honey · Not training");
    tested.assert_sees(&["77", "Privacy meter of honey", "ε 3.000 of 4.000"]);
    assert!(!tested.sees("120"));
    // Each is asked at its own address, under its own key.
    let asked = |(seat, effect): &(Seat, Effect)| {
        *seat == SECOND
            && matches!(effect, Effect::Ask { node, federation, member }
                if node == "https://honey.example" && federation == "honey" && member.ends_with("02"))
    };
    assert!(tested.to_do().iter().any(asked));
    let line = SentLine {
        time_ms: 0,
        to: None,
        kind: "submit".to_owned(),
        bytes: 9,
        digest: "d".to_owned(),
        sealed: true,
        round: Some(4),
    };
    tested.tell_at(SECOND, News::Sent { lines: vec![line], messages: 1, bytes: 9 });
    tested.click("What left");
    tested.assert_sees(&["sealed, round 5"]);
    sits(&mut tested, "wine · Not training");
    tested.assert_sees(&["Nothing has left this computer."]);
}

#[test]
fn one_trains_at_a_time_and_the_other_says_for_whom_it_waits() {
    let mut tested = two();
    for (entry, seat) in [("wine · Not training", Seat::FIRST), ("honey · Not training", SECOND)]
    {
        // The same page of the other one.
        if seat == SECOND {
            sits(&mut tested, entry);
        } else {
            tested.click("Training");
        }
        tested.click("Start training");
        assert!(
            tested
                .to_do()
                .iter()
                .any(|(of, effect)| *of == seat && matches!(effect, Effect::Start(_)))
        );
        tested.tell_at(seat, News::Pace(Pace::Train));
        tested.tell_at(seat, News::Trainer(json!({"event": "ordered", "round": 1})));
    }
    tested.tell_at(SECOND, News::Turn(Some(Seat::FIRST)));
    tested.assert_sees(&["Waits while wine trains", "One federation at a time"]);
    // A pause has its own reason, of both.
    tested.tell_at(SECOND, News::Pace(Pace::Pause(Reason::Network)));
    assert!(tested.sees("paid for by volume") && !tested.sees("Waits while"));
    tested.tell_at(SECOND, News::Pace(Pace::Train));
    tested.tell_at(SECOND, News::Turn(None));
    assert!(!tested.sees("Waits while"));
    sits(&mut tested, "wine · Training");
    tested.click("Stop");
    let stops: Vec<Seat> = tested
        .to_do()
        .into_iter()
        .filter(|(_, effect)| matches!(effect, Effect::Stop))
        .map(|(seat, _)| seat)
        .collect();
    assert_eq!(stops, [Seat::FIRST], "the other goes on");
}

#[test]
fn one_more_gets_a_key_of_its_own_and_says_why() {
    let mut tested = two();
    tested.harness.get_by_label("Start  •").click();
    tested.steps();
    tested.click("Join another federation");
    let seat = tested.seats().at();
    assert_eq!(seat, Seat(3));
    tested.tell(News::KeyMissing);
    tested.assert_sees(&["the member there are the same person", "learns for one at a time"]);
    tested.to_do();
    tested.click("Without a passphrase");
    tested.click("Make a key");
    assert!(matches!(tested.to_do()[..], [(Seat(3), Effect::MakeKey(None))]));
    tested.tell(News::Key { member: "ff".to_owned(), words: Some(words()) });
    tested.assert_sees(&["24. word24"]);
    sits(&mut tested, "wine · Not training");
    tested.assert_sees(&["Your key is here and backed up."]);
}

#[test]
fn one_more_is_given_up_again() {
    let mut tested = two();
    tested.click("Start  •");
    tested.click("Join another federation");
    tested.tell(News::KeyMissing);
    tested.click("Do not join one more");
    assert_eq!((tested.seats().count(), tested.seats().at()), (2, SECOND));
}

#[test]
fn leaving_one_says_that_the_others_stay() {
    let mut tested = two();
    sits(&mut tested, "honey · Not training");
    tested.click("Leave");
    tested.assert_sees(&["This is about honey alone"]);
    tested.type_into("Type ERASE to confirm", "ERASE");
    tested.to_do();
    tested.click("Erase everything here");
    assert!(matches!(tested.to_do()[..], [(SECOND, Effect::Erase)]));
    tested.tell(News::Erased);
    tested.assert_sees(&["Everything was erased from this computer."]);
    assert!(tested.harness.query_by_label("Shown federation").is_none(), "there is one left");
    tested.click("Start  •");
    tested.assert_sees(&["wine"]);
}

#[test]
fn with_one_federation_there_is_no_list() {
    let mut tested = crate::harness::ready();
    assert!(tested.harness.query_by_label("Shown federation").is_none());
    tested.click("Leave");
    assert!(!tested.sees("This is about"));
}

#[test]
fn a_decision_that_waits_at_another_federation_is_seen_from_here() {
    let mut tested = two();
    assert!(tested.harness.query_by_label("honey: You are needed").is_none());
    let changes = json!([{"part": "rounds", "agreed": "5", "offered": "9", "bearing": "weaker"}]);
    let event =
        json!({"event": "terms-changed", "agreed": "a", "offered": "b", "changes": changes});
    tested.tell_at(SECOND, News::Trainer(event));
    assert!(!tested.sees("The members voted"), "it is the other's");
    tested.click("honey: You are needed");
    assert_eq!(tested.seats().at(), SECOND);
    tested.click("Training");
    tested.assert_sees(&["The members voted for other terms."]);
}
