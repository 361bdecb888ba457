use super::{super::report::tests::sample, *};

fn check_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
}

#[test]
fn every_part_of_the_report_is_there() {
    let text = render(&sample(), false);
    check_contains(
        &text,
        &[
            "8 wineries trained one model in 15 rounds",
            "● together, sealed",
            "winery-2",
            "inverted-labels",
            "3 846 000",
            "+58.4",
            "+46.4 … +70.4",
            "1 977 bytes per round: 1.10 × the plain f32 vector:",
            "26 bits per parameter + 514 bytes of keys and signatures",
            "value without credits",
            "winery-2, no credits: value not above 0",
            "winery-8, no credits: nothing new",
            "each alone sees noise",
            "ε so far: ∞ (no noise is added)",
            "wine-quality v1 says “good” at 81.3 % (it is) for 0.0250 EUR",
            "treasury 0.0025 · winery-1 0.0058",
            "✓ receipt abababababab…",
            "81.6 % for, 18.4 % against, 0.0 % abstained",
            "✓ executed: a prediction now costs 0.0300 EUR",
            "✓ 57 entries",
            "sahakar audit DIR",
        ],
    );
}

#[test]
fn without_colour_there_is_no_escape_sequence_and_with_it_the_text_is_the_same() {
    let (plain, coloured) = (render(&sample(), false), render(&sample(), true));
    assert!(!plain.contains('\u{1b}'));
    assert!(coloured.contains('\u{1b}'));
    let mut stripped = String::new();
    let mut escape = false;
    for character in coloured.chars() {
        escape |= character == '\u{1b}';
        if !escape {
            stripped.push(character);
        }
        escape &= character != 'm';
    }
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&stripped), words(&plain));
}

#[test]
fn no_line_is_wider_than_the_report() {
    let mut report = sample();
    report.vote.title = "a very long title ".repeat(20);
    report.contributors[0].label = "x".repeat(300);
    report.sale.lines = vec![report.sale.lines[0].clone(); 40];
    for colour in [false, true] {
        for line in render(&report, colour).lines() {
            assert!(columns(line) <= WIDTH_MAX, "{} columns: {line}", columns(line));
        }
    }
}

#[test]
fn what_went_wrong_is_said() {
    let mut report = sample();
    report.ledger.audit = "entry 3: lines differ".to_owned();
    report.sale.inclusion_verified = false;
    report.vote.executed = false;
    report.vote.state = "defeated".to_owned();
    let text = render(&report, false);
    check_contains(&text, &["✗ 57 entries: the audit failed: entry 3", "✗ receipt", "✗ defeated"]);
}

#[test]
fn a_demonstration_of_no_or_one_round_is_rendered_too() {
    let mut report = sample();
    report.rounds.truncate(1);
    report.central.truncate(1);
    check_contains(&render(&report, false), &["in 1 rounds"]);
    report.rounds.clear();
    report.central.clear();
    check_contains(&render(&report, false), &["no round settled"]);
}

#[test]
fn long_runs_are_thinned_out() {
    let mut report = sample();
    report.rounds = (0..200)
        .map(|round| {
            let mut row = report.rounds[14].clone();
            row.round = round;
            row
        })
        .collect();
    let text = render(&report, false);
    assert!(text.lines().all(|line| columns(line) <= WIDTH_MAX));
    check_contains(&text, &["200"]);
}

#[test]
fn numbers_are_grouped_by_thousands() {
    let check = |number, expected: &str| assert_eq!(grouped(number), expected);
    check(0, "0");
    check(999, "999");
    check(1_000, "1 000");
    check(1_234_567, "1 234 567");
    assert_eq!(money(250, "EUR"), "0.0250 EUR");
    assert_eq!(money(12_345_678, ""), "1 234.5678");
}
