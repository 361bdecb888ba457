//! Earnings, the ledger, privacy, votes.

use trainer_desktop::{
    Account, Checked, CoOperative, Delegation, Earned, Effect, Failure, News, Privacy, Proposal,
    Seen,
};

use crate::harness::{Tested, ready};

fn co_operative() -> CoOperative {
    let earned = |round, value, credits: &str| Earned {
        round,
        value,
        value_so_far: value,
        value_low: Some(value - 0.01),
        value_high: Some(value + 0.01),
        credits: credits.to_owned(),
        sentence: format!("Paid for round {round}, as it helped."),
        ledger_index: 40 + round,
    };
    let proposal = |id: &str, state: &str, own: Option<&str>| Proposal {
        id: id.to_owned(),
        title: format!("Proposal {id}"),
        state: state.to_owned(),
        voting_ends_ms: 1_700_000_000_000,
        tally: ["30", "10", "5"].map(str::to_owned),
        own: own.map(str::to_owned),
        touches_privacy: own.is_none(),
    };
    CoOperative {
        account: Account {
            credits: "120".to_owned(),
            credits_pending: "33".to_owned(),
            earnings: "12500".to_owned(),
            currency: Some("EUR".to_owned()),
        },
        rounds: vec![earned(0, 0.02, "60"), earned(1, 0.03, "93")],
        privacy: Privacy { spent_micro: Some(1_000_000), limit_micro: Some(4_000_000) },
        proposals: vec![proposal("p1", "active", None), proposal("p2", "executed", Some("for"))],
        delegations: Vec::new(),
        others: vec![("fe01".to_owned(), "Asha".to_owned())],
    }
}

/// A window on this screen, to which the co-operative has answered this.
fn told(screen: &str, said: CoOperative) -> Tested {
    let mut tested = ready();
    tested.click(screen);
    tested.tell(News::CoOperative(Box::new(said)));
    tested.effects();
    tested
}

#[test]
fn what_was_earned_is_checked_here_with_one_click() {
    let mut tested = told("Earnings", co_operative());
    tested.click("Check against the ledger");
    let effects = tested.effects();
    let [Effect::Check { claims, log_key: None, .. }] = &effects[..] else { panic!("one check") };
    let claimed: Vec<_> = claims.iter().map(|claim| (claim.index, &*claim.credits)).collect();
    assert_eq!(claimed, [(41, "93"), (40, "60")], "the newest first");
    assert!(claims.iter().all(|claim| claim.member == "ab12cd34ef56ab12"));
    let seen = Seen { log: "dao.example+a+b".to_owned(), size: 50, witnesses: Vec::new() };
    let reason = "entry 40 of the log does not say so".to_owned();
    let rounds = vec![(41, None), (40, Some(reason))];
    let checked = Checked { seen: seen.clone(), before: None, rounds };
    tested.tell(News::Checked(Box::new(checked.clone())));
    tested.assert_sees(&[
        "1 of 2 rounds are in the ledger as shown.",
        "Signed by the log dao.example, 50 entries.",
        "Seen here for the first time.",
        "No witness has cosigned",
        "In the ledger, checked here.",
        "Not proven: entry 40 of the log does not say so",
    ]);
    // The log's key is remembered from the first look on.
    assert!(matches!(&tested.effects()[..], [Effect::Save(settings)]
        if settings.log_key.as_deref() == Some("dao.example+a+b")));
    let seen = Seen { witnesses: vec!["asha".to_owned(), "ravi".to_owned()], ..seen };
    let checked = Checked { seen, before: Some(50), ..checked };
    tested.tell(News::Checked(Box::new(checked)));
    tested.assert_sees(&["continues the 50 entries", "Cosigned by 2: asha, ravi."]);
    let reason = "the log was rewritten: its first 50 entries are others".to_owned();
    tested.tell(News::Failed { what: Failure::Check, reason });
    tested.assert_sees(&["The ledger does not hold: the log was rewritten"]);
    assert!(!tested.sees("In the ledger, checked here."), "nothing is believed any more");
}

#[test]
fn at_its_limit_the_privacy_meter_says_that_it_is_a_hard_stop() {
    let with = |spent| {
        let privacy = Privacy { spent_micro: Some(spent), limit_micro: Some(4_000_000) };
        told("Earnings", CoOperative { privacy, ..co_operative() })
    };
    let (half, nearly, all) = (with(2_000_000), with(3_300_000), with(4_000_000));
    half.assert_sees(&["Privacy meter of wine", "ε 2.000 of 4.000"]);
    assert!(!half.sees("hard stop") && !half.sees("four fifths"));
    nearly.assert_sees(&["More than four fifths are spent."]);
    all.assert_sees(&["The limit is reached: a hard stop."]);
}

#[test]
fn a_vote_is_entrusted_and_taken_back() {
    let mut tested = told("Votes", co_operative());
    tested.click("Entrust");
    assert!(tested.effects().is_empty(), "to nobody");
    tested.click("Entrust it to");
    tested.click("Asha (fe01)");
    tested.click("Entrust");
    assert!(
        matches!(&tested.effects()[..], [Effect::Delegate { to: Some((key, 90)), .. }] if key == "fe01")
    );
    tested.tell(News::Delegated);
    tested.assert_sees(&["It was signed here and is in the ledger."]);
    let given = |delegator: &str, delegate: &str| Delegation {
        delegator: delegator.to_owned(),
        delegate: delegate.to_owned(),
        until_ms: 1_700_000_000_000,
        weight: "5".to_owned(),
    };
    let delegations = vec![given("ab12cd34ef56ab12", "fe01"), given("fe01", "ab12cd34ef56ab12")];
    let mut tested = told("Votes", CoOperative { delegations, ..co_operative() });
    tested
        .assert_sees(&["Asha votes with your weight until 2023-11-14", "You vote with 5 of Asha"]);
    tested.click("Take it back");
    assert!(matches!(tested.effects()[..], [Effect::Delegate { to: None, .. }]));
    let reason = "the delegation was not taken".to_owned();
    tested.tell(News::Failed { what: Failure::Delegation, reason });
    tested.assert_sees(&["The vote was not entrusted: the delegation was not taken"]);
}

#[test]
fn earnings_have_their_interval_and_reason_and_the_meter_its_meaning() {
    let mut tested = ready();
    tested.click("Earnings");
    tested.assert_sees(&["has not been asked yet"]);
    tested.type_into("Address of the co-operative", "https://wine.example");
    tested.click("Ask");
    let effects = tested.effects();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Ask { .. })));
    tested.tell(News::CoOperative(Box::new(co_operative())));
    tested.assert_sees(&[
        "120",
        "33",
        "1.2500 EUR",
        "ε 1.000 of 4.000",
        "At the limit no round starts",
        "Round 2: 93 credits",
        "Paid for round 1, as it helped.",
        "between +0.02000 and +0.04000",
        "Entry 41",
    ]);
    let reason = "https://wine.example does not answer".to_owned();
    tested.tell(News::Failed { what: Failure::CoOperative, reason });
    tested.assert_sees(&["The co-operative: https://wine.example does not answer"]);
}

#[test]
fn a_vote_is_cast_where_votes_are_taken() {
    let mut tested = ready();
    tested.click("Votes");
    tested.tell(News::CoOperative(Box::new(co_operative())));
    tested.assert_sees(&[
        "Proposal p1",
        "For 30, against 10",
        "touches what protects data",
        "Your vote: For",
    ]);
    tested.effects();
    tested.click("Against");
    assert!(matches!(&tested.effects()[..], [Effect::Vote { proposal, .. }] if proposal == "p1"));
    tested.tell(News::Voted { proposal: "p1".to_owned() });
    tested.assert_sees(&["Your vote was counted"]);
}
