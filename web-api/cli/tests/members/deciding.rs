//! Proposals, ballots, delegates and the guardian, at the command line.

use std::fs;

use serde_json::{Value, json};

use crate::assembly::{Assembly, done};

/// A proposal by `key` to set the credits of a round, and its id.
fn proposed(assembly: &Assembly<'_>, key: &str, title: &str, budget: &str) -> String {
    let action = format!("wine={budget}");
    let words = ["proposal", "new", "--title", title, "--description", "Why.", "--key", key];
    let made = assembly.asked(&[&words[..], &["--set-budget", &action]].concat());
    let id = made["id"].as_str().unwrap().to_owned();
    let shown = assembly.get(&format!("/v1/proposals/{id}"));
    assert_eq!((&shown["state"], &shown["content"]["title"]), (&json!("pending"), &json!(title)));
    id
}

/// For, against and abstaining, as REST has it.
fn tally(assembly: &Assembly<'_>, proposal: &str) -> [u128; 3] {
    let shown = assembly.get(&format!("/v1/proposals/{proposal}"));
    ["for", "against", "abstain"]
        .map(|side| shown["tally"][side].as_str().unwrap().parse().unwrap())
}

/// The arguments of a vote.
fn vote<'a>(proposal: &'a str, what: &[&'a str], key: &'a str) -> Vec<&'a str> {
    [&["vote", "--proposal", proposal, "--key", key][..], what].concat()
}

/// Who votes for whom, as REST has it.
fn delegations(assembly: &Assembly<'_>) -> Value {
    assembly.get("/v1/delegations")["delegations"].take()
}

/// The middle voter entrusts its vote to the one with the fewest, takes it back in one proposal, and altogether at the end.
pub(crate) fn a_delegate_votes_and_is_overridden(assembly: &Assembly<'_>) {
    let [delegate, delegator, third] = &assembly.voters[..3] else { panic!("three voters") };
    let list = ["delegate", "--list"];
    let entrust = |to: &str, days: &str| {
        let words = ["delegate", "--to", to, "--days", days, "--key", &delegator.file];
        words.map(str::to_owned).to_vec()
    };
    let refused = |arguments: Vec<String>, words: &[&str]| {
        assembly.refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), words);
    };
    refused(entrust(&delegator.key, "30"), &["the delegation was not taken", "to itself"]);
    refused(entrust(&delegate.key, "400"), &["the delegation was not taken", "is outside of"]);
    let arguments = entrust(&delegate.key, "30");
    let made = assembly.asked(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(made["delegations"][0]["delegate"], delegate.key.as_str());
    assert_eq!(delegations(assembly)[0]["delegator"], delegator.key.as_str());
    assert!(done(&assembly.sahakar(&list)).contains(&delegate.key[..8]));

    let id = proposed(assembly, &delegate.file, "Smaller rounds", "5000");
    let early = vote(&id, &["--choice", "for"], &delegate.file);
    assembly.refused(&early, &["the vote was not counted", "Pending"]);
    let listed = done(&assembly.sahakar(&["proposal", "list"]));
    assert!(listed.contains(&id) && listed.contains("Smaller rounds"), "{listed}");
    withdrawn(assembly);
    assembly.pass_hours(2);
    assert!(done(&assembly.sahakar(&["proposal", "show", &id])).contains("active"));

    let receipt = assembly.file("receipt.json");
    let with_receipt = ["--choice", "for", "--receipt", &receipt];
    done(&assembly.sahakar(&vote(&id, &with_receipt, &delegate.file)));
    assert_eq!(tally(assembly, &id), [delegate.weight + delegator.weight, 0, 0]);
    let checked = done(&assembly.sahakar(&["receipt", "ballot", &receipt]));
    assert!(checked.contains(&delegate.key), "{checked}");
    let own = vote(&id, &["--choice", "against"], &delegator.file);
    assembly.refused(&own, &["the vote was not counted"]);
    done(&assembly.sahakar(&[&own[..], &["--override"]].concat()));
    assert_eq!(tally(assembly, &id), [delegate.weight, delegator.weight, 0]);
    let again = [&own[..], &["--override"]].concat();
    assembly.refused(&again, &["the vote was not counted", "has voted already"]);

    split(assembly, &id, (third.weight, &third.file));
    ballots_that_do_not_count(assembly, &id);
    let before = tally(assembly, &id);
    assembly.pass_hours(11);
    let late = vote(&id, &["--choice", "for"], &assembly.founder.file);
    assembly.refused(&late, &["the vote was not counted"]);
    assert_eq!(tally(assembly, &id), before);
    assembly.pass_hours(2);
    assembly.until(&id, "executed");
    assert_eq!(assembly.get("/v1/federations/wine")["round_budget"], "5000");
    let after = vote(&id, &["--choice", "for"], &third.file);
    assembly.refused(&after, &["the vote was not counted", "Executed"]);

    let revoked = assembly.asked(&["delegate", "--revoke", "--key", &delegator.file]);
    assert_eq!((&revoked["delegations"], delegations(assembly)), (&json!([]), json!([])));
}

/// A proposal that its proposer takes back, and nobody else.
fn withdrawn(assembly: &Assembly<'_>) {
    let [first, second, ..] = &assembly.voters[..] else { panic!("voters") };
    let id = proposed(assembly, &first.file, "Never mind", "6000");
    let by_other = ["proposal", "cancel", &id, "--key", &second.file];
    assembly.refused(&by_other, &["the proposal was not withdrawn", "is not the proposer"]);
    let canceled = assembly.asked(&["proposal", "cancel", &id, "--key", &first.file]);
    assert_eq!(canceled["state"], "canceled");
    assert_eq!(assembly.get(&format!("/v1/proposals/{id}"))["state"], "canceled");
    let again = ["proposal", "cancel", &id, "--key", &first.file];
    assembly.refused(&again, &["the proposal was not withdrawn", "Canceled"]);
}

/// A ballot of which a part is for and a part against; before it, those that spend too much or come too late.
fn split(assembly: &Assembly<'_>, id: &str, (weight, key): (u128, &str)) {
    let [in_favour, against, abstain] = tally(assembly, id);
    let parts =
        |against: u128, in_favour: u128, abstain: u128| format!("{against},{in_favour},{abstain}");
    let too_much = parts(1, weight, 0);
    let too_much = vote(id, &["--split", &too_much], key);
    assembly.refused(&too_much, &["the vote was not counted", "weight left, the ballot spends"]);
    let good = parts(1, weight - 3, 2);
    let good = vote(id, &["--split", &good], key);
    assembly.refused_late(&good, &["the vote was not counted", "expired at", "sign it again"]);
    assert_eq!(tally(assembly, id), [in_favour, against, abstain]);
    done(&assembly.sahakar(&good));
    assert_eq!(tally(assembly, id), [in_favour + weight - 3, against + 1, abstain + 2]);
    assembly.refused(&good, &["the vote was not counted"]);
    let badly = assembly.sahakar(&vote(id, &["--split", "1,2"], key));
    let error = String::from_utf8_lossy(&badly.stderr);
    assert!(badly.status.code() == Some(2) && error.contains("three numbers"), "{error}");
}

/// Of nobody, of a member without votes, for a proposal that is none.
fn ballots_that_do_not_count(assembly: &Assembly<'_>, id: &str) {
    let stranger = assembly.new_key("stranger.key");
    let choice = ["--choice", "for"];
    let words = ["the vote was not counted", "has no vote in this proposal"];
    assembly.refused(&vote(id, &choice, &stranger.file), &words);
    assembly.refused(&vote(id, &choice, &assembly.founder.file), &words);
    let unknown = "0".repeat(64);
    let voter = &assembly.voters[0].file;
    assembly.refused(&vote(&unknown, &choice, voter), &["the vote was not counted", "no proposal"]);
    assembly.refused(&["proposal", "show", &unknown], &["cannot be shown", "no proposal"]);
    let cancel = ["proposal", "cancel", &unknown, "--key", voter];
    assembly.refused(&cancel, &["the proposal was not withdrawn", "no proposal"]);
    let missing = assembly.file("missing.key");
    assembly.refused(&vote(id, &choice, &missing), &["missing.key"]);
    let entrust = ["delegate", "--to", &assembly.voters[0].key, "--key", &stranger.file];
    assembly.refused(&entrust, &["the delegation was not taken"]);
}

/// Files and flags that say what no member can decide.
pub(crate) fn a_proposal_that_cannot_be_is_refused(assembly: &Assembly<'_>) {
    let (key, draft) = (&assembly.voters[0].file, assembly.file("draft.json"));
    let words = ["proposal", "new", "--title", "Draft", "--description", "Why.", "--key", key];
    done(&assembly.sahakar(&[&words[..], &["--draft", &draft]].concat()));
    let good: Value = serde_json::from_slice(&fs::read(&draft).unwrap()).unwrap();
    let from = ["proposal", "new", "--from", &draft, "--key", key];
    let refused = |actions: Value, expected: &[&str]| {
        let mut bad = good.clone();
        bad["content"]["actions"] = actions;
        fs::write(&draft, bad.to_string()).unwrap();
        assembly.refused(&from, expected);
    };
    refused(json!([{"mint_money": {"amount": "1"}}]), &["is no draft", "mint_money"]);
    refused(json!([{"stop_federation": {}}]), &["is no draft", "federation"]);
    refused(json!([]), &["the proposal cannot stand"]);
    let unknown = json!([{"stop_federation": {"federation": "beer'; DROP TABLE entries; --"}}]);
    refused(unknown, &["the proposal was not made"]);
    fs::write(&draft, "{").unwrap();
    assembly.refused(&from, &["is no draft"]);
    fs::write(&draft, good.to_string()).unwrap();
    let by_other = ["proposal", "new", "--from", &draft, "--key", &assembly.voters[1].file];
    assembly.refused(&by_other, &["the draft is of"]);
    let poor = ["proposal", "new", "--title", "Mine", "--description", "Why.", "--key"];
    let founder: &[&str] = &[&assembly.founder.file];
    assembly.refused(&[&poor[..], founder].concat(), &["the proposal was not made", "weight"]);
    let typed = assembly.sahakar(&[&words[..], &["--action", r#"{"mint_money":{}}"#]].concat());
    let error = String::from_utf8_lossy(&typed.stderr);
    assert!(typed.status.code() == Some(2) && error.contains("mint_money"), "{error}");
    let made = assembly.asked(&from);
    assert_eq!(made["content"]["title"], "Draft");
}

/// Whoever was asked to be guardian accepts, and stops what is queued; nobody else can.
pub(crate) fn the_guardian_stops_a_proposal(assembly: &Assembly<'_>) {
    let (voter, guardian) = (&assembly.voters[1].file, &assembly.guardian);
    let office = |key: &str| ["member", "accept-guardian", "--key", key].map(str::to_owned);
    assert_eq!(assembly.get("/v1/governance")["nominated_guardian"], guardian.key.as_str());
    let by_other = office(voter);
    let by_other = by_other.each_ref().map(String::as_str);
    assembly.refused(&by_other, &["the office was not taken", "is not nominated"]);
    let id = proposed(assembly, voter, "Rounds for nobody", "7000");
    assembly.pass_hours(2);
    for of in &assembly.voters {
        done(&assembly.sahakar(&vote(&id, &["--choice", "for"], &of.file)));
    }
    assembly.pass_hours(10);
    assert_eq!(assembly.until(&id, "queued")["tally"]["against"], "0");
    let veto = |key: &str| {
        let words = ["proposal", "veto", &id, "--reason", "It was bought.", "--key", key];
        words.map(str::to_owned)
    };
    let stop = veto(&guardian.file);
    let stop = stop.each_ref().map(String::as_str);
    assembly.refused(&stop, &["the proposal was not stopped", "is not the guardian in office"]);
    let accepted = office(&guardian.file);
    done(&assembly.sahakar(&accepted.each_ref().map(String::as_str)));
    assert_eq!(assembly.get("/v1/governance")["guardian"]["guardian"], guardian.key.as_str());
    let by_member = veto(voter);
    let by_member = by_member.each_ref().map(String::as_str);
    assembly.refused(&by_member, &["the proposal was not stopped", "is not the guardian"]);
    let stopped = done(&assembly.sahakar(&stop));
    assert!(stopped.contains("stopped by the guardian: It was bought."), "{stopped}");
    assembly.refused(&stop, &["the proposal was not stopped", "Vetoed"]);
    assembly.pass_hours(5);
    let shown = assembly.get(&format!("/v1/proposals/{id}"));
    assert_eq!(
        (&shown["state"], &shown["veto_reason"]),
        (&json!("vetoed"), &json!("It was bought."))
    );
    assert_eq!(assembly.get("/v1/federations/wine")["round_budget"], "5000");
}
