//! Training, pauses, and what left.

use egui_kittest::kittest::Queryable as _;
use serde_json::json;
use trainer_conditions::{Condition, Pace, Reason};
use trainer_desktop::{CoOperative, Earned, Effect, Failure, News, Sealed, SentLine};

use crate::harness::{ready, running};

#[test]
fn training_shows_round_loss_speed_and_how_rounds_ended() {
    let mut tested = running();
    for event in [
        json!({"event": "ready", "samples": 100, "device": "CPU, 8 threads"}),
        json!({"event": "joined"}),
        json!({"event": "ordered", "round": 2}),
        json!({"event": "held_out", "round": 2, "accuracy": 0.775, "loss": 0.5, "rows": 40}),
        json!({"event": "training", "round": 2, "step": 5, "steps": 20, "examples": 160, "loss": 0.9, "at_ms": 1_000}),
        json!({"event": "training", "round": 2, "step": 10, "steps": 20, "examples": 320, "loss": 0.8, "at_ms": 2_000}),
    ] {
        tested.tell(News::Trainer(event));
    }
    tested.assert_sees(&["77.5 % of 40 rows that were kept from training"]);
    tested.assert_sees(&["3 of 15", "0.8000", "160 examples each second", "2 s", "CPU, 8 threads"]);
    for event in [
        json!({"event": "trained", "round": 2, "loss": 0.75, "seconds": 3.0, "steps": 20}),
        json!({"event": "counted", "round": 2, "value": 0.0125, "participants": 8}),
        json!({"event": "aborted", "round": 3, "reason": "too few contributors"}),
    ] {
        tested.tell(News::Trainer(event));
    }
    tested.assert_sees(&["counted: +0.01250 among 8", "given up: too few contributors"]);
    tested.click("Stop");
    assert!(matches!(tested.effects()[..], [Effect::Stop]));
    tested.tell(News::TrainerEnded { error: None });
    tested.assert_sees(&["Everything is ready.", "Not training"]);
}

#[test]
fn every_pause_has_one_reason_and_at_most_one_button() {
    let mut tested = running();
    let cases = [
        (Reason::Owner { left_ms: None }, "Paused by you", Some("Go on")),
        (Reason::Input { left_ms: 60_000 }, "while this computer is in use", Some("Train anyway")),
        (
            Reason::Battery { percent: Some(40), needed: None },
            "on battery (40 %)",
            Some("Train anyway"),
        ),
        (Reason::Heat { temperature: 95.0, until: 80.0 }, "hot: 95 °C", None),
        (Reason::Network, "paid for by volume", Some("Train anyway")),
    ];
    for (reason, sentence, button) in cases {
        tested.tell(News::Pace(Pace::Pause(reason)));
        tested.assert_sees(&[sentence]);
        for name in ["Go on", "Train anyway"] {
            let there = tested.harness.query_by_label(name).is_some();
            assert_eq!(there, button == Some(name), "{name} beside {sentence:?}");
        }
    }
    tested.click("Train anyway");
    assert!(matches!(tested.effects()[..], [Effect::Pace(trainer_conditions::Command::Anyway)]));
    tested.tell(News::Pace(Pace::Train));
    tested.click("Pause");
    assert!(matches!(
        tested.effects()[..],
        [Effect::Pace(trainer_conditions::Command::Pause { for_ms: None })]
    ));
    tested.tell(News::Unwatched(vec![Condition::Heat]));
    tested
        .assert_sees(&["Cannot be seen on this computer, and holds nothing back: the temperature"]);
}

#[test]
fn a_trainer_that_fails_says_why() {
    let mut tested = running();
    let error = Some("another contributor is running on the state directory".to_owned());
    tested.tell(News::TrainerEnded { error });
    tested.assert_sees(&["Training ended: another contributor is running"]);
    tested.click("Close");
    assert!(!tested.sees("Training ended:"));
}

#[test]
fn what_left_is_listed_and_exported() {
    let mut tested = ready();
    tested.click("What left");
    tested.assert_sees(&["Nothing has left this computer."]);
    let line = |sealed, round| SentLine {
        time_ms: 1_700_000_000_000,
        to: Some("12D3KooWfeedc0ff".to_owned()),
        kind: if sealed { "submit" } else { "fetch" }.to_owned(),
        bytes: 2_048,
        digest: "feedc0ffee123456".to_owned(),
        sealed,
        round,
    };
    let lines = vec![line(true, Some(4)), line(false, None)];
    tested.tell(News::Sent { lines, messages: 2, bytes: 4_096 });
    tested.assert_sees(&[
        "2 messages, 4.0 KiB",
        "2023-11-14 22:13:20",
        "submit",
        "sealed, round 5",
        "none in it",
        "feedc0ffee12",
    ]);
    tested.assert_sees(&["feedc0ff"]);
    tested.effects();
    tested.click("Export");
    assert!(
        matches!(&tested.effects()[..], [Effect::Export(path)] if path.ends_with("sent.jsonl"))
    );
    let reason = "writing sent.jsonl: File exists".to_owned();
    tested.tell(News::Failed { what: Failure::Sent, reason });
    tested.assert_sees(&["What left: writing sent.jsonl: File exists"]);
}

#[test]
fn a_sealed_message_is_looked_at_byte_for_byte_and_told_with_its_entry_of_the_ledger() {
    let mut tested = ready();
    tested.click("What left");
    let line = |round, digest: &str| SentLine {
        time_ms: 1_700_000_000_000,
        to: None,
        kind: "submit".to_owned(),
        bytes: 1_000,
        digest: digest.to_owned(),
        sealed: true,
        round: Some(round),
    };
    // One of which the ledger has settled the round, and one of which it has not.
    let lines = vec![line(1, "ab01"), line(7, "ab07")];
    tested.tell(News::Sent { lines, messages: 2, bytes: 2_000 });
    assert!(!tested.sees("4711"));
    let earned = Earned {
        round: 1,
        value: 0.1,
        value_so_far: 0.1,
        value_low: None,
        value_high: None,
        credits: "5".to_owned(),
        sentence: String::new(),
        ledger_index: 4_711,
    };
    let said = CoOperative { rounds: vec![earned], ..CoOperative::default() };
    tested.tell(News::CoOperative(Box::new(said)));
    tested.assert_sees(&["4711"]);
    assert_eq!(tested.desk().ledger_index(7), None);

    tested.effects();
    tested.click_first("Bytes");
    let effects = tested.effects();
    assert_eq!(effects.len(), 1);
    assert!(matches!(&effects[..], [Effect::ReadSealed(digest)] if digest == "ab01"));
    let (begin, end) = ("0a".repeat(256), "f0".repeat(256));
    let sealed = Sealed { digest: "ab01".to_owned(), bytes: 1_000, begin, end };
    tested.tell(News::Sealed(Box::new(sealed)));
    tested.assert_sees(&["You cannot read them", "1000 B", "… 488 more bytes …", "000002e8  f0f0"]);
    tested.click("Write the bytes");
    assert!(matches!(&tested.effects()[..], [Effect::ExportSealed(digest, path)]
        if digest == "ab01" && path.ends_with("sealed-message.bin")));
    let reason = "no copy of the message ab01 is kept: only the newest sealed ones are".to_owned();
    tested.tell(News::Failed { what: Failure::Sent, reason });
    tested.assert_sees(&["What left: no copy of the message ab01 is kept"]);
    tested.click("Close the bytes");
    assert!(!tested.sees("You cannot read them"));
}
