use data_dao_ledger::Name;
use privacy_identity::{Digest, SigningKey};

use super::*;
use crate::Participation;

fn member(number: u8) -> VerifyingKey {
    SigningKey::from_seed(&[number; 32]).verifying_key()
}

/// Settles rounds of (value, innovation) of each member, paid by the rule, and returns the last explanations.
fn check(rounds: &[&[(i64, i64)]], budget: u128, expected: &[(Reason, Moved)]) -> Vec<Explanation> {
    let mut explainer = Explainer::new(20);
    let mut standings = vec![Standing::default(); expected.len()];
    let mut last = Vec::new();
    for (round, scalars) in (0..).zip(rounds) {
        for (standing, (value, innovation)) in standings.iter_mut().zip(*scalars) {
            *standing = std::mem::take(standing).after_round(*value, *innovation, 0);
        }
        let credits = pay::credits(&standings.iter().collect::<Vec<_>>(), 20, budget).unwrap();
        let participants =
            (0..).zip(*scalars).zip(credits).map(|((at, (value, innovation)), credits)| {
                let (value, innovation) = (*value, *innovation);
                Participation {
                    member: member(at),
                    value,
                    innovation,
                    contrast: None,
                    credits,
                    update: Digest([at; 32]),
                }
            });
        let settled = RoundSettled {
            federation: Name::new("wine").unwrap(),
            round,
            model_before: Digest([0; 32]),
            model_after: Digest([1; 32]),
            receipt: Digest([2; 32]),
            test_accuracy_ppm: None,
            test_loss_micro: 0,
            participants: participants.collect(),
            refused: Vec::new(),
            dropped: Vec::new(),
        };
        last = explainer.settle(&settled).into_iter().map(|(_, explanation)| explanation).collect();
    }
    let found: Vec<_> = last.iter().map(|e| (e.reason, e.moved)).collect();
    assert_eq!(found, expected, "{rounds:?}");
    last
}

#[test]
fn each_step_of_the_rule_has_a_reason_and_a_sentence() {
    use Moved::FirstRound;
    let scalars: &[(i64, i64)] = &[(300, 10), (-20, 9), (100, 1), (0, 0), (1, 10)];
    let explained = check(
        &[scalars],
        100,
        &[
            (Reason::Paid, FirstRound),
            (Reason::NotAboveZero, FirstRound),
            (Reason::NotNovel, FirstRound),
            (Reason::NoEffect, FirstRound),
            (Reason::BelowOneCredit, FirstRound),
        ],
    );
    let sentences: Vec<String> = explained.iter().map(|e| e.sentence(0.001)).collect();
    for (sentence, words) in sentences.iter().zip([
        &["Paid 100 credits", "took 0.3000 off", "99.7 %"][..],
        &["No credit", "added 0.0200 to the validation loss", "Later rounds"],
        &["public before", "11.1 %", "20.0 %"],
        &["changed nothing"],
        &["0.3 %", "less than one credit"],
    ]) {
        words.iter().for_each(|words| assert!(sentence.contains(words), "{words}: {sentence}"));
    }
}

#[test]
fn what_moved_a_contributor_is_named() {
    let (first, second) =
        (&[(100, 10), (100, 10), (100, 10)][..], &[(50, 1), (500, 10), (-50, 90)][..]);
    check(
        &[first, second],
        100,
        &[
            (Reason::Paid, Moved::Others),
            (Reason::Paid, Moved::OwnValue),
            (Reason::Paid, Moved::Others),
        ],
    );
    // The third was a replay and then trained; the first stopped to.
    let (first, second) =
        (&[(100, 90), (100, 100), (100, 1)][..], &[(9, 0), (9, 900), (9, 900)][..]);
    check(
        &[first, second],
        100,
        &[
            (Reason::NotNovel, Moved::Disqualified),
            (Reason::Paid, Moved::OwnValue),
            (Reason::Paid, Moved::Qualified),
        ],
    );
}

#[test]
fn copies_are_told_that_they_are_paid_as_one() {
    let round = &[(100, 10), (100, 10), (50, 10)][..];
    let explained = check(
        &[round; 4],
        100,
        &[
            (Reason::Paid, Moved::Grouped),
            (Reason::Paid, Moved::Grouped),
            (Reason::Paid, Moved::Others),
        ],
    );
    assert_eq!((explained[0].paid_as_one_of, explained[0].credits), (2, 34));
    assert!(explained[0].sentence(1.0).contains("paid as one"), "{}", explained[0].sentence(1.0));
    assert!((explained.iter().map(|e| e.share).sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn the_age_of_the_model_that_a_round_was_trained_from_is_told() {
    let mut explainer = Explainer::new(20);
    let model = |number| Digest([number; 32]);
    // The models after each round, and of which of them the round before it started.
    let rounds = [(0, 1, 0), (1, 2, 0), (0, 3, 2), (3, 4, 0), (2, 5, 2)];
    for (round, (before, after, age)) in (0..).zip(rounds) {
        let participation = Participation {
            member: member(1),
            value: 300,
            innovation: 10,
            contrast: None,
            credits: 100,
            update: model(after),
        };
        let settled = RoundSettled {
            federation: Name::new("wine").unwrap(),
            round,
            model_before: model(before),
            model_after: model(after),
            receipt: model(after),
            test_accuracy_ppm: None,
            test_loss_micro: 0,
            participants: vec![participation],
            refused: Vec::new(),
            dropped: Vec::new(),
        };
        let (_, explanation) = explainer.settle(&settled).remove(0);
        assert_eq!(explanation.staleness, age, "round {round}");
        let told = explanation.sentence(0.001);
        assert_eq!(told.contains("2 versions old, it counts less"), age == 2, "{told}");
    }
}
