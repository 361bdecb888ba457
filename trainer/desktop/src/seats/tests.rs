use super::*;
use crate::{
    settings::{Language, Look, Shade},
    terms::Terms,
};

const SECOND: Seat = Seat(2);

fn invitation(federation: &str) -> String {
    format!("sahakar://join?federation={federation}&token=t")
}

fn joined(federation: &str) -> Settings {
    Settings {
        backed_up: true,
        joined: true,
        federation: Some(federation.to_owned()),
        invitation: Some(invitation(federation)),
        agreed: Some(federation.to_owned()),
        ..Settings::default()
    }
}

/// Two federations, of which the first is looked at.
fn two() -> Seats {
    let (mut seats, _) = Seats::open(vec![(Seat::FIRST, joined("aa")), (SECOND, joined("bb"))]);
    for (seat, member) in [(Seat::FIRST, "m1"), (SECOND, "m2")] {
        seats.apply(seat, News::Key { member: member.to_owned(), words: None });
    }
    seats
}

fn terms(digest: &str) -> Box<Terms> {
    let terms: Terms = serde_json::from_str(include_str!("../../tests/terms.json")).unwrap();
    Box::new(Terms { digest: digest.to_owned(), name: digest.to_owned(), ..terms })
}

fn of(to_do: &ToDo, seat: Seat) -> Vec<&Effect> {
    to_do.iter().filter(|(of, _)| *of == seat).map(|(_, effect)| effect).collect()
}

#[test]
fn each_federation_asks_for_its_own_key_and_its_own_terms() {
    let (mut seats, to_do) = Seats::open(vec![(SECOND, joined("bb")), (Seat::FIRST, joined("aa"))]);
    for seat in [Seat::FIRST, SECOND] {
        assert!(of(&to_do, seat).iter().any(|effect| matches!(effect, Effect::ReadKey { .. })));
    }
    for (seat, id) in [(Seat::FIRST, "aa"), (SECOND, "bb")] {
        let to_do = seats.apply(seat, News::Key { member: id.to_owned(), words: None });
        assert!(
            matches!(&to_do[..], [(of, Effect::AskTerms(text))] if *of == seat && *text == invitation(id))
        );
    }
    // An answer to one is none to the other.
    seats.apply(Seat::FIRST, News::Terms { invitation: invitation("bb"), terms: terms("bb") });
    assert!(seats.desk().terms().is_none());
    seats.act(Command::Sit(SECOND));
    assert_eq!((seats.at(), seats.desk().member()), (SECOND, Some("bb")));
    seats.act(Command::Sit(Seat(9)));
    assert_eq!(seats.at(), SECOND, "there is no such seat");
}

#[test]
fn what_the_person_allows_is_common_and_everything_else_is_not() {
    let mut seats = two();
    seats.act(Command::Sit(SECOND));
    let to_do = seats.act(Command::Speak(Language::Hindi));
    let look = Look { shade: Shade::Dark, scale_percent: 150 };
    seats.act(Command::Look(look));
    let saved = of(&to_do, Seat::FIRST);
    assert!(
        matches!(&saved[..], [Effect::Save(first)] if first.language == Language::Hindi && first.agreed.as_deref() == Some("aa")),
        "the first keeps what is common, and what is its own"
    );
    let to_do = seats.act(Command::Node("https://b.example".to_owned()));
    assert!(of(&to_do, Seat::FIRST).is_empty(), "an address is no business of the other's");
    seats.act(Command::Name("asha".to_owned()));
    seats.act(Command::Sit(Seat::FIRST));
    let settings = &seats.desk().settings;
    assert_eq!((settings.language, settings.look), (Language::Hindi, look));
    assert_eq!((settings.node.as_str(), settings.label.as_str()), ("", "contributor"));
    // A file that differs is overruled by the first.
    let other = Settings { language: Language::Hindi, ..joined("bb") };
    let (seats, _) = Seats::open(vec![(Seat::FIRST, joined("aa")), (SECOND, other)]);
    assert!(seats.all().all(|(_, desk)| desk.settings.language == Language::English));
}

#[test]
fn consent_at_one_is_none_at_the_other_and_withdrawing_it_stops_that_one() {
    let mut seats = two();
    for (seat, id) in [(Seat::FIRST, "aa"), (SECOND, "bb")] {
        seats.apply(seat, News::Terms { invitation: invitation(id), terms: terms(id) });
    }
    for desk in seats.desks.values_mut() {
        desk.training.start();
    }
    let to_do = seats.act(Command::Withdraw);
    assert!(of(&to_do, SECOND).is_empty());
    assert!(matches!(of(&to_do, Seat::FIRST)[..], [Effect::Stop, Effect::Save(_)]));
    seats.act(Command::Sit(SECOND));
    assert!(seats.desk().agreed() && seats.desk().training.running == Running::On);
}

#[test]
fn an_invitation_finds_its_federation_or_gets_a_seat_of_its_own() {
    let mut seats = two();
    seats.act(Command::Invite(invitation("bb")));
    assert_eq!((seats.at(), seats.count()), (SECOND, 2), "known there");
    let to_do = seats.act(Command::Invite(invitation("cc")));
    assert_eq!((seats.at(), seats.count()), (Seat(3), 3));
    assert!(!to_do.iter().any(|(_, effect)| matches!(effect, Effect::AskTerms(_))), "no key yet");
    assert!(seats.desk().settings.agreed.is_none());
    // The next link takes the seat at which nothing was agreed to.
    seats.act(Command::Sit(Seat::FIRST));
    seats.act(Command::Invite(invitation("dd")));
    assert_eq!((seats.at(), seats.count()), (Seat(3), 3));
    assert_eq!(seats.desk().settings.invitation, Some(invitation("dd")));
    let own: Vec<_> = seats.all().map(|(_, desk)| desk.settings.agreed.clone()).collect();
    assert_eq!(own, [Some("aa".to_owned()), Some("bb".to_owned()), None]);
}

#[test]
fn a_federation_that_was_left_keeps_its_seat_until_it_is_erased() {
    let mut seats = two();
    seats.act(Command::Withdraw);
    // Its folder holds its terms: the trainer would refuse another federation there.
    seats.act(Command::Invite(invitation("cc")));
    assert_eq!(seats.at(), Seat(3));
    seats.act(Command::Sit(SECOND));
    let to_do = seats.act(Command::Erase { confirmed: "ERASE".to_owned() });
    assert!(matches!(to_do[..], [(SECOND, Effect::Erase)]));
    seats.apply(SECOND, News::Erased);
    let left: Vec<Seat> = seats.all().map(|(seat, _)| seat).collect();
    assert_eq!((left, seats.at()), (vec![Seat::FIRST, Seat(3)], Seat::FIRST));
    assert!(seats.apply(SECOND, News::Erased).is_empty(), "news of one that is gone");
    // The first keeps what is common to those that stay.
    let to_do = seats.apply(Seat::FIRST, News::Erased);
    assert!(
        matches!(&of(&to_do, Seat::FIRST)[..], [Effect::Save(first)] if first.agreed.is_none())
    );
    assert_eq!(seats.count(), 2);
}

#[test]
fn one_more_is_given_up_while_there_is_nothing_and_there_are_not_more_than_some() {
    let mut seats = two();
    seats.act(Command::JoinAnother);
    assert_eq!(seats.at(), Seat(3));
    seats.apply(Seat(3), News::KeyMissing);
    seats.act(Command::JoinAnother);
    assert_eq!(seats.count(), 3, "the empty one is taken");
    let to_do = seats.act(Command::GiveUpSeat);
    assert!(matches!(to_do[..], [(Seat(3), Effect::Erase)]));
    assert_eq!((seats.at(), seats.count()), (SECOND, 2));
    assert!(seats.act(Command::GiveUpSeat).is_empty(), "there is a key");
    for number in 3..40 {
        seats.act(Command::JoinAnother);
        seats.act(Command::Invite(invitation(&number.to_string())));
        if let Some(desk) = seats.desks.get_mut(&seats.at) {
            desk.settings.joined = true;
        }
    }
    assert_eq!((seats.count(), seats.has_room()), (Seat::MOST, false));
}

#[test]
fn a_seat_whose_key_could_not_be_read_is_not_given_up() {
    let mut seats = two();
    let reason = "too much is under way".to_owned();
    seats.apply(SECOND, News::Failed { what: crate::news::Failure::Key, reason });
    seats.act(Command::Sit(SECOND));
    assert_eq!(seats.at(), SECOND);
    assert!(seats.act(Command::GiveUpSeat).is_empty(), "its key is on the disk");
    assert_eq!(seats.count(), 2);
}

#[test]
fn federations_of_one_name_are_told_apart() {
    let (seats, _) = Seats::open(vec![
        (Seat::FIRST, joined("wine")),
        (SECOND, joined("wine")),
        (Seat(3), Settings::default()),
    ]);
    let names = [Seat::FIRST, SECOND, Seat(3)].map(|seat| seats.name(seat));
    assert_eq!(names, [Some("wine".to_owned()), Some("wine (2)".to_owned()), None]);
}
