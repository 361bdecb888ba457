//! Quorums.

use data_dao_log::{Checkpoint, LogKey, Policy, PolicyError, WitnessKey};

use crate::world::{ORIGIN, cosigned, head, key, signed, tree, verifier, witness_key};

/// The policy of the specification: two of three X, and any of three Y.
fn example() -> String {
    let mut text = format!("# two organisations\n\nlog {}\n", verifier());
    for (name, number) in [("X1", 1), ("X2", 2), ("X3", 3), ("Y1", 4), ("Y2", 5), ("Y3", 6)] {
        text += &format!("witness {name} {}\n", witness_key(number).verifier());
    }
    text + "group X-witnesses 2 X1 X2 X3\n\
            group Y-witnesses any Y1 Y2 Y3\n\
            \tgroup X-and-Y all X-witnesses  Y-witnesses \n\
            quorum X-and-Y\n"
}

fn holds(policy: &str, witnesses: &[u8]) -> bool {
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    match policy.check(&cosigned(&tree(0), 9, witnesses), None) {
        Ok(witnessed) => {
            assert_eq!(witnessed.cosignatures.len(), witnesses.iter().filter(|w| **w <= 6).count());
            true
        }
        Err(PolicyError::NoQuorumReached { .. }) => false,
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn the_quorum_of_the_specifications_example() {
    for (witnesses, expected) in [
        (&[][..], false),
        (&[1, 2], false),
        (&[4, 5, 6], false),
        (&[1, 4], false),
        (&[1, 2, 4], true),
        (&[3, 2, 6], true),
        (&[1, 2, 3, 4, 5, 6], true),
        // Somebody whom the policy does not name.
        (&[1, 4, 7, 8], false),
    ] {
        assert_eq!(holds(&example(), witnesses), expected, "{witnesses:?}");
    }
}

#[test]
fn one_witness_or_none() {
    let one = format!(
        "log {}\nwitness W {} https://w.example\nquorum W\n",
        verifier(),
        witness_key(1).verifier()
    );
    assert!(holds(&one, &[1]) && !holds(&one, &[2]));
    let policy = Policy::parse(one.as_bytes()).unwrap();
    assert_eq!(policy.witnesses().next().unwrap().1, Some("https://w.example"));
    let none = format!("log {}\nquorum none", verifier());
    assert!(holds(&none, &[]) && Policy::parse(none.as_bytes()).unwrap().is_without_witnesses());
}

#[test]
fn the_log_has_to_be_one_of_the_policys_and_the_one_that_is_known() {
    let policy = Policy::parse(example().as_bytes()).unwrap();
    let stranger = LogKey::new(ORIGIN, &key(2)).unwrap();
    let by_stranger = Checkpoint::parse(&stranger.sign(&head(&tree(0), 9))).unwrap();
    assert!(matches!(policy.check(&by_stranger, None), Err(PolicyError::Checkpoint(_))));
    let full = cosigned(&tree(0), 9, &[1, 2, 4]);
    assert!(policy.check(&full, Some(&verifier())).is_ok());
    let other = policy.check(&full, Some(stranger.verifier()));
    assert!(matches!(other, Err(PolicyError::UnknownLog { .. })), "{other:?}");
    let elsewhere = LogKey::new("other.example", &key(1)).unwrap();
    let elsewhere = Checkpoint::parse(&elsewhere.sign(&head(&tree(0), 9))).unwrap();
    assert!(matches!(policy.check(&elsewhere, None), Err(PolicyError::UnknownLog { .. })));
    let no_logs = Policy::parse(b"quorum none\n").unwrap();
    assert!(no_logs.check(&signed(&tree(0), 9), Some(&verifier())).is_ok());
    assert!(no_logs.check(&signed(&tree(0), 9), None).is_err());
}

#[test]
fn a_false_cosignature_spoils_the_checkpoint() {
    let policy = Policy::parse(example().as_bytes()).unwrap();
    let full = cosigned(&tree(0), 9, &[1, 2, 4]);
    let of_another = cosigned(&tree(0), 8, &[5]);
    let spoiled = full.with_lines(of_another.as_str().lines().last().unwrap()).unwrap();
    assert!(matches!(policy.check(&spoiled, None), Err(PolicyError::Checkpoint(_))));
}

#[test]
fn lines_that_mean_nothing_are_refused_with_their_number() {
    let (log, w1, w2) = (verifier(), witness_key(1), witness_key(2));
    let (w1, w2) = (w1.verifier(), w2.verifier());
    for (text, line) in [
        (format!("log {log}\nlog {log}\nquorum none\n"), 2),
        (format!("witness A {w1}\nwitness B {w1}\nquorum none\n"), 2),
        (format!("witness A {w1}\nwitness A {w2}\nquorum A\n"), 2),
        (format!("witness none {w1}\nquorum none\n"), 1),
        (format!("witness A {log}\nquorum A\n"), 1),
        (format!("log {w1}\nquorum none\n"), 1),
        (format!("witness A {w1}\ngroup G 0 A\nquorum G\n"), 2),
        (format!("witness A {w1}\ngroup G 2 A\nquorum G\n"), 2),
        (format!("witness A {w1}\ngroup G any\nquorum G\n"), 2),
        (format!("witness A {w1}\ngroup G most A\nquorum G\n"), 2),
        (format!("witness A {w1}\ngroup G any A A\nquorum G\n"), 2),
        (format!("witness A {w1}\ngroup G any A\ngroup H any A\nquorum G\n"), 3),
        (format!("witness A {w1}\ngroup G any A none\nquorum G\n"), 2),
        (format!("group G any A\nwitness A {w1}\nquorum G\n"), 1),
        ("group G any G\nquorum G\n".to_owned(), 1),
        ("quorum A\n".to_owned(), 1),
        ("quorum none\nquorum none\n".to_owned(), 2),
        ("quorum none extra\n".to_owned(), 1),
        ("quorum none\r\n".to_owned(), 1),
        ("fnord\n".to_owned(), 1),
    ] {
        let refused = Policy::parse(text.as_bytes()).unwrap_err();
        assert!(
            matches!(refused, PolicyError::Line { line: got, .. } if got == line),
            "{text}: {refused:?}"
        );
    }
    assert_eq!(Policy::parse(b""), Err(PolicyError::NoQuorum));
    assert!(matches!(Policy::parse(&vec![b'\n'; 1 << 20]), Err(PolicyError::TooLong { .. })));
    // Names are bytes, not text.
    let opaque = [
        b"witness \xE2\x84\xAA ".as_slice(),
        w1.to_string().as_bytes(),
        b"\nquorum \xE2\x84\xAA\n",
    ]
    .concat();
    assert!(Policy::parse(&opaque).is_ok());
}

#[test]
fn a_quorum_of_named_witnesses_counts_each_key_once_and_no_log_as_a_witness() {
    let named = |numbers: &[u8], quorum| {
        let witnesses = numbers.iter().map(|number| witness_key(*number).verifier().clone());
        Policy::of_quorum(verifier(), witnesses, quorum)
    };
    let checkpoint = cosigned(&tree(0), 9, &[1, 2]);
    let holds = |policy: &Policy| policy.check(&checkpoint, Some(&verifier())).is_ok();
    assert!(holds(&named(&[1, 2, 3], 2)) && !holds(&named(&[1, 2, 3], 3)));
    assert!(!holds(&named(&[3], 1)) && holds(&named(&[], 0)));
    assert!(!holds(&named(&[1, 1], 2)), "one witness, named twice");
    let alias = WitnessKey::new("alias.example", &key(101)).unwrap().verifier().clone();
    let twice = Policy::of_quorum(verifier(), [witness_key(1).verifier().clone(), alias], 2);
    assert!(!holds(&twice), "one key under two names");
    assert!(!holds(&Policy::of_quorum(verifier(), [verifier()], 1)), "its own signature");
    let other = LogKey::new(ORIGIN, &key(2)).unwrap().verifier().clone();
    assert!(!holds(&Policy::of_quorum(other, [witness_key(1).verifier().clone()], 1)));
}
